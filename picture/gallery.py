"""The picture of every stack that comes with the project, and the page that shows them.

`python -m picture.gallery` writes docs/topologies.md and docs/topologies/*.svg. What a
stack is for is said once, in the comment at the head of its file.
"""

from itertools import takewhile
from pathlib import Path

import yaml

from picture.mermaid import mermaid
from picture.svg import svg
from spec import config
from spec.mesh import MeshSpec

_PROJECT = Path(__file__).parents[1]
PAGE = _PROJECT / "docs" / "topologies.md"
PICTURES = _PROJECT / "docs" / "topologies"
STACKS = (
    _PROJECT / "Pulumi.dev.yaml",
    *sorted((_PROJECT / "examples").glob("Pulumi.*.yaml")),
)
MEND = "run: python -m picture.gallery"

_ABOUT = """# Topologies

Made by `python -m picture.gallery` from the stack files; do not edit it by hand.

Roles and networks make the topology. Each picture is drawn from its stack file alone.
"""


def spec_of(file: Path) -> MeshSpec:
    """The mesh that a stack file describes."""
    given = yaml.safe_load(file.read_text())["config"]
    ours = {k.removeprefix("isthmus:"): v for k, v in given.items() if k.startswith("isthmus:")}
    return config.parse(ours)


def picture_of(file: Path) -> Path:
    """Where the picture of a stack file is kept."""
    return PICTURES / f"{_stack(file)}.svg"


def draw(file: Path) -> str:
    return svg(spec_of(file)) + "\n"


def page() -> str:
    return "\n".join([_ABOUT, *(_section(file) for file in STACKS)])


def _section(file: Path) -> str:
    stack, path = _stack(file), file.relative_to(_PROJECT)
    head = takewhile(lambda line: line.startswith("#"), file.read_text().splitlines())
    about = " ".join(line.lstrip("# ") for line in head)
    return (
        f"## {stack}\n\n{f'{about} ' if about else ''}Stack file: [`{path}`](../{path}).\n\n"
        f"![The mesh of stack {stack}]({PICTURES.name}/{stack}.svg)\n\n"
        f"<details><summary>The same as mermaid</summary>\n\n"
        f"```mermaid\n{mermaid(spec_of(file))}```\n\n</details>\n"
    )


def _stack(file: Path) -> str:
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def _write() -> None:
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    for file in STACKS:
        picture_of(file).write_text(draw(file))
    PAGE.write_text(page())


if __name__ == "__main__":
    _write()
