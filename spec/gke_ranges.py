"""Address ranges of each cluster, allocated from one range that nothing else uses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from spec.gke import GivenSubnet, Gke, GoogleCloud

KINDS = ("nodes", "pods", "services", "control_plane")


@dataclass(frozen=True)
class ClusterRanges:
    """Ranges of one cluster. Those that could not be allocated are missing from `found`."""

    found: Mapping[str, IPv4Network]
    """Range by kind, one of `KINDS`."""
    fixed: frozenset[str]
    """Kinds whose range is written in the configuration, so not allocated."""

    def __getitem__(self, kind: str) -> str:
        """A range as text.

        Raises:
            KeyError: it could not be planned; the rules refuse such a mesh.
        """
        return str(self.found[kind])


def plan(
    cloud: GoogleCloud, clusters: Sequence[tuple[str, Gke, GivenSubnet | None]]
) -> Mapping[str, ClusterRanges]:
    """Ranges by cluster name.

    Clusters are planned in their order, and each sees those before it and not those after: one more
    at the end moves none. What a cluster fixes is taken out of the space that later ones get.

    Raises:
        ValueError: a range is not one of IPv4, or has host bits set.
    """
    space = _Space(network(cloud.ranges))
    planned = dict[str, ClusterRanges]()
    for name, gke, subnet in clusters:
        wishes = requested(gke, subnet)
        found = {k: network(w) for k, w in wishes.items() if not w.startswith("/")}
        fixed = frozenset(found)
        for taken in found.values():
            space.remove(taken)
        # The largest first, which leaves the fewest gaps.
        sizes = sorted((prefix(w), k) for k, w in wishes.items() if w.startswith("/"))
        for size, kind in sizes:
            block = space.take(size)
            if block is not None:
                found[kind] = block
        planned[name] = ClusterRanges(found, fixed)
    return planned


def requested(gke: Gke, subnet: GivenSubnet | None) -> Mapping[str, str]:
    """The configured size or range of each kind; an existing subnet has its own ranges."""
    given = gke.ranges
    if subnet is None:
        return {kind: getattr(given, kind) for kind in KINDS}
    return {
        "nodes": subnet.nodes,
        "pods": subnet.pods.range,
        "services": subnet.services.range,
        "control_plane": given.control_plane,
    }


def prefix(text: str) -> int:
    """The prefix length of a range or a size.

    Raises:
        ValueError: with what is wrong, in words for the user.
    """
    length = int(text.rpartition("/")[2])
    if length > 32:
        raise ValueError("must have a prefix length of 0 to 32")
    return length


def network(text: str) -> IPv4Network:
    """Read a range.

    Raises:
        ValueError: with what is wrong, in words for the user.
    """
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"must be an IPv4 range ({error})") from None


class _Space:
    """The free parts of a range, as blocks that do not overlap."""

    def __init__(self, whole: IPv4Network) -> None:
        self._free = {whole}

    def take(self, size: int) -> IPv4Network | None:
        """Allocate a block of this prefix length from the smallest free block that fits."""
        fitting = [b for b in self._free if b.prefixlen <= size]
        if not fitting:
            return None
        block = min(fitting, key=lambda b: (-b.prefixlen, b.network_address))
        taken = IPv4Network((block.network_address, size))
        self._cut(block, taken)
        return taken

    def remove(self, taken: IPv4Network) -> None:
        """Mark a range as used."""
        for block in [b for b in self._free if b.overlaps(taken)]:
            if taken.supernet_of(block):
                self._free.remove(block)
            else:
                self._cut(block, taken)

    def _cut(self, block: IPv4Network, taken: IPv4Network) -> None:
        self._free.remove(block)
        self._free.update(block.address_exclude(taken))


def overlaps(planned: Mapping[str, ClusterRanges]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Pairs of cluster and kind whose ranges overlap, the later one first."""
    seen = list[tuple[str, str, IPv4Network]]()
    for name, ranges in planned.items():
        for kind in KINDS:
            here = ranges.found.get(kind)
            if here is None:
                continue
            for other, other_kind, there in seen:
                if here.overlaps(there):
                    yield (name, kind), (other, other_kind)
            seen.append((name, kind, here))
