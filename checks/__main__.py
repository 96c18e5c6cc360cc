"""The command line of the checks: `python -m checks --help`."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import ValidationError
from rich.console import Console
from rich.status import Status as Spinner

from checks import page, report
from checks.api import ReadingApi
from checks.model import Result, Status
from checks.picture import draw
from checks.run import run
from kube.kubeconfig import KubeconfigError
from kube.kubeconfig import read as read_kubeconfig
from kube.pods import PodApi
from spec.description import Description

_PAUSE_SECONDS = 2
_WAIT_SECONDS = 300
_PIPE_WIDTH = 120
_PICTURES = (".svg", ".mmd")


class _UnreadableError(click.ClickException):
    """The stack has no outputs that could be checked."""

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
    type=click.Choice(["table", "short", "json", "html"]),
    default="table",
    show_default=True,
)
@click.option(
    "--wait",
    "patience",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=_WAIT_SECONDS,
    help=f"Repeat the checks until none fails, for at most this many seconds [{_WAIT_SECONDS}].",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_picture_file,
    help="Draw the mesh to this .svg or .mmd file, red where a check failed.",
)
@click.option(
    "--kubeconfig",
    help="Your own credentials instead of the stack's, with a context named as each cluster.",
)
@click.option(
    "--description",
    "description_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --kubeconfig: a file of `pulumi stack output checks --json`; no stack is read.",
)
@click.option(
    "--skip-forbidden",
    is_flag=True,
    help="Skip what the account is not allowed to do instead of failing; implied by --kubeconfig.",
)
def main(
    stack: str | None,
    cwd: Path,
    output: str,
    patience: int | None,
    picture: Path | None,
    kubeconfig: str | None,
    description_file: Path | None,
    skip_forbidden: bool,
) -> None:
    """Check every link of a mesh from both ends and say how to fix what is broken.

    Reads the stack's outputs and its clusters, and changes nothing. In each cluster it creates
    one pod and deletes it again.

    Exit status: 0 if nothing failed (there may be warnings), 1 if a check failed, 2 if nothing
    could be checked.
    """
    if description_file and not kubeconfig:
        raise click.UsageError("--description needs --kubeconfig")
    if description_file:
        description = _read(description_file.read_text())
    else:
        description = _read(_output(stack, cwd, "checks" if kubeconfig else "mesh"))
    if kubeconfig:
        description = _with_own_credentials(description, kubeconfig)
    started = time.monotonic()
    api_type = ReadingApi if kubeconfig or skip_forbidden else PodApi
    results = _run_until_passed(description, started + (patience or 0), api_type)
    seconds = time.monotonic() - started
    if picture:
        picture.write_text(draw(description, results, picture.suffix))
    if output == "json":
        click.echo(report.as_json(results, seconds))
    elif output == "html":
        click.echo(page.page(description, results, seconds, datetime.now(UTC)))
    elif output == "short":
        click.echo(report.short(results, seconds))
    else:
        console = Console()
        if not console.is_terminal:
            console.width = _PIPE_WIDTH
        console.print(report.table(results, seconds))
    sys.exit(0 if report.is_green(results) else 1)


def _output(stack: str | None, cwd: Path, name: str) -> str:
    command = ["pulumi", "stack", "output", name, "--json", "--cwd", str(cwd)]
    if name == "mesh":
        command.append("--show-secrets")
    if stack:
        command += ["--stack", stack]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise _UnreadableError("the command pulumi is not on the PATH") from None
    if done.returncode:
        said = done.stderr.strip().removeprefix("error: ")
        raise _UnreadableError(f"{said}; is it the right stack, and was it updated?")
    return done.stdout


def _read(text: str) -> Description:
    try:
        return Description.read(json.loads(text))
    except (ValidationError, TypeError, ValueError, KeyError):
        # Without the value, which holds credentials.
        raise _UnreadableError(
            "the stack's description of the mesh was written by another version of this program; "
            "`pulumi up` writes it again"
        ) from None


def _with_own_credentials(description: Description, kubeconfig: str) -> Description:
    try:
        contents = {
            cluster.name: read_kubeconfig(kubeconfig, cluster.name).kubeconfig
            for cluster in description.spec.clusters
        }
    except KubeconfigError as error:
        raise _UnreadableError(f"--kubeconfig {error.rule}; {error.fix}") from None
    return replace(description, kubeconfigs=contents)


def _run_until_passed(
    description: Description, until: float, api_type: type[PodApi] = PodApi
) -> Sequence[Result]:
    """Return the results of the first run without a failure, or of the last run."""
    console = Console(stderr=True)
    started = time.monotonic()
    last_words = ""
    with console.status("connecting") as spinner:
        while True:
            results = _look(description, spinner, api_type)
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


def _look(description: Description, spinner: Spinner, api_type: type[PodApi]) -> Sequence[Result]:
    return run(description, lambda done, of: spinner.update(f"{done} of {of} checks"), api_type)


if __name__ == "__main__":
    main(prog_name="python -m checks")
