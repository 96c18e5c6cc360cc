"""Services that the user creates in one cluster, and that the mesh shares with the others."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lab import sample
from lab.live import LiveMesh, until
from tests.documents import documented
from tests.mesh import shell

_NAMESPACE, _SERVICE = "shop", "cart"
_LOCALITY = {"topology.kubernetes.io/region": "r1", "topology.kubernetes.io/zone": "r1-z1"}
_RULE = {"action": "ALLOW", "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}
_URL = f"http://{_SERVICE}.{_NAMESPACE}/hello"


def copies_what_is_labeled(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """A Service with its namespace, and a rule for requests, one `up` after their label."""
    label, _, value = given["mesh"]["federate"].partition("=")
    mesh.apply("east", _namespace(), _service({label: value}), _pods("from-east"), _rule())
    shell.run(mesh, documented("docs/services.md", "authorizationpolicy"))
    _ready(mesh, "east")
    own = _meta(mesh, "east")

    mesh.up()
    assert set(mesh.ask("west", url=_URL)) == {"from-east"}
    assert _entries(mesh) == {"west"}
    assert _meta(mesh, "east") == own, "the user's own Service was changed"
    assert _rules(mesh, "west") == [_RULE], "Istio's objects are in every control plane"
    mesh.workspace.stack.preview(expect_no_changes=True)


def adds_an_entry_for_new_pods(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """Pods in both clusters answer both."""
    mesh.apply("west", _pods("from-west"))
    _ready(mesh, "west")
    mesh.up()
    assert _entries(mesh) == {"east", "west"}
    for cluster in ("east", "west"):
        assert set(mesh.ask(cluster, url=_URL)) == {"from-east", "from-west"}
        gateways = mesh.kubectl(cluster, "get", "gateways.networking.istio.io", "-A", "-o", "name")
        assert gateways.splitlines() == ["gateway.networking.istio.io/cross-network-gateway"]


def weighs_clusters_by_their_pods(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """Three of four requests go to the cluster with three of four pods."""
    node = mesh.kubectl("east", "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    mesh.kubectl("east", "label", "node", node, *(f"{k}={v}" for k, v in _LOCALITY.items()))
    mesh.kubectl("east", "-n", _NAMESPACE, "scale", "deploy/pods", "--replicas=3")
    _ready(mesh, "east")
    mesh.up()
    assert _endpoint(mesh, "west") == {"weight": 3, "locality": "/".join(_LOCALITY.values())}
    assert _endpoint(mesh, "east") == {"weight": 1}
    for cluster in ("east", "west"):
        answers = _counted(mesh, cluster, 2000)
        assert answers.total() == 2000
        assert 0.70 <= answers["from-east"] / 2000 <= 0.80, f"{cluster}: {answers}"
    mesh.kubectl("east", "label", "node", node, *(f"{k}-" for k in _LOCALITY))


def prefers_its_own_cluster(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """With a policy for all Services, the other cluster's pods wait until they are needed. The
    policy of a file holds in both control planes."""
    policy = {"localityLbSetting": {"failoverPriority": ["topology.istio.io/network"]}}
    file = mesh.workspace.folder / "no-secret.yaml"
    file.write_text(json.dumps(_no_secret()))
    for cluster in ("east", "west"):
        assert not _is_denied(mesh, cluster, "/secret")
    own_first = {**given["mesh"], "trafficPolicy": policy}
    mesh.up({**given, "mesh": own_first, "manifests": [file.name]})
    for cluster in ("east", "west"):
        assert set(mesh.ask(cluster, url=_URL)) == {f"from-{cluster}"}
        until("the policy", partial(_is_denied, mesh, cluster, "/secret"))
    mesh.workspace.stack.preview(expect_no_changes=True)


def removes_the_entry_of_the_last_pod(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """The cluster that has pods left answers both; what a file had goes with its key."""
    mesh.kubectl("east", "-n", _NAMESPACE, "scale", "deploy/pods", "--replicas=0")
    mesh.kubectl("east", "-n", _NAMESPACE, "wait", "--for=delete", "pod", "-l", "app=cart")
    mesh.up(given)
    assert _entries(mesh) == {"east"}
    assert _rules(mesh, "east") == _rules(mesh, "west") == [_RULE]
    for cluster in ("east", "west"):
        assert set(mesh.ask(cluster, url=_URL)) == {"from-west"}


def deletes_copies_but_no_pods(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """Copies go with the Service and the label; the namespace stays while it has pods."""
    label = given["mesh"]["federate"].partition("=")[0]
    mesh.kubectl("east", "-n", _NAMESPACE, "delete", "service", _SERVICE)
    mesh.kubectl("east", "-n", _NAMESPACE, "label", "authorizationpolicy", "only-get", f"{label}-")
    mesh.up()
    assert (_rules(mesh, "east"), _rules(mesh, "west")) == ([_RULE], [])
    assert _entries(mesh) == set()
    assert _meta(mesh, "west") is None
    pods = mesh.kubectl("west", "-n", _NAMESPACE, "get", "pods", "-o", "name")
    assert pods, "the user's pods went with the copy of the namespace"


def deletes_the_namespace_when_it_is_empty(mesh: LiveMesh, given: dict[str, Any]) -> None:
    """The copy alone: the user's own namespace is the user's to delete."""
    mesh.kubectl("west", "-n", _NAMESPACE, "delete", "deploy", "pods", "--cascade=foreground")
    mesh.up()  # takes back that Pulumi keeps it
    mesh.up()
    assert _NAMESPACE not in mesh.kubectl("west", "get", "namespaces", "-o", "name")
    mesh.kubectl("east", "delete", "namespace", _NAMESPACE)


STEPS = (
    copies_what_is_labeled,
    adds_an_entry_for_new_pods,
    weighs_clusters_by_their_pods,
    prefers_its_own_cluster,
    removes_the_entry_of_the_last_pod,
    deletes_copies_but_no_pods,
    deletes_the_namespace_when_it_is_empty,
)
"""What follows the user's Services and pods."""


