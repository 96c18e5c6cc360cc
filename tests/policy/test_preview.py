"""The policy pack under the real engine."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import toolchain
from lab.lab import Lab
from lab.live import LiveMesh
from lab.spec import parse
from lab.workspace import Workspace
from tests.engine.program import Program

_ROOT = Path(__file__).parents[2]
_PACK = _ROOT / "lab" / "policy-pack"
_CLUSTERS = "[{name: east, network: one, nodes: false}, {name: west, network: two, nodes: false}]"

pytestmark = pytest.mark.skipif(
    not (_ROOT / "policy" / ".venv").is_dir(), reason="`make policy/.venv` makes what it needs"
)

_VIOLATIONS = """
    import pulumi
    import pulumi_gcp as gcp
    import pulumi_kubernetes as k

    KUBECONFIG = '''
    apiVersion: v1
    kind: Config
    clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
    users: [{name: u, user: {token: abcdefghijklmnopqrstuvwxyz}}]
    contexts: [{name: c, context: {cluster: c, user: u}}]
    current-context: c
    '''
    KEY = "-----BEGIN PRIVATE KEY-----\\nMHcCAQEE\\n-----END PRIVATE KEY-----"

    class PrimaryCluster(pulumi.ComponentResource):
        def __init__(self, name, opts):
            super().__init__("isthmus:index:PrimaryCluster", name, {}, opts)

    anonymous = k.Provider("anonymous", kubeconfig=pulumi.Output.secret(KUBECONFIG))
    k.Provider("plain", kubeconfig=KUBECONFIG, cluster_identifier="plain")
    opts = pulumi.ResourceOptions(provider=anonymous)
    k.core.v1.ConfigMap("keys", metadata={"namespace": "n"}, data={"key": KEY}, opts=opts)
    k.core.v1.Pod(
        "latest", metadata={"namespace": "n"},
        spec={"containers": [{"name": "c", "image": "curl"}]}, opts=opts)
    k.core.v1.Service(
        "gateway", metadata={"namespace": "n", "name": "gateway"},
        spec={"type": "LoadBalancer", "selector": {"istio": "eastwestgateway"}}, opts=opts)
    k.core.v1.Namespace("lost")
    k.apps.v1.Deployment(
        "istiod", metadata={"namespace": "n"}, spec={
            "selector": {"match_labels": {"app": "istiod"}},
            "template": {"metadata": {"labels": {"app": "istiod"}}, "spec": {
                "containers": [{"name": "c", "image": "pilot:1.31.0"}]}}},
        opts=pulumi.ResourceOptions(parent=PrimaryCluster(
            "east", pulumi.ResourceOptions(providers=[anonymous]))))
    gcp.container.Cluster(
        "open", location="europe-west1", initial_node_count=1, deletion_protection=False,
        opts=pulumi.ResourceOptions(provider=gcp.Provider("gcp", project="acme")))
