"""The token of a service account, which another cluster's workloads use."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core


@dataclass(frozen=True)
class AccountToken:
    """A token that does not expire."""

    data: pulumi.Output[Mapping[str, str]]
    """Data of its Secret (`token`, `ca.crt`, base64), a secret."""
    created: pulumi.Output[str | None]
    """When the API server created it, e.g. `2026-11-29T18:00:00Z`."""


def account_token(
    pulumi_name: str,
    *,
    name: str,
    account: str,
    namespace: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> AccountToken:
    """Create a token that does not expire: since 1.24 Kubernetes creates none (istio#38246).

    Args:
        name: another one for each generation: a token that is replaced under its name would be
            deleted before its users have the next one.
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
    return AccountToken(pulumi.Output.secret(secret.data), pulumi.Output.unsecret(created))
