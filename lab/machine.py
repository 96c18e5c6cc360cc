"""What a lab creates on the machine outside its directory, how it is recognized and deleted.

Everything carries the lab's id, so that it can be found and deleted without the lab's files:
network namespaces `isthmus-ID` (the lab's switch) and `isthmus-ID-CLUSTER`, the link `ist-ID` to
this machine, control groups `isthmus-ID`, and processes. Those of a cluster live in one process
and one mount namespace, whose first process has ISTHMUS_LAB=DIRECTORY in its environment: when it
ends, the kernel ends the others and removes their mounts and the files under their /run. Firewall
rules exist in the lab's network namespaces only; those of the machine and its sysctls are not
changed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import psutil

from lab.spec import Plan, PlannedCluster

MARK = "ISTHMUS_LAB"
CLUSTER = "ISTHMUS_CLUSTER"
_CANDIDATES = IPv4Network("10.160.0.0/11")


class MachineError(RuntimeError):
    """A command that changes the machine failed. The text says which, why, and the fix."""


@dataclass(frozen=True)
class Footprint:
    """The names of everything that the lab in `directory` creates on the machine."""

    directory: Path

    @property
    def id(self) -> str:
        return hashlib.sha256(str(self.directory).encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """The network namespace of the lab's switch, and the name of its control groups."""
        return f"isthmus-{self.id}"

    @property
    def link(self) -> str:
        return f"ist-{self.id}"

    def netns(self, cluster: str) -> str:
        return f"{self.name}-{cluster}"

    @property
    def marker(self) -> Path:
        """The file that marks a lab's directory."""
        return self.directory / "isthmus-lab"

    def owns_directory(self) -> bool:
        """Whether the directory is a lab's, empty (being created), or missing."""
        if not self.directory.exists():
            return True
        return self.directory.is_dir() and (
            self.marker.exists() or not any(self.directory.iterdir())
        )

    def control_group(self, cluster: str) -> str:
        """The group of the cluster's pods, below the root of each hierarchy."""
        return f"{self.name}/{cluster}"


@contextlib.contextmanager
def only_one(directory: Path) -> Generator[None]:
    """Lock `directory`, waiting for other holders. The lock ends with the process."""
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # The last holder may have deleted the directory: lock the current one.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), directory.stat()):
                    yield
                    return
        finally:
            os.close(handle)


def used_ranges(footprint: Footprint) -> list[tuple[IPv4Network, str]]:
    """The IPv4 ranges that this machine has addresses in or routes to, except this lab's.

    Each has a name for messages: the link's, or the directory of the lab that it belongs to.
    """
    labs = {link: f"the lab in {directory}" for link, directory in _lab_links().items()}
    used: list[tuple[IPv4Network, str]] = []
    for link in _ip_json("-4", "address", "show"):
        for a in link.get("addr_info", []):
            used.append((IPv4Interface(f"{a['local']}/{a['prefixlen']}").network, link["ifname"]))
    for route in _ip_json("-4", "route", "show", "table", "all"):
        if route["dst"] != "default" and route.get("type", "unicast") in ("unicast", "local"):
            used.append((IPv4Network(route["dst"]), route.get("dev", "a route")))
    return [(r, labs.get(dev, dev)) for r, dev in dict.fromkeys(used) if dev != footprint.link]


def free_range(used: list[tuple[IPv4Network, str]]) -> IPv4Network:
    """A /16 that overlaps nothing used. Raises MachineError if there is none."""
    for candidate in _CANDIDATES.subnets(new_prefix=16):
        if not any(candidate.overlaps(r) for r, _ in used):
            return candidate
    raise MachineError(
        f"no /16 of {_CANDIDATES} is free on this machine; set `range` in the lab's description"
    )


