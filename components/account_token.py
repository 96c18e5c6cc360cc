"""The token of a service account, which another cluster's workloads use."""

from collections.abc import Mapping

import pulumi
from pulumi_kubernetes import core


def account_token(
    pulumi_name: str,
    *,
    name: str,
    account: str,
    namespace: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> tuple[pulumi.Output[Mapping[str, str]], pulumi.Output[str | None]]:
    """Create a token that does not expire: since 1.24 Kubernetes creates none (istio#38246).

    Args:
        name: another one for each generation: a token that is replaced under its name would be
            deleted before its users have the next one.

    Returns:
        Data of the Secret (`token`, `ca.crt`, base64), a secret; and when the API server created
        it, e.g. `2026-11-29T18:00:00Z`.
    """
    secret = core.v1.Secret(
        pulumi_name,
        metadata={
            "name": name,
            "namespace": namespace,
            "annotations": {
                "kubernetes.io/service-account.name": account,
                "pulumi.com/waitFor": "jsonpath={.data.token}",
            },
        },
        type="kubernetes.io/service-account-token",
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["data"])
        ),
    )
    created = secret.metadata.apply(lambda m: m.creation_timestamp)
    return pulumi.Output.secret(secret.data), pulumi.Output.unsecret(created)
