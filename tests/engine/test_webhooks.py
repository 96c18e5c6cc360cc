"""The claim that waiting for webhooks leaves a clean preview, whatever the provider saw of them."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components import names
from tests.engine.cluster import Cluster
from tests.engine.program import Program

_GROUP = "admissionregistration.k8s.io/v1"
_ROOT = Path(__file__).parents[2]


def webhook(kind: str, name: str, **client: Any) -> dict[str, Any]:
    return {
        "apiVersion": _GROUP,
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "w.example.com",
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"service": {"name": "none", "namespace": "default"}, **client},
            }
        ],
    }


@pytest.fixture
def ready(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with webhooks as istiod leaves them: there is nothing to wait for."""
    bundle = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
    webhooks = [
        webhook(
            "MutatingWebhookConfiguration",
            names.injector(cluster.namespace),
            caBundle=bundle,
        ),
        webhook("ValidatingWebhookConfiguration", f"istio-validator-{cluster.namespace}"),
        webhook("ValidatingWebhookConfiguration", "istiod-default-validator"),
    ]
    for made in webhooks:
        cluster.create(made)
    yield cluster
    for made in webhooks:
        cluster.delete(_GROUP, made["kind"], made["metadata"]["name"])


def test_a_preview_after_the_wait_is_clean(ready: Cluster, program: Program) -> None:
    program.write(
        ready.prelude
        + f"""
import sys
sys.path.insert(0, "{_ROOT}")
from components.webhooks import Webhooks
args = {{"namespace": ns, "injects": True, "validates": True}}
Webhooks("one", args, pulumi.ResourceOptions(provider=p))
"""
    )
    program.up()
    program.pulumi("preview", "--expect-no-changes")
    program.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
