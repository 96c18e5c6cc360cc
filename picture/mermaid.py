"""The picture as mermaid text, which GitHub and many documentation tools draw."""

from collections.abc import Iterator

from picture import words
from picture.state import Part, State
from spec.mesh import Cluster, MeshSpec

_FAILED = "stroke:#d1242f,stroke-width:3px"


def mermaid(spec: MeshSpec, state: State | None = None) -> str:
    """The mesh as a mermaid flowchart; the same input gives the same text.

    Solid arrows are data between pods, dotted ones lead to control planes. Arrows between networks,
    and within one, meet in a node: n clusters would need n².

    Args:
        spec: What is drawn.
        state: Addresses and versions to write, and what to draw in red; nothing if left out.
    """
    return _Chart(spec, state or State()).text()


class _Chart:
    """One flowchart in the making; nodes are named after the places of clusters in the spec."""

    def __init__(self, spec: MeshSpec, state: State) -> None:
        self.spec, self.state = spec, state
        self.ids = {c.name: f"c{i}" for i, c in enumerate(spec.clusters)}
        self.edges: list[str] = []
        self.failed_edges: list[int] = []

    def text(self) -> str:
        spec, state = self.spec, self.state
        for cluster in spec.clusters:
            self._control_edges(cluster)
            self._data_edges(cluster)
        lines = [
            "flowchart TB",
            f"  accTitle: {words.title(spec)}: {words.summary(spec)}",
            f"  accDescr {{ {_plain(words.description(spec, state))} }}",
            *(line for network in spec.networks for line in self._network(network)),
        ]
        if spec.spans_networks:
            lines.append(f'  between(["{_quoted(words.between(spec))}"])')
        lines += [f"  {edge}" for edge in self.edges]
        if state.failed:
            lines.append(f'  failures["{_label("failed:", *words.failures(state))}"]:::failed')
            lines.append(f"  classDef failed {_FAILED}")
        if self.failed_edges:
            lines.append(f"  linkStyle {','.join(map(str, self.failed_edges))} {_FAILED}")
        return "\n".join(lines) + "\n"

    def _network(self, network: str) -> Iterator[str]:
        place = self.spec.networks.index(network)
        yield f'  subgraph n{place}["network {network}"]'
        members = [c for c in self.spec.clusters if c.network == network]
        for cluster in members:
            yield from self._cluster(cluster)
        if len(members) > 1:
            yield f'    direct{place}(["{_quoted(words.DIRECT)}"])'
        yield "  end"

    def _cluster(self, cluster: Cluster) -> Iterator[str]:
        spec, state, key, name = self.spec, self.state, self.ids[cluster.name], cluster.name
        role = f"remote of {cluster.primary}" if cluster.primary else "primary"
        # One line: mermaid keeps no room for more above the nodes.
        yield f'    subgraph {key}["{name} ({role})"]'
        versions = words.versions(spec, cluster, state)
        if not cluster.is_remote:
            label = _label("istiod", self._knows(cluster))
            yield f'      {key}_istiod["{label}"]{self._red(Part("istiod", name))}'
        if self._load_balancer(cluster):
            label = _label(
                words.path_to_control_plane(spec, cluster),
                words.entry_address(spec, cluster, state),
            )
            yield f'      {key}_entry["{label}"]'
        if spec.has_gateway(cluster):
            address, ports = state.gateways.get(name), words.gateway_ports(spec, cluster)
            label = _label(words.gateway(spec), address, ports)
            yield f'      {key}_gateway["{label}"]{self._red(Part("gateway", name))}'
        yield f'      {key}_pods["{_label("pods", *versions)}"]'
        yield "    end"
        if Part("cluster", name) in state.failed:
            yield f"    class {key} failed"

    def _knows(self, primary: Cluster) -> str:
        failed = {p.other for p in self.state.failed if p[:2] == ("secret", primary.name)}
        read = [f"{x} (failed)" if x in failed else x for x in words.read_by(self.spec, primary)]
        return " ".join((*words.how_it_finds_others(self.spec, primary), ", ".join(read))).rstrip()

    def _load_balancer(self, primary: Cluster) -> bool:
        control_plane = self.spec.control_plane(primary)
        return control_plane is not None and control_plane.has_load_balancer

    def _entry(self, primary: Cluster) -> str:
        """The node at which the remotes of a primary reach its control plane."""
        key = self.ids[primary.name]
        if self.spec.exposes_control_plane(primary):
            return f"{key}_gateway"
        return f"{key}_entry" if self._load_balancer(primary) else f"{key}_istiod"

    def _control_edges(self, cluster: Cluster) -> None:
        for remote in self.spec.remotes_of(cluster):
            used = f'{self.ids[remote.name]}_pods -. "control plane" .-> {self._entry(cluster)}'
            self._edge(used, failed=Part("control-plane", remote.name) in self.state.failed)
        istiod = f"{self.ids[cluster.name]}_istiod"
        if self.spec.control_plane(cluster) and self._entry(cluster) != istiod:
            self._edge(f"{self._entry(cluster)} -.-> {istiod}")

    def _data_edges(self, cluster: Cluster) -> None:
        spec, key = self.spec, self.ids[cluster.name]
        near = {c.name for c in spec.clusters if c.network == cluster.network}
        far = {c.name for c in spec.clusters} - near
        sent = {p.other for p in self._failed_traffic() if p.cluster == cluster.name}
        received = {p.cluster for p in self._failed_traffic() if p.other == cluster.name}
        if len(near) > 1:
            direct = f"direct{spec.networks.index(cluster.network)}"
            self._edge(f"{key}_pods <--> {direct}", failed=bool((sent | received) & near))
        if far:
            self._edge(f"{key}_pods --> between", failed=bool(sent & far))
            self._edge(f"between --> {key}_gateway", failed=bool(received & far))
            self._edge(f"{key}_gateway --> {key}_pods")

    def _failed_traffic(self) -> Iterator[Part]:
        return (part for part in self.state.failed if part.kind == "traffic")

    def _edge(self, edge: str, *, failed: bool = False) -> None:
        if failed:
            self.failed_edges.append(len(self.edges))
        self.edges.append(edge)

    def _red(self, part: Part) -> str:
        return ":::failed" if part in self.state.failed else ""


def _label(*lines: str | None) -> str:
    return "<br/>".join(_quoted(x) for x in lines if x)


def _quoted(text: str) -> str:
    """Text inside a label, with what mermaid would read as markup by its number."""
    return "".join(f"#{ord(c)};" if c in '#&<>"`' else c for c in text)


def _plain(text: str) -> str:
    """Text of a description, which takes no codes and ends at a brace."""
    return text.replace("{", "(").replace("}", ")")
