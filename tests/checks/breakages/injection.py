"""Ways to break injection and shared Services."""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

from checks.istiod import is_ready
from components.names import CLIENT_IMAGE
from lab.live import until
from tests.checks.breakages.gateways import labelled, until_ready
from tests.checks.breakages.patient import (
    INJECTOR,
    NETWORK,
    SAMPLE,
    SLICES,
    UNREACHED,
    UNREAD,
    UP,
    Breakage,
    Patient,
)
from tests.checks.edits import Edits


@contextmanager
def webhook_without_endpoint(patient: Patient) -> Generator[None]:
    """The remote's Service `istiod` leads nowhere."""
    with ExitStack() as removed:
        for path in SLICES:
            removed.enter_context(patient.west.without(path))
        yield


def webhook_of_another_cluster(patient: Patient) -> AbstractContextManager[None]:
    webhooks = patient.west.get(INJECTOR)["webhooks"]
    for webhook in webhooks:
        webhook["clientConfig"]["service"]["path"] = "/inject/cluster/far/net/west-net"
    return patient.west.changed(INJECTOR, {"webhooks": webhooks})


@contextmanager
def pod_without_sidecar(patient: Patient) -> Generator[None]:
    """A pod that started while its namespace had no label."""
    path = "/apis/apps/v1/namespaces/sample/deployments/helloworld-v2"
    with patient.other_endpoints():
        with patient.west.changed(SAMPLE, labelled({"istio-injection": None})):
            _restart(patient.west, path, "without")
        try:
            yield
        finally:
            _restart(patient.west, path, "with")


def _restart(edits: Edits, path: str, why: str) -> None:
    template = {"metadata": {"annotations": {"isthmus/restarted": why}}}
    edits.patch(path, {"spec": {"template": template}})
    until_ready(edits, path)


def stranger(
    labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Callable[[Patient], AbstractContextManager[None]]:
    """One more pod, whose sidecar says other things about itself than the cluster's others."""

    @contextmanager
    def broken(patient: Patient) -> Generator[None]:
        path = f"{SAMPLE}/pods/stranger"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stranger", "labels": labels, "annotations": annotations},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {"name": "none", "image": CLIENT_IMAGE, "command": ["/bin/sleep", "infinity"]}
                ],
            },
        }
        with patient.west.with_object(path, pod):
            until("the stranger is ready", lambda: is_ready(patient.west.get(path)))
            yield

    return broken


def service_missing(patient: Patient) -> AbstractContextManager[None]:
    return patient.west.without(f"{SAMPLE}/services/helloworld")


def service_with_other_ports(patient: Patient) -> AbstractContextManager[None]:
    ports = [{"name": "http", "port": 5001, "targetPort": 5000}]
    return patient.west.changed(f"{SAMPLE}/services/helloworld", {"spec": {"ports": ports}})


BREAKAGES = (
    Breakage(
        row=1,
        name="injection-path-of-another-cluster",
        broken=webhook_of_another_cluster,
        check="injection-webhook",
        cluster="west",
        says=("/inject/cluster/west/net/west-net", UP),
        also=frozenset({"injection-works"}),
    ),
    Breakage(
        row=5,
        name="sidecar-of-another-network",
        broken=stranger({NETWORK: "former-net"}, {}),
        check="proxy-identity",
        cluster="west",
        says=("ISTIO_META_NETWORK", "former-net", "stranger", "restart"),
    ),
    Breakage(
        row=20,
        name="webhook-without-endpoint",
        broken=webhook_without_endpoint,
        check="istiod-address",
        cluster="west",
        says=("has no endpoints", UP),
        also=frozenset({"injection-webhook", "injection-works", "trust-istiod", "proxy-connected"}),
    ),
    Breakage(
        row=20,
        name="pod-without-sidecar",
        broken=pod_without_sidecar,
        check="proxy-missing",
        cluster="west",
        says=("helloworld", "restart"),
        also=UNREACHED,
    ),
    Breakage(
        row=23,
        name="service-missing",
        broken=service_missing,
        check="same-services",
        cluster="west",
        says=("helloworld", UP),
        also=UNREAD,
    ),
    Breakage(
        row=23,
        name="service-with-other-ports",
        broken=service_with_other_ports,
        check="same-services",
        cluster="west",
        says=("helloworld", "5001", "5000"),
        also=UNREAD,
    ),
    Breakage(
        row=34,
        name="sidecar-of-another-version",
        broken=stranger(
            {}, {"proxy.istio.io/config": "proxyMetadata: {ISTIO_META_ISTIO_VERSION: 1.20.0}"}
        ),
        check="proxy-connected",
        cluster="west",
        says=("1.20.0", "restart"),
    ),
)
