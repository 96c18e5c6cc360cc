"""Claims about the picture of a mesh: that it is true, and that it can be read."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from picture import gallery, words
from picture.layout import Box, Point, lay_out, text_width
from picture.mermaid import mermaid
from picture.state import Part, State
from picture.svg import DARK, LIGHT, svg
from spec import config
from spec.mesh import MeshSpec
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration

_LONG = "a-name-as-long-as-a-dns-label-can-be-which-is-sixty-three-mmmmm"
_CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "dev": meshes.two_networks(),
    "one cluster": configuration(cluster("only", "net")),
    "one network": configuration(cluster("a", "net"), cluster("b", "net", primary="a")),
    "pod address": configuration(
        cluster("a", "net", controlPlane={"exposure": "pod-ip"}), cluster("b", "net", primary="a")
    ),
    "four, mixed": configuration(
        cluster("a", "n1"),
        cluster("b", "n2", primary="a"),
        cluster("c", "n2", controlPlane={"exposure": "load-balancer"}),
        cluster("d", "n3", primary="c"),
    ),
    "eight on three": configuration(
        cluster("eu1", "eu"),
        cluster("eu2", "eu", primary="us1"),
        cluster("eu3", "eu"),
        cluster("us1", "us"),
        cluster("us2", "us", primary="eu1"),
        cluster("us3", "us", primary="asia1"),
        cluster("asia1", "asia"),
        cluster("asia2", "asia", primary="eu3"),
    ),
    "long names on one network": configuration(
        cluster(_LONG, _LONG),
        *(cluster(f"{i}-{_LONG}"[:63], _LONG, primary=_LONG) for i in range(7)),
        cluster("m" * 63, "m" * 63),
    ),
}
every_mesh = pytest.mark.parametrize(
    "spec",
    [
        *(pytest.param(config.parse(c), id=name) for name, c in _CONFIGURATIONS.items()),
        *(pytest.param(gallery.spec_of(file), id=file.name) for file in gallery.STACKS),
    ],
)


def _mesh(name: str) -> MeshSpec:
    return config.parse(_CONFIGURATIONS[name])


def _known(spec: MeshSpec, *failed: Part) -> State:
    """A state in which everything is known, with names as long as those of clouds."""
    names = [c.name for c in spec.clusters]
    return State(
        gateways=dict.fromkeys(names, "a1b2c3d4-0123456789.elb.eu-central-1.amazonaws.com"),
        control_planes=dict.fromkeys(names, "2001:db8:85a3:1234:5678:8a2e:370:7334"),
        kubernetes=dict.fromkeys(names, "1.34.4-gke.1234567-and-more-of-it"),
        failed=frozenset(failed),
    )


def _drawn(spec: MeshSpec, state: State | None = None) -> ET.Element:
    return ET.XML(re.sub(r' xmlns="[^"]*"', "", svg(spec, state), count=1))


def _of(root: ET.Element, kind: str) -> list[ET.Element]:
    return [e for e in root.iter("g") if e.get("class") == kind]


def _cluster(root: ET.Element, name: str) -> ET.Element:
    (group,) = (g for g in _of(root, "cluster") if g.get("data-name") == name)
    return group


def _names(groups: list[ET.Element]) -> list[str]:
    return sorted(g.get("data-name", "") for g in groups)


def _text_boxes(root: ET.Element) -> list[tuple[str, Box]]:
    boxes: list[tuple[str, Box]] = []
    for e in root.iter("text"):
        size = float(e.get("font-size", ""))
        x, y, text = float(e.get("x", "")), float(e.get("y", "")), e.text or ""
        boxes.append((text, Box(x, y - size * 0.76, text_width(text, size), size)))
    return boxes


def _meet(a: Box, b: Box) -> bool:
    return a.x < b.right and b.x < a.right and a.y < b.bottom and b.y < a.bottom


def _within(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.right <= outer.right
        and inner.bottom <= outer.bottom
    )


def _lines(root: ET.Element) -> list[tuple[Point, Point]]:
    lines: list[tuple[Point, Point]] = []
    for e in root.iter("polyline"):
        points = [tuple(map(float, p.split(","))) for p in e.get("points", "").split()]
        lines += [((a[0], a[1]), (b[0], b[1])) for a, b in pairwise(points)]
    return lines


# What the picture says.


@every_mesh
def test_each_cluster_is_drawn_once_and_in_its_own_network(spec: MeshSpec) -> None:
    layout = lay_out(spec)
    assert _names(_of(_drawn(spec), "cluster")) == sorted(c.name for c in spec.clusters)
    assert set(layout.areas) == set(spec.networks)
    for card in layout.cards.values():
        for network, area in layout.areas.items():
            assert _within(card.box, area) == (network == card.cluster.network)
            assert _within(card.box, area) or not _meet(card.box, area)


@every_mesh
def test_gateways_and_control_planes_are_drawn_where_the_spec_has_them(spec: MeshSpec) -> None:
    root = _drawn(spec)
    for c in spec.clusters:
        group = _cluster(root, c.name)
        assert len(_of(group, "gateway")) == spec.has_gateway(c)
        assert len(_of(group, "istiod")) == (not c.is_remote)
        assert len(_of(group, "elsewhere")) == c.is_remote
        control_plane = spec.control_plane(c)
        balanced = control_plane is not None and control_plane.has_load_balancer
        assert len(_of(group, "load-balancer")) == balanced


@every_mesh
def test_each_remote_leads_to_the_entry_of_its_primary_and_to_no_other(spec: MeshSpec) -> None:
    layout = lay_out(spec)
    buses = [b for b in layout.buses if b.kind == "control"]
    assert len(buses) == len({c.primary for c in spec.remotes})
    for remote in spec.remotes:
        (bus,) = (b for b in buses if remote.name in {t.cluster for t in b.taps})
        primary = layout.cards[remote.primary or ""]
        exposed = spec.exposes_control_plane(primary.cluster)
        entry = primary.gateway if exposed else primary.load_balancer or primary.istiod
        assert entry
        route = bus.route(remote.name, primary.cluster.name)
        own = layout.cards[remote.name].istiod
        assert route[0] == (own.right, own.middle[1])
        assert route[-1] == (entry.right, entry.middle[1])


@every_mesh
def test_each_remote_secret_is_a_pill_in_its_reader(spec: MeshSpec) -> None:
    root = _drawn(spec)
    for reader in spec.clusters:
        read = sorted(c.name for c in spec.clusters if reader in spec.readers_of(c))
        assert _names(_of(_cluster(root, reader.name), "secret")) == read


@every_mesh
def test_data_goes_direct_in_a_network_and_by_the_targets_gateway_between_them(
    spec: MeshSpec,
) -> None:
    layout = lay_out(spec)
    direct = [{t.cluster for t in b.taps} for b in layout.buses if b.kind == "direct"]
    shared = [set(names) for names in spec.mesh_networks.values() if len(names) > 1]
    assert direct == shared
    between = [b for b in layout.buses if b.kind == "data"]
    assert len(between) == spec.spans_networks
    for bus in between:
        for a, b in combinations(layout.cards.values(), 2):
            end = bus.route(a.cluster.name, b.cluster.name)[-1]
            assert b.gateway
            assert end == (b.gateway.middle[0], b.gateway.bottom)


def test_addresses_ports_and_versions_are_written_where_they_are_known() -> None:
    spec = _mesh("dev")
    state = State(gateways={"east": "192.0.2.7"}, kubernetes={"west": "1.34.4"})
    root = _drawn(spec, state)
    east, west = ("".join(_cluster(root, n).itertext()) for n in ("east", "west"))
    assert "192.0.2.7" in east
    assert "192.0.2.7" in west, "there it is the address of the control plane"
    assert "15443, 15012" in east
    assert "15012" not in west
    assert "Kubernetes 1.34.4" in west
    assert "Kubernetes" not in east


def test_a_shared_gateway_goes_by_its_name_and_port() -> None:
    configured = meshes.two_networks()
    configured["mesh"]["gateways"] = {"pods": "ingress", "port": 443}
    spec = config.parse(configured)
    for text in (svg(spec), mermaid(spec)):
        assert "ingress gateway" in text
        assert "port 443 " in text
        assert "15443" not in text
        assert "east-west" not in text


def test_without_remote_secrets_entries_lead_to_other_clusters() -> None:
    configured = configuration(cluster("a", "n1"), cluster("b", "n2"))
    configured["mesh"]["discovery"] = "entries"
    for text in (svg(config.parse(configured)), mermaid(config.parse(configured))):
        assert text.count("entries lead to other clusters") == 2
        assert "remote secret" not in text


# What failed.


def test_what_failed_is_red_and_nothing_else() -> None:
    spec = _mesh("eight on three")
    failed = {
        "istiod": Part("istiod", "us1"),
        "gateway": Part("gateway", "us2"),
        "secret": Part("secret", "eu1", "us2"),
        "elsewhere": Part("control-plane", "us3"),
        "cluster": Part("cluster", "asia1"),
    }
    for kind, part in failed.items():
        root = _drawn(spec, State(failed=frozenset({part})))
        red = [e for e in root.iter("rect") if "is-failed" in e.get("class", "")]
        assert len(red) == 1
        parent = {child: g for g in root.iter("g") for child in g}
        assert parent[red[0]].get("class") == kind
        card = parent[red[0]]
        while card.get("class") != "cluster":
            card = parent[card]
        assert card.get("data-name") == part.cluster
    assert "is-failed" not in "".join(e.get("class", "") for e in _drawn(spec).iter("rect"))


@pytest.mark.parametrize(
    ("source", "target", "kind"), [("us2", "asia2", "data"), ("us2", "us1", "direct")]
)
def test_failed_traffic_is_red_along_the_whole_path(source: str, target: str, kind: str) -> None:
    spec = _mesh("eight on three")
    (bus,) = (
        b
        for b in lay_out(spec).buses
        if b.kind == kind and {source, target} <= {t.cluster for t in b.taps}
    )
    root = _drawn(spec, State(failed=frozenset({Part("traffic", source, target)})))
    way, _legend = (e for e in root.iter("polyline") if e.get("class") == "line failed")
    points = [tuple(map(float, p.split(","))) for p in way.get("points", "").split()]
    assert points == [pytest.approx(p, abs=0.06) for p in bus.route(source, target)]


def test_every_failure_is_written_in_words_too_even_about_what_the_spec_lacks() -> None:
    spec = _mesh("one cluster")
    state = _known(spec, Part("traffic", "only", "gone"), Part("control-plane", "nowhere"))
    for text in (svg(spec, state), mermaid(spec, state)):
        assert "traffic from only to gone" in text
        assert "path of nowhere to its control plane" in text


# That it can be read.


@every_mesh
@pytest.mark.parametrize("known", [False, True], ids=["bare", "known"])
def test_no_text_meets_another_text_a_line_or_the_edge(spec: MeshSpec, known: bool) -> None:
    first, last = spec.clusters[0].name, spec.clusters[-1].name
    state = _known(spec, Part("traffic", first, last), Part("gateway", last)) if known else None
    root = _drawn(spec, state)
    page = Box(0, 0, float(root.get("width", "")), float(root.get("height", "")))
    texts = _text_boxes(root)
    for text, box in texts:
        assert _within(box, page), text
    for (a, a_box), (b, b_box) in combinations(texts, 2):
        assert not _meet(a_box, b_box), (a, b)
    for (x1, y1), (x2, y2) in _lines(root):
        line = Box(min(x1, x2), min(y1, y2), abs(x2 - x1) or 0.1, abs(y2 - y1) or 0.1)
        for text, box in texts:
            assert not _meet(line, box), (text, line)


@every_mesh
def test_boxes_of_a_card_are_inside_it_and_apart(spec: MeshSpec) -> None:
    layout = lay_out(spec)
    for card in layout.cards.values():
        boxes = [b for b in (card.istiod, card.load_balancer, card.pods, card.gateway) if b]
        assert all(_within(b, card.box) for b in boxes)
        assert not any(_meet(a, b) for a, b in combinations(boxes, 2))
        assert all(_within(pill, card.istiod) for pill in card.secrets.values())
    assert not any(_meet(a.box, b.box) for a, b in combinations(layout.cards.values(), 2)), (
        "cards apart"
    )


@every_mesh
def test_buses_of_different_kinds_never_lie_on_each_other(spec: MeshSpec) -> None:
    layout = lay_out(spec)
    own = [
        {*bus.rails, *(ab for tap in bus.taps for ab in pairwise(tap.points))}
        for bus in layout.buses
    ]
    for ours, theirs in combinations(own, 2):
        for a, b in ((a, b) for a in ours for b in theirs):
            for along, across in ((0, 1), (1, 0)):
                (a1, a2), (b1, b2) = (sorted(p[along] for p in line) for line in (a, b))
                level = {p[across] for p in (*a, *b)}
                assert len(level) > 1 or a2 <= b1 or b2 <= a1, (a, b)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_contrast_in_both_themes(colours: dict[str, str]) -> None:
    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            c / 12.92 if c <= 0.04 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def contrast(a: str, b: str) -> float:
        dim, bright = sorted((luminance(colours[a]), luminance(colours[b])))
        return (bright + 0.05) / (dim + 0.05)

    for ground in ("page", "area", "card", "box"):
        assert contrast("text", ground) >= 7
        assert contrast("muted", ground) >= 4.5
    assert contrast("failed", "page") >= 4.5
    assert contrast("page", "control") >= 4.5, "the badge of a primary"


def test_a_screen_reader_gets_the_same_information() -> None:
    spec = _mesh("dev")
    root = _drawn(spec, State(gateways={"east": "192.0.2.7"}))
    assert root.get("role") == "img"
    assert [e.tag for e in root][:2] == ["title", "desc"]
    assert root.findtext("title") == "Mesh mesh1: 2 clusters on 2 networks, Istio 1.31.0"
    description = root.findtext("desc") or ""
    assert "west is a remote of east" in description
    assert "east-west gateway at 192.0.2.7" in description


def test_what_is_cut_off_is_shown_when_pointed_at() -> None:
    root = _drawn(_mesh("long names on one network"))
    group = _cluster(root, _LONG)
    assert _LONG in {e.text for e in group.iter("title")}
    assert all(e.text != _LONG for e in group.iter("text"))


@every_mesh
def test_it_is_one_file_and_the_same_each_time(spec: MeshSpec) -> None:
    text = svg(spec, _known(spec))
    assert text == svg(spec, _known(spec))
    assert "href" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert mermaid(spec, _known(spec)) == mermaid(spec, _known(spec))


_HOSTILE = '<b>"x" & {y} #1;</b>'


def test_what_the_clusters_say_stays_text() -> None:
    spec = _mesh("dev")
    state = State(gateways={"east": _HOSTILE}, kubernetes={"east": _HOSTILE})
    assert _HOSTILE in (_drawn(spec, state).findtext("desc") or "")
    labels = re.findall(r'\["(.*)"\]', mermaid(spec, state))
    assert labels
    for label in labels:
        assert not re.search(r'["&]|<(?!br/>)', label)


# Mermaid.


@every_mesh
def test_mermaid_opens_and_closes_a_subgraph_for_each_network_and_cluster(spec: MeshSpec) -> None:
    depth, opened = 0, 0
    for line in map(str.strip, mermaid(spec).splitlines()):
        depth += line.startswith("subgraph ") - (line == "end")
        opened += line.startswith("subgraph ")
        assert 0 <= depth <= 2
    assert depth == 0
    assert opened == len(spec.clusters) + len(spec.networks)


def _edges(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^  (\w+) (?:-->|<-->|-\.->|-\. .* \.->) (\w+)$", text, re.M)


@every_mesh
def test_mermaid_joins_only_nodes_that_it_has_and_counts_as_svg_does(spec: MeshSpec) -> None:
    text = mermaid(spec)
    nodes = re.findall(r"^ +(\w+)\(?\[", text, re.M)
    assert len(nodes) == len(set(nodes))
    assert {x for edge in _edges(text) for x in edge} <= set(nodes)
    assert len([n for n in nodes if n.endswith("_gateway")]) == sum(
        map(spec.has_gateway, spec.clusters)
    )
    assert len([n for n in nodes if n.endswith("_istiod")]) == len(spec.primaries)
    assert ("between" in nodes) == spec.spans_networks


@every_mesh
def test_mermaid_leads_each_remote_to_its_primary(spec: MeshSpec) -> None:
    key = {c.name: f"c{i}" for i, c in enumerate(spec.clusters)}
    edges = set(_edges(mermaid(spec)))
    for remote in spec.remotes:
        targets = {b for a, b in edges if a == f"{key[remote.name]}_pods" and b[0] == "c"}
        (target,) = targets
        assert target.startswith(f"{key[remote.primary or '']}_")
        istiod = f"{key[remote.primary or '']}_istiod"
        assert target == istiod or (target, istiod) in edges


def test_mermaid_reddens_the_edges_that_failed() -> None:
    spec = _mesh("dev")
    failed = frozenset({Part("control-plane", "west"), Part("traffic", "east", "west")})
    text = mermaid(spec, State(failed=failed))
    (numbers,) = re.findall(r"linkStyle (\S+) ", text)
    red = {_edges(text)[int(n)] for n in numbers.split(",")}
    assert red == {("c1_pods", "c0_gateway"), ("c0_pods", "between"), ("between", "c1_gateway")}


@pytest.mark.parametrize("file", gallery.STACKS, ids=lambda path: path.name)
def test_the_committed_picture_of_each_stack_is_the_one_that_is_drawn(file: Path) -> None:
    assert gallery.picture_of(file).read_text() == gallery.draw(file), gallery.FIX


def test_the_page_of_topologies_is_the_one_that_is_generated() -> None:
    assert gallery.PAGE.read_text() == gallery.page(), gallery.FIX
    drawn = {path.name for path in gallery.PICTURES.iterdir()}
    assert drawn == {gallery.picture_of(file).name for file in gallery.STACKS}, gallery.FIX


def test_words_count_one_as_one() -> None:
    assert words.summary(_mesh("one cluster")) == "1 cluster on 1 network, Istio 1.31.0"
