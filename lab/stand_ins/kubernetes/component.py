"""Components that register objects one by one: the common half of Chart and ConfigGroup.

Written against the engine's resource monitor itself: the SDK's runtime keeps its state in module
variables, and one provider process constructs several components at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias, cast

import grpc

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.fields import SKIP_AWAIT
from lab.stand_ins.protocol import MESSAGE_SIZE, provider_pb2, resource_pb2, resource_pb2_grpc
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import RESOURCE, SIGNATURE, UNKNOWN, Object, Secret, encode, plain

_Request = resource_pb2.RegisterResourceRequest
_Key: TypeAlias = tuple[str, str, str, str]

WORKERS = 32
_DEPENDS_ON = "config.kubernetes.io/depends-on"
_KEEP = "helm.sh/resource-policy"


class Component:
    """One component being constructed; a context manager around its connection."""

    def __init__(self, request: provider_pb2.ConstructRequest, version: str) -> None:
        self._request = request
        self._version = version
        self._channel = grpc.insecure_channel(request.monitorEndpoint, options=MESSAGE_SIZE)
        self._monitor = resource_pb2_grpc.ResourceMonitorStub(self._channel)
        self.urn = ""

    def __enter__(self) -> Component:
        request = self._request
        own = _Request(
            type=request.type,
            name=request.name,
            parent=request.parent,
            custom=False,
            acceptSecrets=True,
            acceptResources=True,
            supportsPartialValues=True,
            aliasSpecs=True,
            dependencies=request.dependencies,
            providers=request.providers,
            aliases=request.aliases,
            ignoreChanges=request.ignoreChanges,
            replaceOnChanges=request.replaceOnChanges,
            additionalSecretOutputs=request.additionalSecretOutputs,
            deletedWith=request.deletedWith,
            replace_with=request.replace_with,
            parentStackTraceHandle=request.stack_trace_handle,
        )
        if request.HasField("protect"):
            own.protect = request.protect
        if request.HasField("retainOnDelete"):
            own.retainOnDelete = request.retainOnDelete
        if request.HasField("customTimeouts"):
            own.customTimeouts.MergeFromString(request.customTimeouts.SerializeToString())
        if request.HasField("resource_hooks"):
            own.hooks.MergeFromString(request.resource_hooks.SerializeToString())
        own.object.SetInParent()
        self.urn = self._register(own).urn
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def children(self, objects: list[Object], prefix: str, *, skip_await: bool) -> list[Object]:
        """Register the objects, each after those it needs, and give references to them.

        An object needs its namespace, the CRD of its kind, and what its annotation
        `config.kubernetes.io/depends-on` names (yaml/v2/yaml.go Register and the graph of
        cli-utils). All else goes in parallel.
        """
        by_key = {_key(obj): obj for obj in objects}
        needs = {key: _needs(obj, by_key) for key, obj in by_key.items()}
        started: dict[_Key, Future[Object]] = {}
        with ThreadPoolExecutor(WORKERS) as pool:
            for key in _ordered(needs):
                waits = [started[need] for need in needs[key]]
                started[key] = pool.submit(
                    self._child, by_key[key], prefix, skip_await=skip_await, after=waits
                )
            # The first error is the cause; others follow from it.
            return [started[key].result() for key in by_key]

    def _child(
        self, obj: Object, prefix: str, *, skip_await: bool, after: list[Future[Object]]
    ) -> Object:
        needed = [future.result() for future in after]
        known = cast(Object, plain(obj))
        properties = cast(Object, fields.without_nulls(obj))
        if skip_await:
            meta = cast(Object, properties["metadata"])
            meta["annotations"] = {**(meta.get("annotations") or {}), SKIP_AWAIT: "true"}
        if fields.is_secret(known):
            for key in ("data", "stringData"):
                if key in properties:
                    properties[key] = Secret(plain(properties[key]))
        place = fields.identity(known)
        child = _Request(
            type=fields.token(known),
            name=f"{prefix}:{place}" if prefix else place,
            parent=self.urn,
            custom=True,
            object=encode(properties),
            provider=self._request.providers.get("kubernetes", ""),
            version=self._version,
            dependencies=[str(need["urn"]) for need in needed],
            acceptSecrets=True,
            acceptResources=True,
            supportsPartialValues=True,
            aliasSpecs=True,
            additionalSecretOutputs=["data", "stringData"] if fields.is_secret(known) else [],
            parentStackTraceHandle=self._request.stack_trace_handle,
        )
        if (fields.metadata(known).get("annotations") or {}).get(_KEEP) == "keep":
            child.retainOnDelete = True
        answer = self._register(child)
        return {
            SIGNATURE: RESOURCE,
            "urn": answer.urn,
            "id": answer.id or (UNKNOWN if self._request.dryRun else ""),
            "packageVersion": self._version,
        }

    def finish(self, resources: list[Object] | None) -> provider_pb2.ConstructResponse:
        """Tell the engine the component's outputs; None while they cannot be known."""
        state = encode({"resources": UNKNOWN if resources is None else resources})
        self._monitor.RegisterResourceOutputs(
            resource_pb2.RegisterResourceOutputsRequest(urn=self.urn, outputs=state)
        )
        return provider_pb2.ConstructResponse(urn=self.urn, state=state)

    def _register(self, request: _Request) -> resource_pb2.RegisterResourceResponse:
        try:
            return self._monitor.RegisterResource(request)
        except grpc.RpcError as error:
            # The engine has shown the resource's own error already.
            said = error.details() if isinstance(error, grpc.Call) else error
            raise ProviderError(f"{request.name}: {said}") from None


def _key(obj: Object) -> _Key:
    known = cast(Object, plain(obj))
    group = str(known["apiVersion"]).rpartition("/")[0]
    return group, str(known["kind"]), fields.namespace(known), fields.name(known)


def _needs(obj: Object, by_key: dict[_Key, Object]) -> list[_Key]:
    group, kind, space, own = _key(obj)
    needed: list[_Key] = []
    if space and ("", "Namespace", "", space) in by_key:
        needed.append(("", "Namespace", "", space))
    for key, other in by_key.items():
        if fields.is_crd(other):
            spec = cast(Object, other.get("spec") or {})
            if (spec.get("group"), (spec.get("names") or {}).get("kind")) == (group, kind):
                needed.append(key)
    wanted = str((fields.metadata(obj).get("annotations") or {}).get(_DEPENDS_ON) or "")
    for reference in filter(None, map(str.strip, wanted.split(","))):
        needed.append(_reference(reference, own))
        if needed[-1] not in by_key:
            raise ProviderError(f"{own}: {_DEPENDS_ON}: {reference} is not among the objects")
    return needed


def _reference(text: str, own: str) -> _Key:
    match text.split("/"):
        case [group, "namespaces", space, kind, other]:
            return group, kind, space, other
        case [group, kind, other]:
            return group, kind, "", other
        case _:
            raise ProviderError(f"{own}: {_DEPENDS_ON}: cannot read {text!r}")


def _ordered(needs: dict[_Key, list[_Key]]) -> Iterable[_Key]:
    """Give every key after those it needs, in the order of the manifest otherwise."""
    from graphlib import CycleError, TopologicalSorter

    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " -> ".join("/".join(filter(None, key)) for key in error.args[1])
        raise ProviderError(f"the objects depend on each other in a circle: {circle}") from None
