"""Questions to a cluster's API server, with the credentials of its kubeconfig.

The client is imported with the first query: a stack whose clusters do not exist yet, or a unit
test, saves half a second.
"""

import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from kube.credentials import CredentialsError as CredentialsError
from kube.credentials import Login
from kube.credentials import UnansweredError as UnansweredError

_SECONDS = 5
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True)
class ClusterApi:
    """One API server, asked as the user of the kubeconfig."""

    _login: Login

    @classmethod
    @contextmanager
    def connect(cls, kubeconfig: str) -> Generator[Self]:
        """Connect with a kubeconfig of one context, given as its content.

        Raises:
            CredentialsError: the kubeconfig cannot be used.
        """
        login = Login(kubeconfig)
        try:
            yield cls(login)
        finally:
            login.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON at a path, e.g. `/api/v1/nodes`.

        Raises:
            UnansweredError: the server is not there, or refuses.
        """
        return self._ask("GET", path, query, None)

    def metadata(self, path: str) -> Any:
        """Metadata of the object at a path, without its content; None if there is none.

        Raises:
            UnansweredError: the server is not there, or refuses.
        """
        try:
            return self._ask("GET", path, {}, None, _METADATA)["metadata"]
        except UnansweredError as error:
            if error.status == 404:
                return None
            raise

    def metadata_list(self, path: str, **query: str) -> list[Any]:
        """Metadata of all objects at a path, without their content.

        Raises:
            UnansweredError: the server is not there, or refuses.
        """
        # The API server writes null for an empty list of metadata.
        found = self._ask("GET", path, query, None, _METADATA_LIST)["items"] or ()
        return [x["metadata"] for x in found]

    def is_allowed(self, **attributes: str) -> bool:
        """Whether the user may do this: `verb`, `resource`, and what else a SelfSubjectAccessReview
        takes as `resourceAttributes`. External authorizers answer it too.

        Raises:
            UnansweredError: the server is not there, or refuses.
        """
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to an object that is sent.

        Raises:
            UnansweredError: the server is not there, or refuses.
        """
        return self._ask("POST", path, {}, body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Delete the object at a path; `body` as DeleteOptions.

        Raises:
            UnansweredError: the server is not there, or refuses.
        """
        self._ask("DELETE", path, {}, body)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        accept: str = "application/json",
    ) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        client, headers = self._login.client, self._login.headers()
        headers.update({"Accept": accept, "Content-Type": "application/json"})
        address = f"{client.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = client.call_api(method, address, headers, body, _request_timeout=_SECONDS)
            data = answer.read()
        except ApiException as error:
            # 0 of TLS that was not agreed on: the kubeconfig's CA is not the server's, say.
            reason = ": ".join(str(error.reason).splitlines())
            raise UnansweredError(error.status or None, reason) from None
        except (HTTPError, OSError) as error:
            raise UnansweredError(None, connection_failure(error)) from None
        if answer.status >= 400:
            raise UnansweredError(answer.status, _message(data) or str(answer.reason))
        try:
            return json.loads(data)
        except ValueError:
            raise UnansweredError(answer.status, "the response is not JSON") from None


def connection_failure(error: Exception) -> str:
    """Why a connection failed, without the client's objects or a URL's password in the text."""
    said = re.sub(r"^<[^>]*>: ", "", str(error.args[-1] if error.args else error))
    return re.sub(r"://[^/@\s]*@", "://", said)


def _message(data: bytes) -> str:
    """What a server says of its refusal, where that is a Status of Kubernetes."""
    try:
        said = json.loads(data)
    except ValueError:
        return ""
    return str(said.get("message", "")) if isinstance(said, dict) else ""
