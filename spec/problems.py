"""Problems with a configuration or its clusters, reported so that the reader can fix them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spec.codes import REFUSALS, Refusal

MISSING = object()


@dataclass(frozen=True)
class Problem:
    """One rule that the configuration breaks."""

    name: str
    """The refusal's name in spec/codes.py: `primary-unknown`."""
    path: str
    """The configuration path of the value: `isthmus:clusters[1].primary`."""
    rule: str
    """What must be true of the value."""
    reason: str
    """Why that must be true."""
    fix: str
    """The next step."""
    value: object = MISSING
    """The value; left out if it is missing or secret."""
    refuses: bool = True
    """Whether the mesh is refused; otherwise this is a warning."""

    @property
    def refusal(self) -> Refusal:
        return REFUSALS[self.name]

    def __str__(self) -> str:
        value = "" if self.value is MISSING else f" (found: {self.value!r})"
        return (
            f"{self.refusal.code} {self.name}\n"
            f"    {self.path}: {self.rule}{value}\n"
            f"      why: {self.reason}\n"
            f"      fix: {self.fix}\n"
            f"      see: {self.refusal.link}"
        )


class MeshRefusedError(Exception):
    """The configuration cannot become a mesh; the error lists every problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        lines = "\n".join(f"  {p}" for p in self.problems)
        super().__init__(f"the mesh is refused, {count}; nothing has been changed:\n{lines}")


def raise_if_refused(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the warnings, if the mesh is not refused.

    Raises:
        MeshRefusedError: with every problem for which the mesh is refused.
    """
    all_problems = tuple(problems)
    if refused := [p for p in all_problems if p.refuses]:
        raise MeshRefusedError(refused)
    return all_problems
