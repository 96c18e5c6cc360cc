"""The stand-in for pulumi-tls under the real engine: a root, an intermediate and a leaf."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from tests.engine.program import Program

CHAIN = """
    import pulumi, pulumi_tls as tls

    def authority(name):
        return tls.PrivateKey(f"{name}-key", algorithm="ECDSA", ecdsa_curve="P256")

    root_key, mid_key = authority("root"), authority("mid")
    leaf_key = tls.PrivateKey("leaf-key", algorithm="RSA")
    root = tls.SelfSignedCert(
        "root", private_key_pem=root_key.private_key_pem, subject={"common_name": "Root CA"},
        is_ca_certificate=True, set_authority_key_id=True, validity_period_hours=1000,
        allowed_uses=["cert_signing", "crl_signing"])
    mid_request = tls.CertRequest(
        "mid-request", private_key_pem=mid_key.private_key_pem, subject={"common_name": "Mid CA"})
    mid = tls.LocallySignedCert(
        "mid", ca_cert_pem=root.cert_pem, ca_private_key_pem=root_key.private_key_pem,
        cert_request_pem=mid_request.cert_request_pem, is_ca_certificate=True,
        validity_period_hours=100, early_renewal_hours=2, max_path_length=1,
        allowed_uses=["cert_signing", "crl_signing"])
    leaf_request = tls.CertRequest(
        "leaf-request", private_key_pem=leaf_key.private_key_pem, dns_names=["istiod.mesh"],
        uris=["spiffe://cluster.local/ns/mesh/sa/istiod"], ip_addresses=["10.0.0.1"])
    leaf = tls.LocallySignedCert(
        "leaf", ca_cert_pem=mid.cert_pem, ca_private_key_pem=mid_key.private_key_pem,
        cert_request_pem=leaf_request.cert_request_pem, validity_period_hours=10,
        allowed_uses=["digital_signature", "key_encipherment", "server_auth", "client_auth"])
    for name in ("root", "mid", "leaf"):
        pulumi.export(name, globals()[name].cert_pem)
    pulumi.export("key", root_key.private_key_pem)
    pulumi.export("key-again", pulumi.Output.format("the key is {0}", root_key.private_key_pem))