def make_network(footprint: Footprint, plan: Plan) -> None:
    """Create the namespaces, links, routes and firewall rules of the lab. None must exist yet."""
    switch = footprint.name
    _batch(
        ["ip", "-batch", "-"],
        [f"netns add {switch}"]
        + [f"netns add {footprint.netns(c.name)}" for c in plan.clusters]
        + [
            f"link add {footprint.link} type veth peer name machine netns {switch}",
            f"address add {plan.machine}/{plan.nodes.prefixlen} dev {footprint.link}",
            f"link set {footprint.link} up",
        ],
    )
    # Not in a batch: that would cut the name at its first space.
    _run(["ip", "link", "set", footprint.link, "alias", str(footprint.directory)])
    ports = [f"c{i}" for i in range(len(plan.clusters))]
    _batch(
        ["ip", "-netns", switch, "-batch", "-"],
        ["link add switch type bridge", "link set switch up"]
        + [
            f"link add {port} type veth peer name eth0 netns {footprint.netns(c.name)}"
            for port, c in zip(ports, plan.clusters, strict=True)
        ]
        + [f"link set {port} master switch up" for port in ("machine", *ports)],
    )
    for cluster in plan.clusters:
        _connect(footprint, plan, cluster)
    _batch(
        ["ip", "-batch", "-"],
        [
            f"route add {c.load_balancers} via {c.node} dev {footprint.link} src {plan.machine}"
            for c in plan.clusters
        ],
    )


def _connect(footprint: Footprint, plan: Plan, cluster: PlannedCluster) -> None:
    netns = footprint.netns(cluster.name)
    others = [c for c in plan.clusters if c.name != cluster.name]
    peers = plan.peers(cluster)
    routes = [f"route add {c.load_balancers} via {c.node}" for c in others]
    routes += [f"route add {c.pods} via {c.node}" for c in peers]
    # The destination of a local connection to a service or a load balancer is translated after the
    # route lookup, so a route must exist. There is none to pods of other networks.
    routes += [f"route add {r} dev eth0" for r in (cluster.services, cluster.load_balancers)]
    _batch(
        ["ip", "-netns", netns, "-batch", "-"],
        [
            f"address add {cluster.node}/{plan.nodes.prefixlen} dev eth0",
            "link set lo up",
            "link set eth0 up",
            *routes,
        ],
    )
    local = [f"-s {r} -j ACCEPT" for p in peers for r in (p.pods, IPv4Network(p.node))]
    near = [cluster.pods, *(p.pods for p in peers)]
    # Before any address is translated: what comes from outside for a pod address was sent to the
    # pod itself. Requests to load balancers and answers to masqueraded pods are not touched here.
    rules = [
        "*raw",
        ":ISTHMUS-PODS - [0:0]",
        f"-A PREROUTING -i eth0 -d {cluster.pods} -j ISTHMUS-PODS",
        f"-A PREROUTING -i eth0 -d {cluster.services} -j DROP",
        *(f"-A ISTHMUS-PODS {rule}" for rule in local),
        "-A ISTHMUS-PODS -j DROP",
        "COMMIT",
        "*nat",
        ":ISTHMUS-LEAVE - [0:0]",
        f"-A POSTROUTING -s {cluster.pods} -j ISTHMUS-LEAVE",
        *(f"-A ISTHMUS-LEAVE -d {r} -j RETURN" for r in near),
        "-A ISTHMUS-LEAVE -j MASQUERADE",
        "COMMIT",
    ]
    enter = ["nsenter", f"--net=/run/netns/{netns}"]
    _batch([*enter, "iptables-restore"], rules)
    _batch([*enter, "sh"], ["echo 1 > /proc/sys/net/ipv4/ip_forward"])


def first_process(footprint: Footprint, cluster: str) -> psutil.Process | None:
    """The supervisor of a cluster's processes: the first of their process namespace."""
    name = f"{CLUSTER}={cluster}".encode()
    for p, environment in _marked(footprint):
        with contextlib.suppress(OSError):
            if name in environment and _namespace_pids(p.pid)[1:] == ["1"]:
                return p
    return None


def processes(footprint: Footprint) -> list[psutil.Process]:
    """Every process of the lab, including those of pods."""
    found: dict[int, psutil.Process] = {}
    for p, _ in _marked(footprint):
        with contextlib.suppress(psutil.Error):
            found |= {q.pid: q for q in (p, *p.children(recursive=True))}
    return list(found.values())


