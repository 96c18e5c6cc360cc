"""Claims about a change of the root: three updates, none of which can be skipped."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.shared_ca import trust_bundle
from preflight import holders
from preflight.facts import Holder
from preflight.last_update import LastUpdate
from spec import config
from spec.problems import MeshRefusedError, Problem
from spec.rules import certificates
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from stacks.trust import confirm_roots
from tests.authorities import Authority
from tests.unit import meshes
from tests.unit.meshes import two_networks
from tests.unit.recorder import Recording, created_certificate, record

A, B = created_certificate("ca-root"), created_certificate("ca-next")
"""What the recorder creates."""
BOTH = [{"name": "root"}, {"name": "next"}]
STAGES = (
    {},
    {"roots": BOTH, "signs": "root"},
    {"roots": BOTH, "signs": "next"},
    {"roots": [{"name": "next"}]},
)


def proxy(trusts: str, shows: str, name: str = "proxy of sample/sleep", **more: Any) -> Holder:
    (root,) = certificates.read_pem(shows)
    return Holder(name, frozenset(certificates.read_pem(trusts)), root, **more)


READY = (proxy(A, A), proxy(A + B, A), proxy(A + B, B), proxy(B, B))
"""A proxy that has followed each of the stages."""


def configured(ca: Mapping[str, Any]) -> dict[str, Any]:
    written = two_networks()
    written["mesh"]["ca"] = ca
    return written


def built(ca: Mapping[str, Any], *held: Holder, trusts: str = A + B) -> Recording:
    """A mesh whose cluster west has these proxies, and where both clusters trust these roots."""
    spec = config.parse(configured(ca))
    facts = {n: replace(f, root=trusts) for n, f in meshes.facts(spec).items()}
    facts["west"] = replace(facts["west"], holders=held)
    return record(lambda: build_mesh(spec, facts, MeshIdentity.create()))


def refused(ca: Mapping[str, Any], *held: Holder, trusts: str = A + B) -> Sequence[Problem]:
    with pytest.raises(MeshRefusedError) as refusal:
        built(ca, *held, trusts=trusts)
    return refusal.value.problems


@pytest.mark.parametrize("stage", range(3))
def test_each_stage_follows_the_one_before_and_leads_back(stage: int) -> None:
    built(STAGES[stage + 1], READY[stage])
    built(STAGES[stage], READY[stage + 1])


@pytest.mark.parametrize("stage", range(4))
def test_a_stage_can_be_applied_again(stage: int) -> None:
    built(STAGES[stage], READY[stage])


def test_a_root_that_a_proxy_does_not_trust_yet_cannot_sign() -> None:
    late = proxy(A, A, "proxy of sample/late")
    (problem,) = refused(STAGES[2], READY[1], late)
    assert problem.name == "root-not-trusted-yet"
    assert "all of cluster west trusts; proxy of sample/late not yet" in problem.rule
    assert "ca-next" in str(problem.value)


def test_a_namespace_whose_roots_are_older_stops_the_next_stage() -> None:
    old = Holder("ConfigMap istio-ca-root-cert of late", frozenset(certificates.read_pem(A)))
    (problem,) = refused(STAGES[2], READY[1], old)
    assert "ConfigMap istio-ca-root-cert of late not yet" in problem.rule


def test_a_root_with_certificates_under_it_cannot_go() -> None:
    late = proxy(A + B, A, "istiod istiod-1")
    (problem,) = refused(STAGES[3], READY[2], late)
    assert problem.name == "root-still-in-use"
    assert "istiod istiod-1" in problem.rule
    assert "ca-root" in problem.rule


def test_no_stage_can_be_skipped() -> None:
    assert {p.name for p in refused(STAGES[2], READY[0])} == {"root-not-trusted-yet"}
    assert {p.name for p in refused(STAGES[3], READY[0], trusts=A)} == {"root-replaced"}
    assert "root-still-in-use" in {p.name for p in refused(STAGES[3], READY[1])}


def test_a_proxy_that_does_not_answer_stops_a_stage_that_depends_on_it() -> None:
    silent = Holder("proxy of sample/new", unknown="exec in new: not ready")
    for stage in (2, 3):
        (problem,) = refused(STAGES[stage], READY[stage - 1], silent)
        assert problem.name == "root-use-unknown"
        assert "proxy of sample/new (exec in new: not ready)" in problem.rule
    built(STAGES[1], READY[0], silent)
    built(STAGES[2], READY[2], silent)


@pytest.mark.parametrize("stage", range(3))
def test_no_root_changes_while_a_cluster_is_absent(stage: int) -> None:
    spec = config.parse(configured(STAGES[stage + 1]))
    absent = replace(
        spec, clusters=tuple(replace(c, absent=c.name == "west") for c in spec.clusters)
    )
    trusted, signer = (A, A + B, A + B, B)[stage + 1], (A, A, B, B)[stage + 1]
    east = replace(meshes.facts(spec)["east"], root=(A, A + B, A + B)[stage])

    def confirm(*held: Holder) -> None:
        async def run() -> None:
            root, signs = pulumi.Output.from_input(trusted), pulumi.Output.from_input(signer)
            facts = {"east": replace(east, holders=held)}
            await confirm_roots(absent, [root], signs, facts, LastUpdate())

        record(run)

    with pytest.raises(MeshRefusedError) as refusal:
        confirm(READY[stage])
    (problem,) = refusal.value.problems
    assert problem.name == "root-use-unknown"
    assert "while cluster west is absent" in problem.rule
    east = replace(east, root=trusted)
    confirm(READY[stage + 1])


def test_only_a_few_of_many_proxies_are_named() -> None:
    late = [proxy(A, A, f"proxy {i}") for i in range(9)]
    (problem,) = refused(STAGES[2], *late)
    assert "proxy 4 and 4 more" in problem.rule


def test_proxies_that_have_to_be_restarted_are_named() -> None:
    old = proxy(A, A, "proxy of sample/old", follows=False)
    (problem,) = refused(STAGES[2], old)
    assert "injected without PROXY_CONFIG_XDS_AGENT: proxy of sample/old" in problem.fix


def test_the_roots_of_a_plain_mesh_keep_their_names_through_a_rotation() -> None:
    def keys(ca: Mapping[str, Any]) -> set[str]:
        return {r.name for r in built(ca, trusts=A + B).of_type("PrivateKey")} - {"mesh"}

    assert keys(STAGES[0]) >= {"ca-root", "ca/east", "ca/west"}
    assert keys(STAGES[1]) - keys(STAGES[0]) == {"ca-next"}
    # Each root has intermediates of its own, with other keys.
    assert keys(STAGES[2]) - keys(STAGES[1]) == {"ca/next/east", "ca/next/west"}
    assert keys(STAGES[2]) - keys(STAGES[3]) == {"ca-root"}


def test_cacerts_has_both_roots_and_a_chain_to_the_one_that_signs() -> None:
    for stage, (roots, signer) in enumerate([(A, A), (A + B, A), (A + B + B, B), (B, B)]):
        files = built(STAGES[stage]).one("Secret", "east-cacerts").inputs["stringData"]
        assert files["root-cert.pem"] == roots
        assert files["cert-chain.pem"].endswith(signer)


def test_proxies_see_a_difference_at_every_stage() -> None:
    """They ask for new certificates only when the bytes change."""
    seen = [
        trust_bundle(roots, signs)
        for roots, signs in (
            ({"a": A}, "a"),
            ({"a": A, "b": B}, "a"),
            ({"a": A, "b": B}, "b"),
            ({"b": B}, "b"),
        )
    ]
    assert len(set(seen)) == len(seen)


OWN = Authority("Own root")
_PROVIDED = {"certificate": OWN.certificate, "key": OWN.provided["key"]}


def test_a_user_provided_root_follows_a_created_one() -> None:
    own = {"name": "own", **_PROVIDED}
    files = (
        built({"roots": [{"name": "root"}, own], "signs": "own"}, trusts=A + OWN.certificate)
        .one("Secret", "west-cacerts")
        .inputs["stringData"]
    )
    assert files["root-cert.pem"] == A + OWN.certificate + OWN.certificate


def test_user_provided_intermediates_lead_to_the_root_that_signs() -> None:
    roots = [
        {"name": "root", "certificate": OWN.certificate},
        {"name": "next", "certificate": Authority("Next root").certificate},
    ]
    written = configured({"roots": roots, "signs": "next"})
    for cluster in written["clusters"]:
        cluster["ca"] = OWN.below("Intermediate CA").provided
    problems = meshes.refused(written)
    assert {p.name for p in problems} == {"chain-broken"}
    assert "isthmus:mesh.ca.roots[1].certificate" in problems[0].rule


@pytest.mark.parametrize(
    ("ca", "name", "path"),
    [
        ({"roots": BOTH}, "signing-root-unknown", "isthmus:mesh.ca.signs"),
        ({"roots": BOTH, "signs": "other"}, "signing-root-unknown", "isthmus:mesh.ca.signs"),
        ({"signs": "root"}, "signing-root-unknown", "isthmus:mesh.ca.signs"),
        ({"roots": [*BOTH, *BOTH], "signs": "root"}, "roots-not-distinct", "isthmus:mesh.ca.roots"),
        ({"roots": [BOTH[0]], "root": _PROVIDED}, "root-and-roots", "isthmus:mesh.ca.root"),
        (
            {"roots": [{"name": "root", "key": OWN.provided["key"]}]},
            "root-not-one-certificate",
            "isthmus:mesh.ca.roots[0].certificate",
        ),
    ],
)
def test_a_list_of_roots_that_says_nothing_clear_is_refused(
    ca: dict[str, Any], name: str, path: str
) -> None:
    (problem,) = meshes.refused(configured(ca))
    assert (problem.name, problem.path) == (name, path)


def test_a_proxys_roots_and_chain_are_read_from_its_dump() -> None:
    def pem(text: str) -> dict[str, str]:
        return {"inline_bytes": base64.b64encode(text.encode()).decode()}

    below = OWN.below("leaf")
    secrets = {
        "ROOTCA": {"validation_context": {"trusted_ca": pem(A + OWN.certificate)}},
        "default": {"tls_certificate": {"certificate_chain": pem(below.chain)}},
    }
    dump = {"configs": [{"name": n, "secret": s} for n, s in secrets.items()]}
    roots, chain = holders.read_secrets(json.dumps(dump))
    assert roots == [*certificates.read_pem(A), *certificates.read_pem(OWN.certificate)]
    assert certificates.leads_to(chain[0], chain, roots[1])
    with pytest.raises(KeyError):
        holders.read_secrets(json.dumps({"configs": dump["configs"][:1]}))


def test_proxies_are_queried_only_while_the_root_changes() -> None:
    plain, changing = (config.parse(configured(ca)) for ca in STAGES[:2])
    assert not holders.is_changing(plain, [A, None])
    assert holders.is_changing(plain, [A, A + B])
    assert holders.is_changing(changing, [A])
