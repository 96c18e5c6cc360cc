"""yaml/v2 ConfigGroup and ConfigFile, and the functions that only decode (yaml/v2/*.go)."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any, cast

from lab.stand_ins.kubernetes import manifests
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.kubernetes.component import Component
from lab.stand_ins.protocol import engine_pb2, provider_pb2
from lab.stand_ins.servicer import Provider, ProviderError
from lab.stand_ins.values import Object, decode, has_unknown, plain

_IS_GLOB = re.compile(r"(?:^|[^\\])[*?\[]")
_FETCH_SECONDS = 30


class Groups:
    """Manifests from files, text and objects."""

    def __init__(self, provider: Provider, cluster: Cluster) -> None:
        self._provider = provider
        self._cluster = cluster

    def construct(self, request: provider_pb2.ConstructRequest) -> provider_pb2.ConstructResponse:
        self._cluster.api()  # an unreachable cluster is an error, in previews too
        given = decode(request.inputs)
        with Component(request, self._provider.VERSION) as component:
            if has_unknown(given):
                self._provider.log(
                    f"{request.type}:{request.name} -- Required input properties have unknown "
                    "values. Preview is incomplete.",
                    component.urn,
                    severity=engine_pb2.WARNING,
                )
                return component.finish(None)
            inputs = cast(Object, plain(given))
            objects = list(_objects(inputs))
            objects = manifests.normalize(objects, self._cluster.namespace, self._cluster)
            prefix = inputs.get("resourcePrefix")
            resources = component.children(
                objects,
                request.name if prefix is None else str(prefix),
                skip_await=bool(inputs.get("skipAwait")),
            )
            return component.finish(resources)


def _objects(inputs: Object) -> list[Object]:
    found: list[Object] = []
    for pattern in cast(list[str], inputs.get("files") or []):
        # A pattern may match nothing, a plain name must exist.
        names = sorted(glob.glob(pattern)) if _IS_GLOB.search(pattern) else [pattern]
        for name in names:
            found += manifests.parse(_read(name))
    if inputs.get("file"):
        found += manifests.parse(_read(str(inputs["file"])))
    found += manifests.parse(str(inputs.get("yaml") or ""))
    return [*found, *cast(list[Any], inputs.get("objs") or [])]


def _read(name: str) -> str:
    if "://" in name:
        return _fetch(name)
    try:
        return Path(name).read_text()
    except OSError as error:
        raise ProviderError(f"reading YAML file from disk: {error}") from None


def _fetch(address: str) -> str:
    import urllib3

    try:
        answer = urllib3.request("GET", address, timeout=_FETCH_SECONDS)
    except urllib3.exceptions.HTTPError as error:
        raise ProviderError(f"fetching YAML over network: {error}") from None
    if answer.status >= 400:
        raise ProviderError(f"fetching YAML over network: {address}: HTTP status {answer.status}")
    return answer.data.decode()
