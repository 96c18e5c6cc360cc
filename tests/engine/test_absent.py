"""Claims about a cluster whose API server does not answer, on two clusters without nodes."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import toolchain
from lab.lab import Lab
from lab.spec import parse
from tests.engine.program import Program
from tests.firewall import refused

_ROOT = Path(__file__).parents[2]
_CHART = Path(__file__).parent / "kubernetes_plugin/chart"
_CLUSTERS = """
clusters:
  - {name: east, network: net, nodes: false}
  - {name: west, network: net, nodes: false}
"""

_OF_COMPONENTS = ("urn", "parent", "protect")
_OF_ALL = (*_OF_COMPONENTS, "id", "provider", "inputs", "outputs", "additionalSecretOutputs")

# What a mesh has in a cluster without nodes: objects, Helm releases, a rendered chart, and the
# remote secret of each cluster in the other.
MESH = f"""
import asyncio, json, os, sys
from pathlib import Path
sys.path.insert(0, "{_ROOT}")
import pulumi
from pulumi_kubernetes.helm import v4
from components.charts import ChartSource
from components.cluster_identity import ClusterIdentity
from components.mesh_member import MeshMember
from components.remote_secret import RemoteSecret
from kube import kubeconfig
from preflight.facts import ClusterFacts
from spec import config
from stacks import read_config
from stacks.connections import Connections
from stacks.kept import keep

given = json.loads(Path("given.json").read_text())
charts = given.pop("charts")
spec = read_config.with_absent(config.parse({{
    "mesh": {{"istio": {{"version": "1.31.0", "charts": charts}}}},
    "clusters": [
        {{"name": n, "network": "net", "kubeconfig": k}} for n, k in given["clusters"].items()
    ],
}}))
facts = {{
    c.name: ClusterFacts(kubeconfig.read(c.kubeconfig, c.name), "1.34.4", adoptable=True)
    for c in spec.clusters
}}
absent = frozenset(c.name for c in spec.absent)
connections = Connections(facts, None, protected=frozenset(), absent=absent)


async def main():
    await keep(spec, connections.provider)
    members = {{}}
    present = [c for c in spec.clusters if not c.absent]
    for c in present:
        options = pulumi.ResourceOptions(provider=connections.provider(c.name))
        members[c.name] = MeshMember(c.name, {{
            "identity": ClusterIdentity(
                cluster=c.name, network=given["network"], mesh_id="mesh1", namespace="istio-system"
            ),
            "is_read": True,
            "adopts_namespace": c.name == given["adopts"],
            "source": ChartSource(charts, "1.31.0", "rendered"),
        }}, options)
        options = pulumi.ResourceOptions.merge(
            options, pulumi.ResourceOptions(depends_on=[members[c.name]])
        )
        v4.Chart(f"{{c.name}}-tiny", name="tiny", namespace="istio-system",
            chart="{_CHART}", values={{"greeting": given["network"]}}, opts=options)
    for c in present:
        for reader in spec.readers_of(c):
            if not reader.absent:
                RemoteSecret(f"{{reader.name}}-reads-{{c.name}}", {{
                    "cluster": c.name,
                    "server": connections.server(reader, c),
                    "reader_token": members[c.name].reader_token,
                    "namespace": "istio-system",
                }}, pulumi.ResourceOptions(provider=connections.provider(reader.name)))


