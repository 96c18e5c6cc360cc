"""Claims about what a preview says in words."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from preflight.facts import ClusterFacts
from preflight.last_update import LastUpdate
from spec import config
from stacks.summary import summary
from tests.authorities import Authority
from tests.unit import meshes
from tests.unit.clusters import Kubernetes, Preflight

_SPEC = config.parse(meshes.two_networks())


@pytest.fixture
def facts(look: Preflight) -> dict[str, ClusterFacts]:
    seen = look.examine("up", "other").facts
    return {"east": seen["c0"], "west": seen["c1"]}


def _said(facts: dict[str, ClusterFacts], last: str | None = None) -> Sequence[str]:
    return list(summary(_SPEC, facts, LastUpdate(istio=last)))


def test_a_new_mesh_is_described_whole(facts: dict[str, ClusterFacts]) -> None:
    assert _said(facts) == [
        "Mesh mesh1: 2 clusters on 2 networks, Istio 1.31.0.",
        "Network east-net has 1 cluster: east.",
        "Network west-net has 1 cluster: west.",
        "east is a primary; its istiod reads west.",
        "east has an east-west gateway, ports 15443, 15012.",
        "west is a remote of east, whose istiod it reaches by the east-west gateway.",
        "west has an east-west gateway, port 15443.",
        "east has Kubernetes 1.34.4.",
        "west has Kubernetes 1.34.4.",
        "This stack creates the root CA.",
    ]


def test_the_root_that_proxies_trust_is_named_with_its_end(
    facts: dict[str, ClusterFacts],
) -> None:
    facts["west"] = replace(facts["west"], root=Authority("Root CA").certificate)
    assert _said(facts)[-1].startswith("The root CA is CN=Root CA until 20")


def test_another_istio_names_the_pods_to_restart(
    facts: dict[str, ClusterFacts], up: Kubernetes, other: Kubernetes
) -> None:
    up.has("/api/v1/pods", *({"metadata": {"name": f"pod-{i}"}} for i in range(3)))
    other.refusals["/api/v1/pods"] = 403
    assert _said(facts, last="1.30.2")[-3:] == [
        "Istio changes from 1.30.2 to 1.31.0.",
        "east has 3 pods with proxies of Istio 1.30.2. Restart them after the update.",
        "west has an unknown number of pods with proxies of Istio 1.30.2. Restart them after the "
        "update.",
    ]
    assert ("/api/v1/pods", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1") in (
        up.asked
    ), "only their names are read"


def test_the_same_istio_queries_no_pods(facts: dict[str, ClusterFacts], up: Kubernetes) -> None:
    before = len(up.asked)
    _said(facts, last="1.31.0")
    assert len(up.asked) == before
