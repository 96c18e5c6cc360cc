"""The common root of trust, and an intermediate CA for every cluster under it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import pulumi
import pulumi_tls as tls

from . import names

Algorithm = Literal["ECDSA-P256", "RSA-4096", "RSA-2048"]

# The usages of Istio's own tool (tools/certs/common.mk). Envoy refuses a CA without certSign.
# The tool's pathlen of 0 is not possible: the provider treats a zero as not set.
_CA_USES = ("digital_signature", "cert_signing", "crl_signing")

_KEPT_OF_THE_KEY = ["algorithm", "ecdsaCurve", "rsaBits"]
_KEPT_OF_THE_ROOT = ["validityPeriodHours", "subject", "allowedUses", "setSubjectKeyId"]
"""Each of these inputs replaces the root when it changes, and with it the trust of every proxy.
They count only where the root is created. Nothing is protected, so `pulumi destroy` works."""


class RootArgs(TypedDict):
    """A root CA: a user-provided one, or, without a certificate, one that is created."""

    certificate: NotRequired[pulumi.Input[str]]
    """PEM text of a certificate that is allowed to sign CAs (pathlen of 1 or more, or none)."""
    key: NotRequired[pulumi.Input[str]]
    """PEM text of its private key: PKCS#1, SEC1 or PKCS#8, not encrypted. Not needed if no
    intermediate is created."""


class IntermediateArgs(TypedDict):
    """A user-provided intermediate CA."""

    certificate: pulumi.Input[str]
    """PEM text of its certificate, and after it those of the CAs between it and the root."""
    key: pulumi.Input[str]
    """PEM text of its private key, in one of the forms for a root's key."""


class SharedCAArgs(TypedDict):
    """Settings of the common CA."""

    mesh_id: pulumi.Input[str]
    """Organization of every subject, so that a certificate names its mesh."""
    clusters: Sequence[str]
    """Names of the clusters; each gets its own intermediate."""
    namespace: pulumi.Input[str]
    """Istio's namespace, for the DNS name in the intermediates that Istio's tool sets too."""
    algorithm: Algorithm
    """Algorithm of every key that is created. An existing root keeps its own."""
    root_days: int
    """Lifetime of the root, in days. An existing root keeps its own."""
    intermediate_days: int
    """Lifetime of an intermediate, in days; shorter where the root ends before (`days_within`)."""
    renew_before_days: int
    """An update this many days before an intermediate's end issues a new one, root unchanged."""
    roots: NotRequired[Mapping[str, RootArgs]]
    """Every root that proxies trust, by name. A name stays with its root: resources are named
    after it. If left out, one root is created."""
    signs: NotRequired[str]
    """Name of the root that signs the intermediates; the first if left out."""
    provided: NotRequired[Mapping[str, IntermediateArgs]]
    """User-provided intermediates under the root that signs, by name of the cluster."""


@dataclass(frozen=True)
class IntermediateCA:
    """Content of the Secret `cacerts` of one cluster."""

    certificate: pulumi.Output[str]
    """PEM text of its certificate, and after it those of the CAs between it and the root."""
    key: pulumi.Output[str]
    root_certificate: pulumi.Output[str]
    """PEM text of the root that it leads to."""
    trusted: pulumi.Output[str]
    """PEM text of every root that proxies trust."""

    @property
    def files(self) -> pulumi.Output[Mapping[str, str]]:
        """Data of the Secret, a Pulumi secret, under the names that istiod reads.

        Source: security/pkg/pki/ca/ca.go in istio/istio. All four are needed: istiod refuses to
        start with a part of them.
        """

        def name_files(parts: Sequence[str]) -> Mapping[str, str]:
            certificate, key, root, trusted = parts
            return {
                "ca-cert.pem": _first(certificate),
                "ca-key.pem": key,
                "root-cert.pem": trusted,
                "cert-chain.pem": certificate if root in certificate else certificate + root,
            }

        return pulumi.Output.secret(
            pulumi.Output.all(
                self.certificate, self.key, self.root_certificate, self.trusted
            ).apply(name_files)
        )


