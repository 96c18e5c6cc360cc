"""What can be wrong with a configuration, said so that the reader can act on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MISSING = object()


@dataclass(frozen=True)
class Problem:
    """One rule that the configuration breaks."""

    path: str
    """Where, as a configuration path: `isthmus:clusters[1].primary`."""
    rule: str
    """What must hold."""
    reason: str
    """Why it must."""
    fix: str
    """The next step."""
    value: object = MISSING
    """What stands there; left out where it is missing or secret."""
    refuses: bool = True
    """Whether the mesh is refused for it, or only warned of."""

    def __str__(self) -> str:
        found = "" if self.value is MISSING else f" (found: {self.value!r})"
        return f"{self.path}: {self.rule}{found}\n    why:  {self.reason}\n    fix: {self.fix}"


class MeshRefusedError(Exception):
    """The configuration cannot become a mesh; every problem found is listed, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        lines = "\n".join(f"  {p}" for p in self.problems)
        super().__init__(f"the mesh is refused, {count}; nothing has been changed:\n{lines}")


def raise_if_refused(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Give back the warnings, if there is nothing worse.

    Raises:
        MeshRefusedError: with every problem that the mesh is refused for.
    """
    found = tuple(problems)
    if refused := [p for p in found if p.refuses]:
        raise MeshRefusedError(refused)
    return found
