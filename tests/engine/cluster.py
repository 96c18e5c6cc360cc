"""A cluster as someone else sees it: the official client, no code of the plugin."""

import re
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from kubernetes import config, dynamic
from kubernetes.client.exceptions import ApiException

_SECONDS = 60


class Cluster:
    """The API server, and a namespace for one test."""

    def __init__(self, kubeconfig: Path, test: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = re.sub(r"[^a-z0-9]+", "-", test.lower())[:60].strip("-")
        self._api: Any = dynamic.DynamicClient(config.new_client_from_config(str(kubeconfig)))
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    def close(self) -> None:
        self.delete("v1", "Namespace", self.namespace)

    @property
    def prelude(self) -> str:
        """The first lines of a program: provider `p`, options `o`, namespace `ns`."""
        return f"""
import pulumi, pulumi_kubernetes as k
ns, kubeconfig = "{self.namespace}", "{self.kubeconfig}"
p = k.Provider("p", kubeconfig=kubeconfig, cluster_identifier="one")
o = pulumi.ResourceOptions(provider=p)
"""

    def _resource(self, version: str, kind: str) -> Any:
        return self._api.resources.get(api_version=version, kind=kind)

    def get(self, version: str, kind: str, name: str) -> dict[str, Any] | None:
        resource = self._resource(version, kind)
        try:
            found = resource.get(name=name, namespace=self._home(resource))
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return cast(dict[str, Any], found.to_dict())

    def there(self, version: str, kind: str, name: str) -> dict[str, Any]:
        found = self.get(version, kind, name)
        assert found is not None, f"{kind} {name} is not there"
        return found

    def list(self, version: str, kind: str) -> list[dict[str, Any]]:
        return self._resource(version, kind).get(namespace=self.namespace).to_dict()["items"]

    def create(self, body: dict[str, Any]) -> None:
        resource = self._resource(body["apiVersion"], body["kind"])
        resource.create(body=body, namespace=self._home(resource))

    def patch(
        self, version: str, kind: str, name: str, body: Any, *, part: str = "", **options: Any
    ) -> None:
        """Merge-patch an object, or a part of it such as `status`, as another program would."""
        resource = self._resource(version, kind)
        target = resource.subresources[part] if part else resource
        options = {"content_type": "application/merge-patch+json", **options}
        target.patch(name=name, namespace=self._home(resource), body=body, **options)

    def apply(self, body: dict[str, Any], manager: str) -> None:
        """Server-side apply, by force."""
        resource = self._resource(body["apiVersion"], body["kind"])
        resource.server_side_apply(
            body=body,
            name=body["metadata"]["name"],
            namespace=self._home(resource),
            field_manager=manager,
            force_conflicts=True,
        )

    def delete(self, version: str, kind: str, name: str) -> None:
        resource = self._resource(version, kind)
        try:
            resource.delete(name=name, namespace=self._home(resource))
        except ApiException as error:
            if error.status != 404:
                raise

    def _home(self, resource: Any) -> str | None:
        return self.namespace if resource.namespaced else None

    @contextmanager
    def meanwhile(self, action: Callable[[], bool]) -> Generator[None]:
        """Try an action beside the test until it says that it is done; it must come to that."""
        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(until, action)
            yield
            acting.result()


def until(check: Callable[[], bool]) -> None:
    """Wait until something is so; fail if it does not come true within a minute."""
    end = time.monotonic() + _SECONDS
    while not check():
        assert time.monotonic() < end, f"it did not happen within {_SECONDS} s"
        time.sleep(0.1)
