"""Whether each cluster can be reached from here."""

import http.client
import json
import ssl
import urllib.error
import urllib.request

from stacks import kubeconfig
from stacks.kubeconfig import ClusterAccess, KubeconfigError
from stacks.preflight.facts import ClusterFacts
from stacks.problems import MISSING, Problem
from stacks.spec import Cluster

_SECONDS = 5


def examine_cluster(index: int, cluster: Cluster) -> ClusterFacts | Problem | None:
    """Facts of the cluster `isthmus:clusters[index]`, why there are none, or None for a cluster
    that only the update makes."""
    if cluster.kubeconfig is None:
        return None
    shown = MISSING if "\n" in cluster.kubeconfig else cluster.kubeconfig
    try:
        access = kubeconfig.read(cluster.kubeconfig, cluster.context)
    except KubeconfigError as error:
        about_context = "contexts" in error.rule or "current context" in error.rule
        return Problem(
            f"isthmus:clusters[{index}].{'context' if about_context else 'kubeconfig'}",
            error.rule,
            f"the program cannot reach cluster {cluster.name} without it",
            error.cure,
            (cluster.context or MISSING) if about_context else shown,
        )
    try:
        return ClusterFacts(access, _ask_version(access))
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        return Problem(
            f"isthmus:clusters[{index}].kubeconfig",
            f"the API server {access.server} of cluster {cluster.name} must answer ({cause})",
            "its part of the mesh could neither be previewed nor built",
            "start the cluster, mend the address, or connect to its network; for the lab: make up",
            shown,
        )


def _ask_version(access: ClusterAccess) -> str | None:
    """Ask for the version without credentials; any HTTP answer proves that the server is there."""
    tls = ssl.create_default_context(cadata=access.certificate_authority)
    try:
        # The scheme comes from the user's own kubeconfig.
        with urllib.request.urlopen(  # noqa: S310
            f"{access.server}/version", timeout=_SECONDS, context=tls
        ) as answer:
            return str(json.load(answer)["gitVersion"]).removeprefix("v")
    except urllib.error.HTTPError:
        return None
