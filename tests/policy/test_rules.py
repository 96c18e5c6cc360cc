"""Every rule of the policy pack: what passes, and what does not."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from policy.rules import RESOURCE_RULES, SECRECY, STACK_RULES
from policy.rules.resource import UNKNOWN, Finding, Resource, Secret
from policy.rules.secrecy import keeps_secrets

_ROOT = Path(__file__).parents[2]
_KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n"
_KUBECONFIG = "apiVersion: v1\nkind: Config\nusers:\n- user: {token: abcdefghijklmnopqrstuvwxyz}\n"

_EAST = "urn:pulumi:prod::isthmus::pulumi:providers:kubernetes::east"
_WEST = "urn:pulumi:prod::isthmus::pulumi:providers:kubernetes::west"
_DEFAULT = "urn:pulumi:prod::isthmus::pulumi:providers:kubernetes::default_4_34_2"

_PROVIDER = "pulumi:providers:kubernetes"
_SECRET = "kubernetes:core/v1:Secret"  # noqa: S105  # a type
_CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
_SERVICE = "kubernetes:core/v1:Service"
_DEPLOYMENT = "kubernetes:apps/v1:Deployment"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_CERTIFICATE = "tls:index/selfSignedCert:SelfSignedCert"
_CLUSTER = "gcp:container/cluster:Cluster"


def resource(
    type_: str,
    props: dict[str, Any],
    *,
    name: str = "it",
    provider: str = _EAST,
    components: tuple[str, ...] = (),
) -> Resource:
    return Resource(type_, name, f"urn:{name}", props, provider, components)


def pods(*images: str) -> Resource:
    containers = [{"name": "c", "image": image} for image in images]
    return resource(_DEPLOYMENT, {"spec": {"template": {"spec": {"containers": containers}}}})


def service(
    labels: dict[str, str], annotations: dict[str, str], type_: str = "LoadBalancer"
) -> Resource:
    return resource(
        _SERVICE,
        {
            "metadata": {"name": "gateway", "labels": labels, "annotations": annotations},
            "spec": {"type": type_, "selector": {"istio": "eastwestgateway"}},
        },
    )


def istiod(provider: str = _EAST) -> Resource:
    return resource(
        _DEPLOYMENT,
        {"metadata": {"namespace": "istio-system"}},
        name="istiod",
        provider=provider,
        components=("kubernetes:helm.sh/v4:Chart", "isthmus:index:PrimaryCluster"),
    )


def demand(
    mode: str, provider: str = _EAST, namespace: str = "istio-system", **spec: Any
) -> Resource:
    return resource(
        "kubernetes:security.istio.io/v1:PeerAuthentication",
        {"metadata": {"namespace": namespace}, "spec": {"mtls": {"mode": mode}, **spec}},
        provider=provider,
    )


_RESOURCE_CASES: dict[str, tuple[list[Resource], list[Resource]]] = {
    "secrets-stay-secret": (
        [
            resource(_PROVIDER, {"kubeconfig": Secret(_KUBECONFIG)}),
            resource(_PROVIDER, {"kubeconfig": "~/.kube/config"}),
            resource(_CERTIFICATE, {"privateKeyPem": Secret(UNKNOWN)}),
            resource(_PROVIDER, {"kubeconfig": UNKNOWN}),
            resource(_SECRET, {"stringData": {"ca-key.pem": Secret(_KEY)}}),
            resource(_CONFIG_MAP, {"data": {"values": "token: none\nkind: ConfigMap"}}),
        ],
        [
            resource(_PROVIDER, {"kubeconfig": _KUBECONFIG}),
            resource(_CERTIFICATE, {"privateKeyPem": _KEY}),
            resource(_SECRET, {"stringData": {"user": "someone"}}),
            resource(_CONFIG_MAP, {"data": {"key": _KEY}}),
            resource(_CONFIG_MAP, {"data": {"list": [{"kubeconfig": _KUBECONFIG}]}}),
        ],
    ),
    "cluster-identifier": (
        [
            resource(_PROVIDER, {"clusterIdentifier": "east"}, name="east"),
            resource(_PROVIDER, {"clusterIdentifier": UNKNOWN}, name="east"),
            resource("pulumi:providers:tls", {}),
        ],
        [
            resource(_PROVIDER, {"kubeconfig": "~/.kube/config"}, name="east"),
            resource(_PROVIDER, {"clusterIdentifier": ""}, name="east"),
        ],
    ),
    "no-default-provider": (
        [
            resource(_SERVICE, {}, provider=_EAST),
            resource("isthmus:index:SharedCA", {}, provider=""),
            resource("tls:x:Y", {}, provider="urn:pulumi:p::i::pulumi:providers:tls::default"),
        ],
        [
            resource(_SERVICE, {}, provider=_DEFAULT),
            resource(_RELEASE, {}, provider=_DEFAULT.replace("_4_34_2", "")),
        ],
    ),
    "versions-pinned": (
        [
            pods("docker.io/istio/pilot:1.31.0", "auto", UNKNOWN),
            pods("registry:5000/proxy@sha256:" + "0" * 64),
            resource(_RELEASE, {"chart": "istiod", "version": "1.31.0"}),
            resource(_RELEASE, {"chart": "./components/leave-nothing"}),
            resource(_CONFIG_MAP, {"data": {"containers": "image: proxy:latest"}}),
        ],
        [
            pods("docker.io/istio/pilot:latest"),
            pods("registry:5000/proxy"),
            pods("curl:8.1.0", "curl"),
            resource(_RELEASE, {"chart": "istiod"}),
            resource(_RELEASE, {"chart": "oci://charts/istiod", "version": "^1.31.0"}),
        ],
    ),
    "no-public-load-balancer": (
        [
            service({}, {"networking.gke.io/load-balancer-type": "Internal"}),
            service({}, {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}),
            service({}, {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}),
            service({}, {}, "ClusterIP"),
        ],
        [
            service({}, {}),
            service({}, {"networking.gke.io/load-balancer-type": "External"}),
            service({}, {"service.beta.kubernetes.io/azure-load-balancer-internal": "false"}),
        ],
    ),
    "deletion-protection": (
        [resource(_CLUSTER, {"deletionProtection": True}), resource(_CLUSTER, {})],
        [resource(_CLUSTER, {"deletionProtection": False})],
    ),
}

_NETWORK = {"topology.istio.io/network": "net"}
_ANNOUNCED = resource(_CONFIG_MAP, {"data": {"meshNetworks": "networks: {net: {gateways: []}}"}})
_NOT_ANNOUNCED = resource(_CONFIG_MAP, {"data": {"meshNetworks": "networks: {}"}})
_RELEASED = resource(_RELEASE, {"values": {"global": {"meshNetworks": {"net": {}}}}})

_STACK_CASES: dict[str, tuple[list[list[Resource]], list[list[Resource]]]] = {
    "mtls-strict": (
        [
            [istiod(), demand("STRICT")],
            [istiod(), istiod(_WEST), demand("STRICT"), demand("STRICT", _WEST)],
            [service({}, {})],
        ],
        [
            [istiod()],
            [istiod(), demand("STRICT", namespace=UNKNOWN)],
            [istiod(), demand("STRICT", namespace="elsewhere")],
            [istiod(), istiod(_WEST), demand("STRICT")],
            [istiod(), demand("STRICT", selector={"matchLabels": {"app": "one"}})],
            [istiod(), demand("STRICT"), demand("PERMISSIVE")],
            [istiod(), demand("STRICT", portLevelMtls={"80": {"mode": "DISABLE"}})],
        ],
    ),
    "gateway-network-label": (
        [
            [service(_NETWORK, {}), _NOT_ANNOUNCED],
            [service({}, {}), _ANNOUNCED],
            [service({}, {}), _RELEASED],
            [service({}, {}, "ClusterIP")],
        ],
        [
            [service({}, {}), _NOT_ANNOUNCED],
            [service(_NETWORK, {}), service({"app": "gateway"}, {})],
        ],
    ),
}

_CHECKS: dict[str, Callable[[Resource], Iterator[Finding]]] = {
    SECRECY.name: keeps_secrets,
    **{rule.name: check for rule, check in RESOURCE_RULES},
}
_STACK_CHECKS: dict[str, Callable[[Sequence[Resource]], Iterator[Finding]]] = {
    rule.name: check for rule, check in STACK_RULES
}


def test_every_rule_has_cases() -> None:
    assert _RESOURCE_CASES.keys() == _CHECKS.keys()
    assert _STACK_CASES.keys() == _STACK_CHECKS.keys()


@pytest.mark.parametrize("rule", _CHECKS)
def test_a_resource_passes_or_is_named(rule: str) -> None:
    right, wrong = _RESOURCE_CASES[rule]
    for passing in right:
        assert list(_CHECKS[rule](passing)) == [], passing
    for failing in wrong:
        assert len(list(_CHECKS[rule](failing))) == 1, failing


@pytest.mark.parametrize("rule", _STACK_CHECKS)
def test_a_stack_passes_or_is_named(rule: str) -> None:
    right, wrong = _STACK_CASES[rule]
    for passing in right:
        assert list(_STACK_CHECKS[rule](passing)) == [], passing
    for failing in wrong:
        found = list(_STACK_CHECKS[rule](failing))
        assert len(found) == 1, failing
        assert found[0].urn, "the engine can say where"


def test_no_finding_shows_what_was_to_be_kept_secret() -> None:
    for failing in _RESOURCE_CASES["secrets-stay-secret"][1]:
        for finding in keeps_secrets(failing):
            message = SECRECY.message(finding)
            assert "MHcCAQEE" not in message
            assert "abcdefghij" not in message
            assert "someone" not in message


def test_levels_name_rules_that_exist() -> None:
    known = {*_CHECKS, *_STACK_CHECKS}
    files = sorted((_ROOT / "policy" / "levels").glob("*.json"))
    assert {f.stem for f in files} >= {"dev", "staging", "prod"}
    for file in files:
        assert json.loads(file.read_text()).keys() <= known, file


def test_the_document_has_every_rule_and_no_other() -> None:
    table = (_ROOT / "docs" / "policy.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == {
        *_CHECKS,
        *_STACK_CHECKS,
    }


def test_the_violation_in_the_documents_is_that_of_the_rule() -> None:
    (rule, check), *_ = (r for r in RESOURCE_RULES if r[0].name == "no-public-load-balancer")
    (finding,) = check(replace(service({}, {}), name="gateway"))
    message = f"{rule.demand}\n{rule.message(finding)}\n"
    page = (_ROOT / "docs/policy.md").read_text()
    assert f"{rule.name}  ({_SERVICE}: gateway)\n{indent(message, 10 * ' ')}```\n" in page
