"""What the tls stand-in answers to the engine, call by call."""

from typing import Any

import grpc
import pytest

from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.tls.__main__ import Tls
from lab.stand_ins.values import UNKNOWN, Object, Secret, decode, encode

CONTEXT: Any = grpc.ServicerContext
AUTHORITY: Object = {
    "subject": {"commonName": "Root CA"},
    "isCaCertificate": True,
    "validityPeriodHours": 24,
    "allowedUses": ["cert_signing"],
}


def _urn(kind: str) -> str:
    module = kind[0].lower() + kind[1:]
    return f"urn:pulumi:dev::isthmus::isthmus:SharedCA$tls:index/{module}:{kind}::it"


def _create(kind: str, inputs: Object, *, preview: bool = False) -> Object:
    request = provider_pb2.CreateRequest(urn=_urn(kind), properties=encode(inputs), preview=preview)
    return decode(Tls("").Create(request, CONTEXT).properties)


def _diff(kind: str, olds: Object, news: Object) -> provider_pb2.DiffResponse:
    request = provider_pb2.DiffRequest(
        urn=_urn(kind), olds=encode(olds), old_inputs=encode(news), news=encode(news)
    )
    return Tls("").Diff(request, CONTEXT)


def test_the_plugin_itself_marks_private_parts_secret() -> None:
    key = _create("PrivateKey", {"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    secret = {name for name, value in key.items() if isinstance(value, Secret)}
    assert secret == {"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"}
    given = {**AUTHORITY, "privateKeyPem": key["privateKeyPem"]}
    certificate = _create("SelfSignedCert", given)
    assert isinstance(certificate["privateKeyPem"], Secret)
    assert isinstance(certificate["certPem"], str)


def test_what_the_program_calls_secret_stays_secret() -> None:
    key = _create("PrivateKey", {"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    subject = {"commonName": Secret("Root CA"), "organization": "Isthmus"}
    given = {**AUTHORITY, "privateKeyPem": key["privateKeyPem"], "subject": subject}
    assert _create("SelfSignedCert", given)["subject"] == subject


def test_a_preview_generates_no_key_and_leaves_its_outputs_out() -> None:
    planned = _create("PrivateKey", {"algorithm": "RSA"}, preview=True)
    assert planned == {"algorithm": "RSA", "rsaBits": 2048, "ecdsaCurve": "P224"}


def test_a_key_known_only_after_the_update_replaces_the_certificate_in_the_preview() -> None:
    key = _create("PrivateKey", {"algorithm": "ED25519"})
    given = {**AUTHORITY, "privateKeyPem": key["privateKeyPem"]}
    made = _create("SelfSignedCert", given)
    assert _diff("SelfSignedCert", made, given).changes == provider_pb2.DiffResponse.DIFF_NONE
    response = _diff("SelfSignedCert", made, {**given, "privateKeyPem": Secret(UNKNOWN)})
    assert list(response.replaces) == ["privateKeyPem"]


def test_a_subject_taken_away_replaces_but_a_path_length_stays() -> None:
    key = _create("PrivateKey", {"algorithm": "ED25519"})
    given = {**AUTHORITY, "privateKeyPem": key["privateKeyPem"], "maxPathLength": 1}
    made = _create("SelfSignedCert", given)
    without = {name: value for name, value in given.items() if name != "subject"}
    assert list(_diff("SelfSignedCert", made, without).replaces) == ["subject"]
    # UseStateForUnknown in the provider's schema: what was computed once is kept.
    without = {name: value for name, value in given.items() if name != "maxPathLength"}
    assert not _diff("SelfSignedCert", made, without).replaces


def test_an_import_is_refused_with_the_reason() -> None:
    request = provider_pb2.ReadRequest(urn=_urn("PrivateKey"), id="abc")
    with pytest.raises(ProviderError, match=r"so tls:index.* with id abc cannot be imported"):
        Tls("").Read(request, CONTEXT)
