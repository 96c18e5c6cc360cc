"""Claims about the pods that are Isthmus's own."""

from collections.abc import Iterator
from typing import Any

from checks import probe
from spec import config
from tests.unit.meshes import recorded, two_networks
from tests.unit.recorder import Recording

_OWN: dict[str, Any] = {
    "client": "registry.test/curl@sha256:1",
    "server": "registry.test/hello@sha256:2",
    "pullSecrets": ["regcred"],
}


def pods(mesh: Recording) -> Iterator[dict[str, Any]]:
    for kind in ("Deployment", "Job"):
        for resource in mesh.of_type(kind):
            yield resource.inputs["spec"]["template"]["spec"]


def test_every_image_can_come_from_the_users_registry() -> None:
    """Docker Hub's limit stopped samples (istio/istio#55473), and clusters without internet could
    neither be verified nor checked."""
    configured = {**two_networks(), "images": _OWN}
    mesh = recorded(configured)
    containers = [c for pod in pods(mesh) for c in pod["containers"]]
    assert {c["image"] for c in containers} == {str(_OWN["client"]), str(_OWN["server"])}
    assert all(pod["imagePullSecrets"] == [{"name": "regcred"}] for pod in pods(mesh))
    for cluster in ("east", "west"):
        values = mesh.one("helm.sh/v3:Release", f"{cluster}-leave-nothing").inputs["values"]
        assert values["image"] == _OWN["client"]
        assert values["imagePullSecrets"] == [{"name": "regcred"}]
    images = config.parse(configured).images
    checked = probe._job("check", images)["spec"]["template"]["spec"]  # pyright: ignore[reportPrivateUsage]
    assert checked["containers"][0]["image"] == _OWN["client"]
    assert checked["imagePullSecrets"] == [{"name": "regcred"}]


def test_pods_of_the_sample_and_the_verification_have_no_privileges() -> None:
    """As Pod Security `restricted` demands; what their sidecars need is another matter."""
    found = list(pods(recorded(two_networks())))
    assert len(found) == 6
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


def test_istios_own_pods_have_what_the_strictest_level_of_pod_security_demands() -> None:
    mine = {"istiod": {"seccompProfile": {"type": "Unconfined"}}}
    for given, istiod in (
        (two_networks(), "RuntimeDefault"),
        (two_networks(values=mine), "Unconfined"),
    ):
        mesh = recorded(given)
        values = mesh.one("helm.sh/v4:Chart", "east-istiod").inputs["values"]
        assert values["seccompProfile"] == {"type": istiod}
        values = mesh.one("helm.sh/v4:Chart", "east-gateway").inputs["values"]
        assert values["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}


def test_webhooks_say_that_aks_leaves_them_alone() -> None:
    """AKS changed their namespaceSelector, and the next upgrade stopped at a conflict."""
    mesh = recorded(two_networks())
    patches = [r for r in mesh if r.type.endswith("WebhookConfigurationPatch")]
    assert len(patches) == 4
    for patch in patches:
        assert patch.inputs["metadata"]["annotations"]["admissions.enforcer/disabled"] == "true"
    for cluster in ("east", "west"):
        values = mesh.one("helm.sh/v4:Chart", f"{cluster}-istiod").inputs["values"]
        annotations = values["sidecarInjectorWebhookAnnotations"]
        assert annotations == {"admissions.enforcer/disabled": "true"}
