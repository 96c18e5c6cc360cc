"""What is known of a cluster before the update."""

from dataclasses import dataclass

from stacks.kubeconfig import ClusterAccess


@dataclass(frozen=True)
class ClusterFacts:
    """What is known of a cluster before the update."""

    access: ClusterAccess
    kubernetes: str | None
    """Version of the API server; None where it does not tell strangers."""
