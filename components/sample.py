"""Istio's own sample: a version of `helloworld` and a client in each cluster."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core.v1 import ContainerArgsDict

from . import hardening, names, ownership


class SampleArgs(TypedDict):
    """Version of the cluster's `helloworld`, and settings of the sample."""

    version: str
    """Version label and answer of this cluster's `helloworld`: `v1` in the first cluster, …"""
    server_image: str
    """Image of `helloworld`."""
    client_image: str
    """Image of `sleep`."""
    pull_secrets: Sequence[str]
    """Secrets of the namespace `sample` for pulling both."""
    is_primary: bool
    """Whether istiod reads its configuration here, so that rules for the sample's traffic apply."""
    injects: bool
    """Whether the cluster injects sidecars. Otherwise no workload of the sample is created, because
    users add them with `istioctl kube-inject`."""
    adopts_namespace: NotRequired[bool]
    """Whether the namespace is the user's: it is labeled, and never deleted."""


class Sample(pulumi.ComponentResource):
    """Namespace `sample` with Service `helloworld`, one version of it, and `sleep`.

    The Service is in every cluster, because a caller resolves its name in its own
    (istio/istio#31760). Objects are those of samples/helloworld and samples/sleep in istio/istio.
    """

    before_requests: Sequence[pulumi.Resource]
    """The namespace and the rules for its traffic, which exist before the workloads are ready."""

    def __init__(
        self, name: str, args: SampleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:Sample", name, {}, opts)
        adopted = args.get("adopts_namespace", False)
        namespace_resource = ownership.namespace(
            f"{name}-sample",
            names.SAMPLE_NAMESPACE,
            adopted=adopted,
            labels={names.INJECTION: "enabled"},
            annotations={},
            opts=pulumi.ResourceOptions(parent=self),
        )
        namespace = namespace_resource.metadata.name
        # Deleting the namespace deletes them: one wait at the end, instead of one for each.
        child = pulumi.ResourceOptions(
            parent=self, deleted_with=None if adopted else namespace_resource
        )
        rules = _traffic_rules(name, namespace, child) if args["is_primary"] else []
        self.before_requests = [namespace_resource, *rules]
        kubernetes.core.v1.Service(
            f"{name}-helloworld",
            metadata={
                "name": names.SAMPLE_SERVICE,
                "namespace": namespace,
                "labels": {"app": names.SAMPLE_SERVICE, "service": names.SAMPLE_SERVICE},
                # A cluster whose version is down must still resolve the name.
                "annotations": {"pulumi.com/skipAwait": "true"},
            },
            spec={
                "selector": {"app": names.SAMPLE_SERVICE},
                "ports": [{"name": "http", "port": names.SAMPLE_PORT}],
            },
            opts=child,
        )
        if args["injects"]:
            _workloads(name, args, namespace, child)
        self.register_outputs({})


def _traffic_rules(
    name: str, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    strict = kubernetes.apiextensions.CustomResource(
        f"{name}-strict",
        api_version="security.istio.io/v1",
        kind="PeerAuthentication",
        metadata={"name": "default", "namespace": namespace, "annotations": ownership.mark()},
        spec={"mtls": {"mode": "STRICT"}},
        opts=opts,
    )
    # A gateway chooses a pod for each connection, not for each request. With connections that are
    # kept, a caller of a network with several clusters may never come to one of them.
    one_request = kubernetes.apiextensions.CustomResource(
        f"{name}-one-request-a-connection",
        api_version="networking.istio.io/v1",
        kind="DestinationRule",
        metadata={
            "name": names.SAMPLE_SERVICE,
            "namespace": namespace,
            "annotations": ownership.mark(),
        },
        spec={
            "host": names.host(names.SAMPLE_SERVICE, names.SAMPLE_NAMESPACE),
            "trafficPolicy": {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}},
        },
        opts=opts,
    )
    return [strict, one_request]


def _workloads(
    name: str, args: SampleArgs, namespace: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> None:
    version, secrets = args["version"], args["pull_secrets"]
    _deployment(
        f"{name}-helloworld-{version}",
        f"helloworld-{version}",
        namespace,
        {"app": "helloworld", "version": version},
        {
            "name": "helloworld",
            "image": args["server_image"],
            "env": [{"name": "SERVICE_VERSION", "value": version}],
            "ports": [{"container_port": names.SAMPLE_PORT}],
            "resources": {"requests": {"cpu": "100m", "memory": "32Mi"}},
            "security_context": hardening.CONTAINER,
        },
        secrets,
        opts,
    )
    _deployment(
        f"{name}-sleep",
        "sleep",
        namespace,
        {"app": "sleep"},
        {
            "name": "sleep",
            "image": args["client_image"],
            "command": ["/bin/sleep", "infinity"],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
            "security_context": hardening.CONTAINER,
        },
        secrets,
        opts,
    )


def _deployment(
    name: str,
    kubernetes_name: str,
    namespace: pulumi.Input[str],
    labels: Mapping[str, pulumi.Input[str]],
    container: ContainerArgsDict,
    pull_secrets: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> None:
    kubernetes.apps.v1.Deployment(
        name,
        metadata={"name": kubernetes_name, "namespace": namespace, "labels": labels},
        spec={
            "selector": {"match_labels": labels},
            "template": {
                "metadata": {"labels": labels},
                # `sleep` ignores SIGTERM as process 1; the grace would only delay its end.
                "spec": {
                    "containers": [container],
                    "termination_grace_period_seconds": 2,
                    "automount_service_account_token": False,
                    "security_context": hardening.POD,
                    "image_pull_secrets": [{"name": secret} for secret in pull_secrets],
                },
            },
        },
        opts=opts,
    )
