"""Reads the kubeconfigs of the configuration."""

from kube import kubeconfig
from kube.kubeconfig import Connection, KubeconfigError
from spec.mesh import Cluster, cluster_path
from spec.problems import MISSING, Problem

_LONGEST_PATH = 255


def read_connection(index: int, cluster: Cluster, given: str) -> Connection | Problem:
    """Return the connection of the cluster `isthmus:clusters[index]`, or the problem with it."""
    try:
        return kubeconfig.read(given, cluster.context)
    except KubeconfigError as error:
        about_context = error.name in ("context-missing", "context-unknown")
        return Problem(
            error.name,
            f"{cluster_path(index)}.{'context' if about_context else 'kubeconfig'}",
            error.rule,
            f"Isthmus cannot reach cluster {cluster.name} without it",
            error.fix,
            (cluster.context or MISSING) if about_context else shown(given),
        )


def shown(given: str) -> object:
    """Return a kubeconfig as a message can show it: its path, never its content."""
    is_path = len(given) <= _LONGEST_PATH and given.isprintable()
    return given if is_path and not kubeconfig.is_content(given) else MISSING
