"""Claims about how programs come to be. Go and apt-get are played by scripts; nothing is built."""

import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from lab import toolchain
from lab.toolchain import ToolchainError, charts, debian, golang, machine
from lab.toolchain.golang import Go
from lab.toolchain.progress import Progress
from lab.toolchain.store import Store
from lab.toolchain.tools import FORMER, FORMER_ISTIO, HELM, ISTIO, PULUMI, Copy, Group

# Plays `go build … -o DIRECTORY/ PACKAGES` and `go list … MODULE`. $STATE/fail and $STATE/slow
# make it do so; $STATE/built has a line for each build.
_GO = """\
#!/bin/bash
if [ "$1" = list ]; then echo "$STATE/module"; exit; fi
echo "$@" >> "$STATE/built"
while [ "$1" != -o ]; do shift; done
mkdir -p "$2"
for package in "${@:3}"; do
  name=$(basename "$package"); [ "$name" = . ] && name=hyperkube
  echo half > "$2$name"
  if [ -e "$STATE/slow" ]; then echo "compiling $package"; echo $$ > "$STATE/pid"; sleep 30; fi
  if [ -e "$STATE/fail" ]; then echo "cannot fetch $package"; exit 1; fi
  echo whole > "$2$name"; chmod +x "$2$name"
done
"""
# Put before the script above: notes if another build runs at the same time.
_MEETING = """\
#!/bin/bash
touch "$STATE/here.$$"
for _ in {1..20}; do
  [ "$(ls "$STATE"/here.* | wc -l)" -ge 2 ] && { touch "$STATE/met"; break; }
  sleep 0.1
done
trap 'rm "$STATE/here.$$"' EXIT
"""
_CHART = "apiVersion: v2\nname: {}\n# replaced by the release\nversion: 1.0.0\nappVersion: 1.0.0\n"
_VALUES = """\
_internal_defaults_do_not_set:
  hub: ""
  tag: ""
  autoscaleEnabled: true
  global:
    # Images.
    hub: registry.example
    tag: latest
"""


@dataclass
class Fakes:
    """A cache of the test's own, a Go that is a script, and the reported lines."""

    root: Path
    go: Go
    lines: list[str]

    @property
    def store(self) -> Store:
        return Store(self.root / "cache", Progress(self.lines.append, 10))

    def build(self, group: Group) -> Path:
        return golang.build(group, self.go, self.store)

    @property
    def builds(self) -> int:
        log = self.root / "built"
        return len(log.read_text().splitlines()) if log.exists() else 0

    @property
    def made(self) -> list[str]:
        return sorted(p.name for p in self.store.root.iterdir() if not p.name.endswith(".lock"))


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    program = script(tmp_path / "go" / "bin" / "go", _GO)
    (tmp_path / "go" / "VERSION").write_text("go1.26.3\ntime 2026-01-01\n")
    modules = tmp_path / "modules"
    for group in ("tool", FORMER.name, *(g.name for g in toolchain.GROUPS)):
        (modules / group).mkdir(parents=True)
        (modules / group / "go.mod").write_text(f"module {group}\n")
        (modules / group / "main.go").write_text("package main\n")
    monkeypatch.setattr("lab.toolchain.golang._MODULES", modules)
    monkeypatch.setenv("STATE", str(tmp_path))
    return Fakes(tmp_path, Go("go1.26.3", program), [])


TOOL = Group("tool", ("example.com/cmd/tool",), variables=(("main.version", "1"),), usual=120)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def eventually(claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.02)
    return claim()


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# Keys


