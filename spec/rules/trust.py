"""User-provided CAs, and the lifetimes of certificates."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from spec.mesh import MeshSpec, ProvidedIntermediate, ProvidedRoot
from spec.problems import MISSING, Problem
from spec.rules import certificates
from spec.rules.certificates import Place

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_ROOT = Place(
    "isthmus:mesh.ca.root",
    "provide a root CA that is valid now, or remove ca.root to have one created",
)


def _lifetimes_fit(spec: MeshSpec) -> Iterator[Problem]:
    ca = spec.mesh.ca
    if ca.root is None and ca.intermediate_days > ca.root_days:
        yield Problem(
            "ca-lifetime-exceeds-root",
            "isthmus:mesh.ca.intermediateDays",
            f"must not be more than rootDays ({ca.root_days})",
            "when the root expires, all certificates under it become invalid",
            f"set it to {ca.root_days} or less, or raise rootDays",
            ca.intermediate_days,
        )
    if ca.renew_before_days >= ca.intermediate_days:
        yield Problem(
            "ca-renewal-always",
            "isthmus:mesh.ca.renewBeforeDays",
            f"must be less than intermediateDays ({ca.intermediate_days})",
            "every update would issue new intermediates",
            "set it to about a twentieth of intermediateDays",
            ca.renew_before_days,
        )


def _a_user_provided_root_can_sign(spec: MeshSpec) -> Iterator[Problem]:
    root = spec.mesh.ca.root
    if root is None:
        return
    found = certificates.read_pem(root.certificate)
    certificate = found[0] if len(found) == 1 else None
    if certificate is None:
        yield Problem(
            "root-not-one-certificate",
            _ROOT.certificate,
            f"must be one certificate in PEM; {len(found) or 'none'} could be read",
            "it is the one root that every cluster trusts",
            "give the text of the root's certificate alone, with its BEGIN and END lines",
        )
    else:
        chains = [_chain(c.ca, found) for c in spec.clusters if c.ca]
        longest = max([1, *map(len, chains)])
        yield from certificates.check_ca(certificate, _ROOT, longest)
        yield from certificates.check_validity(certificate, _ROOT)
        yield from certificates.check_key_is_private(certificate, _ROOT)
        if not certificates.signs(certificate, certificate):
            yield Problem(
                "root-not-self-signed",
                _ROOT.certificate,
                "must be signed by its own key",
                "a chain of trust ends at the root, and no proxy would know the CA above this one",
                "provide the root itself, with its key or with intermediates that lead to it "
                "(`ca` of each cluster), or remove ca.root to have one created",
                certificates.subject(certificate),
            )
    if root.key is not None:
        yield from certificates.check_key(certificate, root.key, _ROOT)


def _every_cluster_has_an_intermediate(spec: MeshSpec) -> Iterator[Problem]:
    """Isthmus creates it if it has the root's key; otherwise the user provides it."""
    root = spec.mesh.ca.root
    if spec.mesh.ca.external:
        return
    for cluster_path, cluster in spec.numbered():
        path = f"{cluster_path}.ca"
        if cluster.ca is not None and root is None:
            yield Problem(
                "intermediate-without-root",
                path,
                f"needs a user-provided root ({_ROOT.certificate})",
                "all clusters must trust one root, and the root that Isthmus would create has not "
                "signed this CA",
                f"set {_ROOT.certificate}, or remove this to have an intermediate created",
            )
        elif cluster.ca is None and root is not None and root.key is None:
            yield Problem(
                "intermediate-missing",
                path,
                f"is required, because {_ROOT.path} has no key",
                f"Isthmus cannot sign an intermediate for {cluster.name}",
                f"provide the intermediate of {cluster.name}, or set {_ROOT.key} to have one "
                "created",
            )
        elif cluster.ca is not None and root is not None:
            yield from _leads_to_the_root(cluster.ca, root, Place(path, _new_intermediate(root)))


def _new_intermediate(root: ProvidedRoot) -> str:
    fix = "provide a CA that is valid now and leads to the root"
    return f"{fix}, or remove `ca` to have one created" if root.key else fix


