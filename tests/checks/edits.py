"""Changes to the objects of a cluster that undo themselves."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from kubernetes.client import ApiClient, ApiException

from lab.live import until

_SERVERS_OWN = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields")


@dataclass(frozen=True)
class Edits:
    """One cluster's API. Paths are those of the API: `/api/v1/namespaces/sample`."""

    api: ApiClient

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def find(self, path: str) -> Any | None:
        """The object, or None where there is none."""
        return self._if_there("GET", path)

    def patch(self, path: str, change: Mapping[str, Any]) -> Any:
        """Apply a JSON merge patch: None removes, lists are replaced."""
        return self._ask("PATCH", path, change, "application/merge-patch+json")

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a query, or the object that was created."""
        return self._ask("POST", path, body)

    def create(self, path: str, made: Mapping[str, Any]) -> None:
        """Put an object into the collection of its kind, or in the place of what is there."""
        collection = path.rpartition("/")[0]
        self.delete(path)
        self.post(collection, made)

    def delete(self, path: str, grace: int | None = None) -> None:
        """Delete the object, if it exists, and wait until it is deleted.

        Args:
            grace: seconds that a pod is given to end; its own setting if left out.
        """
        self.remove(path if grace is None else f"{path}?gracePeriodSeconds={grace}")
        until(f"{path} gone", lambda: self.find(path) is None)

    def remove(self, path: str) -> None:
        """Request the deletion of the object, if it exists, and do not wait."""
        self._if_there("DELETE", path)

    @contextmanager
    def changed(self, path: str, change: Mapping[str, Any]) -> Generator[None]:
        """Have the object patched, and then as it was."""
        before = self.get(path)
        self.patch(path, change)
        try:
            yield
        finally:
            self.patch(path, _inverse(before, change))

    @contextmanager
    def without(self, path: str) -> Generator[None]:
        """Delete the object, and create another one of the same content."""
        before = self.get(path)
        self.delete(path)
        try:
            yield
        finally:
            self.create(path, _as_new(before))

    @contextmanager
    def with_object(self, path: str, made: Mapping[str, Any]) -> Generator[None]:
        """Have one more object, and then not."""
        self.create(path, made)
        try:
            yield
        finally:
            self.delete(path)

    def _if_there(self, method: str, path: str) -> Any | None:
        try:
            return self._ask(method, path)
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    def _ask(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> Any:
        headers = {"Accept": "application/json", "Content-Type": kind}
        answer = self.api.call_api(
            method, f"{self.api.configuration.host}{path}", headers, body, _request_timeout=20
        )
        data = answer.read()
        if answer.status >= 400:
            raise ApiException(status=answer.status, reason=f"{method} {path}: {data.decode()}")
        return json.loads(data)


def _inverse(before: Any, change: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that takes another one back."""
    known = cast("Mapping[str, Any]", before or {})
    return {
        key: _inverse(known.get(key), cast("Mapping[str, Any]", value))
        if isinstance(value, Mapping) and isinstance(known.get(key), Mapping)
        else known.get(key)
        for key, value in change.items()
    }


def _as_new(before: Mapping[str, Any]) -> dict[str, Any]:
    """What to send to have an object like this one."""
    metadata = {k: v for k, v in before["metadata"].items() if k not in _SERVERS_OWN}
    return {**before, "metadata": metadata}
