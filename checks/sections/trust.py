"""Checks that every certificate in the mesh chains to the common root."""

import base64
from collections.abc import Iterator
from functools import partial

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import BasicConstraints, ExtensionNotFound

from checks import certificates, paths
from checks.certificates import Certificate
from checks.model import Check, Finding, between_networks, every, failed, ok, skipped, warning
from checks.view import Mesh, View
from components import names
from kube.pods import UnreachedError
from picture.state import Part
from spec.rules.certificates import leads_to, read_pem, signs

_FILES = ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")
_ROOT_AHEAD_DAYS = 365
"""A new root takes planning, as nothing that the old one has signed is of use after it."""
_AGAIN = (
    "`pulumi up --refresh` writes the Secret of this mesh again. istiod loads a new intermediate "
    "within a minute, but needs a restart for another root"
)


def _root(mesh: Mesh) -> Certificate:
    """The root that signs."""
    return read_pem(mesh.description.signing_root)[0]


def _trusted(mesh: Mesh) -> set[Certificate]:
    return set(read_pem(mesh.description.root))


def _files(mesh: Mesh, view: View) -> dict[str, str]:
    if mesh.spec.mesh.ca.external:
        return {}
    secret = view.find(view.istio("secrets", names.CACERTS))
    data = (secret or {}).get("data", {})
    return {k: base64.b64decode(v).decode(errors="replace") for k, v in data.items()}


def _intermediate(mesh: Mesh, view: View) -> Certificate | None:
    found = read_pem(_files(mesh, view).get("ca-cert.pem", ""))
    return found[0] if found else None


def _cacerts(mesh: Mesh, view: View) -> Iterator[Finding]:
    part = Part("istiod", mesh.control_plane_of(view).name)
    if mesh.spec.mesh.ca.external:
        yield skipped("another tool maintains it, and its content is not read")
        return
    files = _files(mesh, view)
    if absent := [f for f in _FILES if f not in files]:
        yield failed(
            f"the Secret cacerts lacks {', '.join(absent)}"
            if files
            else "there is no Secret cacerts",
            "without cacerts istiod silently signs with its own root, and with an incomplete one "
            f"it does not start. {_AGAIN}",
            part,
        )
        return
    problem = _wrong(files, _root(mesh), _trusted(mesh))
    if problem:
        yield failed(f"in cacerts {problem}", _AGAIN, part)
    else:
        yield ok("the intermediate chains to the common root")


def _wrong(files: dict[str, str], root: Certificate, trusted: set[Certificate]) -> str:
    roots = read_pem(files["root-cert.pem"])
    own = read_pem(files["ca-cert.pem"])
    if not own:
        return "ca-cert.pem is not a certificate"
    if set(roots) != trusted:
        shown = ", ".join(map(certificates.name, roots)) or "nothing"
        wanted = ", ".join(map(certificates.name, trusted))
        return f"root-cert.pem is {shown}, but the mesh trusts {wanted}"
    if not leads_to(own[0], read_pem(files["cert-chain.pem"]), root):
        return (
            f"{certificates.name(own[0])} is signed by {own[0].issuer.rfc4514_string()}, which "
            f"does not lead to {certificates.name(root)}"
        )
    try:
        key = load_pem_private_key(files["ca-key.pem"].encode(), None)
    except (ValueError, TypeError):
        return "ca-key.pem is not a private key that istiod can read"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != own[0].public_key().public_bytes(*form):
        return "ca-key.pem is not the key of ca-cert.pem"
    try:
        is_ca = own[0].extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        is_ca = False
    return "" if is_ca else "ca-cert.pem is not allowed to sign certificates (CA:FALSE)"


def _expiry(mesh: Mesh, view: View) -> Iterator[Finding]:
    own = _intermediate(mesh, view)
    named = {"the root": _root(mesh)} | ({"the intermediate": own} if own else {})
    for name, certificate in named.items():
        left = certificates.days_left(certificate)
        ends = certificate.not_valid_after_utc
        end = f"{ends:%Y-%m-%d}"
        is_root = name == "the root"
        margin = _ROOT_AHEAD_DAYS if is_root else mesh.spec.mesh.ca.renew_before_days
        fix = (
            "change the root (docs/trust.md, A new root)"
            if is_root
            else "`pulumi up` issues a new one under the same root; if it is user-provided, write "
            f"the next one as `ca` of {view.name}"
        )
        if left < 0:
            yield failed(f"{name} expired on {end}", fix, Part("istiod", view.name), ends=ends)
        elif left < margin:
            yield warning(f"{name} expires on {end}, in {left:.0f} days", fix, ends=ends)
        else:
            yield ok(f"{name} until {end}", ends=ends)


