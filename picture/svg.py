"""The picture as SVG: one file without scripts, fonts or links, for light and dark pages."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence

from picture import words
from picture.layout import (
    CARD,
    MARGIN,
    PAD,
    Box,
    Bus,
    Card,
    Layout,
    Point,
    lay_out,
    shorten,
    text_width,
)
from picture.state import Part, State
from spec.mesh import MeshSpec

LIGHT = {
    "page": "#ffffff",
    "area": "#f3f5f8",
    "card": "#ffffff",
    "box": "#f6f8fa",
    "border": "#afb8c1",
    "text": "#1f2328",
    "muted": "#59636e",
    "control": "#8250df",
    "data": "#0969da",
    "direct": "#1a7f37",
    "failed": "#d1242f",
}
DARK = {
    "page": "#0d1117",
    "area": "#161b22",
    "card": "#0d1117",
    "box": "#1c2129",
    "border": "#4d5560",
    "text": "#f0f6fc",
    "muted": "#9ea7b3",
    "control": "#b083f0",
    "data": "#58a6ff",
    "direct": "#3fb950",
    "failed": "#ff6a63",
}
_LINES = ("control", "data", "direct", "failed")


def svg(spec: MeshSpec, state: State | None = None) -> str:
    """The mesh as an SVG document; the same input gives the same text.

    Args:
        spec: What is drawn.
        state: Addresses and versions to write, and what to draw in red; nothing if left out.
    """
    return ET.tostring(element(spec, state or State()), encoding="unicode")


def element(spec: MeshSpec, state: State) -> ET.Element:
    """The same as `svg`, to be placed in a page."""
    return _Drawing(spec, state).draw()


class _Drawing:
    """One picture in the making."""

    def __init__(self, spec: MeshSpec, state: State) -> None:
        self.spec, self.state = spec, state
        self.layout: Layout = lay_out(spec)
        self.by_name = {c.name: c for c in spec.clusters}
        # Links inside an image are hidden from screen readers.
        role = "group" if state.links else "img"
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": role})

    def draw(self) -> ET.Element:
        layout = self.layout
        ET.SubElement(self.root, "title").text = f"{words.title(self.spec)}: {self._summary}"
        ET.SubElement(self.root, "desc").text = words.description(self.spec, self.state)
        ET.SubElement(self.root, "style").text = STYLE
        self._arrowheads()
        page = ET.SubElement(self.root, "rect", {"class": "page"})
        self._text(self.root, words.title(self.spec), (MARGIN, 28), 17, layout.width, "strong")
        self._text(self.root, self._summary, (MARGIN, 46), 12, layout.width, "muted")
        for network, box in layout.areas.items():
            area = self._group("network", network)
            _rect(area, box, "area", 10)
            at = (box.x + 18, box.y + 20)
            # No wider than a card: right of each the line to a control plane comes down.
            self._text(area, f"network {network}", at, 12, CARD, "muted strong")
        for card in layout.cards.values():
            self._card(card)
        for bus in layout.buses:
            self._bus(bus)
        for bus in layout.buses:
            self._failed_routes(bus)
        bottom = self._legend(layout.height)
        size = {"width": _number(layout.width), "height": _number(bottom + MARGIN)}
        page.attrib.update(size)
        self.root.attrib.update({"viewBox": f"0 0 {' '.join(size.values())}", **size})
        ET.indent(self.root)
        return self.root

    @property
    def _summary(self) -> str:
        return words.summary(self.spec)

    def _arrowheads(self) -> None:
        defs = ET.SubElement(self.root, "defs")
        for line in _LINES:
            marker = ET.SubElement(
                defs,
                "marker",
                {
                    "id": f"isthmus-{line}",
                    "viewBox": "0 0 8 8",
                    "refX": "7.5",
                    "refY": "4",
                    "markerWidth": "8",
                    "markerHeight": "8",
                    "markerUnits": "userSpaceOnUse",
                    "orient": "auto-start-reverse",
                },
            )
            ET.SubElement(marker, "path", {"d": "M0 0.5L8 4L0 7.5z", "class": f"head-{line}"})

    def _group(self, kind: str, name: str) -> ET.Element:
        return ET.SubElement(self.root, "g", {"class": kind, "data-name": name})

    def _linked(self, parent: ET.Element, part: Part | None) -> ET.Element:
        """The parent for what shows a part: a link, if the part leads anywhere."""
        if part is None or part not in self.state.links:
            return parent
        link = ET.SubElement(parent, "a", {"href": self.state.links[part]})
        ET.SubElement(link, "title").text = str(part)
        return link

    def _text(
        self, parent: ET.Element, text: str, at: Point, size: float, width: float, style: str
    ) -> None:
        """A line of text, cut to the width; what is cut off shows when pointed at."""
        wide = size * (1.06 if "strong" in style else 1)
        shown = shorten(text, wide, width)
        if shown != text:
            parent = ET.SubElement(parent, "g")
            ET.SubElement(parent, "title").text = text
        x, y = map(_number, at)
        attributes = {"x": x, "y": y, "font-size": _number(size), "class": style}
        ET.SubElement(parent, "text", attributes).text = shown

    def _card(self, card: Card) -> None:
        name, box = card.cluster.name, card.box
        group = self._group("cluster", name)
        _rect(group, box, self._style("card", Part("cluster", name)), 8)
        role = card.cluster.role
        badge = text_width(role, 11) + 16
        pill = Box(box.right - PAD - badge, box.y + 10, badge, 18)
        heading = self._linked(group, Part("cluster", name))
        self._text(heading, name, (box.x + PAD, box.y + 24), 15, pill.x - box.x - PAD - 8, "strong")
        _rect(group, pill, f"pill {role}", 9)
        self._text(group, role, (pill.x + 8, pill.y + 13), 11, badge, f"on-{role}")
        versions = " · ".join(words.versions(self.spec, card.cluster, self.state))
        at = (box.x + PAD, box.y + 42)
        self._text(group, versions, at, 11, box.width - 2 * PAD, "muted")
        if card.cluster.is_remote:
            self._remote_control_plane(group, card)
        else:
            self._istiod(group, card)
        self._box(group, card.pods, "pods", "pods", ["sidecars"], None)
        if card.gateway:
            address = self.state.gateways.get(name)
            lines = [*([address] if address else []), words.gateway_ports(self.spec, card.cluster)]
            part = Part("gateway", name)
            self._box(group, card.gateway, "gateway", words.gateway(self.spec), lines, part)
            if self.spec.spans_networks:
                y = card.gateway.middle[1]
                self._line(group, [(card.gateway.x, y), (card.pods.right, y)], "data", end=True)
            if self.spec.exposes_control_plane(card.cluster):
                x = card.gateway.middle[0]
                up = [(x, card.gateway.y), (x, card.istiod.bottom)]
                self._line(group, up, "control", end=True)

    def _istiod(self, group: ET.Element, card: Card) -> None:
        name = card.cluster.name
        self._box(
            group,
            card.istiod,
            "istiod",
            "istiod",
            words.how_it_finds_others(self.spec, card.cluster),
            Part("istiod", name),
        )
        for read, box in card.secrets.items():
            link = self._linked(group, Part("secret", name, read))
            secret = ET.SubElement(link, "g", {"class": "secret", "data-name": read})
            _rect(secret, box, self._style("pill", Part("secret", name, read)), 9)
            self._text(secret, read, (box.x + 7, box.y + 13), 11, box.width - 13, "plain")
        if card.load_balancer:
            box = card.load_balancer
            address = words.entry_address(self.spec, card.cluster, self.state)
            way = words.path_to_control_plane(self.spec, card.cluster)
            lines = [*(["internal"] if way.startswith("internal") else [])]
            lines += [address] if address else []
            self._box(group, box, "load-balancer", "load balancer", lines, None)
            y = box.middle[1]
            self._line(group, [(box.x, y), (card.istiod.right, y)], "control", end=True)

    def _remote_control_plane(self, group: ET.Element, card: Card) -> None:
        primary = self.by_name[card.cluster.primary or ""]
        address = words.entry_address(self.spec, primary, self.state)
        lines = [
            f"by its {words.path_to_control_plane(self.spec, primary)}",
            *([address] if address else []),
        ]
        self._box(
            group,
            card.istiod,
            "elsewhere",
            f"uses istiod of {primary.name}",
            lines,
            Part("control-plane", card.cluster.name),
        )

    def _box(
        self,
        group: ET.Element,
        box: Box,
        kind: str,
        title: str,
        lines: Iterable[str],
        part: Part | None,
    ) -> None:
        inner = ET.SubElement(self._linked(group, part), "g", {"class": kind})
        _rect(inner, box, self._style(f"box {kind}", part), 5)
        x, y, width = box.x + 9, box.y + 19, box.width - 16
        self._text(inner, title, (x, y), 12, width, "strong")
        for line in lines:
            y += 16
            self._text(inner, line, (x, y), 11, width, "muted")

    def _bus(self, bus: Bus) -> None:
        group = ET.SubElement(self.root, "g", {"class": f"bus-{bus.kind}"})
        rails = bus.rails
        for start, end in rails:
            self._line(group, [start, end], bus.kind)
        for tap in bus.taps:
            # From the bus to the box, so that the arrow is at the line's end.
            self._line(group, tap.points[::-1], bus.kind, end=tap.receives, name=tap.cluster)
            x, y = tap.points[-1]
            if any(a[1] == b[1] == y and a[0] < x < b[0] for a, b in rails):
                dot = {"cx": _number(x), "cy": _number(y), "r": "2.5"}
                ET.SubElement(group, "circle", {**dot, "class": f"head-{bus.kind}"})

    def _failed_routes(self, bus: Bus) -> None:
        senders = {t.cluster for t in bus.taps if t.sends}
        receivers = {t.cluster for t in bus.taps if t.receives}
        for part in sorted(self.state.failed):
            source, target = part.cluster, part.other
            if part.kind == "control-plane" and source in senders and bus.kind == "control":
                target = self.by_name[source].primary or ""
            elif part.kind != "traffic" or bus.kind == "control" or not self._uses(bus, part):
                continue
            if source in senders and target in receivers:
                self._line(self.root, bus.route(source, target), "failed", end=True)

    def _uses(self, bus: Bus, traffic: Part) -> bool:
        """Whether traffic takes this kind of bus: direct in one network, or else by gateways."""
        ends = [self.by_name.get(x) for x in (traffic.cluster, traffic.other)]
        same = len({c.network for c in ends if c}) == 1
        return (bus.kind == "direct") == same

    def _line(
        self,
        parent: ET.Element,
        points: Sequence[Point],
        style: str,
        *,
        end: bool = False,
        name: str = "",
    ) -> None:
        attributes = {
            "points": " ".join(f"{_number(x)},{_number(y)}" for x, y in points),
            "class": f"line {style}",
        }
        if end:
            attributes["marker-end"] = f"url(#isthmus-{style})"
        if name:
            attributes["data-name"] = name
        ET.SubElement(parent, "polyline", attributes)

    def _legend(self, y: float) -> float:
        """What the lines mean, as far as there are any; returns where it ends."""
        group = ET.SubElement(self.root, "g", {"class": "legend"})
        kinds = {bus.kind for bus in self.layout.buses}
        entries = [
            ("control", words.CONTROL),
            ("data", words.between(self.spec)),
            ("direct", words.DIRECT),
        ]
        width = self.layout.width - 2 * MARGIN
        for kind, text in entries:
            if kind in kinds:
                self._line(group, [(MARGIN, y), (MARGIN + 28, y)], kind, end=True)
                self._text(group, text, (MARGIN + 38, y + 4), 11, width - 38, "muted")
                y += 18
        if any(card.secrets for card in self.layout.cards.values()):
            _rect(group, Box(MARGIN, y - 6, 28, 12), "pill", 6)
            self._text(group, words.SECRETS, (MARGIN + 38, y + 4), 11, width - 38, "muted")
            y += 18
        for part in sorted(self.state.failed):
            self._line(group, [(MARGIN, y), (MARGIN + 28, y)], "failed", end=True)
            link = self._linked(group, part)
            self._text(link, f"failed: {part}", (MARGIN + 38, y + 4), 11, width - 38, "alarm")
            y += 18
        return y - 10

    def _style(self, style: str, part: Part | None) -> str:
        return f"{style} is-failed" if part in self.state.failed else style


def _rect(parent: ET.Element, box: Box, style: str, radius: float) -> None:
    attributes = {
        "x": _number(box.x),
        "y": _number(box.y),
        "width": _number(box.width),
        "height": _number(box.height),
        "rx": _number(radius),
        "class": style,
    }
    ET.SubElement(parent, "rect", attributes)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _style() -> str:
    dark = _rules(DARK).replace("\n", "\n  ")
    fixed = "text { font-family: system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }"
    fixed += "\n.strong { font-weight: 600; }\n.line { fill: none; stroke-width: 1.6; }"
    fixed += "\n.control, .elsewhere { stroke-dasharray: 5 3; }\n.direct { stroke-dasharray: 2 3; }"
    fixed += "\n.line.failed { stroke-width: 2.6; }\n.is-failed { stroke-width: 2.4; }"
    return f"\n{fixed}\n{_rules(LIGHT)}\n@media (prefers-color-scheme: dark) {{\n  {dark}\n}}\n"


def _rules(colours: dict[str, str]) -> str:
    c = colours
    rules = {
        ".page": f"fill: {c['page']}",
        ".area": f"fill: {c['area']}; stroke: {c['border']}; stroke-dasharray: none",
        ".card": f"fill: {c['card']}; stroke: {c['border']}",
        ".box": f"fill: {c['box']}; stroke: {c['border']}",
        ".box.istiod": f"stroke: {c['control']}",
        ".box.gateway": f"stroke: {c['data']}",
        ".box.load-balancer": f"stroke: {c['control']}",
        ".pill": f"fill: {c['page']}; stroke: {c['control']}",
        ".pill.primary": f"fill: {c['control']}",
        ".pill.remote": f"fill: none; stroke: {c['muted']}",
        "text": f"fill: {c['text']}",
        "text.muted, text.on-remote": f"fill: {c['muted']}",
        "text.on-primary": f"fill: {c['page']}",
        "text.alarm": f"fill: {c['failed']}",
        "rect.is-failed.is-failed": f"stroke: {c['failed']}",
        **{f".line.{x}": f"stroke: {c[x]}" for x in _LINES},
        **{f".head-{x}": f"fill: {c[x]}" for x in _LINES},
    }
    return "\n".join(f"{selector} {{ {rule}; }}" for selector, rule in rules.items())


STYLE = _style()
"""The style sheet of every picture."""
