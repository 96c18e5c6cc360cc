"""The command line of the checks: `python -m checks --help`."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import ValidationError
from rich.console import Console
from rich.status import Status as Spinner

from checks import report
from checks.model import Result, Status
from checks.picture import draw
from checks.run import run
from spec.description import Description

_PAUSE_SECONDS = 2
_WAIT_SECONDS = 300
_PIPE_WIDTH = 120
_PICTURES = (".svg", ".mmd")


class _UnreadableError(click.ClickException):
    """The stack tells nothing that could be checked."""

    exit_code = 2


def _picture_file(_context: click.Context, _option: object, path: Path | None) -> Path | None:
    if path is not None and path.suffix not in _PICTURES:
        raise click.BadParameter(f"must end in {' or '.join(_PICTURES)}")
    return path


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-s", "--stack", help="Pulumi's stack; the selected one if left out.")
@click.option(
    "-C",
    "--cwd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Folder of Pulumi.yaml.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "short", "json"]),
    default="table",
    show_default=True,
)
@click.option(
    "--wait",
    "patience",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=_WAIT_SECONDS,
    help=f"Look again until nothing fails, this many seconds at most [{_WAIT_SECONDS}].",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_picture_file,
    help="Draw the mesh to this .svg or .mmd file, red where a check failed.",
)
def main(
    stack: str | None, cwd: Path, output: str, patience: int | None, picture: Path | None
) -> None:
    """Look at every link of a mesh from both ends, and say of what is broken what to do.

    Reads the stack's outputs and its clusters, and changes nothing. In each cluster one pod is made
    and removed again.

    Exit status: 0 if nothing failed (there may be warnings), 1 if a check failed, 2 if nothing
    could be looked at.
    """
    description = _described(stack, cwd)
    started = time.monotonic()
    results = _looked(description, started + (patience or 0))
    seconds = time.monotonic() - started
    if picture:
        picture.write_text(draw(description, results, picture.suffix))
    if output == "json":
        click.echo(report.as_json(results, seconds))
    elif output == "short":
        click.echo(report.short(results, seconds))
    else:
        console = Console()
        if not console.is_terminal:
            console.width = _PIPE_WIDTH
        console.print(report.table(results, seconds))
    sys.exit(0 if report.is_green(results) else 1)


def _described(stack: str | None, cwd: Path) -> Description:
    command = ["pulumi", "stack", "output", "mesh", "--json", "--show-secrets", "--cwd", str(cwd)]
    if stack:
        command += ["--stack", stack]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise _UnreadableError("the command pulumi is not on the PATH") from None
    if done.returncode:
        said = done.stderr.strip().removeprefix("error: ")
        raise _UnreadableError(f"{said}; is it the right stack, and was it updated?")
    try:
        return Description.read(json.loads(done.stdout))
    except (ValidationError, TypeError):
        # Without the value, which holds credentials.
        raise _UnreadableError(
            "the stack's output `mesh` was written by another version of this program; "
            "`pulumi up` writes it again"
        ) from None


def _looked(description: Description, until: float) -> Sequence[Result]:
    """The results of the first look at which nothing failed, or else of the last."""
    console = Console(stderr=True)
    started = time.monotonic()
    last_words = ""
    with console.status("connecting") as spinner:
        while True:
            results = _look(description, spinner)
            if report.is_green(results) or time.monotonic() >= until:
                return results
            failed = [r for r in results if r.status is Status.FAILED]
            what = ", ".join(dict.fromkeys(f"{r.check.id} in {r.cluster}" for r in failed))
            if what != last_words:
                console.print(
                    f"{time.monotonic() - started:5.0f} s: {len(failed)} failed: {what}",
                    soft_wrap=True,
                    highlight=False,
                )
                last_words = what
            time.sleep(_PAUSE_SECONDS)


def _look(description: Description, spinner: Spinner) -> Sequence[Result]:
    return run(description, lambda done, of: spinner.update(f"{done} of {of} checks"))


if __name__ == "__main__":
    main(prog_name="python -m checks")
