"""Which plugin the engine will find."""

import subprocess
from pathlib import Path

import pytest

from lab.stand_ins.install import VERSIONS, install

KUBERNETES = Path("plugins", f"resource-kubernetes-v{VERSIONS['kubernetes']}")


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return tmp_path / "user"


def _program(directory: Path) -> Path:
    directory.mkdir(parents=True)
    program = directory / "pulumi-resource-kubernetes"
    program.write_bytes(b"\x7fELF real plugin")
    program.chmod(0o755)
    return program


def test_stand_ins_are_put_where_no_plugin_is(tmp_path: Path) -> None:
    for _ in range(2):  # the second time over the first
        found = install(tmp_path / "home")
        assert [plugin.name for plugin in found] == list(VERSIONS)
        assert all(plugin.stand_in for plugin in found)
        assert "stand-in" in str(found[0])


def test_a_stand_in_starts_and_stops_as_the_engine_wants(tmp_path: Path) -> None:
    for plugin in install(tmp_path / "home"):
        with subprocess.Popen(
            [plugin.executable, "127.0.0.1:1"], stdout=subprocess.PIPE, cwd="/"
        ) as process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) > 0
            process.terminate()
            assert process.wait(5) == 0


def test_a_real_plugin_stays(tmp_path: Path) -> None:
    program = _program(tmp_path / "home" / KUBERNETES)
    found = install(tmp_path / "home")[0]
    assert not found.stand_in
    assert "real plugin" in str(found)
    assert program.read_bytes() == b"\x7fELF real plugin"


def test_a_real_plugin_of_the_user_is_used(tmp_path: Path, user: Path) -> None:
    install(tmp_path / "home")  # a stand-in was there before
    _program(user / ".pulumi" / KUBERNETES)
    assert not install(tmp_path / "home")[0].stand_in
    linked = tmp_path / "home" / KUBERNETES / "pulumi-resource-kubernetes"
    assert linked.read_bytes() == b"\x7fELF real plugin"
    assert not install(tmp_path / "home")[0].stand_in


def test_the_engine_writes_no_debug_log_unless_it_did(tmp_path: Path) -> None:
    install(tmp_path / "new")
    assert (tmp_path / "new/logs").is_file()
    (tmp_path / "old/logs").mkdir(parents=True)
    install(tmp_path / "old")
    assert (tmp_path / "old/logs").is_dir()
