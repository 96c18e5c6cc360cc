"""Claims about the root of trust: no edit replaces it, and another one is refused."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pulumi
import pytest

from components.shared_ca import days_within
from preflight.last_update import LastUpdate
from spec import config
from spec.problems import MeshRefusedError, Problem
from stacks import trust
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.authorities import DAY, Authority
from tests.unit import meshes
from tests.unit.meshes import two_networks
from tests.unit.recorder import Recording, created_certificate, record

ROOT = Authority("Root of the mesh")
CREATED = created_certificate("ca-root")
"""What the recorder's root is."""


def built(
    configured: Mapping[str, Any], last: Mapping[str, Any] = MappingProxyType({}), **trusted: str
) -> Recording:
    """A mesh in clusters that trust these roots, by name of the cluster.

    Args:
        last: the outputs of the last update.
    """
    spec = config.parse(configured)
    facts = meshes.facts(spec)
    facts |= {name: replace(facts[name], root=pem) for name, pem in trusted.items()}
    return record(lambda: build_mesh(spec, facts, MeshIdentity.create(), last))


def refused(
    configured: Mapping[str, Any], last: Mapping[str, Any] = MappingProxyType({}), **trusted: str
) -> list[Problem]:
    with pytest.raises(MeshRefusedError) as refusal:
        built(configured, last, **trusted)
    return list(refusal.value.problems)


def left(root: str, *clusters: str) -> dict[str, Any]:
    """The outputs of a last update in which these clusters trusted a root."""
    described = {
        "mesh": {"istio": {"version": "1.31.0"}},
        "clusters": [{"name": name, "network": f"{name}-net"} for name in clusters],
    }
    return {"mesh": {"spec": described, "kubeconfigs": {}, "root": root}}


def with_ca(**ca: Any) -> dict[str, Any]:
    configured = two_networks()
    configured["mesh"]["ca"] = ca
    return configured


def trust_resources(mesh: Recording) -> set[tuple[str, str]]:
    return {(r.name, r.type) for r in mesh if r.type.startswith("tls:")}


def test_another_mesh_id_keeps_the_root() -> None:
    before, after = two_networks(), two_networks()
    after["mesh"]["id"] = "mesh2"
    assert trust_resources(built(before)) == trust_resources(built(after))
    root = built(after).one("SelfSignedCert", "ca-root")
    assert {"subject", "validityPeriodHours"} <= root.ignore_changes


def test_another_algorithm_or_lifetime_keeps_the_root() -> None:
    mesh = built(with_ca(algorithm="RSA-4096", rootDays=7300))
    key = mesh.one("PrivateKey", "ca-root")
    assert {"algorithm", "ecdsaCurve", "rsaBits"} <= key.ignore_changes
    assert not mesh.one("PrivateKey", "ca/east").ignore_changes, "intermediates follow"


@pytest.mark.parametrize("bits", [4096, 2048])
def test_keys_are_of_the_configured_length(bits: int) -> None:
    mesh = built(with_ca(algorithm=f"RSA-{bits}"))
    for key in (mesh.one("PrivateKey", name) for name in ("ca-root", "ca/east", "ca/west")):
        assert (key.inputs["algorithm"], key.inputs["rsaBits"]) == ("RSA", bits), key.name


def test_a_root_that_was_named_after_the_mesh_is_kept() -> None:
    """The engine gives a child its parent's alias, with the rest of the child's name."""
    assert built(two_networks()).one("SharedCA", "ca").aliases == {"mesh1"}


