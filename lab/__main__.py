"""The lab's command line: `python -m lab --help`."""

import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from lab import environment, preflight, toolchain
from lab.cluster import ClusterError
from lab.lab import Lab, Status
from lab.machine import MachineError
from lab.preflight import PreflightError
from lab.spec import SpecError, parse

_SPEC = Path(__file__).with_name("dev.yaml")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=".lab",
    show_default=True,
    help="Directory for the lab's files. Each lab needs its own.",
)
@click.pass_context
def main(context: click.Context, directory: Path) -> None:
    """Real Kubernetes clusters on this machine: a network namespace each, no Docker."""
    context.obj = directory


def _lab(context: click.Context) -> Lab:
    return Lab(context.obj)


_spec_option = click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=_SPEC,
    show_default="lab/dev.yaml",
    help="The clusters: a YAML file.",
)


@main.command("preflight")
@_spec_option
@click.pass_context
def check_machine(context: click.Context, spec: Path) -> None:
    """Check that this machine can run the clusters. Changes nothing."""
    with _sentences():
        preflight.check(context.obj.resolve(), parse(spec.read_text(), str(spec)))
        click.echo("preflight: this machine has what the lab needs")


@main.command()
@_spec_option
@click.pass_context
def up(context: click.Context, spec: Path) -> None:
    """Create the clusters, or restart what does not run, and wait until pods and DNS work."""
    with _sentences():
        lab = Lab(context.obj, parse(spec.read_text(), str(spec)))
        lab.up(click.echo)
        names = ", ".join(c.name for c in lab.clusters)
        click.echo(f"lab up: {names}. Use it with: export KUBECONFIG={lab.kubeconfig}")


@main.command()
@click.pass_context
def down(context: click.Context) -> None:
    """Delete the clusters and everything the lab created, including its directory and Pulumi's
    state."""
    with _sentences():
        started = time.monotonic()
        lab = _lab(context)
        lab.down()
        took = time.monotonic() - started
        click.echo(f"lab down after {took:.1f} s: deleted {lab.directory} and Pulumi's state in it")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with memory in bytes.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show what runs. The exit status is 1 if anything that should run does not."""
    with _sentences():
        found = _lab(context).status()
        if as_json:
            click.echo(json.dumps([dataclasses.asdict(s) for s in found], indent=2))
        else:
            Console().print(_table(found))
        if not all(s.healthy for s in found):
            sys.exit(1)


@main.command()
@click.argument("cluster")
@click.argument("program", required=False)
@click.option("-f", "--follow", is_flag=True, help="Keep printing new lines.")
@click.option("-n", "--lines", default=20, show_default=True, help="Number of lines to print.")
@click.pass_context
def logs(
    context: click.Context, cluster: str, program: str | None, follow: bool, lines: int
) -> None:
    """Show the logs of a cluster's programs, or only of PROGRAM."""
    with _sentences():
        directory = _lab(context).cluster(cluster).log("any").parent
        known = sorted(p.stem for p in directory.glob("*.log"))
        if program and program not in known:
            raise ClusterError(
                f"{cluster}: no log of {program!r}; there are logs of: {', '.join(known)}"
            )
        files = [str(directory / f"{p}.log") for p in ([program] if program else known)]
        tail = ["tail", f"--lines={lines}", *(["--follow=name"] if follow else []), *files]
        os.execvp("tail", tail)  # noqa: S606


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("cluster")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def execute(context: click.Context, cluster: str, command: tuple[str, ...]) -> None:
    """Run COMMAND as root on the node of CLUSTER, or a shell: `exec east ctr images ls`."""
    with _sentences():
        lab = _lab(context)
        inside = lab.cluster(cluster).enter()
        variables = {**os.environ, **environment.on_node()}
        os.execvpe(inside[0], [*inside, *(command or ("bash",))], variables)  # noqa: S606


@main.command()
@click.pass_context
def kubeconfig(context: click.Context) -> None:
    """Print the path of the kubeconfig, which has a context for each cluster."""
    with _sentences():
        lab = _lab(context)
        lab.clusters  # noqa: B018  # raises where there is no lab
        click.echo(lab.kubeconfig)


@main.command()
@click.pass_context
def env(context: click.Context) -> None:
    """Print shell exports for Pulumi, kubectl and the like: eval "$(python -m lab env)"."""
    with _sentences():
        variables = environment.for_pulumi(_lab(context), lambda line: click.echo(line, err=True))
        for name, value in variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")


def _table(found: list[Status]) -> Table:
    # Fits into 80 columns; --json has everything.
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("cluster", "network", "API server", "node", "load balancers", "programs"):
        table.add_column(heading, overflow="fold")
    table.add_column("memory", justify="right")
    for s in found:
        running = sum(state == "RUNNING" for state in s.programs.values())
        rest = [f"{p} {state}" for p, state in s.programs.items() if state != "RUNNING"]
        table.add_row(
            s.cluster,
            s.network,
            s.server.removeprefix("https://") if s.api else "no answer",
            s.node,
            s.load_balancers,
            ", ".join([f"{running}/{len(s.programs)}", *rest]),
            f"{s.memory / 1024**2:.0f} MiB",
        )
    return table


@contextmanager
def _sentences() -> Generator[None]:
    """Print expected errors as sentences on standard error, and exit with status 1."""
    try:
        yield
    except (SpecError, PreflightError) as e:
        for sentence in e.errors:
            click.echo(f"error: {sentence}", err=True)
        sys.exit(1)
    except (MachineError, ClusterError, toolchain.ToolchainError) as e:
        click.echo(f"error: {e}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m lab")
