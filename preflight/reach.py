"""Which API server is meant, and with whose credentials."""

from kube import kubeconfig
from kube.kubeconfig import Connection, KubeconfigError
from spec.mesh import Cluster
from spec.problems import MISSING, Problem

_LONGEST_PATH = 255


def read_connection(index: int, cluster: Cluster, given: str) -> Connection | Problem:
    """How the cluster `isthmus:clusters[index]` is reached, or why it cannot be."""
    try:
        return kubeconfig.read(given, cluster.context)
    except KubeconfigError as error:
        about_context = error.name in ("context-missing", "context-unknown")
        return Problem(
            error.name,
            f"isthmus:clusters[{index}].{'context' if about_context else 'kubeconfig'}",
            error.rule,
            f"the program cannot reach cluster {cluster.name} without it",
            error.fix,
            (cluster.context or MISSING) if about_context else shown(given),
        )


def shown(given: str) -> object:
    """A kubeconfig as a message may show it: its path, and never its content."""
    is_path = len(given) <= _LONGEST_PATH and given.isprintable()
    return given if is_path and not kubeconfig.is_content(given) else MISSING
