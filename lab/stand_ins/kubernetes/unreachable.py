"""What a check and a refresh do while the cluster does not answer (provider.go Check, Read)."""

from __future__ import annotations

from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.protocol import engine_pb2, provider_pb2
from lab.stand_ins.servicer import Provider, ProviderError

DELETE_HINT = (
    "you can remove this resource from Pulumi state by rerunning the operation with the "
    'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)


def check_unreachable(
    provider: Provider, cluster: Cluster, request: provider_pb2.CheckRequest
) -> provider_pb2.CheckResponse | None:
    """The inputs of the state, of a release too, if the option says so (provider.go Check)."""
    if not cluster.settings.skip_update_unreachable or cluster.reachable():
        return None
    provider.log(
        "Cluster is unreachable but skipUpdateUnreachable flag is set to true, skipping...",
        request.urn,
        severity=engine_pb2.WARNING,
    )
    return provider_pb2.CheckResponse(inputs=request.olds)


def read_unreachable(
    provider: Provider, cluster: Cluster, request: provider_pb2.ReadRequest
) -> provider_pb2.ReadResponse:
    """Drop the resource, keep it as it is, or refuse, as the provider's options say."""
    provider.log(cluster.reason(), request.urn, severity=engine_pb2.WARNING)
    if cluster.settings.delete_unreachable:
        provider.log(
            "the `deleteUnreachable` option is enabled. Deleting the unreachable resource from "
            "Pulumi state",
            request.urn,
        )
        return provider_pb2.ReadResponse(id="")
    if cluster.settings.skip_update_unreachable:
        provider.log(
            "the `skipUpdateUnreachable` option is enabled. Returned data could not reflect the "
            "actual cluster configuration.",
            request.urn,
        )
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )
    raise ProviderError(
        "failed to read resource state due to unreachable cluster. If the cluster was deleted, "
        f"{DELETE_HINT}"
    )