@pytest.mark.parametrize(
    "other",
    [
        replace(TOOL, packages=("example.com/cmd/other",)),
        replace(TOOL, variables=(("main.version", "2"),)),
        replace(TOOL, tags=("netgo",)),
        replace(TOOL, copies=(Copy("example.com", "file", "file"),)),
    ],
)
def test_another_build_has_another_key(fakes: Fakes, other: Group) -> None:
    assert golang.key(other, fakes.go) != golang.key(TOOL, fakes.go)


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "main.go", "contrib/doc.go"])
def test_every_file_of_the_module_is_part_of_the_key(fakes: Fakes, file: str) -> None:
    before = golang.key(TOOL, fakes.go)
    changed = fakes.root / "modules" / "tool" / file
    changed.parent.mkdir(exist_ok=True)
    changed.write_text("other\n")
    assert golang.key(TOOL, fakes.go) != before


def test_the_version_of_go_is_part_of_the_key(fakes: Fakes) -> None:
    assert golang.key(TOOL, replace(fakes.go, version="go1.26.4")) != golang.key(TOOL, fakes.go)


def test_what_is_known_about_a_build_is_not_part_of_its_key(fakes: Fakes) -> None:
    assert golang.key(replace(TOOL, usual=9), fakes.go) == golang.key(TOOL, fakes.go)


# Builds


def test_a_group_is_built_once(fakes: Fakes) -> None:
    first = fakes.build(TOOL)
    assert (first / "bin" / "tool").read_text() == "whole\n"
    assert fakes.build(TOOL) == first
    assert fakes.builds == 1
    assert fakes.lines == [
        "[1/10 00:00] tool: building (usually 2 min)",
        "[1/10 00:00] tool: built in 00:00, 00:00 of CPU time",
    ]


def test_copies_from_modules_can_be_removed_again(fakes: Fakes) -> None:
    source = fakes.root / "module" / "share" / "deep" / "file"
    source.parent.mkdir(parents=True)
    source.write_text("content")
    for path in (source, source.parent):
        path.chmod(0o555)
    built = fakes.build(replace(TOOL, copies=(Copy("example.com", "share", "data"),)))
    copied = built / "data" / "deep" / "file"
    assert copied.read_text() == "content"
    assert copied.stat().st_mode & 0o200
    assert copied.parent.stat().st_mode & 0o200


def test_a_build_that_fails_shows_the_end_of_its_output_and_leaves_nothing(fakes: Fakes) -> None:
    (fakes.root / "fail").touch()
    with pytest.raises(ToolchainError) as failure:
        fakes.build(TOOL)
    for part in ("tool", "exit status 1", "cannot fetch example.com/cmd/tool", "run `python -m"):
        assert part in str(failure.value)
    assert fakes.made == []


def test_a_killed_build_leaves_no_half_tool_and_the_next_run_goes_on(fakes: Fakes) -> None:
    (fakes.root / "slow").touch()
    builder = in_another_process(fakes)
    assert eventually(lambda: (fakes.root / "pid").exists())
    (part,) = fakes.made
    assert part.startswith(".tool-")
    builder.kill()
    builder.wait()
    compiler = int((fakes.root / "pid").read_text())
    assert eventually(lambda: not runs(compiler)), "the compiler goes on without its builder"
    (fakes.root / "slow").unlink()
    built = fakes.build(TOOL)
    assert (built / "bin" / "tool").read_text() == "whole\n"
    assert fakes.made == [built.name], "what the killed build left is still there"


def test_an_interrupted_build_ends_its_compiler(fakes: Fakes) -> None:
    (fakes.root / "slow").touch()
    builder = in_another_process(fakes)
    assert eventually(lambda: (fakes.root / "pid").exists())
    builder.send_signal(signal.SIGINT)
    builder.wait(5)
    compiler = int((fakes.root / "pid").read_text())
    assert eventually(lambda: not runs(compiler))
    assert fakes.made == []


def test_a_second_builder_waits_for_the_first(fakes: Fakes) -> None:
    (fakes.root / "slow").touch()
    first = in_another_process(fakes)
    assert eventually(lambda: (fakes.root / "pid").exists())
    (fakes.root / "slow").unlink()
    second = threading.Thread(target=fakes.build, args=(TOOL,))
    second.start()
    assert eventually(lambda: bool(fakes.lines))
    assert fakes.lines == ["[1/10 00:00] tool: waiting for another run that creates it"]
    assert fakes.builds == 1
    first.kill()
    first.wait()
    second.join(5)
    assert fakes.builds == 2


