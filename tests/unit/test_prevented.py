"""Claims about failures that cannot occur in a mesh built by Isthmus; see docs/failures.md."""

import base64
import json
from pathlib import Path

import pytest
import yaml

from tests.unit import meshes
from tests.unit.meshes import cluster, configuration
from tests.unit.recorder import Recorded, Recording, created_certificate

_AUTHORITY = (Path(__file__).parent / "istio-sample-root-cert.pem").read_text()
"""Any certificate; nothing is signed by it here."""


@pytest.fixture(scope="module")
def mesh() -> Recording:
    return meshes.recorded(meshes.two_networks())


def test_the_network_label_is_on_no_other_service(mesh: Recording) -> None:
    labelled = {
        s.name
        for s in mesh.of_type("Service")
        if "topology.istio.io/network" in s.inputs["metadata"].get("labels", {})
    }
    assert labelled == {"east-service", "west-service"}


def test_every_intermediate_is_signed_by_the_one_root(mesh: Recording) -> None:
    (root,) = mesh.of_type("SelfSignedCert")
    signed = mesh.of_type("LocallySignedCert")
    assert len(signed) == 2
    for intermediate in signed:
        assert intermediate.inputs["caCertPem"] == created_certificate(root.name)
    roots = {s.inputs["stringData"]["root-cert.pem"] for s in _named(mesh, "cacerts")}
    assert roots == {created_certificate(root.name)}


def _named(mesh: Recording, name: str) -> list[Recorded]:
    return [s for s in mesh.of_type("Secret") if s.inputs["metadata"]["name"] == name]


def test_the_readers_token_is_created_and_waited_for(mesh: Recording) -> None:
    token = mesh.one("Secret", "west-reader-token")
    assert token.inputs["type"] == "kubernetes.io/service-account-token"
    annotations = token.inputs["metadata"]["annotations"]
    assert annotations["kubernetes.io/service-account.name"] == "istio-reader-service-account"
    assert annotations["pulumi.com/waitFor"] == "jsonpath={.data.token}"
    assert mesh.waits_for(token, mesh.one("helm.sh/v3:Release", "west-base")), "has the account"
    assert mesh.waits_for(mesh.one("Secret", "east/reads/west-secret"), token)


def test_an_api_server_behind_a_proxy_is_reached_by_its_own_name() -> None:
    behind = {
        "server": "https://proxy.example:443",
        "certificateAuthority": _AUTHORITY,
        "tlsServerName": "west.example",
    }
    mesh = meshes.recorded(
        configuration(
            cluster("east", "east-net"),
            cluster("west", "west-net", primary="east", apiServer=behind),
        )
    )
    text = mesh.one("Secret", "east/reads/west-secret").inputs["stringData"]["west"]
    assert yaml.safe_load(text)["clusters"][0]["cluster"] == {
        "server": "https://proxy.example:443",
        "certificate-authority-data": base64.b64encode(_AUTHORITY.encode()).decode(),
        "tls-server-name": "west.example",
    }


def test_objects_of_istio_wait_for_the_validator(mesh: Recording) -> None:
    validators = [
        mesh.one("ValidatingWebhookConfigurationPatch", f"east-{name}")
        for name in ("validator", "default-validator")
    ]
    for validator in validators:
        wait = json.loads(validator.inputs["metadata"]["annotations"]["pulumi.com/waitFor"])
        assert wait[0] == "jsonpath={.webhooks[0].failurePolicy}=Fail"
        for kind in ("Gateway", "VirtualService"):
            for made in mesh.of_type(f"networking.istio.io/v1:{kind}"):
                assert mesh.waits_for(made, validator), made.key


def test_cluster_local_hosts_are_configured_in_istiod() -> None:
    configured = meshes.two_networks()
    configured["mesh"]["clusterLocal"] = ["*.monitoring.svc.cluster.local"]
    values = meshes.recorded(configured).one("helm.sh/v4:Chart", "east-istiod").inputs["values"]
    assert values["meshConfig"]["serviceSettings"] == [
        {"settings": {"clusterLocal": True}, "hosts": ["*.monitoring.svc.cluster.local"]}
    ]
