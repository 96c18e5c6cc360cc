"""Claims about the mesh's own configuration as the checks read it."""

from typing import Any

import pytest
import yaml

from checks.model import Status
from components import names
from tests.checks import fake

_DESTINATION_RULES = "/apis/networking.istio.io/v1/destinationrules"


def rule(host: str, policy: dict[str, Any], namespace: str = "sample") -> fake.Objects:
    return {
        _DESTINATION_RULES: {
            "items": [
                {
                    "metadata": {"name": "one", "namespace": namespace},
                    "spec": {"host": host, "trafficPolicy": policy},
                }
            ]
        }
    }


def mesh_config(**settings: Any) -> fake.Objects:
    return {
        _DESTINATION_RULES: {"items": []},
        f"{fake.SYSTEM}/configmaps/istio": {"data": {"mesh": yaml.safe_dump(settings)}},
    }


_PLAIN = {"tls": {"mode": "DISABLE"}}


@pytest.mark.parametrize(
    ("host", "namespace", "concerned"),
    [
        ("helloworld", "sample", True),
        ("helloworld", "other", False),
        ("helloworld.sample", "other", True),
        ("helloworld.sample.svc.cluster.local", "other", True),
        ("*.local", "istio-system", True),
        ("*.other.svc.cluster.local", "istio-system", False),
        ("hello", "sample", False),
    ],
)
def test_a_rule_without_mtls_is_reported_for_a_shared_service(
    host: str, namespace: str, concerned: bool
) -> None:
    mesh = fake.mesh(east=rule(host, _PLAIN, namespace))
    [finding] = fake.found("same-rules", "east", mesh)
    assert finding.status is (Status.FAILED if concerned else Status.OK)
    assert (f"{namespace}/one" in finding.evidence) == concerned


_NEAREST = {"localityLbSetting": {"failoverPriority": ["topology.istio.io/cluster"]}}
_NOT_NEAREST = {"localityLbSetting": {"enabled": False, "failoverPriority": ["a"]}}


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ({"tls": {"mode": "ISTIO_MUTUAL"}}, Status.OK),
        ({"loadBalancer": _NEAREST}, Status.OK),
        ({"loadBalancer": _NEAREST, "outlierDetection": {}}, Status.WARNING),
        ({"loadBalancer": _NOT_NEAREST, "outlierDetection": {}}, Status.OK),
    ],
)
def test_locality_counts_with_outlier_detection_only(
    policy: dict[str, Any], status: Status
) -> None:
    [finding] = fake.found("same-rules", "east", fake.mesh(east=rule("helloworld", policy)))
    assert finding.status is status


@pytest.mark.parametrize(("region", "status"), [("there", Status.WARNING), ("here", Status.OK)])
def test_outlier_detection_alone_keeps_requests_in_the_region(region: str, status: Status) -> None:
    def node(where: str) -> fake.Objects:
        labels = {"topology.kubernetes.io/region": where}
        return {"/api/v1/nodes/one": {"metadata": {"labels": labels}}}

    east = {**rule("helloworld", {"outlierDetection": {}}), **node("here")}
    [finding] = fake.found("same-rules", "east", fake.mesh(east=east, west=node(region)))
    assert finding.status is status


_WANTED = {"trafficPolicy": {"localityLbSetting": {"failoverPriority": [names.CLUSTER_LABEL]}}}


@pytest.mark.parametrize(
    ("annotations", "policy", "status"),
    [
        ({}, {"loadBalancer": _NEAREST, "outlierDetection": {}}, Status.OK),
        ({}, {"connectionPool": {}}, Status.WARNING),
        ({names.STACK: "isthmus/dev"}, {"connectionPool": {}}, Status.OK),
    ],
    ids=["a rule with failover", "a rule without", "the sample's own"],
)
def test_a_users_rule_that_ends_the_failover_of_the_stack_is_reported(
    annotations: dict[str, str], policy: dict[str, Any], status: Status
) -> None:
    east = rule("helloworld", policy)
    east[_DESTINATION_RULES]["items"][0]["metadata"]["annotations"] = annotations
    [finding] = fake.found("same-rules", "east", fake.mesh(_WANTED, east=east))
    assert finding.status is status
    assert ("sample/one replaces" in finding.evidence) == (status is Status.WARNING)


