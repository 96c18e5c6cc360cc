"""The positions of all parts of the picture, in pixels, derived from the spec alone.

Clusters are cards in the areas of their networks, at most `_PER_LINE` side by side. All text
is in boxes; all lines run between them. Connections of one kind
share a bus, or a mesh of n clusters would need n² lines: pod to pod in a strip at the foot of each
network's area, between networks below the areas, and one bus above them for each control plane
that has remotes. A bus on several lines is joined by a trunk at its side.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import ceil
from typing import Literal

from picture.words import read_by
from spec.mesh import Cluster, MeshSpec

Point = tuple[float, float]

MARGIN = 20.0
TITLE = 62.0
PAD = 12.0
PILL = 18.0
CARD = 288.0
_PER_LINE = 3
_GAP = 26.0  # right of each card, for the control plane's line
_CARD_HEAD = 52.0
_AREA_HEAD = 30.0
_AREA_PAD = 18.0
_LANE = 12.0
_LOAD_BALANCER = 116.0
_ISTIOD_HEAD = 44.0
_PODS = 84.0
_FOOT = 62.0  # the boxes of pods and gateway
_STEP = 22.0  # between boxes that an arrow joins


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class Card:
    """A cluster."""

    cluster: Cluster
    box: Box
    istiod: Box
    """In a remote: the words about the control plane that it uses."""
    secrets: Mapping[str, Box]
    """A pill for each cluster that istiod reads."""
    load_balancer: Box | None
    """Of istiod alone."""
    pods: Box
    gateway: Box | None


@dataclass(frozen=True)
class Tap:
    """How one cluster joins a bus: from its box to the bus."""

    cluster: str
    points: tuple[Point, ...]
    sends: bool
    receives: bool


@dataclass(frozen=True)
class Bus:
    """Connects every tap that sends with every tap that receives."""

    kind: Literal["control", "data", "direct"]
    taps: tuple[Tap, ...]
    trunk: float
    """x of the vertical that joins the lines of the picture."""

    @property
    def rails(self) -> tuple[tuple[Point, Point], ...]:
        """The bus itself, without its taps: one horizontal a line, and the trunk."""
        ends = [tap.points[-1] for tap in self.taps]
        lines = sorted({y for _, y in ends})
        trunk = [self.trunk] if len(lines) > 1 else []
        rails: list[tuple[Point, Point]] = []
        for line in lines:
            xs = [x for x, y in ends if y == line] + trunk
            rails.append(((min(xs), line), (max(xs), line)))
        if trunk:
            rails.append(((self.trunk, lines[0]), (self.trunk, lines[-1])))
        return tuple(rails)

    def route(self, source: str, target: str) -> tuple[Point, ...]:
        """The line from one cluster to another along the bus."""
        (here,) = (t.points for t in self.taps if t.cluster == source and t.sends)
        (there,) = (t.points for t in self.taps if t.cluster == target and t.receives)
        trunk: list[Point] = []
        if here[-1][1] != there[-1][1]:
            trunk = [(self.trunk, here[-1][1]), (self.trunk, there[-1][1])]
        return (*here, *trunk, *reversed(there))


@dataclass(frozen=True)
class Layout:
    width: float
    height: float
    areas: Mapping[str, Box]
    """By network."""
    cards: Mapping[str, Card]
    """By cluster."""
    buses: tuple[Bus, ...]


def text_width(text: str, size: float) -> float:
    """Width in a wide sans-serif face, so that a narrower one fits too."""
    return size * sum(
        0.42 if c in "ijltfrI.,:;|' ·" else 0.98 if c in "mwMW@%…" else 0.66 for c in text
    )


def shorten(text: str, size: float, width: float) -> str:
    """The text, or as much of it as the width holds."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"


def lay_out(spec: MeshSpec) -> Layout:
    """Place columns from left to right, then lines from top to bottom, then the buses between."""
    lines = _lines(spec)
    line_of = {c.name: i for i, line in enumerate(lines) for c in line}
    groups = [(p, *spec.remotes_of(p)) for p in spec.primaries if spec.remotes_of(p)]
    crossing = [g[0].name for g in groups if len({line_of[c.name] for c in g}) > 1]
    trunks = {name: MARGIN + i * _LANE for i, name in enumerate(crossing)}
    xs = _columns(lines, MARGIN + _LANE * (len(crossing) + bool(crossing) / 2))
    right = max(xs[line[-1].name] for line in lines) + CARD + _GAP

    rows = _Rows(TITLE)
    for i, line in enumerate(lines):
        spans = {
            g[0].name: _span([xs[c.name] + CARD for c in g if line_of[c.name] == i], trunks, g[0])
            for g in groups
            if any(line_of[c.name] == i for c in g)
        }
        _place_line(rows, spec, i, line, xs, _lanes(spans))

    buses = [_control_bus(spec, g, rows.cards, line_of, rows.lane_ys, trunks) for g in groups]
    buses += _direct_buses(spec, rows, line_of)
    if spec.spans_networks:
        taps = tuple(_data_taps(rows.cards, line_of, rows.data_ys))
        buses.append(Bus("data", taps, right + _LANE))
    trunk = _LANE if len(rows.data_ys) > 1 else 0
    return Layout(right + trunk + MARGIN, rows.y, rows.areas, rows.cards, tuple(buses))


