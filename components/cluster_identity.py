"""The identity of a cluster in its mesh, which several components need."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ClusterIdentity:
    """Names by which Istio knows a cluster and its mesh."""

    cluster: str
    """Istio's cluster ID, equal to the key of the cluster's remote secrets."""
    network: str
    """Network of the cluster's pods."""
    mesh_id: str
    """ID that all clusters of the mesh share."""
    namespace: str
    """Istio's namespace; the same in all clusters."""