def test_the_stacks_rule_for_all_services_is_no_finding() -> None:
    """Also where a Service or the sample has another rule, with which all clusters answer alike."""
    policy = {"loadBalancer": _NEAREST, "outlierDetection": {}}
    east = rule("*.svc.cluster.local", policy, "istio-system")
    metadata = east[_DESTINATION_RULES]["items"][0]["metadata"]
    metadata |= {"name": names.MESH_RULE, "annotations": {names.STACK: "isthmus/dev"}}
    [finding] = fake.found("same-rules", "east", fake.mesh(east=east))
    assert finding.status is Status.OK


def test_a_service_that_is_local_against_the_stack_is_reported() -> None:
    local = {"settings": {"clusterLocal": True}, "hosts": ["*.sample.svc.cluster.local"]}
    [finding] = fake.found(
        "same-rules", "east", fake.mesh(east=mesh_config(serviceSettings=[local]))
    )
    assert finding.status is Status.FAILED
    assert "sample/helloworld" in finding.evidence


@pytest.mark.parametrize(
    ("west", "status"),
    [
        ({}, Status.OK),
        (mesh_config(trustDomain="east.example"), Status.OK),
        (mesh_config(trustDomain="west.example"), Status.FAILED),
        (mesh_config(meshMTLS={}), Status.FAILED),
    ],
)
def test_a_remote_has_the_trust_domain_of_its_primary(west: fake.Objects, status: Status) -> None:
    mesh = fake.mesh(east=mesh_config(trustDomain="east.example"), west=west)
    [finding] = fake.found("same-trust-domain", "west", mesh)
    assert finding.status is status


def test_a_terminating_namespace_reports_what_blocks_it() -> None:
    held = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "held by one"}
    sample = {
        "metadata": {"name": "sample", "labels": {"istio-injection": "enabled"}},
        "status": {"phase": "Terminating", "conditions": [held]},
    }
    mesh = fake.mesh(west={"/api/v1/namespaces/sample": sample})
    [finding] = fake.found("same-namespaces", "west", mesh)
    assert finding.status is Status.FAILED
    assert "held by one" in finding.evidence


def peer_authentication(mode: str, namespace: str = "sample") -> fake.Objects:
    made = {
        "metadata": {"name": "plain", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "helloworld"}}, "mtls": {"mode": mode}},
    }
    return {f"/apis/security.istio.io/v1/peerauthentications/{namespace}-plain": made}


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        (peer_authentication("DISABLE"), Status.FAILED),
        (peer_authentication("STRICT"), Status.OK),
        (peer_authentication("DISABLE", "of-others"), Status.OK),
    ],
)
def test_endpoints_without_mtls_are_reported(policy: fake.Objects, status: Status) -> None:
    """istiod leaves them out for callers of other networks (istio/istio#28798)."""
    [finding] = fake.found("same-rules", "east", fake.mesh(east=policy))
    assert finding.status is status


@pytest.mark.parametrize("by_annotation", [True, False])
def test_a_service_that_prefers_near_pods_causes_a_warning(by_annotation: bool) -> None:
    annotation = {"networking.istio.io/traffic-distribution": "PreferClose"}
    service = {
        "metadata": {"name": "helloworld", "annotations": annotation if by_annotation else {}},
        "spec": {} if by_annotation else {"trafficDistribution": "PreferClose"},
    }
    east = {"/api/v1/namespaces/sample/services/helloworld": service}
    [finding] = fake.found("same-rules", "east", fake.mesh(east=east))
    assert finding.status is Status.WARNING
    assert "sample/helloworld" in finding.evidence
