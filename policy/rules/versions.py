"""Rules about versions: an update only runs reviewed versions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .resource import UNKNOWN, Finding, Resource

_CONTAINERS = ("containers", "initContainers")
_EXACT = re.compile(r"v?\d+\.\d+\.\d+([-+].*)?")
_INJECTED = "auto"
"""Image of a gateway's container; istiod replaces it by its own version."""


def pins_versions(resource: Resource) -> Iterator[Finding]:
    if resource.type == "kubernetes:helm.sh/v3:Release":
        yield from _chart(resource)
    elif resource.type.startswith("kubernetes:"):
        for image in _images(resource.props):
            if image not in (UNKNOWN, _INJECTED) and not _pinned(image):
                yield Finding(f"image `{image}` of `{resource.name}` has no version")


def _chart(resource: Resource) -> Iterator[Finding]:
    chart, version = str(resource.props.get("chart")), resource.props.get("version")
    is_directory = chart.startswith((".", "/")) or chart == UNKNOWN
    if not is_directory and version != UNKNOWN and not _EXACT.fullmatch(str(version)):
        yield Finding(f"chart `{chart}` of `{resource.name}` has the version `{version}`")


def _images(value: Any) -> Iterator[str]:
    """Images of every pod in an object, wherever its template is."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _CONTAINERS and isinstance(inner, list):
                yield from (c["image"] for c in inner if isinstance(c, Mapping) and "image" in c)
            else:
                yield from _images(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _images(inner)


def _pinned(image: str) -> bool:
    if "@sha256:" in image:
        return True
    # A colon before the last slash is a registry's port.
    _, _, tag = image.rsplit("/", 1)[-1].partition(":")
    return bool(tag) and tag != "latest"
