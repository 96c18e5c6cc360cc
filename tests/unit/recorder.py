"""Records every resource that a program registers: parent, provider, dependencies and secrets too.

Pulumi's mocks give a test the inputs only (pulumi/pulumi#14421), so the monitor itself is
replaced. `MockMonitor` is no documented extension point: pulumi is pinned, and the tests say at
once when it moves.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from unittest import mock

from google.protobuf import json_format
from pulumi.runtime import mocks, resource, settings, stack
from pulumi.runtime._callbacks import (
    _CallbackServicer,  # pyright: ignore[reportPrivateUsage]
)
from pulumi.runtime.proto import source_pb2

from tests.authorities import certificate, new_key

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  # Pulumi's mark, not a secret


@dataclass(frozen=True)
class Recorded:
    """One resource, as the engine would have received it."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    """With the marks of secrets taken off."""
    secret_paths: frozenset[str]
    """Dotted paths of inputs that were marked secret."""
    parent: str
    provider: str
    """Name of the explicit provider, or empty."""
    dependencies: frozenset[str]
    """Types and names, `type::name`, of what it waits for."""
    ignore_changes: frozenset[str]
    """Inputs whose changes are left alone, by the names that the provider has for them."""
    retained: bool
    """Whether it stays in the cluster when it leaves the stack."""
    aliases: frozenset[str]
    """Names that it had before."""
    transforms: int
    """How many functions see what is registered under it, before the engine does."""

    @property
    def key(self) -> str:
        return f"{self.type}::{self.name}"


class Recording:
    """What one run of a program registered."""

    def __init__(self) -> None:
        self.resources: list[Recorded] = []

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.resources)

    def of_type(self, suffix: str) -> list[Recorded]:
        """Resources whose type token ends so: `Namespace`, `helm.sh/v4:Chart`, …"""
        return [r for r in self if r.type.endswith(f":{suffix}") or r.type == suffix]

    def one(self, suffix: str, name: str) -> Recorded:
        found = [r for r in self.of_type(suffix) if r.name == name]
        assert len(found) == 1, f"{suffix} {name}: {[r.key for r in self]}"
        return found[0]

    def waits_for(self, later: Recorded, earlier: Recorded) -> bool:
        """Whether `later` comes after `earlier`, through any number of steps.

        A child waits for what its parent waits for: it is registered under the parent's URN, which
        is known when the parent's own dependencies are there; destroy goes the same path back. And
        everything waits for its provider.
        """
        by_key = {r.key: r for r in self}
        todo, done = [later], set[str]()
        while todo:
            here = todo.pop()
            provider = f"pulumi:providers:{here.type.split(':')[0]}::{here.provider}"
            for key in here.dependencies.union({here.parent, provider}) - done:
                if key == earlier.key:
                    return True
                done.add(key)
                if key in by_key:
                    todo.append(by_key[key])
        return False


@cache
def created_certificate(name: str) -> str:
    """PEM text of the certificate that a tls resource of that name has created."""
    return certificate(new_key(), name=name[:64])


class _Answers(mocks.Mocks):
    """Outputs that the real providers would compute."""

    def __init__(self, hostnames: Mapping[str, str]) -> None:
        self.hostnames = hostnames

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        state = dict(args.inputs)
        if args.typ.startswith("gcp:"):
            state.setdefault("name", args.name)
        kind = args.typ.rsplit(":", 1)[-1]
        if kind == "PrivateKey":
            state["privateKeyPem"] = f"KEY of {args.name}\n"
        elif kind in ("SelfSignedCert", "LocallySignedCert"):
            state["certPem"] = created_certificate(args.name)
        elif kind == "CertRequest":
            state["certRequestPem"] = f"REQUEST of {args.name}\n"
        elif kind == "Service":
            address = f"192.0.2.{sum(args.name.encode()) % 250}"
            hostname = self.hostnames.get(args.name)
            ingress = {"hostname": hostname} if hostname else {"ip": address}
            state["status"] = {"loadBalancer": {"ingress": [ingress]}}
        elif args.typ == "gcp:container/cluster:Cluster":
            named = {"endpoint": f"{state['name']}.gke.test"}
            state["controlPlaneEndpointsConfig"] = {"dnsEndpointConfig": named}
            state["privateClusterConfig"] = {"privateEndpoint": f"private.{state['name']}.test"}
        elif kind == "Account":
            state["email"] = f"{args.name}@gke.test"
            state["member"] = f"serviceAccount:{args.name}@gke.test"
        elif kind == "Endpoints":
            state["subsets"] = [{"addresses": [{"ip": "198.51.100.7"}]}]
        elif kind == "Secret" and state.get("type") == "kubernetes.io/service-account-token":
            state["data"] = {"token": "dG9rZW4=", "ca.crt": "Y2E="}
            created = {"creationTimestamp": "2026-01-31T12:00:00Z"}
            state["metadata"] = {**state["metadata"], **created}
        return f"{args.name}-id", state


class _Monitor(mocks.MockMonitor):
    def __init__(self, recording: Recording, answers: _Answers) -> None:
        super().__init__(answers)
        self.recording = recording

    def RegisterResourceHook(self, request: Any) -> Any:  # the name of the RPC
        """The mocks have no hooks; no test of a recording runs one."""

    def RegisterResource(self, request: Any) -> Any:  # the name of the RPC
        answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            secrets = set[str]()
            inputs = _plain(json_format.MessageToDict(request.object), "", secrets)
            self.recording.resources.append(
                Recorded(
                    urn=answer.urn,
                    type=request.type,
                    name=request.name,
                    inputs=inputs,
                    secret_paths=frozenset(secrets),
                    parent=_key(request.parent),
                    provider=_provider_name(request),
                    dependencies=frozenset(_key(urn) for urn in request.dependencies),
                    ignore_changes=frozenset(request.ignoreChanges),
                    retained=request.retainOnDelete,
                    aliases=frozenset(a.spec.name for a in request.aliases if a.spec.name),
                    transforms=len(request.transforms),
                )
            )
        return answer


def _key(urn: str) -> str:
    if not urn:
        return ""
    _, _, types, name = urn.split("::", 3)
    return f"{types.split('$')[-1]}::{name}"


def _provider_name(request: Any) -> str:
    reference = request.provider or next(iter(request.providers.values()), "")
    return reference.split("::")[-2] if reference else ""


def _plain(value: Any, path: str, secrets: set[str]) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            secrets.add(path)
            return _plain(value["value"], path, set())
        return {k: _plain(v, f"{path}.{k}".lstrip("."), secrets) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, f"{path}.{i}", secrets) for i, v in enumerate(value)]
    return value


def record(program: Callable[[], object], hostnames: Mapping[str, str] | None = None) -> Recording:
    """Run a program under mocks, to its end: an assertion in an `apply` is never lost.

    Args:
        hostnames: what load balancers have instead of an address, by the Service's Pulumi name.
    """
    answers = _Answers(hostnames or {})
    recording = Recording()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        monitor: Any = _Monitor(recording, answers)
        mocks.set_mocks(answers, "isthmus", "test", monitor=monitor)

        async def run() -> None:
            # The mocks have none, and refuse `transforms` without.
            callbacks = _CallbackServicer(monitor)
            await callbacks.serve()
            cast("Any", settings.SETTINGS).callbacks = callbacks
            try:
                done = program()
                if inspect.isawaitable(done):
                    await done
                await stack.wait_for_rpcs()
            finally:
                await _CallbackServicer.shutdown()

        # The source lines of resources cost a quarter of a run, and no test uses them.
        with mock.patch.object(resource, "_get_stack_trace", source_pb2.StackTrace):
            loop.run_until_complete(run())
    finally:
        loop.close()
        settings.reset_options()
    return recording
