"""A Secret `cacerts` that another tool maintains: it is waited for, and its content is not read."""

import asyncio
import time

import pulumi

from components import names
from kube.api import ClusterApi

_PATIENCE_SECONDS = 600
_PAUSE_SECONDS = 5


def wait_for_cacerts(cluster: str, kubeconfig: pulumi.Input[str]) -> pulumi.ResourceTransform:
    """Let the first chart of a cluster wait for the Secret, which istiod must not start without.

    The tool can write it only when the namespace exists, so a preview cannot ask for it.
    """

    async def wait(args: pulumi.ResourceHookArgs) -> None:
        content = str(await pulumi.Output.from_input(kubeconfig).future())
        namespace = str((args.new_inputs or {})["namespace"])
        await asyncio.to_thread(wait_in_cluster, content, namespace, cluster)

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ != "kubernetes:helm.sh/v3:Release" or args.props["name"] != names.BASE:
            return None
        hook = pulumi.ResourceHook(f"{args.name}-waits-for-cacerts", wait)
        added = pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook]))
        return pulumi.ResourceTransformResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, added)
        )

    return transform


def wait_in_cluster(kubeconfig: str, namespace: str, cluster: str) -> None:
    """Wait until the Secret exists, by its metadata.

    Raises:
        TimeoutError: it does not exist after ten minutes.
        UnansweredError: the cluster does not answer, or refuses.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    with ClusterApi.connect(kubeconfig) as api:
        path = f"/api/v1/namespaces/{namespace}/secrets/{names.CACERTS}"
        while api.metadata(path) is None:
            if time.monotonic() >= end:
                raise TimeoutError(
                    f"cluster {cluster} has no Secret {names.CACERTS} in namespace {namespace} "
                    f"after {_PATIENCE_SECONDS} s, and isthmus:mesh.ca.external says that another "
                    "tool writes it: see what that tool reports, then run `pulumi up` again"
                )
            time.sleep(_PAUSE_SECONDS)