def _config_maps(mesh: Mesh, view: View) -> Iterator[Finding]:
    trusted = _trusted(mesh)
    found = {
        str(c["metadata"]["namespace"]): str(c.get("data", {}).get("root-cert.pem", ""))
        for c in view.items(
            "/api/v1/configmaps", fieldSelector=f"metadata.name={names.ROOT_CONFIG_MAP}"
        )
    }
    other = sorted(n for n, pem in found.items() if set(read_pem(pem)) != trusted)
    if other:
        yield failed(
            f"{names.ROOT_CONFIG_MAP} contains other roots than the mesh's in: {', '.join(other)}",
            "proxies that start there trust others. After an update that changed the roots, istiod "
            "writes them within two minutes; if it does not, see trust-cacerts. To see "
            f"which tool wrote it: kubectl --context {view.name} -n {other[0]} get configmap "
            f"{names.ROOT_CONFIG_MAP} -o yaml --show-managed-fields",
            Part("istiod", mesh.control_plane_of(view).name),
        )
    elif view.namespace not in found:
        yield failed(
            f"{names.ROOT_CONFIG_MAP} does not exist in {view.namespace}",
            "istiod writes it when it reads the cluster: see remote-registry",
            Part("istiod", mesh.control_plane_of(view).name),
        )
    else:
        what = "the common root" if len(trusted) == 1 else f"all {len(trusted)} roots"
        yield ok(f"{what} in {len(found)} namespaces")


def _istiod(mesh: Mesh, view: View) -> Iterator[Finding]:
    """Check istiod from a pod: through the Service, which in a remote leads to the primary."""
    serving = mesh.control_plane_of(view)
    part = Part("control-plane", view.name) if view.cluster.is_remote else Part("istiod", view.name)
    service = view.find(view.istio("services", "istiod"))
    if service is None:
        yield skipped("there is no Service istiod")
        return
    try:
        served = view.probe_tls(
            paths.istiod_server(view, service["spec"]["clusterIP"], names.XDS_PORT),
            mesh.description.root,
        )
    except UnreachedError as error:
        yield failed(
            f"istiod.{view.namespace}.svc:15012 does not answer: {error}",
            "proxies of this cluster get no configuration and no certificates; see istiod-reached",
            part,
        )
        return
    leaf = certificates.read_der(served.leaf)
    issuer = leaf.issuer.rfc4514_string()
    today = _intermediate(mesh, serving)
    if served.distrusted:
        yield failed(
            f"istiod of {serving.name} presents a certificate of {issuer}: {served.distrusted}",
            "it signs with another CA than the mesh's, so its proxies and all others refuse each "
            f"other. See trust-cacerts, then: kubectl --context {serving.name} -n {view.namespace} "
            "rollout restart deploy/istiod, and then restart the workloads",
            part,
        )
    elif today and not signs(today, leaf):
        yield failed(
            f"istiod of {serving.name} signs with another intermediate than the one in cacerts "
            f"({certificates.name(today)})",
            "it has not loaded the new one, and uses the old one until that expires: kubectl "
            f"--context {serving.name} -n {view.namespace} rollout restart deploy/istiod",
            part,
        )
    else:
        yield ok(f"signed by {issuer}")


def _gateways(mesh: Mesh, view: View) -> Iterator[Finding]:
    for there in paths.peers_behind_gateways(mesh, view):
        sni = paths.sni_of_a_service(mesh, there)
        if sni is None:
            yield skipped(f"no service is known behind the gateway of {there.name}")
            continue
        try:
            served = view.probe_tls(paths.gateway_server(mesh, there, sni), mesh.description.root)
        except UnreachedError:
            yield skipped(f"the gateway of {there.name} does not answer: see gateway-port")
            continue
        issuer = certificates.read_der(served.leaf).issuer.rfc4514_string()
        if served.distrusted:
            yield failed(
                f"a workload behind the gateway of {there.name} presents a certificate of "
                f"{issuer}: "
                f"{served.distrusted}",
                f"workloads of {there.name} have certificates of another root. Fix trust-cacerts "
                f"of {mesh.control_plane_of(there).name}, then restart the workloads of "
                f"{there.name}",
                Part("traffic", view.name, there.name),
            )
        else:
            yield ok(f"{there.name}: signed by {issuer}")


_check = partial(Check, "trust")

CHECKS = (
    _check(1201, "trust-cacerts", "the intermediate chains to the common root", _cacerts),
    _check(1202, "trust-expiry", "certificates do not expire soon", _expiry),
    _check(1203, "trust-roots", "every namespace trusts the common root", _config_maps),
    _check(
        1204,
        "trust-istiod",
        "istiod uses the current intermediate",
        _istiod,
        every,
        ("cluster-probe", "istiod-ready"),
    ),
    _check(
        1205,
        "trust-gateway",
        "other networks chain to the common root",
        _gateways,
        between_networks,
        ("cluster-probe",),
    ),
)
