"""Questions to a cluster's API server, with the credentials of its kubeconfig.

The client is imported when the first question is asked: half a second that a stack whose clusters
do not exist yet, or a unit test, need not spend.
"""

import json
import re
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import yaml

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_SECONDS = 5
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_LOADING = threading.Lock()


class UnansweredError(Exception):
    """The API server gave no answer to a question, or a refusal."""

    def __init__(self, status: int | None, reason: str) -> None:
        super().__init__(reason if status is None else f"{status} {reason}")
        self.status = status
        """HTTP status; None where nothing came back."""


@dataclass(frozen=True)
class ClusterApi:
    """One API server, asked as the user of the kubeconfig."""

    _client: "ApiClient"

    @classmethod
    @contextmanager
    def connect(cls, kubeconfig: str) -> Generator[Self]:
        """Connect with a kubeconfig of one context, given as its content."""
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import load_kube_config_from_dict

        configuration = Configuration()
        configuration.retries = False  # before the client is made, which copies it to its pool
        # One at a time: the client writes certificates to files that all kubeconfigs share, and
        # takes a file for written that another thread has only just made.
        with _LOADING:
            load_kube_config_from_dict(
                yaml.safe_load(kubeconfig), client_configuration=configuration, persist_config=False
            )
        client = ApiClient(configuration)
        try:
            yield cls(client)
        finally:
            client.close()

    @property
    def token(self) -> str | None:
        """The header with the user's token, if the user has one."""
        # Asked for each time: a token of an exec plugin may have ended.
        return self._client.configuration.get_api_key_with_prefix("BearerToken", "authorization")

    @property
    def is_stranger(self) -> bool:
        """Whether the kubeconfig gave no credentials, as where its plugin is not there."""
        return self.token is None and self._client.configuration.cert_file is None

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

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to an object that is sent, e.g. a SelfSubjectAccessReview.

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

        configuration = self._client.configuration
        address = f"{configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = self.token
        try:
            answer = self._client.call_api(
                method, address, headers, body, _request_timeout=_SECONDS
            )
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
            raise UnansweredError(answer.status, "what came back is not JSON") from None


def connection_failure(error: Exception) -> str:
    """Why a connection failed, without the client's objects in the text."""
    return re.sub(r"^<[^>]*>: ", "", str(error.args[-1] if error.args else error))


def _message(data: bytes) -> str:
    """What a server says of its refusal, where that is a Status of Kubernetes."""
    try:
        said = json.loads(data)
    except ValueError:
        return ""
    return str(said.get("message", "")) if isinstance(said, dict) else ""
