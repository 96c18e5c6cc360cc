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


@pytest.mark.parametrize("other_file_system", [False, True])
def test_a_real_plugin_of_the_user_is_used(
    tmp_path: Path, user: Path, monkeypatch: pytest.MonkeyPatch, *, other_file_system: bool
) -> None:
    if other_file_system:
        monkeypatch.setattr("os.link", _refuse)
    directory = tmp_path / "home" / KUBERNETES
    install(tmp_path / "home")
    assert _stand_in(directory)
    own = _program(user / ".pulumi" / KUBERNETES)
    for _ in range(2):
        (found, *_) = install(tmp_path / "home")
        assert not found.stand_in
        assert found.executable.read_bytes() == own.read_bytes()
    assert not directory.is_symlink(), "the engine ignores symbolic links"
    assert [path.name for path in directory.parent.glob("*kubernetes*")] == [directory.name]


def test_a_symbolic_link_to_a_real_plugin_is_replaced(tmp_path: Path, user: Path) -> None:
    _program(user / ".pulumi" / KUBERNETES)
    directory = tmp_path / "home" / KUBERNETES
    directory.parent.mkdir(parents=True)
    directory.symlink_to(user / ".pulumi" / KUBERNETES)
    assert not install(tmp_path / "home")[0].stand_in
    assert not directory.is_symlink()
    assert (user / ".pulumi" / KUBERNETES / "pulumi-resource-kubernetes").exists()


def _refuse(source: str, target: str) -> None:
    raise OSError(f"{target} is on another file system than {source}")


def _stand_in(directory: Path) -> bool:
    return b"stand-in" in (directory / "pulumi-resource-kubernetes").read_bytes()


def test_the_engine_writes_no_debug_log_unless_it_did(tmp_path: Path) -> None:
    install(tmp_path / "new")
    assert (tmp_path / "new/logs").is_file()
    (tmp_path / "old/logs").mkdir(parents=True)
    install(tmp_path / "old")
    assert (tmp_path / "old/logs").is_dir()
