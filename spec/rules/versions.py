"""Which versions work together. All clusters have one Istio version, which is one key."""

import re
from collections.abc import Iterator, Mapping

from spec.mesh import MeshSpec
from spec.problems import MISSING, Problem
from spec.rules.chart_values import find

Minor = tuple[int, int]

SUPPORTED: Mapping[Minor, tuple[Minor, Minor]] = {
    (1, 28): ((1, 30), (1, 34)),
    (1, 29): ((1, 31), (1, 35)),
    (1, 30): ((1, 32), (1, 36)),
    (1, 31): ((1, 32), (1, 37)),
}
"""Oldest and newest Kubernetes of each Istio, from its page "Supported Releases"."""

_FIRST_WITH_REMOTES_IN_THE_ISTIOD_CHART = (1, 24)
_CREDENTIALS = "PILOT_ENABLE_REMOTE_CREDENTIALS_CONTROLLER"
_RETIRED_HUBS = ("gcr.io/istio-release", "registry.istio.io")
_FORGETS_ENDPOINTS = ("1.30.0", "1.30.1", "1.30.2", "1.30.3")


def minor(version: str) -> Minor | None:
    """`1.34.4-gke.1047000` → (1, 34)."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None


def _istio_is_not_too_old(spec: MeshSpec) -> Iterator[Problem]:
    version = spec.mesh.istio.version
    found = minor(version)
    if found is not None and found < _FIRST_WITH_REMOTES_IN_THE_ISTIOD_CHART:
        yield Problem(
            "istio-too-old",
            "isthmus:mesh.istio.version",
            "must be 1.24 or later",
            "remotes are a profile of the chart istiod, and older charts have none (istio#53294)",
            "use a release that Istio still supports",
            version,
        )


def _istio_keeps_endpoints(spec: MeshSpec) -> Iterator[Problem]:
    version = spec.mesh.istio.version
    if version in _FORGETS_ENDPOINTS and any(spec.readers_of(c) for c in spec.clusters):
        yield Problem(
            "istio-forgets-endpoints",
            "isthmus:mesh.istio.version",
            "should not be 1.30.0 to 1.30.3 where clusters watch each other",
            "when a remote secret changes, istiod loses the endpoints of that cluster until it is "
            "restarted (istio/istio#61043)",
            "use 1.30.4 or later",
            version,
            refuses=False,
        )


def _istiod_does_not_crash(spec: MeshSpec) -> Iterator[Problem]:
    """HasSynced is called on a controller that is not there (pkg/kube/multicluster/cluster.go and
    pilot/pkg/credentials/kube/secrets.go of 1.31.0; seen in the lab)."""
    found = find(spec.mesh.istio.values.istiod, f"env.{_CREDENTIALS}")
    watches = any(spec.readers_of(c) for c in spec.clusters)
    if watches and str(found).lower() == "false" and minor(spec.mesh.istio.version) == (1, 31):
        yield Problem(
            "istiod-would-crash",
            f"isthmus:mesh.istio.values.istiod.env.{_CREDENTIALS}",
            "must not be false where clusters watch each other",
            "istiod of Istio 1.31.0 then ends with a nil pointer when it meets another cluster "
            "(istio/istio#59874 added the setting)",
            "remove it; docs/state.md says what a reader's token allows",
            found,
        )


def _images_are_of_the_version(spec: MeshSpec) -> Iterator[Problem]:
    istio = spec.mesh.istio
    tag = find(istio.values.istiod, "global.tag")
    if tag is not MISSING and not str(tag).startswith(istio.version):
        yield Problem(
            "image-of-another-version",
            "isthmus:mesh.istio.values.istiod.global.tag",
            f"should have the version of the charts, {istio.version}",
            "Istio does not test charts with images of another version",
            "remove it, and set isthmus:mesh.istio.version",
            tag,
            refuses=False,
        )


def _images_are_where_istio_publishes(spec: MeshSpec) -> Iterator[Problem]:
    for key in ("global.hub", "hub"):
        hub = find(spec.mesh.istio.values.istiod, key)
        if hub is not MISSING and str(hub).startswith(_RETIRED_HUBS):
            yield Problem(
                "images-retired",
                f"isthmus:mesh.istio.values.istiod.{key}",
                "should be where Istio publishes its images",
                "Istio deletes its images there at the end of 2026 and publishes none from 1.31 "
                "on (istio/istio.io#17539): pods that start later would stay without an image",
                "remove it, or use docker.io/istio or a mirror of it",
                hub,
                refuses=False,
            )


def check_kubernetes(istio: str, kubernetes: str, path: str) -> Iterator[Problem]:
    """Report a Kubernetes version that does not work with an Istio version.

    Versions that the table does not contain are accepted.
    """
    istio_minor, found = minor(istio), minor(kubernetes)
    if istio_minor is None or found is None or istio_minor not in SUPPORTED:
        return
    oldest, newest = SUPPORTED[istio_minor]
    supported = f"1.{oldest[1]} to 1.{newest[1]}"
    if found < oldest:
        yield Problem(
            "kubernetes-too-old",
            path,
            f"must have a Kubernetes that Istio {istio} supports: {supported}",
            "istiod uses APIs that an older version does not have",
            f"upgrade the cluster, or set isthmus:mesh.istio.version to {_istios_for(found)}",
            kubernetes,
        )
    elif found > newest:
        yield Problem(
            "kubernetes-untested",
            path,
            f"should have a Kubernetes that Istio {istio} is tested with: {supported}",
            "Istio's project has not tested the two together",
            "use a newer Istio",
            kubernetes,
            refuses=False,
        )


def _istios_for(kubernetes: Minor) -> str:
    fit = [i for i, (oldest, newest) in SUPPORTED.items() if oldest <= kubernetes <= newest]
    return " or ".join(f"{major}.{minor}" for major, minor in fit) or "an older Istio"


RULES = (
    _istio_is_not_too_old,
    _istio_keeps_endpoints,
    _istiod_does_not_crash,
    _images_are_of_the_version,
    _images_are_where_istio_publishes,
)