@dataclass
class _Rows:
    """What is placed so far, from top to bottom."""

    y: float
    """Where the next line starts."""
    cards: dict[str, Card] = field(default_factory=dict[str, Card])
    areas: dict[str, Box] = field(default_factory=dict[str, Box])
    lane_ys: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])
    """By primary and line: y of its control plane's bus."""
    direct_ys: dict[int, float] = field(default_factory=dict[int, float])
    """By line: y of the bus within each of its networks."""
    data_ys: dict[int, float] = field(default_factory=dict[int, float])
    """By line: y of the bus between networks."""


def _place_line(
    rows: _Rows,
    spec: MeshSpec,
    i: int,
    line: Sequence[Cluster],
    xs: Mapping[str, float],
    lanes: Mapping[str, int],
) -> None:
    """Place one line: lanes of control planes, cards, the direct bus, areas, the data bus."""
    y = rows.y + _LANE * (len(set(lanes.values())) + bool(lanes))
    for name, lane in lanes.items():
        rows.lane_ys[name, i] = y - _LANE * (lane + 1)
    top = y
    y += _AREA_PAD if line[0].network in rows.areas else _AREA_HEAD
    height = max(_istiod_height(spec, c) for c in line)
    for cluster in line:
        rows.cards[cluster.name] = _card(spec, cluster, xs[cluster.name], y, height)
    y = rows.cards[line[0].name].box.bottom
    networks = [(n, [*cs]) for n, cs in groupby(line, key=lambda c: c.network)]
    if any(_members(spec, n) > 1 for n, _ in networks):
        y += _LANE
        rows.direct_ys[i] = y
    y += _AREA_PAD
    for network, members in networks:
        x = xs[members[0].name] - _AREA_PAD
        area = Box(x, top, xs[members[-1].name] + CARD + _GAP - x, y - top)
        before = rows.areas.get(network)
        rows.areas[network] = _union(before, area) if before else area
    if spec.spans_networks:
        y += _LANE
        rows.data_ys[i] = y
    rows.y = y + MARGIN


def _direct_buses(spec: MeshSpec, rows: _Rows, line_of: Mapping[str, int]) -> Iterator[Bus]:
    """A bus in each network of several clusters, where pods connect to pods."""
    for network in spec.networks:
        members = [c for c in spec.clusters if c.network == network]
        if len(members) > 1:
            taps = tuple(
                Tap(
                    c.name,
                    _down(rows.cards[c.name].pods, 0.3, rows.direct_ys[line_of[c.name]]),
                    sends=True,
                    receives=True,
                )
                for c in members
            )
            yield Bus("direct", taps, rows.areas[network].x + _AREA_PAD / 2)


def _lines(spec: MeshSpec) -> list[list[Cluster]]:
    """Networks side by side while they fit; a larger one has even lines of its own."""
    lines: list[list[Cluster]] = []
    room = 0
    for network in spec.networks:
        members = [c for c in spec.clusters if c.network == network]
        if len(members) <= room:
            lines[-1] += members
            room -= len(members)
            continue
        rows = ceil(len(members) / _PER_LINE)
        length = ceil(len(members) / rows)
        lines += [members[i : i + length] for i in range(0, len(members), length)]
        room = _PER_LINE - length if rows == 1 else 0
    return lines


def _columns(lines: Sequence[Sequence[Cluster]], left: float) -> dict[str, float]:
    """x of each cluster's card."""
    xs: dict[str, float] = {}
    for line in lines:
        x = left + _AREA_PAD
        for before, cluster in pairwise([line[0], *line]):
            x += (MARGIN + _AREA_PAD) * (before.network != cluster.network)
            xs[cluster.name] = x
            x += CARD + _GAP
    return xs


def _span(ends: Sequence[float], trunks: Mapping[str, float], primary: Cluster) -> Point:
    """From where to where a bus reaches on one line."""
    return min([*ends, *([trunks[primary.name]] if primary.name in trunks else [])]), max(ends)


