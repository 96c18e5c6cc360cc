"""Container images under the names that charts and the lab use, built from our own programs.

Each is an archive as `docker save` writes it, with one layer; equal programs give equal bytes.
"""

import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.toolchain.progress import ToolchainError
from lab.toolchain.tools import COREDNS, HUB, ISTIO, KUBERNETES

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_BUSYBOX = Path("/bin/busybox")
# A static busybox crashes when it resolves names: nslookup is omitted, wget works by address.
_APPLETS = (
    *("basename", "cat", "chmod", "cp", "cut", "date", "dirname", "echo", "env", "false", "find"),
    *("grep", "head", "hostname", "id", "kill", "ls", "mkdir", "nc", "ps", "pwd", "rm", "sed"),
    *("sh", "sleep", "sort", "stat", "tail", "test", "touch", "tr", "true", "uname", "wc", "wget"),
    "xargs",
)
_XTABLES = Path("/usr/sbin/xtables-nft-multi")
_RESOLVER = ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
_USERS = "root:x:0:0:root:/:/bin/sh\nistio-proxy:x:1337:1337:istio-proxy:/:/bin/sh\n"
_GROUPS = "root:x:0:\nistio-proxy:x:1337:\n"
# Read at import: a process that runs while this file changes must not store the old code's result
# under the new code's key.
_SOURCE = Path(__file__).read_bytes()
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Image:
    """The content of an image besides users and certificates. Its paths start with a slash."""

    reference: str
    entrypoint: tuple[str, ...]
    files: tuple[tuple[str, Path], ...] = ()  # path in the image, file of this machine
    linked: tuple[Path, ...] = ()  # programs of this machine, with their libraries
    environment: tuple[str, ...] = ()
    writable: tuple[str, ...] = ("/tmp",)  # noqa: S108  # directories in the image
    user: str = ""
    busybox: bool = False  # a shell and common commands
    xtables: bool = False  # iptables with all its extensions

    @property
    def name(self) -> str:
        """The last part of the image's name, such as pilot."""
        return self.reference.rsplit("/", 1)[-1].split(":", 1)[0]


def recipes(programs: Mapping[str, Path], envoy: Path, bootstrap: Path) -> tuple[Image, ...]:
    """All images, from built programs by name and Istio's bootstrap configuration of Envoy."""
    local = "/usr/local/bin"
    path = f"PATH={local}:/usr/sbin:/usr/bin:/bin"
    helloworld = ("/helloworld", programs["helloworld"])
    return (
        Image(
            f"{HUB}/pilot:{ISTIO}",
            (f"{local}/pilot-discovery",),
            files=((f"{local}/pilot-discovery", programs["pilot-discovery"]),),
            environment=(path,),
            user="1337:1337",
            busybox=True,
        ),
        Image(
            f"{HUB}/proxyv2:{ISTIO}",
            (f"{local}/pilot-agent",),
            files=(
                (f"{local}/pilot-agent", programs["pilot-agent"]),
                (f"{local}/envoy", envoy),
                ("/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", bootstrap),
            ),
            linked=(envoy, _XTABLES),
            environment=(
                path,
                "ISTIO_META_ISTIO_PROXY_SHA=envoy",
                f"ISTIO_META_ISTIO_VERSION={ISTIO}",
            ),
            writable=("/tmp", "/etc/istio", "/var/lib/istio"),  # noqa: S108
            busybox=True,
            xtables=True,
        ),
        Image("registry.k8s.io/pause:3.10", ("/pause",), files=(("/pause", programs["pause"]),)),
        Image(
            f"docker.io/coredns/coredns:{COREDNS}",
            ("/coredns",),
            files=(("/coredns", programs["coredns"]),),
        ),
        *(
            Image(
                f"{HUB}/examples-helloworld-{version}:1.0",
                ("/helloworld",),
                files=(helloworld,),
                environment=(f"SERVICE_VERSION={version}",),
            )
            for version in ("v1", "v2")
        ),
        Image(
            "docker.io/curlimages/curl:8.17.0",
            ("/usr/bin/curl",),
            files=(("/usr/bin/curl", Path("/usr/bin/curl")),),
            linked=(Path("/usr/bin/curl"),),
            environment=(path,),
            busybox=True,
        ),
        Image(
            f"registry.k8s.io/kubectl:{KUBERNETES}",
            ("/bin/kubectl",),
            files=(("/bin/kubectl", programs["kubectl"]),),
        ),
    )