def _namespace() -> Mapping[str, Any]:
    labels = {"istio-injection": "enabled"}
    metadata = {"name": _NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _rule() -> Mapping[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "only-get", "namespace": _NAMESPACE},
        "spec": _RULE,
    }


def _no_secret() -> Mapping[str, Any]:
    """As a user's file has it."""
    paths = {"operation": {"paths": ["/secret"]}}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "no-secret", "namespace": _NAMESPACE},
        "spec": {"action": "DENY", "rules": [{"to": [paths]}]},
    }


def _is_denied(mesh: LiveMesh, cluster: str, path: str) -> bool:
    return _status(mesh, cluster, path) == "403"


def _status(mesh: LiveMesh, cluster: str, path: str) -> str:
    """With which status the Service answers a caller in the cluster."""
    url = f"http://{_SERVICE}.{_NAMESPACE}{path}"
    ask = ("curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
    return mesh.kubectl(cluster, "-n", "sample", "exec", "deploy/sleep", "-c", "sleep", "--", *ask)


def _rules(mesh: LiveMesh, cluster: str) -> Sequence[Mapping[str, Any]]:
    """What the namespace's AuthorizationPolicies of a cluster say."""
    get = ("-n", _NAMESPACE, "get", "authorizationpolicies", "-o", "json")
    return [x["spec"] for x in json.loads(mesh.kubectl(cluster, *get))["items"]]


def _service(labels: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _SERVICE, "namespace": _NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"app": "cart"},
            "ports": [{"name": "http", "port": 80, "targetPort": 5000}],
        },
    }


def _pods(version: str) -> Mapping[str, Any]:
    labels = {"app": "cart", "version": version}
    return sample.workload("pods", labels, sample.server("cart", version), namespace=_NAMESPACE)


def _ready(mesh: LiveMesh, cluster: str) -> None:
    done = ("rollout", "status", "deploy/pods", "--timeout=90s")
    mesh.kubectl(cluster, "-n", _NAMESPACE, *done)


def _meta(mesh: LiveMesh, cluster: str) -> Mapping[str, Any] | None:
    """The Service's metadata, or None if it is not there."""
    get = ("-n", _NAMESPACE, "get", "service", _SERVICE, "-o", "json", "--ignore-not-found")
    text = mesh.kubectl(cluster, *get)
    return json.loads(text)["metadata"] if text else None


def _endpoint(mesh: LiveMesh, cluster: str) -> Mapping[str, Any]:
    """Weight and locality of the other cluster's gateway, as istiod of this one reads them."""
    text = mesh.kubectl(cluster, "-n", _NAMESPACE, "get", "serviceentries", "-o", "json")
    [entry] = json.loads(text)["items"]
    [endpoint] = entry["spec"]["endpoints"]
    return {k: endpoint[k] for k in ("weight", "locality") if k in endpoint}


def _counted(mesh: LiveMesh, cluster: str, requests: int) -> Counter[str]:
    """Versions that answer requests on a kept connection, as curl counts in its own URL."""
    client = ("-n", "sample", "exec", "deploy/sleep", "-c", "sleep", "--")
    text = mesh.kubectl(cluster, *client, "curl", "-sS", f"{_URL}?[1-{requests}]")
    return Counter(re.findall(r"version: ([\w-]+)", text))


def _entries(mesh: LiveMesh) -> set[str]:
    """Clusters with an entry that leads elsewhere."""
    get = ("-n", _NAMESPACE, "get", "serviceentries", "-o", "name")
    return {c for c in ("east", "west") if mesh.kubectl(c, *get)}
