"""Helm releases that would stand in an update's way, because one before it was killed.

Helm refuses for ever what its record says is there or in work (`cannot re-use a name that is still
in use`, `another operation … is in progress`), and the Kubernetes provider, which takes up objects
that a killed update has made, does not take up releases (pulumi/pulumi-kubernetes#1727, #2054).
Without the record a release is installed over what is there: objects say which they belong to.
"""

import asyncio

import pulumi

from components.ownership import this_stack
from kube.api import ClusterApi
from preflight import marks

ANY = "owner=helm"
UNFINISHED = f"{ANY},status in (pending-install,pending-upgrade,pending-rollback)"


def adopt_interrupted_releases(
    cluster: str, kubeconfig: pulumi.Input[str]
) -> pulumi.ResourceTransform:
    """Lets every Helm release among a component's children go on where a killed update stopped.

    The hooks run in an update only, which holds the stack's lock: nobody else is at work. What is
    to be created is not in the state, so that a record of it, whatever it says, is of an update
    that was killed; therefore a release that is replaced has to be gone first.
    """
    stack = this_stack()

    def hook(name: str, records: str) -> pulumi.ResourceHook:
        async def forget(args: pulumi.ResourceHookArgs) -> None:
            inputs = args.new_inputs or {}
            release, namespace = str(inputs["name"]), str(inputs["namespace"])
            content = str(await pulumi.Output.from_input(kubeconfig).future())
            for status in await asyncio.to_thread(
                delete_stale_records, content, namespace, f"{records},name={release}", stack
            ):
                pulumi.log.warn(
                    f"Helm release {release} in cluster {cluster} is {status}, of which the "
                    "stack's state does not know: an update was killed. Helm's record of that is "
                    "removed, and this update goes on over what is there"
                )

        # Where the record cannot be removed, let Helm say what it thinks of that.
        return pulumi.ResourceHook(name, forget, pulumi.ResourceHookOptions(ignore_errors=True))

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ != "kubernetes:helm.sh/v3:Release":
            return None
        added = pulumi.ResourceOptions(
            hooks=pulumi.ResourceHookBinding(
                before_create=[hook(f"{args.name}-create", ANY)],
                before_update=[hook(f"{args.name}-update", UNFINISHED)],
            ),
            delete_before_replace=True,
        )
        return pulumi.ResourceTransformResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, added)
        )

    return transform


def delete_stale_records(kubeconfig: str, namespace: str, records: str, stack: str) -> list[str]:
    """Remove Helm's records from a namespace of the stack's own; gives what they said.

    Args:
        records: selects them by label: Helm keeps each revision as a Secret with such.

    Raises:
        UnansweredError: the cluster is not there, or refuses.
    """
    with ClusterApi.connect(kubeconfig) as api:
        path = f"/api/v1/namespaces/{namespace}/secrets"
        found = api.get(path, labelSelector=records)["items"]
        if not found or marks.read(api, namespace).stack != stack:
            return []
        for secret in found:
            api.delete(f"{path}/{secret['metadata']['name']}")
        return [secret["metadata"]["labels"]["status"] for secret in found]