def _leads_to_the_root(
    provided: ProvidedIntermediate, root: ProvidedRoot, place: Place
) -> Iterator[Problem]:
    roots = certificates.read_pem(root.certificate)
    chain = _chain(provided, roots)
    if not chain:
        yield Problem(
            "intermediate-not-certificates",
            place.certificate,
            "must be certificates in PEM: the intermediate's, followed by those of the CAs between "
            "it and the root",
            "istiod signs with the first, and presents all of them",
            "give the text of the certificates, with their BEGIN and END lines",
        )
    for below, certificate in enumerate(chain):
        yield from certificates.check_ca(certificate, place, below)
        yield from certificates.check_validity(certificate, place)
        yield from certificates.check_key_is_private(certificate, place)
    if len(roots) == 1:
        yield from _is_unbroken([*chain, *roots], place)
    yield from certificates.check_key(chain[0] if chain else None, provided.key, place)


def _chain(
    provided: ProvidedIntermediate, roots: "Sequence[Certificate]"
) -> "Sequence[Certificate]":
    """The intermediate and the CAs between it and the root; the root itself can follow them."""
    return [c for c in certificates.read_pem(provided.certificate) if c not in roots]


def _is_unbroken(chain: "Sequence[Certificate]", place: Place) -> Iterator[Problem]:
    for certificate, issuer in pairwise(chain):
        if not certificates.signs(issuer, certificate):
            yield Problem(
                "chain-broken",
                place.certificate,
                f"must lead to {_ROOT.certificate}, each signed by the next",
                "proxies of other clusters know only the root, and refuse certificates that do not "
                "lead to it",
                f"write {certificate.issuer.rfc4514_string()} after it, or provide the root that "
                "it leads to",
                f"{certificates.subject(certificate)}, signed by "
                f"{certificate.issuer.rfc4514_string()}, followed by "
                f"{certificates.subject(issuer)}",
            )


def _authorities_of_api_servers_are_certificates(spec: MeshSpec) -> Iterator[Problem]:
    for path, cluster in spec.numbered():
        pem = cluster.api_server.certificate_authority
        if pem is None:
            continue
        if not certificates.read_pem(pem):
            yield Problem(
                "api-server-ca-invalid",
                f"{path}.apiServer.certificateAuthority",
                "must be certificates in PEM",
                f"istiod could not read the kubeconfig of {cluster.name}, and would not try again",
                "give the text of the CA's file, with its BEGIN and END lines",
                pem if len(pem) < 80 else MISSING,
            )


def _an_external_ca_is_the_only_one(spec: MeshSpec) -> Iterator[Problem]:
    if not spec.mesh.ca.external:
        return
    root = spec.mesh.ca.root
    if root is None:
        yield Problem(
            "external-ca-without-root",
            _ROOT.certificate,
            "must be set, because ca.external is",
            "every update compares it with the root that each cluster trusts",
            "write the certificate of the root, without its key",
        )
    unused = {_ROOT.key: root is not None and root.key is not None} | {
        f"isthmus:clusters[{i}].ca": c.ca is not None for i, c in enumerate(spec.clusters)
    }
    for path in (path for path, is_set in unused.items() if is_set):
        yield Problem(
            "external-ca-with-keys",
            path,
            "must not be set, because ca.external is",
            "Isthmus signs nothing, and writes no Secret cacerts",
            "remove it, or remove ca.external",
        )
    for i, cluster in enumerate(spec.clusters):
        if cluster.stack is not None:
            yield Problem(
                "external-ca-with-keys",
                f"isthmus:clusters[{i}].stack",
                "must not be set, because ca.external is",
                "the stack of a single cluster gets its CA from the mesh's stack",
                "build the cluster in the mesh's stack, or remove ca.external",
                cluster.stack,
            )


RULES = (
    _an_external_ca_is_the_only_one,
    _lifetimes_fit,
    _a_user_provided_root_can_sign,
    _every_cluster_has_an_intermediate,
    _authorities_of_api_servers_are_certificates,
)
