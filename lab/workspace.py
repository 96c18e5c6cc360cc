"""The program as a user runs it, with its own folder, Pulumi home and backend."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pulumi.automation as automation
import yaml

from lab.environment import backend, forget_killed_updates
from lab.stand_ins.install import install

_PROJECT = Path(__file__).parents[1]
_PROGRAM = (
    "Pulumi.yaml",
    "__main__.py",
    *("components", "kube", "picture", "preflight", "spec", "stacks"),
)
_INHERITED_PATH = os.environ["PATH"]


@dataclass
class Workspace:
    """One stack of Isthmus. The configuration can be changed between two updates."""

    folder: Path
    tools: Path
    """Directory of pulumi, helm and the language host."""
    name: str = "test"
    """The stack's. Stacks of one folder share its backend."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in _PROGRAM:
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(_PROJECT / name)
        (self.folder / "state").mkdir(exist_ok=True)
        install(self.home)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{_PROJECT / '.venv/bin'}:{self.tools}:{_INHERITED_PATH}",
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": backend(self.folder / "state"),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "GOGC": "400",  # a sixth less CPU time for pulumi, helm, kubectl and istioctl
        }

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Write `Pulumi.<stack>.yaml`, with CA keys encrypted; keys without their `isthmus:`."""
        file = self.folder / f"Pulumi.{self.name}.yaml"
        kept = yaml.safe_load(file.read_text()) if file.exists() else {}
        kept["config"] = {f"isthmus:{key}": value for key, value in configuration.items()}
        file.write_text(yaml.safe_dump(kept))
        for path, key in _ca_keys(configuration):
            secret = automation.ConfigValue(key, secret=True)
            self.stack.set_config(path, secret, path=True)

    def killed_up(self, when: str, wait: Callable[[], object] = lambda: None) -> None:
        """Start an update and kill it, with all that it has started, when it prints `when` and
        `wait` is over."""
        self.stack  # noqa: B018  # creates it
        update = subprocess.Popen(
            ["pulumi", "up", "--stack", self.name, "--yes", "--skip-preview", "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        printed = list[str]()
        for line in update.stdout or ():
            printed.append(line)
            if when in line:
                break
        else:
            raise AssertionError(f"never came to {when!r}:\n{''.join(printed)}")
        wait()
        os.killpg(update.pid, signal.SIGKILL)
        update.wait()
        forget_killed_updates(self.folder / "state")

    @property
    def stack(self) -> automation.Stack:
        # The Automation API finds `pulumi` on its own process's PATH.
        os.environ["PATH"] = self.environment["PATH"]
        return self._stack

    @cached_property
    def _stack(self) -> automation.Stack:
        # Selecting a stack takes three processes of Pulumi.
        return automation.create_or_select_stack(
            stack_name=self.name,
            work_dir=str(self.folder),
            opts=automation.LocalWorkspaceOptions(
                env_vars=self.environment, pulumi_home=str(self.home)
            ),
        )


def _ca_keys(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and text of each key of a CA of the user's own."""
    root = configuration.get("mesh", {}).get("ca", {}).get("root", {})
    if "key" in root:
        yield "isthmus:mesh.ca.root.key", root["key"]
    for i, cluster in enumerate(configuration.get("clusters", ())):
        if "ca" in cluster:
            yield f"isthmus:clusters[{i}].ca.key", cluster["ca"]["key"]