"""
SECRET_OUTPUTS = ("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh", "caPrivateKeyPem")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.write(CHAIN)
    return made


def _first_lines(program: Program) -> set[str]:
    """Give the first line of each private key in the state; the last ones hold the public half."""
    state = json.dumps(program.resources(secrets=True))
    return set(re.findall(r"BEGIN [A-Z ]*PRIVATE KEY-----\\+n([\w+/=]+)", state))


def test_a_chain_verifies_is_created_once_and_forgotten_by_destroy(program: Program) -> None:
    assert set(program.planned().values()) == {"create"}
    program.up()
    outputs = program.outputs()
    root, mid, leaf = (
        x509.load_pem_x509_certificate(outputs[name].encode()) for name in ("root", "mid", "leaf")
    )
    policy = PolicyBuilder().store(Store([root]))
    verified = policy.build_server_verifier(x509.DNSName("istiod.mesh")).verify(leaf, [mid])
    assert verified == [leaf, mid, root]

    assert "unchanged" in program.up()
    assert set(program.planned().values()) == {"same"}
    assert "unchanged" in program.pulumi("refresh", "--yes", "--skip-preview")
    assert program.outputs() == outputs

    program.pulumi("destroy", "--yes", "--skip-preview")
    assert program.resources() == {}


def test_private_keys_are_never_in_plain_text(program: Program) -> None:
    shown = program.pulumi("preview", "--diff") + program.up()
    program.write(CHAIN.replace('algorithm="RSA"', 'algorithm="ED25519"'))
    shown += program.pulumi("preview", "--diff") + program.pulumi("preview", "--json")
    shown += program.up() + program.pulumi("stack", "output") + program.pulumi("stack", "export")
    lines = _first_lines(program)
    assert len(lines) >= 6, "the state should hold three keys, most in more than one form"
    output = shown + program.stored
    assert [line for line in lines if line in output] == []
    assert "PRIVATE KEY" not in output
    for name, resource in program.resources().items():
        for output in SECRET_OUTPUTS:
            if output in resource["outputs"]:
                assert "ciphertext" in resource["outputs"][output], f"{output} of {name}"


def _age(program: Program, name: str, left: dt.timedelta) -> None:
    """Set in the state when a certificate ends."""
    file = program.folder / "exported.json"
    program.pulumi("stack", "export", "--show-secrets", "--file", str(file))
    state: dict[str, Any] = json.loads(file.read_text())
    [outputs] = [
        resource["outputs"]
        for resource in state["deployment"]["resources"]
        if resource["urn"].endswith(f"::{name}")
    ]
    outputs["validityEndTime"] = (dt.datetime.now(dt.UTC) + left).isoformat()
    file.write_text(json.dumps(state))
    program.pulumi("stack", "import", "--file", str(file))


@pytest.mark.parametrize("refreshed", [False, True], ids=["", "refreshed"])
def test_an_expiring_certificate_is_replaced_by_the_next_up(
    program: Program, refreshed: bool
) -> None:
    program.up()
    before = program.resources()
    _age(program, "mid", dt.timedelta(hours=3))
    assert set(program.planned().values()) == {"same"}, "3 hours left, 2 of them for renewal"
    _age(program, "mid", dt.timedelta(hours=1))
    if refreshed:
        program.pulumi("refresh", "--yes", "--skip-preview")
        assert program.resources()["mid"]["outputs"]["readyForRenewal"] is True
    program.up()
    after = program.resources()
    renewed = {name for name in after if after[name].get("id") != before[name].get("id")}
    assert renewed == {"mid", "leaf"}, "the leaf carries the intermediate's signature"
    assert after["mid"]["outputs"]["readyForRenewal"] is False
    assert set(program.planned().values()) == {"same"}


def test_only_the_renewal_time_changes_in_place(program: Program) -> None:
    program.up()
    before = program.resources()["mid"]
    program.write(CHAIN.replace("early_renewal_hours=2", "early_renewal_hours=5"))
    assert program.planned()["mid"] == "update"
    program.up()
    after = program.resources()["mid"]
    assert after["outputs"]["earlyRenewalHours"] == 5
    assert after["outputs"]["certPem"] == before["outputs"]["certPem"]
    for old, new in (
        ("max_path_length=1", "max_path_length=2"),
        ('"Mid CA"', '"Other CA"'),
        ('"P256"', '"P384"'),
    ):
        program.write(CHAIN.replace(old, new))
        assert "replace" in program.planned()["mid"], f"{old} to {new}"


def test_a_default_written_out_is_no_change(program: Program) -> None:
    program.up()
    program.write(CHAIN.replace('"RSA"', '"RSA", rsa_bits=2048'))
    assert set(program.planned().values()) == {"same"}


@pytest.mark.stand_in_only("tls", reason="it refuses the first input only, in other words")
def test_every_bad_input_is_refused_with_its_path(program: Program) -> None:
    program.write(
        """
        import pulumi_tls as tls
        tls.SelfSignedCert(
            "bad", subject={"common_name": "Root CA", "CN": "x"}, dns_names=["a.mesh", 5],
            allowed_uses=["cert_signing", "signing"], validity_period_hours=-1,
            early_renewal_hours="2")
        """
    )
    output = program.pulumi("preview", fails=True)
    for sentence in (
        "subject.CN: there is no such property",
        "dnsNames[1]: expected a string, got a number",
        "allowedUses[1]: value must be one of",
        "validityPeriodHours: value must be at least 0, got: -1",
        "earlyRenewalHours: expected a whole number, got a string",
        "privateKeyPem: exactly one of privateKeyPem and privateKeyPemWo must be set",
    ):
        assert sentence in output


@pytest.mark.stand_in_only("tls", reason="it records inputs that are only written")
def test_a_key_given_write_only_is_not_stored(program: Program) -> None:
    source = CHAIN.replace(
        '"root", private_key_pem=root_key.private_key_pem,',
        '"root", private_key_pem_wo=root_key.private_key_pem, private_key_pem_wo_version=1,',
    )
    program.write(source)
    program.up()
    assert "privateKeyPemWo" not in program.resources()["root"]["outputs"]
    assert set(program.planned().values()) == {"same"}
    program.write(source.replace("wo_version=1", "wo_version=2"))
    assert "replace" in program.planned()["root"]


def test_data_sources_answer(program: Program) -> None:
    program.write(
        """
        import pulumi, pulumi_tls as tls
        key = tls.PrivateKey("key", algorithm="ED25519")
        for form in ("openssh", "pem"):
            given = {f"private_key_{form}": getattr(key, f"private_key_{form}")}
            read = tls.get_public_key_output(**given)
            pulumi.export(form, [read.id, read.algorithm, read.public_key_openssh])
        pulumi.export("key", [key.id, key.algorithm, key.public_key_openssh])
        """
    )
    program.up()
    outputs = program.outputs()
    assert outputs["openssh"] == outputs["pem"] == outputs["key"]


@pytest.mark.stand_in_only("tls", reason="it does this")
def test_a_question_that_the_stand_in_does_not_answer_is_reported(program: Program) -> None:
    program.write('import pulumi_tls as tls\ntls.get_certificate(url="https://istiod.mesh")')
    text = program.pulumi("preview", fails=True)
    assert "stand-in for the tls plugin does not answer tls:index/getCertificate" in text
