"""Inputs are checked against the source of the installed SDK packages."""

import pytest

from lab.stand_ins.sdk_types import SdkTypes
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import UNKNOWN, Secret

CLUSTER = "gcp:container/cluster:Cluster"
CERTIFICATE = "tls:index/selfSignedCert:SelfSignedCert"


@pytest.fixture(scope="module")
def gcp() -> SdkTypes:
    return SdkTypes("pulumi_gcp")


@pytest.mark.parametrize(
    "token",
    [
        "gcp:compute/uRLMap:URLMap",
        "gcp:compute/vPNTunnel:VPNTunnel",
        "gcp:projects/iAMMember:IAMMember",
        "gcp:container/nodePool:NodePool",
    ],
)
def test_a_resource_is_found_whatever_its_file_is_called(gcp: SdkTypes, token: str) -> None:
    assert "nonsense: there is no such property" in gcp.problems(token, {"nonsense": 1})


def test_a_resource_that_is_not_in_the_package_is_refused(gcp: SdkTypes) -> None:
    with pytest.raises(ProviderError, match="gcp:container/mesh:Mesh is not a resource"):
        gcp.problems("gcp:container/mesh:Mesh", {})


def test_unknown_and_secret_values_pass_at_any_depth(gcp: SdkTypes) -> None:
    inputs = {
        "location": UNKNOWN,
        "initialNodeCount": Secret(1),
        "nodeConfig": Secret({"machineType": UNKNOWN, "labels": {"a": Secret("b")}}),
        "nodeLocations": [UNKNOWN, "europe-west1-b"],
        "releaseChannel": UNKNOWN,
    }
    assert gcp.problems(CLUSTER, inputs) == []


def test_a_secret_is_checked_but_not_shown() -> None:
    inputs = {
        "privateKeyPem": Secret(["hunter2"]),
        "allowedUses": [],
        "validityPeriodHours": 1.5,
    }
    assert SdkTypes("pulumi_tls").problems(CERTIFICATE, inputs) == [
        "privateKeyPem: expected a string, got a list",
        "validityPeriodHours: expected a whole number, got a number",
    ]


def test_every_missing_input_is_named() -> None:
    assert SdkTypes("pulumi_tls").problems(CERTIFICATE, {}) == [
        "allowedUses: missing required property",
        "validityPeriodHours: missing required property",
    ]


def test_types_nest_as_deep_as_the_sdk_says(gcp: SdkTypes) -> None:
    inputs = {
        "nodePools": [{"nodeConfig": {"taints": [{"key": "a", "value": "b", "effekt": "c"}]}}]
    }
    assert gcp.problems(CLUSTER, inputs) == [
        "nodePools[0].nodeConfig.taints[0].effekt: there is no such property; did you mean effect?",
        "nodePools[0].nodeConfig.taints[0].effect: missing required property",
    ]
