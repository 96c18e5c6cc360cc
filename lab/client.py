"""Kubernetes clients from the files of a cluster."""

from pathlib import Path

from kubernetes.client import ApiClient, Configuration


def connect(server: str, pki: Path) -> ApiClient:
    """An administrator's client, with the certificates in the directory `pki`.

    A client created from a kubeconfig copies the key into a file in /tmp, which stays there when
    the process is killed. This one does not.
    """
    configuration = Configuration(host=server)
    configuration.ssl_ca_cert = str(pki / "ca.crt")
    configuration.cert_file = str(pki / "admin.crt")
    configuration.key_file = str(pki / "admin.key")
    return ApiClient(configuration)