def key(image: Image, machine: Mapping[str, str]) -> str:
    """A digest of everything that determines the archive.

    `machine` has the versions of files from this machine. Paths of built programs contain a digest
    of their own.
    """
    digest = hashlib.sha256(_SOURCE)
    digest.update(f"{image!r} {sorted(machine.items())} {platform.machine()}".encode())
    return digest.hexdigest()[:16]


def write(image: Image, archive: Path) -> None:
    """Write the image's archive. Raises ToolchainError if a library is missing."""
    layer = archive.with_suffix(".layer")
    with tarfile.open(layer, "w") as tar:
        _fill(tar, image)
    with layer.open("rb") as content:
        layer_digest = hashlib.file_digest(content, "sha256").hexdigest()
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {
                "Entrypoint": image.entrypoint,
                "Env": image.environment,
                "User": image.user,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        }
    ).encode()
    config_digest = hashlib.sha256(config).hexdigest()
    names = {"Config": f"{config_digest}.json", "Layers": [f"{layer_digest}/layer.tar"]}
    manifest = json.dumps([{**names, "RepoTags": [image.reference]}]).encode()
    with tarfile.open(archive, "w") as tar:
        _add(tar, f"{config_digest}.json", config)
        _add(tar, f"{layer_digest}/layer.tar", layer)
        _add(tar, "manifest.json", manifest)
    layer.unlink()


def _fill(tar: tarfile.TarFile, image: Image) -> None:
    files: dict[str, Path | bytes] = {
        "/etc/passwd": _USERS.encode(),
        "/etc/group": _GROUPS.encode(),
        "/etc/ssl/certs/ca-certificates.crt": _CERTIFICATES,
        **dict(image.files),
    }
    links: dict[str, str] = {}
    if image.busybox:
        files["/bin/busybox"] = _BUSYBOX
        links |= {f"/bin/{applet}": "busybox" for applet in _APPLETS}
    if image.xtables:
        files[str(_XTABLES)] = _XTABLES
        links |= {
            f"{_XTABLES.parent}/{family}{backend}{verb}": _XTABLES.name
            for family in ("iptables", "ip6tables")
            for backend in ("", "-nft")
            for verb in ("", "-save", "-restore")
        }
        for extension in _extensions():
            # Some are links to others, for example REDIRECT to DNAT.
            if extension.is_symlink():
                links[str(extension)] = str(extension.readlink())
            else:
                files[str(extension)] = extension
    for program in image.linked:
        files |= {str(library): library for library in _libraries(program)}
    modes = dict.fromkeys({*_parents({*files, *links, *image.writable}), *image.writable}, 0o755)
    for directory in image.writable:
        modes |= {d: 0o1777 for d in modes if Path(d).is_relative_to(directory)}
    for directory in sorted(modes):
        member = tarfile.TarInfo(directory.lstrip("/"))
        member.type, member.mode = tarfile.DIRTYPE, modes[directory]
        tar.addfile(member)
    for name in sorted(files):
        _add(tar, name.lstrip("/"), files[name])
    for name in sorted(links):
        member = tarfile.TarInfo(name.lstrip("/"))
        member.type, member.linkname = tarfile.SYMTYPE, links[name]
        tar.addfile(member)


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    """Add a file without owner and time."""
    member = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
        return
    status = content.stat()
    member.size = status.st_size
    library = ".so" in content.name
    member.mode = 0o755 if status.st_mode & 0o100 or library else 0o644
    with content.open("rb") as file:
        tar.addfile(member, file)


def _parents(paths: set[str]) -> set[str]:
    return {str(parent) for path in paths for parent in Path(path).parents} - {"/"}


def _extensions() -> list[Path]:
    found = sorted(Path("/usr/lib").glob("*-linux-gnu/xtables/lib*.so"))
    if not found:
        raise ToolchainError(
            "iptables has no extensions in /usr/lib/*/xtables, so pods could not be redirected to "
            "their proxies; run `apt-get install --reinstall iptables`, then run it again"
        )
    return found


def _libraries(program: Path) -> set[Path]:
    """The shared libraries of a program, and those with which the C library resolves names."""
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    missing = re.findall(r"(\S+) => not found", listing)
    if missing:
        raise ToolchainError(
            f"{program} needs missing libraries: {', '.join(missing)}; install their packages, "
            "then run it again"
        )
    libraries = {Path(path) for path in re.findall(r"(/\S+) \(0x", listing)}
    homes = {library.parent for library in libraries if library.name == "libc.so.6"}
    resolver = {home / name for home in homes for name in _RESOLVER}
    return libraries | {library for library in resolver if library.exists()}
