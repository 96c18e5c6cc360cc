"""Stand-in for pulumi-resource-tls 5.6.2, the bridged provider hashicorp/tls."""

from __future__ import annotations

import datetime as dt
from typing import Any

import grpc
from google.protobuf import empty_pb2

from lab.stand_ins import diff
from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.sdk_types import SdkTypes
from lab.stand_ins.servicer import Provider, ProviderError, serve
from lab.stand_ins.values import (
    UNKNOWN,
    Object,
    Secret,
    decode,
    encode,
    has_unknown,
    mark_secrets,
    plain,
)

_CERTIFICATE: Object = {
    "earlyRenewalHours": 0,
    "isCaCertificate": False,
    "setSubjectKeyId": False,
}
# Defaults are in the outputs, never in the inputs: the bridge's Check adds nothing.
DEFAULTS: dict[str, Object] = {
    "PrivateKey": {"rsaBits": 2048, "ecdsaCurve": "P224"},
    "CertRequest": {},
    "SelfSignedCert": {**_CERTIFICATE, "setAuthorityKeyId": False},
    "LocallySignedCert": _CERTIFICATE,
}
KEY_INPUTS = {
    "CertRequest": "privateKeyPem",
    "SelfSignedCert": "privateKeyPem",
    "LocallySignedCert": "caPrivateKeyPem",
}
SECRETS = {"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh", "caPrivateKeyPem"}
WRITE_ONLY = {"privateKeyPemWo", "caPrivateKeyPemWo"}
# Optional inputs without a default: taken out of the program, they leave a change behind.
OPTIONAL = {"subject", "dnsNames", "ipAddresses", "uris"}
# Every other change makes a new resource.
IN_PLACE = {"earlyRenewalHours"}
LEAST = {"validityPeriodHours": 0, "earlyRenewalHours": 0, "maxPathLength": -1}


class Tls(Provider):
    VERSION = "5.6.2"

    def __init__(self, engine: str) -> None:
        super().__init__(engine)
        self._types = SdkTypes("pulumi_tls")

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        inputs = {key: value for key, value in decode(request.news).items() if value is not None}
        for key in (SECRETS | WRITE_ONLY) & inputs.keys():
            inputs[key] = Secret(inputs[key])
        found = self._types.problems(_token(request.urn), inputs) + _wrong(_kind(request), inputs)
        return provider_pb2.CheckResponse(
            inputs=encode(inputs),
            failures=[provider_pb2.CheckFailure(reason=reason) for reason in found],
        )

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Compare what is stored with what would be: a default now written out is no change."""
        kind, old, inputs = _kind(request), plain(decode(request.olds)), decode(request.news)
        new = plain(_planned(kind, inputs, old))
        key = KEY_INPUTS.get(kind)
        compared = {*new, *OPTIONAL, key, f"{key}WoVersion"}
        changed = diff.changes({name: old[name] for name in old if name in compared}, new)
        due = _due(old.get("validityEndTime"), new.get("earlyRenewalHours"))
        if due:
            changed[("readyForRenewal",)] = "UPDATE"
        ignored = [diff.parse(text) for text in request.ignoreChanges]
        found: diff.Changes = {
            path: change for path, change in changed.items() if not diff.within(path, ignored)
        }

        def replaces(path: diff.Path) -> bool:
            return path[0] not in IN_PLACE and (due or path != ("readyForRenewal",))

        given = [plain(decode(request.old_inputs)), plain(inputs)]
        return diff.response(found, given, replaces=replaces)

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        kind, inputs = _kind(request), decode(request.properties)
        planned = _planned(kind, inputs, {})
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(planned))
        id_, made = _make(kind, {**plain(planned), **plain(_key(inputs))})
        outputs = {**planned, **made, "id": id_}
        if kind == "PrivateKey":  # what the bridge keeps, lest the real plugin upgrade the state
            outputs["__meta"] = '{"schema_version":"1"}'
        return provider_pb2.CreateResponse(id=id_, properties=encode(_marked(outputs, inputs)))

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """Give back the state: there is nothing outside it. Expiry is noticed here, too."""
        outputs = decode(request.properties)
        if not outputs:
            raise ProviderError(
                f"tls resources live in Pulumi's state alone, so {_token(request.urn)} with id"
                f" {request.id} cannot be imported; give its properties to the program instead"
            )
        stored = plain(outputs)
        if _due(stored.get("validityEndTime"), stored.get("earlyRenewalHours")):
            outputs["readyForRenewal"] = True
        return provider_pb2.ReadResponse(
            id=request.id, properties=encode(_marked(outputs, {})), inputs=request.inputs
        )

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        inputs, old = decode(request.news), decode(request.olds)
        outputs = {**old, **_planned(_kind(request), inputs, old)}
        return provider_pb2.UpdateResponse(properties=encode(_marked(outputs, inputs)))

    def Delete(
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        if request.tok != "tls:index/getPublicKey:getPublicKey":
            raise ProviderError(
                f"the stand-in for the tls plugin does not answer {request.tok}: it asks servers"
                " outside the lab; install the real plugin, which is then used instead"
            )
        given = {key: value for key, value in decode(request.args).items() if value is not None}
        if len(given) != 1:
            raise ProviderError("give exactly one of privateKeyPem and privateKeyOpenssh")
        from lab.stand_ins.tls import crypto

        [(name, value)] = given.items()
        try:
            key = crypto.load_private_key(plain(value), "private key")
        except ValueError as error:
            raise ProviderError(str(error)) from None
        id_, outputs = crypto.public_key(key)
        outputs |= {"id": id_, "algorithm": crypto.algorithm(key), name: Secret(value)}
        fields: dict[str, Any] = {"return": encode(outputs)}  # a word of Python's
        return provider_pb2.InvokeResponse(**fields)


def _token(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _kind(request: Any) -> str:
    return _token(request.urn).rsplit(":", 1)[-1]


def _wrong(kind: str, inputs: Object) -> list[str]:
    """Check the values as the provider's schema does; types have been checked before."""
    from lab.stand_ins.tls import crypto

    found: list[str] = []
    values = plain(inputs)
    choices = {"algorithm": ["RSA", "ECDSA", "ED25519"], "ecdsaCurve": list(crypto.CURVES)}
    for key, allowed in choices.items():
        if values.get(key, UNKNOWN) not in [*allowed, UNKNOWN]:
            found.append(f"{key}: value must be one of {allowed}, got: {values[key]!r}")
    uses = values.get("allowedUses")
    for index, use in enumerate(uses if isinstance(uses, list) else []):
        if use not in [*crypto.KEY_USAGES, *crypto.EXTENDED_KEY_USAGES, UNKNOWN]:
            allowed = sorted([*crypto.KEY_USAGES, *crypto.EXTENDED_KEY_USAGES])
            found.append(f"allowedUses[{index}]: value must be one of {allowed}, got: {use!r}")
    for key, least in LEAST.items():
        if isinstance(value := values.get(key), int) and value < least:
            found.append(f"{key}: value must be at least {least}, got: {value}")
    key = KEY_INPUTS.get(kind, "")
    if key and (key in inputs) == (f"{key}Wo" in inputs):
        found.append(f"{key}: exactly one of {key} and {key}Wo must be set")
    return found


