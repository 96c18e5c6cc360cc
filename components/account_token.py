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
) -> pulumi.Output[Mapping[str, str]]:
    """Create a token that does not expire: since 1.24 Kubernetes creates none (istio#38246).

    Args:
        name: another one for each generation: a token that is replaced under its name would be
            deleted before its users have the next one.

    Returns:
        Data of the Secret (`token`, `ca.crt`, base64), a secret.
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
    return pulumi.Output.secret(secret.data)
