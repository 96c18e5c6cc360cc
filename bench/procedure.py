"""Istio's documented procedure for a primary and a remote on two networks, typed by a script.

Sources: "Plug in CA Certificates", "Install Primary-Remote on different networks" with Helm, and
"Verify the installation" on istio.io, for Istio 1.31. The waits are those without which a step
fails. Nothing runs at the same time, as in the documents.
"""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab import sample
from lab.live import LiveMesh

PRIMARY, REMOTE = "east", "west"
_CLUSTERS = (PRIMARY, REMOTE)
_SYSTEM = "istio-system"
_GATEWAY = "istio-eastwestgateway"
_VERSIONS = {PRIMARY: "v1", REMOTE: "v2"}
_EXTENSIONS = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n"
_PATIENCE = 180  # seconds


def install(mesh: LiveMesh) -> None:
    """Certificates, istiod, gateways, remote secret, sample, and requests from both clusters."""
    _create_certificates(mesh)
    _install_chart(mesh, PRIMARY, "istio-base", "base")
    identity = {"global.meshID": "mesh1", "global.externalIstiod": "true"}
    _install_chart(mesh, PRIMARY, "istiod", "istiod", {**_identity(PRIMARY), **identity})
    address = _install_gateway(mesh, PRIMARY)
    mesh.apply(PRIMARY, *_exposure())
    mesh.kubectl(
        REMOTE,
        *("annotate", "namespace", _SYSTEM, f"topology.istio.io/controlPlaneClusters={PRIMARY}"),
    )
    _install_chart(mesh, REMOTE, "istio-base", "base", {"profile": "remote"})
    _install_chart(
        mesh,
        REMOTE,
        "istiod",
        "istiod",
        {
            **_identity(REMOTE),
            "profile": "remote",
            "global.meshID": "mesh1",
            "global.configCluster": "true",
            "global.remotePilotAddress": address,
            "istiodRemote.injectionPath": f"/inject/cluster/{REMOTE}/net/{REMOTE}-net",
        },
    )
    secret = mesh.istioctl(REMOTE, "create-remote-secret", f"--name={REMOTE}")
    _apply_text(mesh, PRIMARY, secret)
    _until("the webhook has its CA bundle", lambda: _bundle(mesh) != "")
    _install_gateway(mesh, REMOTE)
    _install_sample(mesh)
    for cluster in _CLUSTERS:
        _until(f"both versions answer to {cluster}", lambda: _answers(mesh, cluster))  # noqa: B023


def remove(mesh: LiveMesh) -> None:
    """Remove all of it, also the CRDs and ConfigMaps that Helm and Istio leave."""
    for cluster in reversed(_CLUSTERS):
        mesh.kubectl(cluster, "delete", "namespace", "sample")
        for release in (_GATEWAY, "istiod", "istio-base"):
            _helm(mesh, cluster, "uninstall", release, "--wait")
        mesh.kubectl(cluster, "delete", "namespace", _SYSTEM)
        crds = mesh.kubectl(cluster, "get", "crd", "-o", "name").splitlines()
        mesh.kubectl(cluster, "delete", *(crd for crd in crds if crd.endswith(".istio.io")))
        root = "--field-selector=metadata.name=istio-ca-root-cert"
        mesh.kubectl(cluster, "delete", "configmap", "--all-namespaces", root)


def _create_certificates(mesh: LiveMesh) -> None:
    folder = mesh.workspace.folder / "certificates"
    folder.mkdir(exist_ok=True)
    extensions = folder / "extensions"
    extensions.write_text(_EXTENSIONS)
    root, root_key = folder / "root-cert.pem", folder / "root-key.pem"
    _openssl("genrsa", "-out", str(root_key), "4096")
    _openssl(
        *("req", "-x509", "-new", "-sha256", "-key", str(root_key), "-days", "3650"),
        *("-subj", "/O=Istio/CN=Root CA", "-out", str(root)),
    )
    for cluster in _CLUSTERS:
        files = {name: folder / f"{cluster}-{name}.pem" for name in ("ca-key", "ca-cert", "csr")}
        _openssl("genrsa", "-out", str(files["ca-key"]), "4096")
        _openssl(
            *("req", "-new", "-sha256", "-key", str(files["ca-key"])),
            *("-subj", f"/O=Istio/CN=Intermediate CA/L={cluster}", "-out", str(files["csr"])),
        )
        _openssl(
            *("x509", "-req", "-sha256", "-days", "730", "-CAcreateserial"),
            *("-CA", str(root), "-CAkey", str(root_key), "-extfile", str(extensions)),
            *("-in", str(files["csr"]), "-out", str(files["ca-cert"])),
        )
        chain = folder / f"{cluster}-chain.pem"
        chain.write_text(files["ca-cert"].read_text() + root.read_text())
        mesh.kubectl(cluster, "create", "namespace", _SYSTEM)
        mesh.kubectl(
            cluster, "label", "namespace", _SYSTEM, f"topology.istio.io/network={cluster}-net"
        )
        mesh.kubectl(
            cluster,
            *("-n", _SYSTEM, "create", "secret", "generic", "cacerts"),
            f"--from-file=ca-cert.pem={files['ca-cert']}",
            f"--from-file=ca-key.pem={files['ca-key']}",
            f"--from-file=root-cert.pem={root}",
            f"--from-file=cert-chain.pem={chain}",
        )


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _identity(cluster: str) -> dict[str, str]:
    return {"global.multiCluster.clusterName": cluster, "global.network": f"{cluster}-net"}