def _lanes(spans: Mapping[str, Point]) -> dict[str, int]:
    """The lowest lane for each bus in which it meets no other; short ones below."""
    lanes: dict[str, int] = {}
    for name, (start, end) in sorted(spans.items(), key=lambda x: (x[1][1] - x[1][0], x[0])):
        taken = {lanes[n] for n in lanes if spans[n][0] <= end and start <= spans[n][1]}
        lanes[name] = next(i for i in range(len(spans)) if i not in taken)
    return lanes


def _has_load_balancer(spec: MeshSpec, cluster: Cluster) -> bool:
    control_plane = spec.control_plane(cluster)
    return control_plane is not None and control_plane.has_load_balancer


def _istiod_width(spec: MeshSpec, cluster: Cluster) -> float:
    inner = CARD - 2 * PAD
    return inner - (_LOAD_BALANCER + _STEP if _has_load_balancer(spec, cluster) else 0)


def _istiod_height(spec: MeshSpec, cluster: Cluster) -> float:
    pills = _pills(read_by(spec, cluster), Box(0, 0, _istiod_width(spec, cluster), 0))
    least = 64.0 if cluster.is_remote or spec.control_plane(cluster) else 46.0
    if cluster.is_remote or not pills:
        return least
    return max(least, max(p.bottom for p in pills.values()) + PAD * 0.75)


def _pills(names: Sequence[str], istiod: Box) -> dict[str, Box]:
    pills: dict[str, Box] = {}
    x, y = istiod.x + PAD * 0.75, istiod.y + _ISTIOD_HEAD
    most = istiod.width - PAD * 1.5
    for name in names:
        width = min(text_width(name, 11) + 14, most)
        if x > istiod.x + PAD and x + width > istiod.x + PAD * 0.75 + most:
            x, y = istiod.x + PAD * 0.75, y + PILL + 4
        pills[name] = Box(x, y, width, PILL)
        x += width + 5
    return pills


def _card(spec: MeshSpec, cluster: Cluster, x: float, y: float, istiod_height: float) -> Card:
    inner = CARD - 2 * PAD
    istiod = Box(x + PAD, y + _CARD_HEAD, _istiod_width(spec, cluster), istiod_height)
    foot = istiod.bottom + _STEP
    pods = Box(x + PAD, foot, _PODS if spec.has_gateway(cluster) else inner, _FOOT)
    gateway = load_balancer = None
    if spec.has_gateway(cluster):
        gateway = Box(pods.right + _STEP, foot, inner - _PODS - _STEP, _FOOT)
    if _has_load_balancer(spec, cluster):
        load_balancer = Box(istiod.right + _STEP, istiod.y, _LOAD_BALANCER, istiod_height)
    return Card(
        cluster,
        Box(x, y, CARD, foot + _FOOT + PAD - y),
        istiod,
        {} if cluster.is_remote else _pills(read_by(spec, cluster), istiod),
        load_balancer,
        pods,
        gateway,
    )


def _members(spec: MeshSpec, network: str) -> int:
    return sum(c.network == network for c in spec.clusters)


def _union(a: Box, b: Box) -> Box:
    x, y = min(a.x, b.x), min(a.y, b.y)
    return Box(x, y, max(a.right, b.right) - x, max(a.bottom, b.bottom) - y)


def _down(box: Box, share: float, y: float) -> tuple[Point, ...]:
    """From the foot of a box down to a bus, at a share of at most the pods' box's width."""
    x = box.x + share * min(box.width, _PODS)
    return (x, box.bottom), (x, y)


def _control_bus(
    spec: MeshSpec,
    group: tuple[Cluster, ...],
    cards: Mapping[str, Card],
    line_of: Mapping[str, int],
    lane_ys: Mapping[tuple[str, int], float],
    trunks: Mapping[str, float],
) -> Bus:
    primary = group[0]
    taps: list[Tap] = []
    for cluster in group:
        card = cards[cluster.name]
        entry = card.istiod
        if cluster is primary:
            by_gateway = card.gateway if spec.exposes_control_plane(primary) else None
            entry = by_gateway or card.load_balancer or card.istiod
        y, x = entry.middle[1], card.box.right + _GAP / 2
        points = ((entry.right, y), (x, y), (x, lane_ys[primary.name, line_of[cluster.name]]))
        taps.append(Tap(cluster.name, points, cluster is not primary, cluster is primary))
    return Bus("control", tuple(taps), trunks.get(primary.name, 0))


def _data_taps(
    cards: Mapping[str, Card], line_of: Mapping[str, int], ys: Mapping[int, float]
) -> Iterator[Tap]:
    for name, card in cards.items():
        y = ys[line_of[name]]
        yield Tap(name, _down(card.pods, 0.7, y), sends=True, receives=False)
        if card.gateway:
            x = card.gateway.middle[0]
            yield Tap(name, ((x, card.gateway.bottom), (x, y)), sends=False, receives=True)