def test_a_builder_that_waited_uses_what_the_other_built(fakes: Fakes) -> None:
    with fakes.store.alone("tool"):
        waiting = threading.Thread(target=fakes.build, args=(TOOL,))
        waiting.start()
        assert eventually(lambda: bool(fakes.lines))
        (fakes.store.root / f"tool-{golang.key(TOOL, fakes.go)}").mkdir()
    waiting.join(5)
    assert fakes.builds == 0


def test_a_long_build_says_that_it_is_alive(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.toolchain.progress._HEARTBEAT", 0.2)
    with pytest.raises(ToolchainError):
        Progress(fakes.lines.append, 3).run(
            "tool",
            ["sh", "-c", "echo compiling pkg/one; sleep 0.7; exit 1"],
            environment=os.environ,
            directory=fakes.root,
            fix="",
        )
    assert fakes.lines[0] == "[0/3 00:00] tool: 00:00 so far, now at: compiling pkg/one"


def test_a_full_disk_is_reported_before_anything_is_built(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.toolchain.golang._DISK", 1 << 60)
    with pytest.raises(ToolchainError, match=r"GiB are free.*XDG_CACHE_HOME"):
        golang.build_all([TOOL], fakes.go, fakes.store)
    fakes.build(TOOL)
    golang.build_all([TOOL], fakes.go, fakes.store)  # nothing to build


def test_two_groups_are_built_at_a_time_if_memory_allows(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each build waits until it sees another, or 2 seconds.
    script(fakes.root / "go" / "bin" / "go", _GO.replace("#!/bin/bash", _MEETING))
    groups = [replace(TOOL, name=name, usual=60) for name in ("one", "two")]
    for group in groups:
        (fakes.root / "modules" / group.name).mkdir()
    golang.build_all(groups, fakes.go, fakes.store)
    assert (fakes.root / "met").exists()
    (fakes.root / "met").unlink()
    monkeypatch.setattr("lab.toolchain.golang._MEMORY", 1 << 60)
    golang.build_all([replace(g, tags=("other",)) for g in groups], fakes.go, fakes.store)
    assert not (fakes.root / "met").exists()


def test_a_build_that_fails_ends_the_other(fakes: Fakes) -> None:
    script(
        fakes.root / "go" / "bin" / "go",
        '#!/bin/bash\necho $$ > "$STATE/$(basename $PWD)"\n'
        '[ $(basename "$PWD") = one ] && exec sleep 30\n'
        'until [ -e "$STATE/one" ]; do sleep 0.05; done; exit 1\n',
    )
    groups = [replace(TOOL, name=name) for name in ("one", "two")]
    for group in groups:
        (fakes.root / "modules" / group.name).mkdir()
    with pytest.raises(ToolchainError, match=r"two: `go build` failed with exit status 1"):
        golang.build_all(groups, fakes.go, fakes.store)
    assert not runs(int((fakes.root / "one").read_text()))
    assert fakes.made == []


def test_progress_estimates_the_time_left_from_the_pace_so_far(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("lab.toolchain.progress.time.monotonic", lambda: now)
    progress = Progress(fakes.lines.append, 3)
    progress.expect(600)
    progress.say("first")
    now += 120
    progress.say("first")
    now += 280
    progress.built(200)  # at half the usual pace
    progress.say("second")
    now += 140
    progress.say("second")
    assert fakes.lines == [
        "[0/3 00:00, about 10 min left] first",
        "[0/3 02:00, about 8 min left] first",
        "[0/3 06:40, about 13 min left] second",
        "[0/3 09:00, about 11 min left] second",
    ]


def test_what_shares_client_go_has_istios_versions_of_it() -> None:
    """Go finds a package in its cache only if it and all that it imports are the same."""
    istio = versions("istio")
    shared = ("api", "apimachinery", "client-go", "kube-openapi", "utils")
    for group in ("helm", "coredns"):
        theirs = versions(group)
        for module in (*(f"k8s.io/{m}" for m in shared), "google.golang.org/protobuf"):
            assert theirs[module] == istio[module], f"{module} in go/{group}/go.mod"


def versions(group: str) -> dict[str, str]:
    """The versions that a group's go.mod selects, replacements included."""
    text = (Path(golang.__file__).with_name("go") / group / "go.mod").read_text()
    required = dict(re.findall(r"^\s+(\S+) (v\S+)", text, re.MULTILINE))
    return required | dict(re.findall(r"^replace (\S+) => \S+ (v\S+)", text, re.MULTILINE))


def test_a_build_that_was_not_used_for_a_month_is_deleted(fakes: Fakes) -> None:
    old, used = fakes.build(TOOL), fakes.build(replace(TOOL, tags=("used",)))
    month = time.time() - 31 * 86400
    for path in (old, used):
        os.utime(path, (month, month))
    fakes.build(replace(TOOL, tags=("used",)))
    new = fakes.build(replace(TOOL, tags=("new",)))
    assert sorted([used.name, new.name]) == fakes.made


def in_another_process(fakes: Fakes) -> subprocess.Popen[bytes]:
    program = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
from pathlib import Path
from lab.toolchain import golang
from lab.toolchain.golang import Go
from lab.toolchain.progress import Progress
from lab.toolchain.store import Store
from lab.toolchain.tools import Group
golang._MODULES = Path({str(fakes.root / "modules")!r})
store = Store(Path({str(fakes.store.root)!r}), Progress(print, 1))
golang.build(Group(*{(TOOL.name, TOOL.packages, TOOL.variables)!r}),
             Go({fakes.go.version!r}, Path({str(fakes.go.program)!r})), store)
"""
    return subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)


# Go


def test_a_go_that_is_new_enough_is_used(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fakes.root / "go" / "bin"), prepend=":")
    assert golang.find() == fakes.go


@pytest.mark.parametrize("version", ["go1.25.11", "go1.26rc1", "devel go1.28-abcdef", ""])
def test_another_go_is_not(fakes: Fakes, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("PATH", str(fakes.root / "go" / "bin"), prepend=":")
    (fakes.root / "go" / "VERSION").write_text(f"{version}\n")
    found = golang.find()
    assert found.program is None
    assert found.version.startswith("go1.26.")


# Tools that are there


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH, apart from the system's."""
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/path:/usr/bin:/bin")
    return tmp_path / "path"


def tool(path: Path, name: str, answer: str) -> Path:
    return script(path / name, f"#!/bin/sh\necho asked >> {path}/asked\necho '{answer}'\n")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("helm", f"{HELM}+g1c9fcd5"),
        ("helm", HELM),
        ("istioctl", ISTIO),
        ("istioctl", f"client version: {ISTIO}"),
    ],
)
def test_a_tool_of_the_right_version_is_used(
    fakes: Fakes, path: Path, name: str, answer: str
) -> None:
    program = tool(path, name, answer)
    assert machine.find(fakes.store) == {name: program}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("helm", "v3.21.4"),
        ("helm", f"1{HELM.removeprefix('v')}"),
        ("helm", f"{HELM}-rc.1"),
        ("istioctl", f"client version: {ISTIO}-alpha"),
        ("istioctl", "client version: 1.3"),
        ("istioctl", ""),
    ],
)
def test_a_tool_of_another_version_is_not(fakes: Fakes, path: Path, name: str, answer: str) -> None:
    tool(path, name, answer)
    assert machine.find(fakes.store) == {}


