"""Istio's charts as a release has them: the sources say version 1.0.0 and nobody's images.

Istio's release builder stamps them alike: tools/building-release in istio/release-builder.
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
# Read with the code that runs: a process that goes on while this file is changed must not give
# what the old code makes the new code's key.
_SOURCE = Path(__file__).read_bytes()


def key(sources: str, version: str, hub: str) -> str:
    """A name for what `make` makes. `sources`: a key of what is in them."""
    return hashlib.sha256(f"{sources} {version} {hub}".encode() + _SOURCE).hexdigest()[:16]


def make(sources: Path, target: Path, version: str, hub: str) -> None:
    """Make target/charts/NAME, and target/archives: a chart repository of the same.

    Images are set to `hub` and the tag `version`.
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
        metadata: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text())
        archive = archives / f"{name}-{version}.tgz"
        archive.write_bytes(_package(chart))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        entries[name] = [{**metadata, "urls": [archive.name], "digest": digest}]
    index = {"apiVersion": "v1", "entries": entries}
    (archives / "index.yaml").write_text(yaml.safe_dump(index))


def _set(file: Path, **values: str) -> None:
    """Set keys that have a value in the file. Comments and all else stay as they are."""
    text = file.read_text()
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^( *{key}:) (?!\"\").*$", rf"\g<1> {value}", text)
        if count != 1:
            raise ValueError(f"{file}: {key} is set {count} times, not once")
    file.write_text(text)


def _package(chart: Path) -> bytes:
    """The same bytes from the same files, unlike those of `helm package`."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for file in sorted(f for f in chart.rglob("*") if f.is_file()):
            member = tarfile.TarInfo(f"{chart.name}/{file.relative_to(chart)}")
            member.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(member, content)
    return gzip.compress(plain.getvalue(), mtime=0)