class SharedCA(pulumi.ComponentResource):
    """Roots and intermediates. Private keys are secrets from the moment they exist.

    MeshMember creates the `cacerts` Secrets. No edit of the arguments replaces a
    root that was created here: that would make every proxy distrust every other until all have
    restarted. Another root comes in three updates: trust both, sign with the other, trust it alone.
    Intermediates are named after their cluster with a slash in between, which no name of
    a cluster has, so that none is confused with a root. Each root has intermediates of its own, so
    that their keys change with it.
    """

    roots: Mapping[str, pulumi.Output[str]]
    """PEM text of every root that proxies trust, by its name."""
    root_certificate: pulumi.Output[str]
    """PEM text of the root that signs."""
    trusted: pulumi.Output[str]
    """PEM text of all roots, as every cluster gets it."""
    intermediates: Mapping[str, IntermediateCA]
    """Intermediates by cluster name."""

    def __init__(
        self, name: str, args: SharedCAArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:SharedCA", name, {}, opts)
        roots = args.get("roots") or {names.FIRST_ROOT: RootArgs()}
        signs = args.get("signs") or next(iter(roots))
        found = {n: self._find_root(name, n, root, args) for n, root in roots.items()}
        self.roots = {n: certificate for n, (certificate, _) in found.items()}
        self.root_certificate, root_key = found[signs]
        self.trusted = pulumi.Output.all(**self.roots).apply(lambda r: trust_bundle(r, signs))
        path = name if signs == names.FIRST_ROOT else f"{name}/{signs}"
        provided = args.get("provided", {})
        self.intermediates = {
            cluster: self._from_user(provided[cluster])
            if cluster in provided
            else self._make_intermediate(f"{path}/{cluster}", cluster, root_key, args)
            for cluster in args["clusters"]
        }
        self.register_outputs({"rootCertificate": self.root_certificate})

    def _find_root(
        self, name: str, known_as: str, root: RootArgs, args: SharedCAArgs
    ) -> tuple[pulumi.Output[str], pulumi.Output[str] | None]:
        """Return certificate and key of a root, which is created if the user provides none."""
        if "certificate" not in root:
            certificate, key = self._make_root(name, known_as, args)
        else:
            certificate = pulumi.Output.from_input(root["certificate"])
            key = pulumi.Output.secret(root["key"]) if "key" in root else None
        return certificate.apply(_lines), key

    def _make_root(
        self, name: str, known_as: str, args: SharedCAArgs
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        resource = f"{name}-{known_as}"
        subject = "Root CA" if known_as == names.FIRST_ROOT else f"Root CA {known_as}"
        kept = pulumi.ResourceOptions(ignore_changes=_KEPT_OF_THE_KEY)
        key = self._make_key(resource, args["algorithm"], kept)
        certificate = tls.SelfSignedCert(
            resource,
            private_key_pem=key.private_key_pem,
            subject={"organization": args["mesh_id"], "common_name": subject},
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=list(_CA_USES),
            validity_period_hours=args["root_days"] * 24,
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=_KEPT_OF_THE_ROOT),
        )
        return certificate.cert_pem, key.private_key_pem

    def _make_key(
        self, name: str, algorithm: Algorithm, more: pulumi.ResourceOptions | None = None
    ) -> tls.PrivateKey:
        opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self), more)
        if algorithm == "ECDSA-P256":
            return tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve="P256", opts=opts)
        bits = int(algorithm.removeprefix("RSA-"))
        return tls.PrivateKey(name, algorithm="RSA", rsa_bits=bits, opts=opts)

    def _from_user(self, provided: IntermediateArgs) -> IntermediateCA:
        return IntermediateCA(
            certificate=pulumi.Output.from_input(provided["certificate"]).apply(_lines),
            key=pulumi.Output.secret(provided["key"]),
            root_certificate=self.root_certificate,
            trusted=self.trusted,
        )

    def _make_intermediate(
        self, name: str, cluster: str, root_key: pulumi.Output[str] | None, args: SharedCAArgs
    ) -> IntermediateCA:
        if root_key is None:
            raise ValueError(
                f"{name}: the root has no key to sign an intermediate of {cluster} with; "
                "give `root` its key, or set an intermediate for this cluster in `provided`"
            )
        opts = pulumi.ResourceOptions(parent=self)
        key = self._make_key(name, args["algorithm"])
        request = tls.CertRequest(
            name,
            private_key_pem=key.private_key_pem,
            subject={
                "organization": args["mesh_id"],
                "common_name": "Intermediate CA",
                "locality": cluster,
            },
            dns_names=[pulumi.Output.concat("istiod.", args["namespace"], ".svc")],
            opts=opts,
        )
        days = self.root_certificate.apply(
            lambda root: days_within(args["intermediate_days"], _days_left(root))
        )
        certificate = tls.LocallySignedCert(
            name,
            cert_request_pem=request.cert_request_pem,
            ca_cert_pem=self.root_certificate,
            ca_private_key_pem=root_key,
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=list(_CA_USES),
            validity_period_hours=days.apply(lambda n: n * 24),
            early_renewal_hours=days.apply(lambda n: min(args["renew_before_days"], n // 2) * 24),
            opts=opts,
        )
        return IntermediateCA(
            certificate=certificate.cert_pem.apply(_lines),
            key=key.private_key_pem,
            root_certificate=self.root_certificate,
            trusted=self.trusted,
        )


def trust_bundle(roots: Mapping[str, str], signs: str) -> str:
    """PEM text of all roots, in their order; the one that signs once more unless it is the first.

    Proxies compare this text with the one that they have, byte by byte. When it changes they ask
    for new certificates at once, and otherwise only at half of the old ones' lifetime. So it has to
    change with the root that signs, though the roots stay the same (Istio's own test repeats the
    new root too: tests/integration/security/cacert_rotation in istio/istio).
    """
    again = [] if signs == next(iter(roots)) else [roots[signs]]
    return "".join([*roots.values(), *again])


def days_within(wanted: int, left: int) -> int:
    """Lifetime of an intermediate, in days, under a root that has `left` days.

    It is halved until it fits: another number issues a new intermediate, so it must not change
    with every day.
    """
    while wanted > max(left, 1):
        wanted //= 2
    return wanted


def _days_left(root: str) -> int:
    """Whole days until the first certificate of a PEM text ends."""
    from cryptography import x509  # costly, and of no use to a refused mesh

    end = x509.load_pem_x509_certificate(root.encode()).not_valid_after_utc
    return (end - dt.datetime.now(dt.UTC)).days


def _first(pem: str) -> str:
    own, end, _ = pem.partition("-----END CERTIFICATE-----\n")
    return own + end


def _lines(pem: str) -> str:
    """PEM blocks are joined to a chain, where a missing last newline would glue two lines."""
    return "".join(f"{line.strip()}\n" for line in pem.strip().splitlines())