def _planned(kind: str, inputs: Object, old: Object) -> Object:
    """Give the properties as they will be stored, except generated ones."""
    planned = {**DEFAULTS[kind], **inputs}
    for key in WRITE_ONLY & planned.keys():
        del planned[key]
    if kind in ("SelfSignedCert", "LocallySignedCert"):
        if "maxPathLength" not in planned and old.get("maxPathLength") is not None:
            planned["maxPathLength"] = old["maxPathLength"]
        hours, early = (plain(planned[key]) for key in ("validityPeriodHours", "earlyRenewalHours"))
        if not has_unknown([hours, early]):
            planned["readyForRenewal"] = early >= hours
    return planned


def _key(inputs: Object) -> Object:
    return {name.removesuffix("Wo"): inputs[name] for name in WRITE_ONLY & inputs.keys()}


def _make(kind: str, inputs: Object) -> tuple[str, Object]:
    # Imported late: the engine waits for the plugin's port, not for cryptography.
    from lab.stand_ins.tls import crypto

    make = {
        "PrivateKey": crypto.private_key,
        "CertRequest": crypto.cert_request,
        "SelfSignedCert": crypto.self_signed_cert,
        "LocallySignedCert": crypto.locally_signed_cert,
    }[kind]
    try:
        return make(inputs)
    except ValueError as error:
        raise ProviderError(str(error)) from None


def _marked(outputs: Object, inputs: Object) -> Object:
    """Mark as secret what the schema marks so, and what the program gave as a secret."""
    marked: Object = mark_secrets(outputs, inputs)
    return {key: Secret(item) if key in SECRETS else item for key, item in marked.items()}


def _due(end: str | None, early_hours: int | str | None) -> bool:
    """Whether a certificate is to be replaced: expired, or nearly (earlyRenewalHours)."""
    if end is None or not isinstance(early_hours, int):
        return False
    early = dt.timedelta(hours=early_hours)
    return dt.datetime.fromisoformat(end) - early <= dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    serve(Tls)
