"""A real plugin of the user is started by the real engine, not only found by the lab."""

import shlex
import sys
from pathlib import Path

import pytest

from lab.stand_ins.install import VERSIONS
from tests.engine.program import Program

_PROJECT = Path(__file__).parents[2]


def test_the_engine_starts_the_plugin_in_the_users_own_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    directory = tmp_path / "user" / ".pulumi" / "plugins" / f"resource-tls-v{VERSIONS['tls']}"
    directory.mkdir(parents=True)
    # Not the lab's launcher, so the lab takes it for a real plugin; it notes that it was started.
    plugin = directory / "pulumi-resource-tls"
    plugin.write_text(
        f"#!/bin/sh\ntouch {shlex.quote(str(tmp_path / 'started'))}\n"
        f"PYTHONPATH={shlex.quote(str(_PROJECT))} "
        f'exec {shlex.quote(sys.executable)} -P -m lab.stand_ins.tls "$@"\n'
    )
    plugin.chmod(0o755)
    (tmp_path / "program").mkdir()
    program = Program(tmp_path / "program")
    program.write('import pulumi_tls\npulumi_tls.PrivateKey("key", algorithm="ED25519")\n')
    program.up()
    assert "key" in program.resources()
    assert (tmp_path / "started").exists()
