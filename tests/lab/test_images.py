"""Claims about the images, read from their archives."""

import hashlib
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lab.lab import _COREDNS_IMAGE as COREDNS_IMAGE  # pyright: ignore[reportPrivateUsage]
from lab.programs import PAUSE_IMAGE
from lab.toolchain import images
from lab.toolchain.images import Image

_BUILT = ("pilot-discovery", "pilot-agent", "pause", "coredns", "helloworld", "kubectl")


@dataclass
class Content:
    """An archive, read."""

    reference: str
    config: dict[str, Any]
    members: dict[str, tarfile.TarInfo]


def read(archive: Path) -> Content:
    with tarfile.open(archive) as tar:

        def load(name: str) -> Any:
            file = tar.extractfile(name)
            assert file
            return json.load(file)

        (manifest,) = load("manifest.json")
        config = load(manifest["Config"])
        (name,) = manifest["Layers"]
        layer = tar.extractfile(name)
        assert layer
        digest = hashlib.file_digest(layer, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
        assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
        layer.seek(0)
        with tarfile.open(fileobj=layer) as content:
            members = {f"/{m.name}": m for m in content}
        (reference,) = manifest["RepoTags"]
        return Content(reference, config, members)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, ...]:
    root = tmp_path_factory.mktemp("programs")
    programs = {name: root / name for name in _BUILT}
    for program in programs.values():
        program.write_text(f"#!/bin/{program.name}\n")
        program.chmod(0o755)
    (root / "bootstrap.json").write_text("{}")
    # A program that needs the C library, as Envoy does, and is small.
    return images.recipes(programs, Path("/usr/bin/env"), root / "bootstrap.json")


@pytest.fixture(scope="module")
def contents(
    recipes: tuple[Image, ...], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Content]:
    root = tmp_path_factory.mktemp("archives")
    for image in recipes:
        images.write(image, root / f"{image.name}.tar")
    return {image.name: read(root / f"{image.name}.tar") for image in recipes}


def test_images_have_the_names_that_charts_and_the_lab_ask_for(
    contents: dict[str, Content],
) -> None:
    assert {c.reference for c in contents.values()} == {
        "docker.io/istio/pilot:1.31.0",
        "docker.io/istio/proxyv2:1.31.0",
        PAUSE_IMAGE,
        COREDNS_IMAGE,
        "docker.io/istio/examples-helloworld-v1:1.0",
        "docker.io/istio/examples-helloworld-v2:1.0",
        "docker.io/curlimages/curl:8.17.0",
        "registry.k8s.io/kubectl:v1.34.4",
    }


def test_every_entry_point_is_in_its_image_and_runs(contents: dict[str, Content]) -> None:
    for content in contents.values():
        (program,) = content.config["config"]["Entrypoint"]
        assert content.members[program].mode & 0o111, content.reference


def test_every_user_can_write_where_programs_must(contents: dict[str, Content]) -> None:
    for content in contents.values():
        assert content.members["/tmp"].mode == 0o1777  # noqa: S108
    assert contents["proxyv2"].members["/etc/istio"].mode == 0o1777
    assert contents["proxyv2"].members["/etc"].mode == 0o755


def test_links_lead_somewhere(contents: dict[str, Content]) -> None:
    for content in contents.values():
        for name, member in content.members.items():
            if member.issym():
                target = str(Path(name).parent / member.linkname)
                assert target in content.members, f"{content.reference}: {name} → {target}"


def test_the_proxy_has_iptables_with_all_extensions(contents: dict[str, Content]) -> None:
    members = contents["proxyv2"].members
    for name in ("iptables", "ip6tables", "iptables-save", "iptables-restore", "iptables-nft"):
        assert members[f"/usr/sbin/{name}"].issym()
    extensions = {Path(name).name for name in members if "/xtables/" in name}
    assert extensions >= {"libxt_REDIRECT.so", "libxt_owner.so", "libxt_tcp.so", "libxt_mark.so"}


@pytest.mark.parametrize("name", ["proxyv2", "curl"])
def test_programs_of_the_machine_have_their_libraries(
    contents: dict[str, Content], name: str
) -> None:
    libraries = {Path(member).name for member in contents[name].members}
    assert libraries >= {"libc.so.6", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2"}
    assert any(library.startswith("ld-linux") for library in libraries)


def test_the_curl_image_can_sleep(contents: dict[str, Content]) -> None:
    assert contents["curl"].members["/bin/sleep"].linkname == "busybox"
    assert contents["curl"].members["/bin/busybox"].mode & 0o111


def test_the_two_versions_of_the_sample_say_which_they_are(contents: dict[str, Content]) -> None:
    for version in ("v1", "v2"):
        config = contents[f"examples-helloworld-{version}"].config["config"]
        assert config["Env"] == [f"SERVICE_VERSION={version}"]


def test_an_image_is_the_same_every_time_and_says_nothing_about_its_builder(
    recipes: tuple[Image, ...], tmp_path: Path
) -> None:
    (pause,) = (i for i in recipes if i.name == "pause")
    images.write(pause, tmp_path / "one.tar")
    dict(pause.files)["/pause"].touch()
    images.write(pause, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert all(m.mtime == m.uid == 0 for m in read(tmp_path / "one.tar").members.values())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.tar", "two.tar"]


def test_a_change_of_the_source_does_not_rename_what_the_old_code_builds(
    recipes: tuple[Image, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = images.key(recipes[0], {})
    (tmp_path / "images.py").write_text("# changed while a process runs\n")
    monkeypatch.setattr(images, "__file__", str(tmp_path / "images.py"))
    assert images.key(recipes[0], {}) == before


def test_an_image_has_another_key_when_what_goes_into_it_changes(
    recipes: tuple[Image, ...],
) -> None:
    image, versions = recipes[0], {"curl": "1", "runc": "1"}
    keys = {
        images.key(image, versions),
        images.key(image, {**versions, "curl": "2"}),
        images.key(replace(image, user="0:0"), versions),
        images.key(replace(image, files=((image.files[0][0], Path("/other")),)), versions),
    }
    assert len(keys) == 4