def remove(footprint: Footprint) -> None:
    """Delete everything of the lab outside its directory, if anything exists.

    Raises MachineError that names what could not be deleted.
    """
    _kill(footprint)
    for netns in (n for n in _netns() if n == footprint.name or n.startswith(f"{footprint.name}-")):
        _run(["ip", "netns", "delete", netns])
    # The kernel deletes the link with its other end, but later: a new lab of the same name must not
    # find the old link.
    if Path(f"/sys/class/net/{footprint.link}").exists():
        subprocess.run(["ip", "link", "delete", footprint.link], capture_output=True, check=False)
    for top in control_groups(footprint):
        for directory, _, _ in os.walk(top, topdown=False):
            _retry(
                lambda d=directory: os.rmdir(d), f"the control group {directory} is still in use"
            )


def make_control_groups(footprint: Footprint, plan: Plan) -> None:
    """Create the parent groups of the pods' groups, in every hierarchy."""
    for root, _ in hierarchies():
        for cluster in plan.clusters:
            group = root / footprint.control_group(cluster.name)
            group.mkdir(parents=True, exist_ok=True)
            if (root / "cgroup.controllers").exists():
                # Version 2: a group can limit only what its parents have delegated.
                for parent in (root, group.parent, group):
                    offered = (parent / "cgroup.controllers").read_text().split()
                    wanted = " ".join(f"+{controller}" for controller in offered)
                    (parent / "cgroup.subtree_control").write_text(wanted)


def control_groups(footprint: Footprint) -> list[Path]:
    """The lab's control groups, at most one in each mounted hierarchy."""
    tops = [root / footprint.name for root, _ in hierarchies()]
    return [top for top in tops if top.is_dir()]


def hierarchies() -> list[tuple[Path, frozenset[str]]]:
    """Where control groups are mounted, each with the controllers that it offers."""
    found: dict[Path, frozenset[str]] = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup":
            found[Path(target)] = frozenset(options.split(","))
        elif kind == "cgroup2":
            offered = (Path(target) / "cgroup.controllers").read_text()
            found[Path(target)] = frozenset(offered.split())
    return sorted(found.items())


def _kill(footprint: Footprint) -> None:
    # The kernel kills a process namespace with its first process. The loop is needed because that
    # takes time, because a supervisor may just be starting, and for helpers outside the namespace.
    deadline = time.monotonic() + 10
    while alive := processes(footprint):
        for p in alive:
            with contextlib.suppress(psutil.Error):
                p.kill()
        if time.monotonic() > deadline:
            names = ", ".join(f"{p.pid}" for p in alive)
            raise MachineError(
                f"processes {names} of the lab still run after SIGKILL (blocked in the kernel?); "
                "inspect them with `ps -o pid,stat,wchan,cmd`, then run `down` again"
            )
        time.sleep(0.02)


def _marked(footprint: Footprint) -> Iterator[tuple[psutil.Process, list[bytes]]]:
    mark = f"{MARK}={footprint.directory}".encode()
    for p in psutil.process_iter():
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{p.pid}/environ").read_bytes().split(b"\0")
            if mark in environment:
                yield p, environment


def _namespace_pids(pid: int) -> list[str]:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return line.split()[1:]
    return []


def _netns() -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return os.listdir("/run/netns")
    return []


def _lab_links() -> dict[str, str]:
    """The links between labs and this machine, with the directory of each lab."""
    return {
        link["ifname"]: link["ifalias"]
        for link in _ip_json("link", "show")
        if link["ifname"].startswith("ist-") and "ifalias" in link
    }


def _ip_json(*args: str) -> list[dict[str, Any]]:
    # iproute2 prints nothing, not an empty list, if there is nothing to show.
    return json.loads(_run(["ip", "-json", *args]) or "[]")


def _run(command: list[str], stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout


def _batch(command: list[str], lines: list[str]) -> None:
    if lines:
        _run(command, "\n".join(lines) + "\n")


def _retry(action: Any, failure: str) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            return action()
        except FileNotFoundError:
            return None
        except OSError as e:
            if time.monotonic() > deadline:
                raise MachineError(f"{failure}: {e}") from e
            time.sleep(0.02)
