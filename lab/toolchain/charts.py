"""Istio's charts with the version and images of a release, and defaults for the lab.

The sources say version 1.0.0 and name no released images. `make` sets both as Istio's release
builder does (tools/building-release in istio/release-builder), and differs from a release in one
point: `DEFAULTS` is at the end of values.yaml.
"""

import gzip
import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import yaml

CHARTS = ("base", "gateway", "istiod")
_SMALL: dict[str, Any] = {"requests": {"cpu": "10m", "memory": "40Mi"}}
DEFAULTS: dict[str, dict[str, Any]] = {
    "istiod": {
        # The lab's Envoy is the upstream build, which lacks Istio's own filters.
        "telemetry": {"enabled": False},
        "env": {"PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_METADATA_EXCHANGE": "false"},
        # All nodes of the lab share one machine.
        "global": {"proxy": {"resources": _SMALL}},
        "resources": {"requests": {"cpu": "10m", "memory": "100Mi"}},
        "autoscaleEnabled": False,
    },
    "gateway": {
        "resources": _SMALL,
        "autoscaling": {"enabled": False},
        # The chart's image is called `auto`, and its node would try to pull it.
        "imagePullPolicy": "IfNotPresent",
    },
}
"""Values of the lab, per chart. They yield to the values of a stack, as any default does."""
# Read at import: a process that runs while this file changes must not store the old code's result
# under the new code's key.
_SOURCE = Path(__file__).read_bytes()


def key(sources: str, version: str, hub: str) -> str:
    """A digest of everything that determines the charts; `sources` is a digest of the sources."""
    return hashlib.sha256(f"{sources} {version} {hub}".encode() + _SOURCE).hexdigest()[:16]


def make(sources: Path, target: Path, version: str, hub: str) -> None:
    """Write the charts to target/charts/NAME, and as a chart repository to target/archives.

    Images are set to `hub` and the tag `version`. Raises ValueError where the sources are not as
    expected.
    """
    archives = target / "archives"
    archives.mkdir()
    entries: dict[str, list[dict[str, Any]]] = {}
    for name in CHARTS:
        chart = target / "charts" / name
        shutil.copytree(sources / name, chart)
        _set(chart / "Chart.yaml", version=version, appVersion=version)
        if name == "istiod":
            _set(chart / "values.yaml", hub=hub, tag=version)
        if name in DEFAULTS:
            _append(chart / "values.yaml", DEFAULTS[name])
        metadata: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text())
        archive = archives / f"{name}-{version}.tgz"
        archive.write_bytes(_package(chart))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        entries[name] = [{**metadata, "urls": [archive.name], "digest": digest}]
    index = {"apiVersion": "v1", "entries": entries}
    (archives / "index.yaml").write_text(yaml.safe_dump(index))


def _set(file: Path, **values: str) -> None:
    """Set keys that have a value in the file. Comments and everything else stay as they are."""
    text = file.read_text()
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^( *{key}:) (?!\"\").*$", rf"\g<1> {value}", text)
        if count != 1:
            raise ValueError(f"{file}: {key} is set {count} times, not once")
    file.write_text(text)


def _append(file: Path, values: dict[str, Any]) -> None:
    """Add top-level keys, which must be new: Istio has its own under another key."""
    text = file.read_text()
    if repeated := sorted(values.keys() & yaml.safe_load(text).keys()):
        raise ValueError(f"{file}: sets {', '.join(repeated)} itself")
    file.write_text(f"{text.rstrip()}\n\n# Defaults for the lab.\n{yaml.safe_dump(values)}")


def _package(chart: Path) -> bytes:
    """Pack reproducibly, unlike `helm package`."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for file in sorted(f for f in chart.rglob("*") if f.is_file()):
            member = tarfile.TarInfo(f"{chart.name}/{file.relative_to(chart)}")
            member.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(member, content)
    return gzip.compress(plain.getvalue(), mtime=0)