def test_pulumi_is_used_only_with_its_language_host(fakes: Fakes, path: Path) -> None:
    tool(path, "pulumi", PULUMI)
    assert machine.find(fakes.store) == {}
    tool(path, "pulumi-language-python", "")
    tool(path, "pulumi-language-python-exec", "")
    assert len(machine.find(fakes.store)) == 3


def test_a_tools_version_is_queried_once_and_again_when_it_changes(
    fakes: Fakes, path: Path
) -> None:
    for _ in range(2):
        tool(path, "helm", HELM) if not (path / "helm").exists() else None
        assert machine.find(fakes.store)
    assert (path / "asked").read_text().count("asked") == 1
    tool(path, "helm", "v4.0.0")
    assert machine.find(fakes.store) == {}


def test_our_own_programs_do_not_count_as_the_machines(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = fakes.store.root / "bin-0123"
    tool(ours, "helm", HELM)
    monkeypatch.setenv("PATH", f"{ours}:/usr/bin:/bin")
    assert machine.find(fakes.store) == {}


def test_what_the_machine_has_is_not_built(fakes: Fakes) -> None:
    group = replace(TOOL, packages=("example.com/one", "example.com/two"))
    fakes.build(group.without(frozenset({"two"})))
    assert (fakes.root / "built").read_text().rstrip().endswith("/bin/ example.com/one")


# Debian packages


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lab.toolchain.debian._POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path / "policy-rc.d"


def dpkg(path: Path, *lines: str) -> None:
    (path / "status").write_text("".join(f"{line}\n" for line in lines))
    script(path / "dpkg-query", f"#!/bin/sh\nexec cat {path}/status\n")


def installed(*without: str) -> list[str]:
    return [f"installed\t{p}\t1.0\t" for p in debian.PACKAGES if p not in without]


def apt(path: Path, command: str) -> None:
    script(path / "apt-get", f'#!/bin/sh\necho "$@" >> {path}/calls\n{command}\n')


@pytest.fixture
def bare(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without the system's apt-get and dpkg-query."""
    for name in ("cat", "cp", "sh", "setpriv", "sleep"):
        (path / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(path))
    return path


def test_nothing_is_installed_where_all_is_there(fakes: Fakes, bare: Path, policy: Path) -> None:
    dpkg(bare, *installed())
    apt(bare, "")
    assert debian.ensure(fakes.store)["runc"] == "1.0"
    assert not (bare / "calls").exists()


def test_a_removed_package_is_missing(fakes: Fakes, bare: Path, policy: Path) -> None:
    dpkg(bare, *installed("socat"), "config-files\tsocat\t1.0\t")
    with pytest.raises(ToolchainError, match=r"needs the Debian packages socat, .* no apt-get"):
        debian.ensure(fakes.store)


def test_without_apt_there_is_one_sentence_with_the_fix(
    fakes: Fakes, bare: Path, policy: Path
) -> None:
    dpkg(bare, *installed("runc", "etcd-server"))
    with pytest.raises(ToolchainError) as failure:
        debian.ensure(fakes.store)
    assert "etcd-server runc" in str(failure.value)
    assert "then run it again" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_without_dpkg_debian_is_advised(fakes: Fakes, bare: Path, policy: Path) -> None:
    with pytest.raises(ToolchainError, match=r"no dpkg.*run the lab on Debian or Ubuntu"):
        debian.ensure(fakes.store)


def test_only_root_can_install(
    fakes: Fakes, bare: Path, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    dpkg(bare, *installed("runc"))
    apt(bare, "")
    with pytest.raises(ToolchainError, match=r"sudo.*apt-get install --no-install-recommends runc"):
        debian.ensure(fakes.store)


def test_dockers_containerd_counts(fakes: Fakes, bare: Path, policy: Path) -> None:
    dpkg(
        bare,
        *installed("runc", "containerd"),
        "installed\tcontainerd.io\t1.7\tcontainerd (= 1.7), runc",
    )
    assert debian.ensure(fakes.store)["runc"] == "containerd.io 1.7"


def test_no_daemon_starts_while_packages_are_installed(
    fakes: Fakes, bare: Path, policy: Path
) -> None:
    dpkg(bare, *installed("runc", "socat"))
    now = bare / "now"
    now.write_text("\n".join(installed()) + "\n")
    apt(
        bare,
        f"[ $1 = install ] || exit 100\n{policy}; echo $? > {bare}/policy\ncp {now} {bare}/status",
    )
    assert set(debian.ensure(fakes.store)) == set(debian.PACKAGES)
    assert (bare / "policy").read_text() == "101\n"
    assert not policy.exists()
    update, install = (bare / "calls").read_text().splitlines()
    assert update.startswith("update")
    assert install.endswith("runc socat")
    assert "--no-remove" in install


def test_a_failed_installation_says_why_and_leaves_no_policy(
    fakes: Fakes, bare: Path, policy: Path
) -> None:
    dpkg(bare, *installed("runc"))
    apt(bare, "echo 'E: no such package runc'; exit 100")
    with pytest.raises(ToolchainError, match=r"(?s)E: no such package runc.*fix: correct"):
        debian.ensure(fakes.store)
    assert not policy.exists()


def test_a_policy_left_by_a_killed_run_is_removed(fakes: Fakes, bare: Path, policy: Path) -> None:
    dpkg(bare, *installed("runc"))
    apt(bare, f"cp {policy} {bare}/left; exit 100")
    with pytest.raises(ToolchainError):
        debian.ensure(fakes.store)
    policy.write_text((bare / "left").read_text())
    dpkg(bare, *installed())
    debian.ensure(fakes.store)
    assert not policy.exists()


def test_the_machines_own_policy_stays(fakes: Fakes, bare: Path, policy: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 104\n")
    dpkg(bare, *installed("runc"))
    apt(bare, f"cp {bare}/all {bare}/status")
    (bare / "all").write_text("\n".join(installed()) + "\n")
    debian.ensure(fakes.store)
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"


# Charts


def chart_sources(root: Path) -> Path:
    for name in charts.CHARTS:
        (root / name / "templates").mkdir(parents=True)
        (root / name / "Chart.yaml").write_text(_CHART.format(name))
        (root / name / "values.yaml").write_text(_VALUES)
        (root / name / "templates" / "all.yaml").write_text("kind: Nothing\n")
    return root


def test_charts_are_a_releases_plus_the_labs_defaults(tmp_path: Path) -> None:
    charts.make(chart_sources(tmp_path / "sources"), tmp_path, "1.31.0", "docker.io/istio")
    released = _VALUES.replace("registry.example", "docker.io/istio").replace("latest", "1.31.0")
    for name, values in (("base", _VALUES), ("gateway", _VALUES), ("istiod", released)):
        chart = tmp_path / "charts" / name
        assert (chart / "Chart.yaml").read_text() == _CHART.format(name).replace("1.0.0", "1.31.0")
        written = (chart / "values.yaml").read_text()
        assert written.startswith(values)
        assert yaml.safe_load(written) == yaml.safe_load(values) | charts.DEFAULTS.get(name, {})


def test_a_default_of_the_lab_replaces_none_of_the_chart(tmp_path: Path) -> None:
    sources = chart_sources(tmp_path / "sources")
    (sources / "gateway" / "values.yaml").write_text("autoscaling: {enabled: true}\n")
    with pytest.raises(ValueError, match=r"gateway/values.yaml: sets autoscaling itself"):
        charts.make(sources, tmp_path, "1.31.0", "docker.io/istio")


def test_sources_that_are_not_as_expected_are_not_stamped(tmp_path: Path) -> None:
    sources = chart_sources(tmp_path / "sources")
    (sources / "istiod" / "values.yaml").write_text("image: moved\n")
    with pytest.raises(ValueError, match=r"istiod/values.yaml: hub is set 0 times"):
        charts.make(sources, tmp_path, "1.31.0", "docker.io/istio")


def test_archives_are_a_repository_and_the_same_every_time(tmp_path: Path) -> None:
    sources = chart_sources(tmp_path / "sources")
    contents: list[dict[str, bytes]] = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        charts.make(sources, tmp_path / run, "1.31.0", "docker.io/istio")
        archives = tmp_path / run / "archives"
        contents.append({f.name: f.read_bytes() for f in archives.iterdir()})
    assert contents[0] == contents[1]
    archives = tmp_path / "one" / "archives"
    index = yaml.safe_load((archives / "index.yaml").read_text())
    (entry,) = index["entries"]["istiod"]
    assert (entry["version"], entry["urls"]) == ("1.31.0", ["istiod-1.31.0.tgz"])
    with tarfile.open(archives / entry["urls"][0]) as archive:
        assert "istiod/Chart.yaml" in archive.getnames()


# Everything


def test_everything_is_built_once_and_in_one_place(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = fakes.root / "module"
    for name in ("base", "istio-control/istio-discovery", "gateway"):
        chart = module / "manifests" / "charts" / name
        chart.mkdir(parents=True)
        (chart / "Chart.yaml").write_text(_CHART.format(name.rsplit("/", 1)[-1]))
        (chart / "values.yaml").write_text(_VALUES)
    for file in ("python/cmd/pulumi-language-python-exec", "tools/packaging/common"):
        (module / file).parent.mkdir(parents=True)
    (module / "python/cmd/pulumi-language-python-exec").write_text("#!/usr/bin/env python3\n")
    (module / "tools/packaging/common").mkdir()
    (module / "tools/packaging/common/envoy_bootstrap.json").write_text("{}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(fakes.root / "home"))
    monkeypatch.setenv("PATH", f"{fakes.root}/go/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    # An image of its size takes longer than all of the rest.
    monkeypatch.setattr("lab.toolchain._ENVOY", "envoy/_envoy.py")
    # The script knows one name for all packages `.`.
    groups = tuple(
        replace(g, packages=("example.com/coredns",)) if g.name == "coredns" else g
        for g in toolchain.GROUPS
    )
    monkeypatch.setattr(toolchain, "GROUPS", groups)
    with monkeypatch.context() as full:
        full.setattr("lab.toolchain.golang._DISK", 1 << 60)
        with pytest.raises(ToolchainError, match="GiB are free"):
            toolchain.ensure()
    assert fakes.builds == 0
    made = toolchain.ensure(fakes.lines.append)
    programs = {p.name for p in made.bin.iterdir()}
    assert programs >= {"hyperkube", "kubectl", "pilot-agent", "pilot-discovery", "coredns"}
    assert programs >= {"pulumi", "pulumi-language-python", "pulumi-language-python-exec"}
    assert programs >= {"helm", "istioctl"}
    for program in made.bin.iterdir():
        assert program.stat().st_mode & 0o111, f"{program.name} does not run"
    assert (made.charts / "istiod" / "Chart.yaml").exists()
    assert (made.chart_archives / "index.yaml").exists()
    assert len(made.images) == 8
    reported = len(fakes.lines)
    assert fakes.lines[-1].startswith(f"[{len(groups) + 3}/{len(groups) + 3} ")
    assert toolchain.ensure(fakes.lines.append) == made
    assert len(fakes.lines) == reported, "something was built again"
    assert not list(toolchain.cache().glob(f"{FORMER.name}-*")), "nothing has needed it"
    former = toolchain.ensure_former()
    index = yaml.safe_load((former.chart_archives / "index.yaml").read_text())
    assert {v["version"] for chart in index["entries"].values() for v in chart} == {FORMER_ISTIO}
    assert [image.parent.name.split("-")[1] for image in former.images] == ["pilot", "proxyv2"]
    assert not {*former.images} & {*made.images}
    assert toolchain.ensure() == made, "it is beside the others"
