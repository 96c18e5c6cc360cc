"""A Pulumi program of one file, run by the real command line against a file backend."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.environment import backend, forget_killed_updates
from lab.stand_ins.install import install

_LIMIT = 300  # seconds for one command, of which none takes 30


@dataclass
class Program:
    """A stack named `test` with its own folder, Pulumi home and backend.

    `pulumi` and its language host are taken from PATH.
    """

    folder: Path

    def __post_init__(self) -> None:
        install(self.folder / "home")
        (self.folder / "state").mkdir()
        (self.folder / "Pulumi.yaml").write_text("name: probe\nruntime: python\n")
        self.pulumi("stack", "init", "test")

    def write(self, source: str) -> None:
        """Set the program."""
        (self.folder / "__main__.py").write_text(textwrap.dedent(source))

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Run the command line and return its output. With `fails`, it must fail."""
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line and go on; stdout has all it prints."""
        return subprocess.Popen(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def kill(self, started: subprocess.Popen[str]) -> None:
        """Kill a command with all that it has started."""
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        forget_killed_updates(self.folder / "state")

    def up(self) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", "--diff", "--show-sames")

    def preview(self) -> list[dict[str, Any]]:
        """Give the planned steps as `pulumi preview --json` lists them."""
        text = self.pulumi("preview", "--json")
        return json.loads(text[text.index("{") :])["steps"]

    def planned(self) -> dict[str, str]:
        """Give what a preview would do to each resource, by logical name: its last step."""
        steps = self.preview()
        return {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in steps}

    def outputs(self) -> dict[str, Any]:
        """Give the stack's outputs, secrets laid open."""
        return json.loads(self.pulumi("stack", "output", "--json", "--show-secrets"))

    def resources(self, *, secrets: bool = False) -> dict[str, dict[str, Any]]:
        """Give the resources in the state by logical name."""
        flags = ["--show-secrets"] if secrets else []
        state = json.loads(self.pulumi("stack", "export", *flags))
        found = state["deployment"].get("resources", [])
        return {resource["urn"].rsplit("::", 1)[-1]: resource for resource in found}

    def forget(self) -> None:
        """Take all objects out of the state: the engine was killed before it wrote of them."""
        file = self.folder / "exported.json"
        self.pulumi("stack", "export", "--file", str(file))
        state = json.loads(file.read_text())
        found = state["deployment"]["resources"]
        kept = [resource for resource in found if not resource["type"].startswith("kubernetes:")]
        state["deployment"]["resources"] = kept
        file.write_text(json.dumps(state))
        self.pulumi("stack", "import", "--file", str(file))

    @property
    def stored(self) -> str:
        """Everything in the backend, as it lies on disk: states, backups and history."""
        files = sorted(path for path in (self.folder / "state").rglob("*") if path.is_file())
        return "\n".join(path.read_text() for path in files)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": backend(self.folder / "state"),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "GOGC": "400",  # a sixth less CPU time for pulumi and helm
        }