def _helm(mesh: LiveMesh, cluster: str, *arguments: str) -> None:
    mesh.run("helm", "--kube-context", cluster, "-n", _SYSTEM, *arguments)


def _install_chart(
    mesh: LiveMesh, cluster: str, release: str, chart: str, values: Mapping[str, str] | None = None
) -> None:
    settings = [x for key, value in (values or {}).items() for x in ("--set", f"{key}={value}")]
    _helm(mesh, cluster, "install", release, str(mesh.charts / chart), "--wait", *settings)


def _install_gateway(mesh: LiveMesh, cluster: str) -> str:
    """Install the gateway between the networks, and return its address."""
    network = {"name": _GATEWAY, "networkGateway": f"{cluster}-net"}
    _install_chart(mesh, cluster, _GATEWAY, "gateway", network)
    address = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    get = ("-n", _SYSTEM, "get", "service", _GATEWAY, "-o", address)
    _until("the gateway has an address", lambda: mesh.kubectl(cluster, *get) != "")
    return mesh.kubectl(cluster, *get)


def _exposure() -> tuple[Mapping[str, Any], ...]:
    """Istio's samples/multicluster/expose-istiod.yaml and expose-services.yaml."""

    def gateway(name: str, *servers: Mapping[str, Any]) -> Mapping[str, Any]:
        spec = {"selector": {"istio": "eastwestgateway"}, "servers": servers}
        return {**_istio_object("Gateway", name), "spec": spec}

    def server(name: str, port: int, mode: str, host: str) -> Mapping[str, Any]:
        return {
            "port": {"name": name, "number": port, "protocol": "tls"},
            "tls": {"mode": mode},
            "hosts": [host],
        }

    def route(port: int, to: int) -> Mapping[str, Any]:
        host = f"istiod.{_SYSTEM}.svc.cluster.local"
        return {
            "match": [{"port": port, "sniHosts": ["*"]}],
            "route": [{"destination": {"host": host, "port": {"number": to}}}],
        }

    return (
        gateway(
            "istiod-gateway",
            server("tls-istiod", 15012, "PASSTHROUGH", "*"),
            server("tls-istiodwebhook", 15017, "PASSTHROUGH", "*"),
        ),
        {
            **_istio_object("VirtualService", "istiod-vs"),
            "spec": {
                "hosts": ["*"],
                "gateways": ["istiod-gateway"],
                "tls": [route(15012, 15012), route(15017, 443)],
            },
        },
        gateway("cross-network-gateway", server("tls", 15443, "AUTO_PASSTHROUGH", "*.local")),
    )


def _istio_object(kind: str, name: str) -> Mapping[str, Any]:
    metadata = {"name": name, "namespace": _SYSTEM}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata}


def _apply_text(mesh: LiveMesh, cluster: str, text: str) -> None:
    file = Path(mesh.workspace.folder, "secret.yaml")
    file.write_text(text)
    mesh.kubectl(cluster, "apply", "-f", str(file))


def _bundle(mesh: LiveMesh) -> str:
    bundle = "jsonpath={.webhooks[0].clientConfig.caBundle}"
    name = ("mutatingwebhookconfiguration", "istio-sidecar-injector")
    return mesh.kubectl(REMOTE, "get", *name, "-o", bundle)


def _install_sample(mesh: LiveMesh) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "helloworld", "namespace": "sample", "labels": {"app": "helloworld"}},
        "spec": {"selector": {"app": "helloworld"}, "ports": [{"name": "http", "port": 5000}]},
    }
    for cluster, version in _VERSIONS.items():
        mesh.kubectl(cluster, "create", "namespace", "sample")
        mesh.kubectl(cluster, "label", "namespace", "sample", "istio-injection=enabled")
        mesh.apply(cluster, service, *sample.workloads(version)["items"])
    for cluster, version in _VERSIONS.items():
        for name in (f"helloworld-{version}", "sleep"):
            done = ("rollout", "status", f"deploy/{name}", f"--timeout={_PATIENCE}s")
            mesh.kubectl(cluster, "-n", "sample", *done)


def _answers(mesh: LiveMesh, cluster: str) -> bool:
    answers: Counter[str] = mesh.ask(cluster)
    return set(answers) >= set(_VERSIONS.values())


def _until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_PATIENCE} s until {what}")
        time.sleep(0.2)
