"""The mesh as a picture, red where a check failed."""

from collections.abc import Mapping, Sequence

from checks.model import Result, Status
from picture.mermaid import mermaid
from picture.state import Part, State
from picture.svg import svg
from spec.description import Description


def draw(description: Description, results: Sequence[Result], kind: str) -> str:
    """Return the text of a picture; `kind` is `.svg` or `.mmd`."""
    drawer = mermaid if kind == ".mmd" else svg
    return drawer(description.spec, state(description, results, {}))


def state(description: Description, results: Sequence[Result], links: Mapping[Part, str]) -> State:
    """Return what a picture shows of a mesh, with links of its parts."""
    parts = (r.finding.part for r in results if r.status is Status.FAILED)
    return State(
        gateways=description.gateways,
        control_planes=description.control_planes,
        kubernetes=description.kubernetes,
        failed=frozenset(part for part in parts if part is not None),
        links=links,
    )
