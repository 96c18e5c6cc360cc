"""Helm releases that block an update, because an earlier update was killed.

Helm refuses a release whose record says that it exists or is in progress (`cannot re-use a name
that is still in use`, `another operation … is in progress`). The Kubernetes provider adopts objects
of a killed update, but not releases (pulumi/pulumi-kubernetes#1727, #2054). Without the record,
Helm installs a release over the existing objects, whose annotations name their release.
"""

import asyncio

import pulumi

from components.ownership import this_stack
from kube.api import ClusterApi
from preflight import marks

ANY = "owner=helm"
UNFINISHED = f"{ANY},status in (pending-install,pending-upgrade,pending-rollback)"


def adopt_interrupted_releases(
    cluster: str, kubeconfig: pulumi.Input[str], *, marked: bool
) -> pulumi.ResourceTransform:
    """Let every Helm release among a component's children continue after a killed update.

    The hooks run only in an update, which holds the stack's lock. Pulumi only creates a release
    that its state does not contain. If Helm has a record of that name, a killed update left it. For
    the same reason a replacement deletes the old release first.
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
                    f"Helm release {release} in cluster {cluster} has status `{status}` but is not "
                    "in the stack's state, so an earlier update was killed. Removing Helm's record "
                    "and installing over the existing objects."
                )

        # If the record cannot be deleted, Helm reports the error itself.
        return pulumi.ResourceHook(name, forget, pulumi.ResourceHookOptions(ignore_errors=True))

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_ != "kubernetes:helm.sh/v3:Release":
            return None
        added = pulumi.ResourceOptions(
            hooks=pulumi.ResourceHookBinding(
                before_create=[hook(f"{args.name}-create", ANY)],
                before_update=[hook(f"{args.name}-update", UNFINISHED)],
            )
            if marked
            else None,
            delete_before_replace=True,
        )
        return pulumi.ResourceTransformResult(
            props=args.props, opts=pulumi.ResourceOptions.merge(args.opts, added)
        )

    return transform


def delete_stale_records(kubeconfig: str, namespace: str, records: str, stack: str) -> list[str]:
    """Delete Helm's records from a namespace of the stack, and return their statuses.

    Args:
        records: selects them by label: Helm keeps each revision as a Secret with such.

    Raises:
        UnansweredError: the cluster does not answer, or refuses.
    """
    with ClusterApi.connect(kubeconfig) as api:
        path = f"/api/v1/namespaces/{namespace}/secrets"
        found = api.get(path, labelSelector=records)["items"]
        if not found or marks.read(api, namespace).stack != stack:
            return []
        for secret in found:
            api.delete(f"{path}/{secret['metadata']['name']}")
        return [secret["metadata"]["labels"]["status"] for secret in found]
