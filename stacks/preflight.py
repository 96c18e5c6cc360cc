"""What is asked of the world before anything changes: kubeconfigs, API servers, charts."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from stacks import kubeconfig
from stacks.kubeconfig import ClusterAccess, KubeconfigError
from stacks.problems import MISSING, MeshRefusedError, Problem
from stacks.spec import Cluster, Istio, MeshSpec

CHARTS = ("base", "istiod", "gateway")
_SECONDS = 5


@dataclass(frozen=True)
class ClusterFacts:
    """What is known of a cluster before the update."""

    access: ClusterAccess
    kubernetes: str | None
    """Version of the API server; None where it does not tell strangers."""


def examine(spec: MeshSpec) -> Mapping[str, ClusterFacts]:
    """Facts by cluster name.

    Raises:
        MeshRefusedError: with every kubeconfig, API server and chart that is not as it must be.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(_examine_cluster, range(len(spec.clusters)), spec.clusters))
    problems = [x for x in found if isinstance(x, Problem)]
    problems += _missing_charts(spec.mesh.istio)
    if problems:
        raise MeshRefusedError(problems)
    facts = [x for x in found if isinstance(x, ClusterFacts)]
    return {c.name: f for c, f in zip(spec.clusters, facts, strict=True)}


def _examine_cluster(index: int, cluster: Cluster) -> ClusterFacts | Problem:
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


def _missing_charts(istio: Istio) -> Iterator[Problem]:
    """Charts in a directory or a Helm repository; an OCI registry is asked by the provider."""
    if istio.charts.startswith(("http://", "https://")):
        return _missing_in_repository(istio)
    if "://" in istio.charts:
        return iter(())
    return _missing_in_directory(istio)


def _missing_in_repository(istio: Istio) -> Iterator[Problem]:
    address = f"{istio.charts.rstrip('/')}/index.yaml"
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310
            index = yaml.load(answer, yaml.CSafeLoader)  # safe, and quick
    except (OSError, http.client.HTTPException) as error:
        yield Problem(
            "isthmus:mesh.istio.charts",
            f"must be a Helm repository ({error}: {address})",
            "Istio is installed from its charts base, istiod and gateway",
            "mend the address, or name a directory with the charts",
            istio.charts,
        )
        return
    for chart in CHARTS:
        versions = [str(entry["version"]) for entry in index["entries"].get(chart, [])]
        if istio.version not in versions:
            yield Problem(
                "isthmus:mesh.istio.version",
                f"must be a version of the chart {chart} in {istio.charts}",
                "there is nothing to install otherwise",
                f"use one of: {', '.join(versions[:5]) or 'none, the chart is not there'}",
                istio.version,
            )


def _missing_in_directory(istio: Istio) -> Iterator[Problem]:
    for chart in CHARTS:
        file = Path(istio.charts) / chart / "Chart.yaml"
        try:
            version = yaml.safe_load(file.read_text())["version"]
        except OSError as error:
            yield Problem(
                "isthmus:mesh.istio.charts",
                f"must hold the chart {chart} ({error.strerror}: {file})",
                "Istio is installed from its charts base, istiod and gateway",
                "name a directory with the three, a Helm repository, or an oci:// prefix; "
                "for the lab: make up",
                istio.charts,
            )
            continue
        if version != istio.version:
            yield Problem(
                "isthmus:mesh.istio.version",
                f"must be the version of the charts; {file} is {version}",
                "charts of one version with images of another do not fit together",
                f"set it to {version}, or bring charts of {istio.version}",
                istio.version,
            )
