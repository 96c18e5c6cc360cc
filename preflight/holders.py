"""Who trusts which roots in a cluster, and under which root its certificates are.

Only queried while the root of the mesh changes: it takes a command in every proxy.
"""

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from components import names
from kube.api import CredentialsError, UnansweredError
from kube.kubeconfig import Connection
from kube.pods import Container, PodApi, UnreachedError
from preflight import marks
from preflight.facts import Holder
from spec.mesh import MeshSpec
from spec.rules import certificates

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_AT_ONCE = 16
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
# Envoy hides private keys in this answer.
_SECRETS = ("pilot-agent", "request", "GET", "config_dump?resource=dynamic_active_secrets")


def is_changing(spec: MeshSpec, roots: Iterable[str | None]) -> bool:
    """Whether the configuration or a cluster has more than one root.

    Args:
        roots: PEM texts of what the clusters trust.
    """
    several = (len(set(certificates.read_pem(pem))) > 1 for pem in roots if pem)
    return len(spec.mesh.ca.trusted) > 1 or any(several)


def find(connection: Connection, namespace: str) -> tuple[Holder, ...]:
    """Return everything in a cluster that holds roots or a certificate of the mesh."""
    try:
        with PodApi.connect(connection.kubeconfig) as api:
            if marks.read(api, namespace).stack is None:
                return ()
            return tuple(_all(api, namespace))
    except (CredentialsError, UnansweredError) as error:
        return (Holder("the API server", unknown=str(error)),)


def _all(api: PodApi, namespace: str) -> Iterator[Holder]:
    maps = {
        str(m["metadata"]["namespace"]): frozenset(
            certificates.read_pem(m.get("data", {}).get("root-cert.pem", ""))
        )
        for m in api.get(
            "/api/v1/configmaps", fieldSelector=f"metadata.name={names.ROOT_CONFIG_MAP}"
        )["items"]
    }
    for where, trusted in maps.items():
        yield Holder(f"ConfigMap {names.ROOT_CONFIG_MAP} of {where}", trusted)
    yield from _injector(api, names.injector(namespace))
    known = frozenset["Certificate"]().union(*maps.values())
    proxies = api.get("/api/v1/pods", labelSelector=names.INJECTED)["items"]
    istiods = api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector="app=istiod")["items"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = [pool.submit(_proxy, api, p) for p in proxies if _runs(p) and _environment(p)]
        found += [pool.submit(_istiod, api, p, known) for p in istiods if _runs(p)]
        yield from (f.result() for f in found)


def _runs(pod: Mapping[str, Any]) -> bool:
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def _environment(pod: Mapping[str, Any]) -> Collection[str]:
    """Names of the variables of a pod's proxy; none if it has no proxy."""
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    return {e["name"] for c in containers if c["name"] == names.PROXY for e in c.get("env", [])}


def _injector(api: PodApi, webhook: str) -> Iterator[Holder]:
    """The roots under which the API server accepts istiod's webhook."""
    try:
        found = api.get(f"{_WEBHOOKS}/{webhook}").get("webhooks", [])
    except UnansweredError as error:
        if error.status == 404:  # with manual injection
            return
        raise
    bundles = {w["clientConfig"].get("caBundle", "") for w in found}
    for bundle in bundles:
        trusted = certificates.read_pem(base64.b64decode(bundle).decode(errors="replace"))
        yield Holder(f"webhook {webhook}", frozenset(trusted))


def _proxy(api: PodApi, pod: Mapping[str, Any]) -> Holder:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    who, follows = f"proxy of {namespace}/{name}", names.FOLLOWS_ROOTS in _environment(pod)
    try:
        ran = api.run(Container(namespace, name, names.PROXY), *_SECRETS)
        trusted, chain = read_secrets(ran.stdout)
    except UnansweredError as error:
        return Holder(who, unknown=str(error), follows=follows)
    except (ValueError, KeyError, TypeError, binascii.Error):
        return Holder(who, unknown="it has no certificate yet", follows=follows)
    root = next((r for r in trusted if certificates.leads_to(chain[0], chain, r)), None)
    unknown = "" if root else "its certificate leads to no root that it trusts"
    return Holder(who, frozenset(trusted), root, unknown, follows)


def read_secrets(dump: str) -> "tuple[list[Certificate], list[Certificate]]":
    """Return the roots and the chain of an Envoy, from the part of its dump that has secrets.

    Raises:
        ValueError, KeyError, TypeError: one of them is not there, or is not what it should be.
    """
    secrets = {s["name"]: s["secret"] for s in json.loads(dump)["configs"]}
    roots = secrets["ROOTCA"]["validation_context"]["trusted_ca"]["inline_bytes"]
    chain = secrets["default"]["tls_certificate"]["certificate_chain"]["inline_bytes"]
    read = [list(certificates.read_pem(base64.b64decode(x).decode())) for x in (roots, chain)]
    if not all(read):
        raise ValueError("no certificates")
    return read[0], read[1]


def _istiod(api: PodApi, pod: Mapping[str, Any], roots: "Collection[Certificate]") -> Holder:
    """Which of the roots istiod's own certificate is under."""
    from cryptography.hazmat.primitives.serialization import Encoding

    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    who = f"istiod {name}"
    server = f"istiod.{namespace}.svc"
    try:
        for root in roots:
            pem = root.public_bytes(Encoding.PEM).decode()
            if api.is_served_under(pem, namespace, name, names.XDS_PORT, server):
                return Holder(who, shows=root)
    except (UnansweredError, UnreachedError) as error:
        return Holder(who, unknown=str(error))
    return Holder(who, unknown="its certificate leads to no root that the cluster trusts")