pulumi.run(main)
"""


def _is_of(cluster: str, name: str) -> bool:
    # Not its own name, which the provider and a component share.
    return name.startswith(f"{cluster}-") or f"-reads-{cluster}" in name


class Mesh:
    """The stack and its two clusters."""

    def __init__(self, lab: Lab, program: Program) -> None:
        self.lab, self.program = lab, program
        program.write(MESH)

    def configure(self, network: str, *clusters: str) -> None:
        """Say what every cluster's namespace and chart have, and which clusters there are."""
        given = {
            "charts": str(toolchain.ensure().charts),
            "network": network,
            "adopts": "west",
            "clusters": {name: str(self.lab.kubeconfig) for name in clusters},
        }
        (self.program.folder / "given.json").write_text(json.dumps(given))

    def state_of(self, cluster: str) -> dict[str, Mapping[str, Any]]:
        """Resources of a cluster and the remote secrets for it, as far as the engine uses them."""
        found = self.program.resources(secrets=True)
        urns = {e["urn"] for n, e in found.items() if _is_of(cluster, n)}
        return {
            name: {key: entry.get(key) for key in (_OF_ALL if entry["custom"] else _OF_COMPONENTS)}
            | {"dependencies": sorted(urns.intersection(entry.get("dependencies", ())))}
            for name, entry in found.items()
            if _is_of(cluster, name)
        }

    def network(self, cluster: str) -> str:
        """What the namespace in a cluster has, by the API server."""
        return self._kubectl(
            cluster,
            "get",
            "namespace",
            "istio-system",
            "-o",
            r"jsonpath={.metadata.labels.topology\.istio\.io/network}",
        )

    def remote_secrets(self, cluster: str) -> str:
        return self._kubectl(
            cluster,
            "-n",
            "istio-system",
            "get",
            "secrets",
            "-l",
            "istio/multiCluster=true",
            "-o",
            "jsonpath={.items[*].metadata.name} {.items[*].metadata.resourceVersion}",
        )

    def create_namespace(self, cluster: str) -> None:
        """As a user does, before there is a mesh."""
        self._kubectl(cluster, "create", "namespace", "istio-system")

    def _kubectl(self, cluster: str, *arguments: str) -> str:
        command = ["kubectl", "--kubeconfig", str(self.lab.kubeconfig), "--context", cluster]
        return subprocess.run(
            [*command, *arguments], check=True, capture_output=True, text=True, timeout=60
        ).stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("absent") / "lab", parse(_CLUSTERS)) as made:
        yield made


@pytest.fixture
def mesh(lab: Lab, program: Program) -> Mesh:
    return Mesh(lab, program)


def test_a_cluster_that_does_not_answer_stays_as_it_is_until_it_is_back_or_gone(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One story, because each step needs the one before. The namespace there is the user's."""
    program = mesh.program
    mesh.create_namespace("west")
    mesh.configure("one", "east", "west")
    program.up()
    before, secrets = mesh.state_of("west"), mesh.remote_secrets("east")
    assert before["west-namespace"]["urn"].endswith("NamespacePatch::west-namespace")
    assert "istio-remote-secret-west" in secrets

    mesh.configure("two", "east", "west")
    with refused(mesh.lab, "west", 6443):
        monkeypatch.setenv("ISTHMUS_ABSENT", "west")
        shown = program.up()
        assert "cluster west is absent" in shown
        assert mesh.network("east") == "two"
        assert mesh.state_of("west") == before
        assert mesh.remote_secrets("east") == secrets
        program.pulumi("preview", "--expect-no-changes")
        program.pulumi("refresh", "--yes", "--skip-preview")
        assert mesh.state_of("west") == before
    # It answers again, and the setting is still there.
    program.pulumi("preview", "--expect-no-changes")
    assert mesh.network("west") == "one"

    monkeypatch.delenv("ISTHMUS_ABSENT")
    program.up()
    assert mesh.network("west") == "two"
    program.pulumi("preview", "--expect-no-changes")

    mesh.configure("two", "east")
    with refused(mesh.lab, "west", 6443):
        monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
        program.pulumi("up", "--yes", "--skip-preview", "--refresh")
        monkeypatch.delenv("PULUMI_K8S_DELETE_UNREACHABLE")
        assert not mesh.state_of("west")
        assert "istio-remote-secret-west" not in mesh.remote_secrets("east")
        # The providers in the state have the variable: a refresh would forget what does not answer.
        program.up()
        program.pulumi("preview", "--expect-no-changes")
