"""The mesh as a picture, red where a check failed."""

from collections.abc import Sequence

from checks.model import Result, Status
from picture.mermaid import mermaid
from picture.state import State
from picture.svg import svg
from spec.description import Description


def draw(description: Description, results: Sequence[Result], kind: str) -> str:
    """Return the text of a picture; `kind` is `.svg` or `.mmd`."""
    parts = (r.finding.part for r in results if r.status is Status.FAILED)
    state = State(
        gateways=description.gateways,
        control_planes=description.control_planes,
        kubernetes=description.kubernetes,
        failed=frozenset(part for part in parts if part is not None),
    )
    return (mermaid if kind == ".mmd" else svg)(description.spec, state)
