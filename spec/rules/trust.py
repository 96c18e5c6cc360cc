"""User-provided CAs, and the lifetimes of certificates."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from components import names
from spec.mesh import (
    CertificateAuthority,
    MeshSpec,
    ProvidedIntermediate,
    TrustedRoot,
    cluster_path,
)
from spec.problems import MISSING, Problem
from spec.rules import certificates
from spec.rules.certificates import Place

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def _place(ca: CertificateAuthority, root: TrustedRoot) -> Place:
    fix = "provide a root CA that is valid now, or remove "
    fix += "its certificate and key" if ca.roots else "ca.root"
    return Place(ca.place(root), f"{fix} to have one created")


def _lifetimes_fit(spec: MeshSpec) -> Iterator[Problem]:
    ca = spec.mesh.ca
    if ca.signer.certificate is None and ca.intermediate_days > ca.root_days:
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


def _listed_roots_are_distinct(spec: MeshSpec) -> Iterator[Problem]:
    ca = spec.mesh.ca
    known = [r.name for r in ca.roots]
    if ca.roots and ca.root is not None:
        yield Problem(
            "root-and-roots",
            "isthmus:mesh.ca.root",
            "must not be set, because ca.roots is",
            "ca.roots lists every root that the mesh trusts",
            f"move it into ca.roots, with the name `{names.FIRST_ROOT}`",
        )
    texts = [r.certificate.split() for r in ca.roots if r.certificate is not None]
    if len(set(known)) < len(known) or any(t in texts[:i] for i, t in enumerate(texts)):
        yield Problem(
            "roots-not-distinct",
            "isthmus:mesh.ca.roots",
            "must be different roots with different names",
            "`signs` and the state refer to a root by its name",
            "give each root its own name and certificate",
            known,
        )
    if (ca.signs is None and len(known) > 1) or (ca.signs is not None and ca.signs not in known):
        yield Problem(
            "signing-root-unknown",
            "isthmus:mesh.ca.signs",
            f"must be the name of one of ca.roots: {', '.join(known) or 'none is listed'}",
            "one root signs the intermediates of all clusters, and the others are only trusted",
            "write the name of the root that signs",
            MISSING if ca.signs is None else ca.signs,
        )


def _user_provided_roots_can_sign(spec: MeshSpec) -> Iterator[Problem]:
    ca = spec.mesh.ca
    for root in ca.trusted:
        if root.certificate is not None:
            yield from _is_a_root(spec, root, root.certificate, _place(ca, root))
        elif root.key is not None:
            yield Problem(
                "root-not-one-certificate",
                f"{ca.place(root)}.certificate",
                "must be set, because its key is",
                "a root needs its certificate, not only its key",
                "write the root's certificate, or remove the key to have a root created",
            )


def _is_a_root(spec: MeshSpec, root: TrustedRoot, pem: str, place: Place) -> Iterator[Problem]:
    found = certificates.read_pem(pem)
    certificate = found[0] if len(found) == 1 else None
    if certificate is None:
        yield Problem(
            "root-not-one-certificate",
            place.certificate,
            f"must be one certificate in PEM; {len(found) or 'none'} could be read",
            "each root is checked, and each has its own name in ca.roots",
            "give the text of the root's certificate alone, with its BEGIN and END lines",
        )
    else:
        signs = root == spec.mesh.ca.signer
        chains = [_chain(c.ca, found) for c in spec.clusters if c.ca and signs]
        longest = max([1, *map(len, chains)])
        yield from certificates.check_ca(certificate, place, longest)
        yield from certificates.check_validity(certificate, place)
        yield from certificates.check_key_is_private(certificate, place)
        if not certificates.signs(certificate, certificate):
            yield Problem(
                "root-not-self-signed",
                place.certificate,
                "must be signed by its own key",
                "a chain of trust ends at the root, and no proxy would know the CA above this one",
                "provide the root itself, with its key or with intermediates that lead to it "
                "(`ca` of each cluster), or remove ca.root to have one created",
                certificates.subject(certificate),
            )
    if root.key is not None:
        yield from certificates.check_key(certificate, root.key, place)


def _every_cluster_has_an_intermediate(spec: MeshSpec) -> Iterator[Problem]:
    """Isthmus creates it if it has the root's key; otherwise the user provides it."""
    ca, root = spec.mesh.ca, spec.mesh.ca.signer
    place = _place(ca, root)
    if ca.external:
        return
    for at, cluster in spec.numbered():
        path = f"{at}.ca"
        if cluster.ca is not None and root.certificate is None:
            yield Problem(
                "intermediate-without-root",
                path,
                f"needs a user-provided root ({place.certificate})",
                "all clusters must trust one root, and the root that Isthmus would create has not "
                "signed this CA",
                f"set {place.certificate}, or remove this to have an intermediate created",
            )
        elif cluster.ca is None and root.certificate is not None and root.key is None:
            yield Problem(
                "intermediate-missing",
                path,
                f"is required, because {place.path} has no key",
                f"Isthmus cannot sign an intermediate for {cluster.name}",
                f"provide the intermediate of {cluster.name}, or set {place.key} to have one "
                "created",
            )
        elif cluster.ca is not None and root.certificate is not None:
            roots = certificates.read_pem(root.certificate)
            own = Place(path, _new_intermediate(root))
            yield from _leads_to_the_root(cluster.ca, roots, own, place)


def _new_intermediate(root: TrustedRoot) -> str:
    fix = "provide a CA that is valid now and leads to the root"
    return f"{fix}, or remove `ca` to have one created" if root.key else fix


def _leads_to_the_root(
    provided: ProvidedIntermediate, roots: "Sequence[Certificate]", place: Place, root: Place
) -> Iterator[Problem]:
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
        yield from _is_unbroken([*chain, *roots], place, root)
    yield from certificates.check_key(chain[0] if chain else None, provided.key, place)


def _chain(
    provided: ProvidedIntermediate, roots: "Sequence[Certificate]"
) -> "Sequence[Certificate]":
    """The intermediate and the CAs between it and the root; the root itself can follow them."""
    return [c for c in certificates.read_pem(provided.certificate) if c not in roots]


def _is_unbroken(chain: "Sequence[Certificate]", place: Place, root: Place) -> Iterator[Problem]:
    for certificate, issuer in pairwise(chain):
        if not certificates.signs(issuer, certificate):
            yield Problem(
                "chain-broken",
                place.certificate,
                f"must lead to {root.certificate}, each signed by the next",
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
    ca = spec.mesh.ca
    for root in ca.trusted:
        if root.certificate is not None:
            continue
        yield Problem(
            "external-ca-without-root",
            f"{ca.place(root)}.certificate",
            "must be set, because ca.external is",
            "every update compares it with the root that each cluster trusts",
            "write the certificate of the root, without its key",
        )
    unused = {f"{ca.place(r)}.key": r.key is not None for r in ca.trusted} | {
        f"{cluster_path(i)}.ca": c.ca is not None for i, c in enumerate(spec.clusters)
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
                f"{cluster_path(i)}.stack",
                "must not be set, because ca.external is",
                "the stack of a single cluster gets its CA from the mesh's stack",
                "build the cluster in the mesh's stack, or remove ca.external",
                cluster.stack,
            )


RULES = (
    _an_external_ca_is_the_only_one,
    _lifetimes_fit,
    _listed_roots_are_distinct,
    _user_provided_roots_can_sign,
    _every_cluster_has_an_intermediate,
    _authorities_of_api_servers_are_certificates,
)
