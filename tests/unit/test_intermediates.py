"""Claims about user-provided intermediate CAs. Each is refused for one reason alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from components.shared_ca import SharedCA, SharedCAArgs
from spec import config, description
from spec.problems import Problem
from tests.authorities import DAY, SIGNS_NOTHING, Authority, new_key, text
from tests.unit.meshes import recorded, refused, two_networks
from tests.unit.recorder import Recording, record

NO_CA = x509.BasicConstraints(ca=False, path_length=None)
NO_PATH = x509.BasicConstraints(ca=True, path_length=0)
ONE_BELOW = x509.BasicConstraints(ca=True, path_length=1)

ROOT = Authority("Root of the test")
ISSUING = ROOT.below("Issuing CA")
EAST = ISSUING.below("east")
WEST = ROOT.below("west", constraints=NO_PATH)
CERTIFICATE = "isthmus:clusters[0].ca.certificate"


def configured(root: Mapping[str, str] | None, **brought: Mapping[str, str]) -> dict[str, Any]:
    """Stack dev with user-provided CAs; those of clusters by their names."""
    configuration = two_networks()
    if root:
        configuration["mesh"]["ca"] = {"root": root}
    for cluster in configuration["clusters"]:
        if cluster["name"] in brought:
            cluster["ca"] = brought[cluster["name"]]
    return configuration


_UUID = "tls:index/privateKey:PrivateKey::mesh-uuid"
"""The key that the UUID of the mesh is derived from."""
KEYLESS = {"certificate": ROOT.certificate}


def problems(east: Mapping[str, str]) -> list[Problem]:
    """What is said of east's CA in a mesh in which west's is good."""
    return refused(configured(KEYLESS, east=east, west=WEST.provided))


@pytest.fixture(scope="module")
def mesh() -> Recording:
    """East's intermediate hangs under another below the root, west's under the root itself."""
    return recorded(configured(KEYLESS, east=EAST.provided, west=WEST.provided))


def test_a_mesh_needs_no_key_of_the_root_if_every_intermediate_is_provided(mesh: Recording) -> None:
    assert [r.key for r in mesh if r.type.startswith("tls:")] == [_UUID]


def test_cacerts_hold_the_intermediate_and_the_chain_up_to_the_root(mesh: Recording) -> None:
    secret = mesh.one("Secret", "east-cacerts")
    assert secret.inputs["stringData"] == {
        "ca-cert.pem": EAST.certificate,
        "ca-key.pem": text(EAST.key),
        "root-cert.pem": ROOT.certificate,
        "cert-chain.pem": EAST.certificate + ISSUING.certificate + ROOT.certificate,
    }
    assert "stringData" in secret.secret_paths


def test_a_chain_can_be_written_with_its_root_and_without_a_last_newline() -> None:
    whole = {**EAST.provided, "certificate": (EAST.chain + ROOT.certificate).strip()}
    assert not problems(whole)
    mesh = recorded(configured(KEYLESS, east=whole, west=WEST.provided))
    chain = mesh.one("Secret", "east-cacerts").inputs["stringData"]["cert-chain.pem"]
    assert chain == EAST.chain + ROOT.certificate


def test_an_intermediate_is_created_where_none_is_provided() -> None:
    root = {**KEYLESS, "key": text(ROOT.key)}
    mesh = recorded(configured(root, east=EAST.provided))
    assert {r.name for r in mesh.of_type("PrivateKey")} == {"ca/west", "mesh-uuid"}


def test_no_output_has_the_key_of_a_provided_intermediate() -> None:
    spec = config.parse(configured(KEYLESS, east=EAST.provided, west=WEST.provided))
    assert "PRIVATE KEY" not in str(description.spec_for_output(spec))
    assert "PRIVATE KEY" not in repr(spec)


def test_a_root_without_a_key_signs_no_intermediate() -> None:
    (problem,) = refused(configured(KEYLESS, west=WEST.provided))
    assert problem.path == "isthmus:clusters[0].ca"
    assert "isthmus:mesh.ca.root has no key" in problem.rule


def test_the_component_says_so_too() -> None:
    args: SharedCAArgs = {
        "mesh_id": "mesh1",
        "clusters": ["east"],
        "namespace": "istio-system",
        "algorithm": "ECDSA-P256",
        "root_days": 2,
        "intermediate_days": 1,
        "renew_before_days": 0,
        "roots": {"root": {"certificate": ROOT.certificate}},
    }
    with pytest.raises(ValueError, match="no key to sign an intermediate of east with"):
        record(lambda: SharedCA("mesh1", args))


def test_an_intermediate_without_its_root_is_refused() -> None:
    (problem,) = refused(configured(None, east=EAST.provided))
    assert problem.path == "isthmus:clusters[0].ca"
    assert "isthmus:mesh.ca.root.certificate" in problem.rule


@pytest.mark.parametrize(
    ("different", "rule"),
    [
        ({"constraints": None}, "must be a CA certificate"),
        ({"constraints": NO_CA}, "must be a CA certificate"),
        ({"usage": SIGNS_NOTHING}, "keyUsage keyCertSign"),
        ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, "must allow servers and clients"),
        ({"begins": 2 * DAY}, "must be valid already"),
        ({"lasts": -DAY}, "must not have expired"),
        ({"signer": new_key()}, "each signed by the next"),
    ],
)
def test_an_unusable_intermediate_is_refused(different: dict[str, Any], rule: str) -> None:
    (problem,) = problems(ISSUING.below("east", **different).provided)
    assert problem.path == CERTIFICATE
    assert rule in problem.rule


@pytest.mark.parametrize(
    ("different", "rule"),
    [
        ({"constraints": NO_PATH}, "must allow 1 CA below it"),
        ({"lasts": -DAY}, "must not have expired"),
    ],
)
def test_cas_between_it_and_the_root_are_checked_too(different: dict[str, Any], rule: str) -> None:
    (problem,) = problems(ROOT.below("Issuing CA", **different).below("east").provided)
    assert problem.path == CERTIFICATE
    assert rule in problem.rule
    assert "CN=Issuing CA" in str(problem.value)


def test_a_root_must_allow_as_many_cas_as_there_are() -> None:
    root = Authority("Root of the test", None, {"constraints": ONE_BELOW})
    east = root.below("Issuing CA").below("east").provided
    west = root.below("west").provided
    (problem,) = refused(configured({"certificate": root.certificate}, east=east, west=west))
    assert problem.path == "isthmus:mesh.ca.root.certificate"
    assert "must allow 2 CAs below it" in problem.rule


def test_a_gap_in_the_chain_is_named() -> None:
    (problem,) = problems({**EAST.provided, "certificate": EAST.certificate})
    assert problem.path == CERTIFICATE
    assert "write CN=Issuing CA after it" in problem.fix


def test_the_key_of_another_intermediate_is_refused() -> None:
    (problem,) = problems({**EAST.provided, "key": text(WEST.key)})
    assert problem.path == "isthmus:clusters[0].ca.key"
    assert f"must be the key of {CERTIFICATE}" in problem.rule


def test_what_is_no_certificate_or_key_is_refused_together() -> None:
    of_certificate, of_key = problems({"certificate": "a", "key": "do-not-print"})
    assert (of_certificate.path, of_key.path) == (CERTIFICATE, "isthmus:clusters[0].ca.key")
    assert "do-not-print" not in str(of_key)
