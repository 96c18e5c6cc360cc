"""What the stack's last update built, by the outputs that it left."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from components import names

CREATED, ADOPTED = "created", "adopted"


@dataclass(frozen=True)
class LastToken:
    """The token with which other clusters read one."""

    generation: int
    created: dt.datetime

    @classmethod
    def read(cls, output: Mapping[str, Any] | None) -> "LastToken | None":
        """Read it from the outputs of a cluster; None where an older version wrote them."""
        if not output or not output.get("created"):
            return None
        return cls(int(output["generation"]), dt.datetime.fromisoformat(output["created"]))


@dataclass(frozen=True)
class LastCluster:
    """One cluster of the last update."""

    kubeconfig: str | None = field(default=None, repr=False)
    """Content of a kubeconfig, with which a removed cluster is cleaned up. None where the stack of
    this one cluster does not keep it."""
    uid: str | None = None
    """UID of its namespace `kube-system`; None where an older version updated it."""
    primary: str | None = None
    stack: str | None = None
    gke: Mapping[str, Any] | None = None
    """Its settings, if the stack created the cluster itself."""
    network: str | None = None
    """Its `network`."""
    vpc: str | None = None
    """Its VPC, if the stack created the cluster itself."""
    ranges: Mapping[str, str] = field(default_factory=dict[str, str])
    """Its ranges by kind, if the stack created it; none where an older version updated it."""
    istio: str | None = None
    """Version of Istio that it had; an absent cluster keeps an earlier one."""
    namespaces: Mapping[str, str] = field(default_factory=dict[str, str])
    """Whether the stack had `created` or `adopted` each of its namespaces there; none where an
    older version updated it."""
    existing_vpc: Mapping[str, Any] | None = None
    """Its VPC in `isthmus:gcp.vpcs`; None if the stack created it."""
    token: LastToken | None = None
    """None where no other cluster reads it, or an older version updated it."""

    def has_adopted(self, namespace: str, annotations: Mapping[str, str], stack: str) -> bool:
        """Whether a namespace is the user's, and only labeled and marked by a stack.

        The state decides what is deleted. So an annotation, which anyone can write or remove,
        counts only where the last update says nothing: it may have failed.
        """
        known = self.namespaces.get(namespace)
        if known is not None:
            return known == ADOPTED
        return names.ADOPTED in annotations and annotations.get(names.STACK) == stack


@dataclass(frozen=True)
class LastUpdate:
    """The mesh as it was. Read leniently: an older version may have written it."""

    clusters: Mapping[str, LastCluster] = field(default_factory=dict[str, LastCluster])
    """By name."""
    namespace: str | None = None
    """Istio's namespace; None where nothing was built, or the stack is of a single cluster."""
    istio: str | None = None
    """Istio's version."""
    install: str | None = None
    """How charts were installed."""
    external_ca: bool = False
    """Whether another tool maintained the Secrets `cacerts`."""
    sample: bool = False
    """Whether the sample was installed."""
    gateway: str = names.EAST_WEST_GATEWAY
    """Helm release of the gateways between networks."""
    shared: tuple[str, ...] = ()
    """Names of the namespaces that every cluster had."""
    mesh_id: str | None = None
    """`isthmus:mesh.id`, which can be edited."""
    project: str | None = None
    """Google Cloud's project of the clusters that the stack created."""
    root: str | None = None
    """PEM text of the roots that its clusters trusted."""

    def namespaces_of(self, cluster: str) -> tuple[str, ...]:
        """Namespaces that the last update had created in a cluster, beside the shared ones."""
        known = self.clusters.get(cluster)
        if known and known.namespaces:
            return tuple(known.namespaces)
        if known is None or self.namespace is None:
            return ()
        return (self.namespace, *((names.SAMPLE_NAMESPACE,) if self.sample else ()))

    @classmethod
    def read(cls, outputs: Mapping[str, Any]) -> "LastUpdate":
        """Read the outputs of the stack of a mesh or of a single cluster; empty ones are fine."""
        if (one := outputs.get("cluster")) and "name" in one:
            cluster = LastCluster(
                uid=one.get("uid"),
                network=one.get("network"),
                istio=one.get("istio"),
                namespaces=one.get("namespaces") or {},
                token=LastToken.read(one.get("token")),
            )
            return cls({one["name"]: cluster}, root=one.get("root"))
        if not (described := outputs.get("mesh")):
            return cls()
        spec, built = described["spec"], outputs.get("clusters") or {}
        istio = spec["mesh"]["istio"]
        return cls(
            clusters={
                c["name"]: _cluster(
                    c,
                    built.get(c["name"], {}),
                    described["kubeconfigs"].get(c["name"]),
                    (spec.get("gcp") or {}).get("vpcs") or (),
                )
                for c in spec["clusters"]
            },
            mesh_id=spec["mesh"].get("id"),
            namespace=istio.get("namespace", "istio-system"),
            istio=istio.get("version"),
            install=istio.get("install", "rendered"),
            external_ca=cast("bool", (spec["mesh"].get("ca") or {}).get("external", False)),
            sample=cast("bool", spec.get("sample", {}).get("enabled", False)),
            gateway=names.GATEWAYS[(spec["mesh"].get("gateways") or {}).get("pods", "own")],
            shared=tuple(described.get("namespaces", ())),
            project=(spec.get("gcp") or {}).get("project"),
            root=described.get("root"),
        )


def _cluster(
    spec: Mapping[str, Any],
    built: Mapping[str, Any],
    kubeconfig: str | None,
    existing_vpcs: Iterable[Mapping[str, Any]],
) -> LastCluster:
    """Read one cluster of the outputs: its part of the spec, and of the output `clusters`."""
    gke = spec.get("gke")
    vpc = (gke.get("vpc") or spec.get("network")) if gke else None
    return LastCluster(
        kubeconfig,
        built.get("uid"),
        spec.get("primary"),
        spec.get("stack"),
        gke,
        network=spec.get("network"),
        vpc=vpc,
        ranges=built.get("ranges") or {},
        istio=built.get("istio"),
        namespaces=built.get("namespaces") or {},
        existing_vpc=next((v for v in existing_vpcs if v.get("name") == vpc), None),
        token=LastToken.read(built.get("token")),
    )
