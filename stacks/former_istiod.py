"""What the Service of a primary's istiod leaves behind when the cluster becomes a remote.

A remote's Service `istiod` has no selector, and leads to the primary by an EndpointSlice of the
chart. If a Service loses its selector, Kubernetes leaves its Endpoints and EndpointSlices alone,
and copies the Endpoints into one more slice (syncService in pkg/controller/endpointslice and
syncEndpoints in pkg/controller/endpointslicemirroring). So half of all connections would still go
to the pods of the istiod that is gone.

And its proxies stay connected to these pods. The engine deletes them last, together with the remote
secrets: istiod would tell its proxies that the other clusters are gone. So it goes first.
"""

import asyncio
import time

import pulumi

from components import names
from kube.api import ClusterApi, UnansweredError

_OF_KUBERNETES = (
    f"kubernetes.io/service-name={names.ISTIOD},endpointslice.kubernetes.io/managed-by in "
    "(endpointslice-controller.k8s.io,endpointslicemirroring-controller.k8s.io)"
)
_TRIES = 10
_PAUSE_SECONDS = 2
_PODS_TRIES = 60
"""A pod has 30 seconds to end, and a busy node takes longer."""


def forget_endpoints(
    cluster: str, kubeconfig: pulumi.Input[str], namespace: str
) -> pulumi.ResourceTransform:
    """Delete istiod and these addresses after every update of what has the Service."""

    async def forget(_args: pulumi.ResourceHookArgs) -> None:
        content = str(await pulumi.Output.from_input(kubeconfig).future())
        if await asyncio.to_thread(delete_endpoints, content, namespace):
            pulumi.log.info(f"deleted the addresses of the former istiod of cluster {cluster}")
        if await asyncio.to_thread(delete_istiod, content, namespace):
            pulumi.log.info(f"proxies of cluster {cluster} have left its former istiod")

    hook = pulumi.ResourceHook(f"{cluster}-former-istiod", forget)

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ not in ("kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:Service"):
            return None
        hooks = pulumi.ResourceHookBinding(after_update=[hook])
        added = pulumi.ResourceOptions(hooks=hooks)
        return pulumi.ResourceTransformResult(
            args.props, pulumi.ResourceOptions.merge(args.opts, added)
        )

    return transform


def delete_endpoints(kubeconfig: str, namespace: str) -> bool:
    """Delete what Kubernetes wrote for istiod's selector, until it writes no more.

    Its controllers might not have seen yet that the selector is gone, and write it once more.

    Returns:
        Whether there was anything.

    Raises:
        UnansweredError: the cluster does not answer, or refuses.
        TimeoutError: Kubernetes writes it again and again, so the Service has a selector.
    """
    endpoints = f"/api/v1/namespaces/{namespace}/endpoints/{names.ISTIOD}"
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    with ClusterApi.connect(kubeconfig) as api:
        for i in range(_TRIES):
            found = [endpoints] if api.metadata(endpoints) is not None else []
            written = api.metadata_list(slices, labelSelector=_OF_KUBERNETES)
            found += [f"{slices}/{metadata['name']}" for metadata in written]
            if not found:
                return i > 0
            for path in found:
                _delete(api, path)
            time.sleep(_PAUSE_SECONDS)
    raise TimeoutError(
        f"Kubernetes still writes endpoints for the Service {names.ISTIOD} in namespace "
        f"{namespace}, which lead to an istiod that is gone: remove the Service's selector, then "
        "run `pulumi up` again"
    )


def delete_istiod(kubeconfig: str, namespace: str) -> bool:
    """Delete the Deployment of the former istiod, and wait until its pods have gone.

    Returns:
        Whether there was one: not with releases, which have no such Deployment after their update.

    Raises:
        UnansweredError: the cluster does not answer, or refuses.
        TimeoutError: its pods do not end.
    """
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/{names.ISTIOD}"
    pods = f"/api/v1/namespaces/{namespace}/pods"
    with ClusterApi.connect(kubeconfig) as api:
        metadata = api.metadata(deployment)
        # As the chart labels it: the preflight refuses the istiod of another owner.
        if metadata is None or (metadata.get("labels") or {}).get("istio") != "pilot":
            return False
        _delete(api, deployment)
        for _ in range(_PODS_TRIES):
            if not api.metadata_list(pods, labelSelector=f"app={names.ISTIOD},istio=pilot"):
                return True
            time.sleep(_PAUSE_SECONDS)
    raise TimeoutError(
        f"the pods of the former istiod in namespace {namespace} do not end: `kubectl -n "
        f"{namespace} describe pod -l app=istiod`, then run `pulumi up` again"
    )


def _delete(api: ClusterApi, path: str) -> None:
    """Kubernetes deletes the copy of the Endpoints with them, so an object can be gone already."""
    try:
        api.delete(path)
    except UnansweredError as error:
        if error.status != 404:
            raise