def test_a_cluster_called_root_has_its_own_keys() -> None:
    configured = meshes.configuration(
        meshes.cluster("root", "a"), meshes.cluster("east", "b", primary="root")
    )
    keys = [r.name for r in built(configured).of_type("PrivateKey")]
    assert {"ca-root", "ca/east", "ca/root"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_the_root_that_the_clusters_trust_is_accepted() -> None:
    built(two_networks(), east=CREATED, west=f"{CREATED}\n")
    built(with_ca(root={"certificate": ROOT.certificate, "key": ROOT.provided["key"]}))


def test_another_state_for_the_same_clusters_is_refused() -> None:
    first, second = refused(two_networks(), east=ROOT.certificate, west=ROOT.certificate)
    assert "that cluster east trusts: CN=Root of the mesh" in first.rule
    assert "that cluster west trusts" in second.rule
    assert "use that one" in first.fix
    assert first.path == "isthmus:mesh.ca.root"


def test_another_root_is_refused_with_the_key_that_names_it() -> None:
    (problem,) = refused(
        with_ca(root={"certificate": ROOT.certificate, "key": ROOT.provided["key"]}), east=CREATED
    )
    assert problem.path == "isthmus:mesh.ca.root.certificate"
    assert "CN=Root of the mesh" in str(problem.value)
    assert "write the former certificate again" in problem.fix


def test_a_root_that_no_cluster_shows_is_compared_with_the_last_update() -> None:
    """The ConfigMap is gone, or the cluster is one that this stack creates and never queries."""
    configured = with_ca(root={"certificate": ROOT.certificate, "key": ROOT.provided["key"]})
    (problem,) = refused(configured, left(CREATED, "east", "gone"))
    assert problem.name == "root-replaced"
    assert "cluster east trusted after the last update" in problem.rule
    assert "finish it first" in problem.fix
    built(configured, left(ROOT.certificate, "east", "west"))
    built(configured, left(CREATED, "gone"))  # a new cluster has no root yet
    built(two_networks(), left(ROOT.certificate, "east", "west"), east=CREATED, west=CREATED)


def test_a_root_that_is_not_known_yet_is_a_new_one() -> None:
    """In a preview, nothing is known of what will be created."""

    async def preview() -> None:
        spec = config.parse(two_networks())
        facts = meshes.facts(spec)
        facts["east"] = replace(facts["east"], root=ROOT.certificate)
        unknown = pulumi.Output[str](*_unknown())
        await trust.confirm_roots(spec, [unknown], unknown, facts, LastUpdate())

    with pytest.raises(MeshRefusedError) as refusal:
        record(preview)
    (problem,) = refusal.value.problems
    assert problem.value == "a new root, which this update would create"


def _unknown() -> tuple[Any, Any, Any]:
    import asyncio

    def known(value: object) -> "asyncio.Future[Any]":
        future = asyncio.get_running_loop().create_future()
        future.set_result(value)
        return future

    return set[pulumi.Resource](), known(None), known(False)


def test_the_end_of_the_root_is_reported_a_year_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = list[str]()
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    old = Authority("Old root", None, {"lasts": 300 * DAY + timedelta(hours=1)})
    built(with_ca(root={"certificate": old.certificate, "key": old.provided["key"]}))
    (warning,) = said
    assert "in 300 days" in warning
    built(with_ca(root={"certificate": ROOT.certificate, "key": ROOT.provided["key"]}))
    assert len(said) == 1


@pytest.mark.parametrize(
    ("wanted", "left", "days"),
    [(730, 3650, 730), (730, 730, 730), (730, 729, 365), (730, 100, 91), (730, 0, 1)],
)
def test_an_intermediate_ends_before_its_root(wanted: int, left: int, days: int) -> None:
    assert days_within(wanted, left) == days


def test_an_intermediate_under_an_old_root_is_shorter() -> None:
    old = Authority("Old root", None, {"lasts": 100 * DAY})
    mesh = built(with_ca(root={"certificate": old.certificate, "key": old.provided["key"]}))
    intermediate = mesh.one("LocallySignedCert", "ca/east")
    assert intermediate.inputs["validityPeriodHours"] == 91 * 24
    assert intermediate.inputs["earlyRenewalHours"] == 30 * 24


def test_istiod_and_proxies_can_follow_another_root_from_the_first_installation() -> None:
    values = built(two_networks()).one("helm.sh/v4:Chart", "east-istiod").inputs["values"]
    assert values["env"]["ISTIO_MULTIROOT_MESH"] == "true"
    metadata = values["meshConfig"]["defaultConfig"]["proxyMetadata"]
    assert metadata == {"PROXY_CONFIG_XDS_AGENT": "true"}


@pytest.mark.parametrize(
    "values",
    [
        {"pilot": {"env": {"ISTIO_MULTIROOT_MESH": "false"}}},
        {"meshConfig": {"defaultConfig": {"proxyMetadata": {"PROXY_CONFIG_XDS_AGENT": False}}}},
    ],
)
def test_values_that_stop_this_are_refused(values: dict[str, Any]) -> None:
    (problem,) = meshes.refused(two_networks(values={"istiod": values}))
    assert "is derived" in problem.rule


def test_user_provided_proxy_metadata_is_kept() -> None:
    own = {"meshConfig": {"defaultConfig": {"proxyMetadata": {"MINE": "1"}}}}
    mesh = built(two_networks(values={"istiod": own}))
    values = mesh.one("helm.sh/v4:Chart", "east-istiod").inputs["values"]
    metadata = values["meshConfig"]["defaultConfig"]["proxyMetadata"]
    assert metadata == {"MINE": "1", "PROXY_CONFIG_XDS_AGENT": "true"}


def test_user_provided_lists_are_joined() -> None:
    theirs = {"settings": {"clusterLocal": True}, "hosts": ["x.shop.svc.cluster.local"]}
    configured = two_networks(values={"istiod": {"meshConfig": {"serviceSettings": [theirs]}}})
    configured["mesh"]["clusterLocal"] = ["*.kube-system.svc.cluster.local"]
    values = built(configured).one("helm.sh/v4:Chart", "east-istiod").inputs["values"]
    hosts = [s["hosts"] for s in values["meshConfig"]["serviceSettings"]]
    assert hosts == [["x.shop.svc.cluster.local"], ["*.kube-system.svc.cluster.local"]]
