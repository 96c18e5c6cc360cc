"""Absent clusters: their resources are registered again just as the state has them.

The engine deletes what a program does not register and updates what it changes, and both fail while
the API server does not answer; a chart cannot even be rendered (Construct in
provider/pkg/provider/provider_construct.go of pulumi-kubernetes). So the program repeats the state,
which alone knows all of a cluster's resources, also those of an earlier configuration.
"""

import asyncio
import json
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pulumi

from spec.description import all_addresses
from spec.mesh import MeshSpec
from spec.problems import MeshRefusedError, Problem

Entry = Mapping[str, Any]
"""A resource as `pulumi stack export` has it."""

_PROVIDER = "pulumi:providers:kubernetes"
_STACK = "pulumi:pulumi:Stack"
_REMOTE_SECRET = "isthmus:index:RemoteSecret"  # noqa: S105
_SHARED = tuple(
    f"isthmus:index:{name}"
    for name in ("SharedServices", "SharedConfiguration", "ServiceEntries", "TrafficPolicies")
)
"""What these have in one cluster depends on what all clusters have, so they stay everywhere."""


@dataclass(frozen=True)
class Left:
    """What the last update reported, of the absent clusters unless said."""

    clusters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Each cluster's part of the output `clusters`."""
    gateways: Mapping[str, str] = field(default_factory=dict[str, str])
    control_planes: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """All addresses of each control plane."""
    kubernetes: Mapping[str, str] = field(default_factory=dict[str, str])
    shared: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Shared `namespaces` and `services` of all clusters."""

    @classmethod
    def read(cls, spec: MeshSpec, outputs: Mapping[str, Any]) -> "Left":
        """Read the stack's outputs.

        Raises:
            MeshRefusedError: an absent cluster was not in the last update.
        """
        clusters = outputs.get("clusters") or {}
        absent = [(path, c.name) for path, c in spec.numbered() if c.absent]
        if new := [_new(path, name) for path, name in absent if name not in clusters]:
            raise MeshRefusedError(new)
        if not absent:
            return cls()
        mesh = outputs["mesh"]

        def of(found: Mapping[str, Any]) -> dict[str, Any]:
            return {name: found[name] for _, name in absent if name in found}

        return cls(
            of(clusters),
            of(mesh["gateways"]),
            all_addresses(of(mesh["control_planes"]), mesh.get("further_addresses", {})),
            of(mesh["kubernetes"]),
            {key: mesh[key] for key in ("namespaces", "services")},
        )


def _new(path: str, name: str) -> Problem:
    return Problem(
        "absent-cluster-new",
        f"{path}.absent",
        f"must be false: cluster {name} was not in the last update",
        "only a cluster that an earlier update built can be absent",
        f"remove {name} from isthmus:clusters until it answers",
        True,
    )


async def keep(spec: MeshSpec, provider: Callable[[str], pulumi.ProviderResource]) -> None:
    """Register all resources of the absent clusters, and the remote secrets for them.

    Args:
        provider: the provider of a cluster, by its name.
    """
    if not spec.absent:
        return
    entries = select(await _state(), spec)
    register(entries, provider)
    for cluster in spec.absent:
        pulumi.log.warn(
            f"cluster {cluster.name} is absent: everything in it, and its remote secrets in other "
            "clusters, stay as they are. When it answers again, remove `absent` "
            "(or ISTHMUS_ABSENT) and run `pulumi up`"
        )
    if any(_top(e, _by_urn(entries))[0] in _SHARED for e in entries):
        pulumi.log.warn("shared namespaces and Services stay as they are in every cluster")


async def _state() -> Sequence[Entry]:
    """The resources of the last update. The export takes no lock, and leaves secrets encrypted."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    command = ["pulumi", "stack", "export", "--stack", name]
    try:
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise MeshRefusedError([_unreadable(said.strip())]) from None
    return json.loads(done.stdout)["deployment"].get("resources", [])


def _unreadable(said: str) -> Problem:
    return Problem(
        "state-not-exported",
        "isthmus:clusters[].absent",
        f"needs `pulumi stack export`, which failed ({said})",
        "the state alone knows the resources of a cluster that does not answer",
        "put `pulumi` on the PATH of this program, with access to the stack's backend",
    )


def select(state: Sequence[Entry], spec: MeshSpec) -> list[Entry]:
    """The resources to keep with their parents, in the order of the state."""
    absent = {c.name for c in spec.absent}
    secrets = {
        f"{reader.name}{reads}{name}"
        for reader in spec.clusters
        for name in absent
        for reads in ("/reads/", "/kiali-reads/", "-reads-")  # the last until 0.1
    }
    by_urn = _by_urn(state)
    kept = set[str]()
    for urn, entry in by_urn.items():
        kind, name = _top(entry, by_urn)
        if (
            cluster_of(entry) in absent
            or kind in _SHARED
            or (kind == _REMOTE_SECRET and name in secrets)
        ):
            kept |= {urn, *_ancestors(entry, by_urn)}
    return [entry for urn, entry in by_urn.items() if urn in kept]


def _by_urn(state: Sequence[Entry]) -> dict[str, Entry]:
    return {e["urn"]: e for e in state if not e.get("delete")}


def cluster_of(entry: Entry) -> str | None:
    """Name of the cluster that a resource is in, by its provider."""
    parts = str(entry.get("provider", "")).split("::")
    return parts[3] if len(parts) > 3 and parts[2] == _PROVIDER else None


def _ancestors(entry: Entry, by_urn: Mapping[str, Entry]) -> Iterator[str]:
    while (parent := by_urn.get(entry.get("parent", ""))) and parent["type"] != _STACK:
        yield cast("str", parent["urn"])
        entry = parent


def _top(entry: Entry, by_urn: Mapping[str, Entry]) -> tuple[str, str]:
    """Type and name of the component that a resource belongs to, or of itself."""
    urn: str = entry["urn"]
    for ancestor in _ancestors(entry, by_urn):
        urn = ancestor
    return by_urn[urn]["type"] if urn in by_urn else entry["type"], _name(urn)


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def register(
    entries: Collection[Entry], provider: Callable[[str], pulumi.ProviderResource]
) -> None:
    """Register resources with everything that the state has, so that nothing of them changes.

    Dependencies on resources that are not kept are left out: those can change meanwhile, and must
    not replace anything here.
    """
    registered = dict[str, pulumi.Resource]()
    for entry in entries:
        options = pulumi.ResourceOptions(
            parent=registered.get(entry.get("parent", "")),
            depends_on=[
                registered[urn] for urn in entry.get("dependencies", ()) if urn in registered
            ],
            # Not "*", which does not reach keys that the program leaves out.
            ignore_changes=sorted(entry.get("inputs", ())),
            protect=entry.get("protect", False),
            additional_secret_outputs=entry.get("additionalSecretOutputs"),
        )
        kind, name = entry["type"], _name(entry["urn"])
        if not entry.get("custom"):
            registered[entry["urn"]] = pulumi.ComponentResource(kind, name, {}, options)
        elif cluster := cluster_of(entry):
            options.provider = provider(cluster)
            registered[entry["urn"]] = pulumi.CustomResource(kind, name, {}, options)
