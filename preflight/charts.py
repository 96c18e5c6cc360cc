"""Checks that Istio's charts are available in the configured version."""

import http.client
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import yaml

from spec.mesh import Istio
from spec.problems import Problem

CHARTS = ("base", "istiod", "gateway")
_SECONDS = 5
_RETIRED = ("storage.googleapis.com", "gcr.io/istio-release", "registry.istio.io")
"""Where Istio published charts and images until 1.30 (istio/istio.io#17539)."""
_PUBLISHED = "oci://ghcr.io/istio/release/charts"
_FIRST_ELSEWHERE = (1, 31, 0)


def missing_charts(istio: Istio) -> Iterator[Problem]:
    """Report missing charts of a directory or Helm repository; the provider queries registries."""
    if any(place in istio.charts for place in _RETIRED):
        return _retired(istio)
    if istio.charts.startswith(("http://", "https://")):
        return _missing_in_repository(istio)
    if "://" in istio.charts:
        return iter(())
    return _missing_in_directory(istio)


def _retired(istio: Istio) -> Iterator[Problem]:
    gone = tuple(map(int, istio.version.split("."))) >= _FIRST_ELSEWHERE
    yield Problem(
        "charts-retired",
        "isthmus:mesh.istio.charts",
        f"must be where Istio {istio.version} is published"
        if gone
        else "should be where Istio publishes its charts",
        "Istio has moved, and the former address has no version from 1.31 on",
        f"use {_PUBLISHED}, or a mirror of it",
        istio.charts,
        refuses=gone,
    )


def _missing_in_repository(istio: Istio) -> Iterator[Problem]:
    address = f"{istio.charts.rstrip('/')}/index.yaml"
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # noqa: S310
            entries = _entries(answer)
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield Problem(
            "charts-not-found",
            "isthmus:mesh.istio.charts",
            f"must be a Helm repository ({error}: {address})",
            "Istio is installed from its charts base, istiod and gateway",
            "correct the address, or name a directory with the charts",
            istio.charts,
        )
        return
    for chart in CHARTS:
        versions = [str(entry["version"]) for entry in entries.get(chart, [])]
        if istio.version not in versions:
            yield Problem(
                "charts-lack-version",
                "isthmus:mesh.istio.version",
                f"must be a version of the chart {chart} in {istio.charts}",
                "Isthmus installs this version of the chart",
                f"use one of: {', '.join(versions[:5]) or 'none, the chart does not exist there'}",
                istio.version,
            )


def _entries(index: IO[bytes]) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Charts by name, of a repository's index.

    Raises:
        ValueError: it is no index, such as a page to log in at.
    """
    try:
        return dict(yaml.load(index, yaml.CSafeLoader)["entries"])  # safe, and quick
    except (yaml.YAMLError, TypeError, KeyError, ValueError):
        raise ValueError("the response is not the index of a Helm repository") from None


def _missing_in_directory(istio: Istio) -> Iterator[Problem]:
    for chart in CHARTS:
        file = Path(istio.charts) / chart / "Chart.yaml"
        try:
            version = yaml.safe_load(file.read_text())["version"]
        except OSError as error:
            yield Problem(
                "chart-file-missing",
                "isthmus:mesh.istio.charts",
                f"must contain the chart {chart} ({error.strerror}: {file})",
                "Istio is installed from its charts base, istiod and gateway",
                "name a directory with the three, a Helm repository, or an oci:// prefix; "
                "in the lab: make up",
                istio.charts,
            )
            continue
        if version != istio.version:
            yield Problem(
                "chart-of-another-version",
                "isthmus:mesh.istio.version",
                f"must be the version of the charts; {file} is {version}",
                "charts of one version do not work with images of another",
                f"set it to {version}, or provide charts of {istio.version}",
                istio.version,
            )