"""


@pytest.fixture(scope="module")
def tools() -> Iterator[toolchain.Toolchain]:
    found, before = toolchain.ensure(), os.environ["PATH"]
    os.environ["PATH"] = f"{found.bin}:{before}"
    yield found
    os.environ["PATH"] = before


@pytest.fixture(scope="module")
def mesh(
    tools: toolchain.Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveMesh]:
    folder = tmp_path_factory.mktemp("policy")
    with Lab(folder / "lab", parse(f"clusters: {_CLUSTERS}")) as lab:
        yield LiveMesh(lab, Workspace(folder / "stack", tools.bin), tools.charts)


@pytest.fixture
def dev(mesh: LiveMesh) -> dict[str, Any]:
    return mesh.placed(mesh.read(_ROOT / "Pulumi.dev.yaml"))


def previewed(
    workspace: Workspace, configuration: dict[str, Any], levels: str = ""
) -> tuple[bool, str]:
    """Whether a preview with the pack succeeds, and what it prints of its policies."""
    name = workspace.stack.name
    workspace.configure(configuration)
    flags = ["--policy-pack-config", _ROOT / f"policy/levels/{levels}.json"] if levels else []
    done = subprocess.run(
        ["pulumi", "preview", "--non-interactive", "--stack", name, "--policy-pack", _PACK, *flags],
        cwd=workspace.folder,
        env=workspace.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Policies:" in said, said
    return done.returncode == 0, said.partition("Policies:")[2].partition("Outputs:")[0]


def test_stack_dev_passes_with_its_levels(mesh: LiveMesh, dev: dict[str, Any]) -> None:
    passed, policies = previewed(mesh.workspace, dev, "dev")
    assert passed, policies
    assert policies.count("[advisory]") == 1, policies
    assert "[mandatory]" not in policies
    assert "mtls-strict" in policies
    assert "can't run" not in policies, "what is not known yet keeps no rule from being asked"


def test_a_stack_as_prod_must_be_passes_every_rule(mesh: LiveMesh, dev: dict[str, Any]) -> None:
    dev["mesh"]["mtls"] = "strict"
    internal = {"networking.gke.io/load-balancer-type": "Internal"}
    dev["mesh"]["gateways"] = {"annotations": internal}
    passed, policies = previewed(mesh.workspace, dev)
    assert passed, policies
    assert "[" not in policies.replace("[unknown]", ""), "no finding of any level"


def test_stack_dev_is_refused_with_the_levels_of_prod(mesh: LiveMesh, dev: dict[str, Any]) -> None:
    passed, policies = previewed(mesh.workspace, dev, "prod")
    assert not passed
    assert "[mandatory]  mtls-strict" in policies
    assert "[mandatory]  no-public-load-balancer" in policies
    assert "istio-eastwestgateway" in policies, "the object is named"
    assert "fix: set isthmus:mesh.mtls to strict" in policies


@pytest.mark.parametrize(
    ("stack", "expected"),
    [("staging", {"mtls-strict", "deletion-protection"}), ("prod", set[str]())],
)
def test_stacks_on_google_cloud_pass_with_their_levels(
    tools: toolchain.Toolchain, tmp_path: Path, stack: str, expected: set[str]
) -> None:
    workspace = Workspace(tmp_path, tools.bin)
    configuration = LiveMesh.read(_ROOT / f"Pulumi.{stack}.yaml")
    configuration["mesh"]["istio"]["charts"] = str(tools.charts)
    passed, policies = previewed(workspace, configuration, stack)
    assert passed, policies
    assert set(re.findall(r"^ *- \[advisory\]  (\S+)", policies, re.MULTILINE)) == expected
    assert "[mandatory]" not in policies


@pytest.fixture(scope="module")
def refusal(tools: toolchain.Toolchain, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a preview of a program that breaks every rule prints."""
    assert tools
    program = Program(tmp_path_factory.mktemp("violations"))
    program.write(_VIOLATIONS)
    return program.pulumi("preview", "--policy-pack", str(_PACK), fails=True)


@pytest.mark.parametrize(
    ("rule", "finding"),
    [
        ("secrets-stay-secret", "data.key of `keys` is a private key and not a secret"),
        ("secrets-stay-secret", "kubeconfig of `plain` is a kubeconfig with credentials"),
        ("cluster-identifier", "provider `anonymous` has no clusterIdentifier"),
        ("no-default-provider", "`lost` goes to the default provider `default_4_34_2`"),
        ("versions-pinned", "image `curl` of `latest` has no version"),
        ("no-public-load-balancer", "Service `gateway` (`gateway`) gets a load balancer"),
        ("gateway-network-label", "has no label topology.istio.io/network"),
        ("mtls-strict", "cluster `anonymous` accepts plain text"),
        ("deletion-protection", "cluster `open` can be deleted"),
    ],
)
def test_the_engine_names_every_violation(refusal: str, rule: str, finding: str) -> None:
    assert f"[mandatory]  {rule}" in refusal
    assert finding in refusal
    assert "MHcCAQEE" not in refusal
