"""Existing namespaces, Services and pods of the clusters that concern sharing."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import takewhile
from typing import Any

from kube.api import ClusterApi, UnansweredError
from kube.kubeconfig import Connection
from preflight import contents
from preflight.facts import ClusterFacts
from preflight.last_update import LastUpdate
from spec.manifests import KINDS
from spec.mesh import MeshSpec, cluster_path
from spec.problems import MeshRefusedError, Problem
from spec.shared import (
    INJECTION,
    MADE_BY_ISTHMUS,
    OCCUPIED,
    ConfigurationName,
    FoundConfiguration,
    FoundNamespace,
    FoundService,
    Inventories,
    Inventory,
    PortOfService,
    ReadyPods,
    ServiceName,
    SharedObjects,
    contradictions,
    shared_objects,
)

_LOCALITY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


def with_inventories(
    spec: MeshSpec, facts: Mapping[str, ClusterFacts], last: LastUpdate
) -> Mapping[str, ClusterFacts]:
    """Return the facts with each cluster's inventory; query nothing if nothing is or was shared.

    Raises:
        MeshRefusedError: what the clusters have cannot be shared, or one of them does not answer.
    """
    # While a cluster is absent, shared objects stay as they are (stacks/kept.py).
    shares = spec.mesh.federate or spec.namespaces or spec.services or spec.manifests
    shares = shares or last.shared
    if spec.absent or not shares:
        return facts
    inventories = _read_inventories(spec, {name: f.connection for name, f in facts.items()})
    problems = list(contradictions(spec, inventories))
    if problems:
        raise MeshRefusedError(problems)
    return {name: replace(f, inventory=inventories[name]) for name, f in facts.items()}


def _read_inventories(spec: MeshSpec, connections: Mapping[str, Connection]) -> Inventories:
    primaries = {p.name for p in spec.primaries}
    labelled = _ask_all(
        spec, connections, lambda api, name: _labelled(api, spec, is_primary=name in primaries)
    )
    shared = shared_objects(spec, labelled)

    def ask(api: ClusterApi, name: str) -> Inventory:
        found = _inventory(api, labelled[name], spec, shared)
        if name not in primaries:
            return found
        return replace(found, configuration=_configuration(api, labelled[name], shared))

    return _ask_all(spec, connections, ask)


def _ask_all(
    spec: MeshSpec,
    connections: Mapping[str, Connection],
    question: Callable[[ClusterApi, str], Inventory],
) -> Inventories:
    def ask(name: str) -> Inventory | Problem:
        try:
            with ClusterApi.connect(connections[name].kubeconfig) as api:
                return question(api, name)
        except UnansweredError as error:
            return Problem(
                "inventory-not-read",
                f"{cluster_path([c.name for c in spec.clusters].index(name))}.kubeconfig",
                f"cluster {name} must list its namespaces, Services and pods ({error})",
                "otherwise Isthmus cannot tell your objects from its own, or can miss them",
                "use credentials that are allowed to list them in all namespaces, or start the "
                "cluster",
            )

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = dict(zip(connections, pool.map(ask, connections), strict=True))
    problems = [x for x in answers.values() if isinstance(x, Problem)]
    if problems:
        raise MeshRefusedError(problems)
    return {name: x for name, x in answers.items() if isinstance(x, Inventory)}


def _labelled(api: ClusterApi, spec: MeshSpec, *, is_primary: bool) -> Inventory:
    """Return only the Services and Istio's objects that have the label of `mesh.federate`."""
    if spec.mesh.federate is None:
        return Inventory()
    found = api.get("/api/v1/services", labelSelector=spec.mesh.federate)["items"]
    configuration = {
        (kind, *_name(x)): _found_configuration(x, version, labelled=True)
        for kind, version, path in KINDS
        if is_primary
        for x in _list(api, f"/apis/{version}/{path}", spec.mesh.federate)
    }
    return Inventory(
        services={_name(x): _service(x, labelled=True) for x in found},
        configuration=configuration,
    )


def _list(api: ClusterApi, path: str, label: str) -> Sequence[Any]:
    """Return objects with the label; none where Istio's kinds are not installed yet."""
    try:
        return api.get(path, labelSelector=label)["items"]
    except UnansweredError as error:
        if error.status == 404:
            return ()
        raise


def _inventory(
    api: ClusterApi, labelled: Inventory, spec: MeshSpec, shared: SharedObjects
) -> Inventory:
    namespaces = {
        x["metadata"]["name"]: _namespace(x) for x in api.get("/api/v1/namespaces")["items"]
    }
    copies = {name: x for name, x in namespaces.items() if x.made_by_isthmus}
    of_istio = contents.of_istio(api) if copies else {}
    for name, copy in copies.items():
        occupied = name in of_istio or any(contents.of_namespace(api, name))
        namespaces[name] = replace(copy, occupied=occupied)
    services = {
        _name(x): _service(x, labelled=_name(x) in labelled.services)
        for namespace in shared.namespaces
        for x in api.get(f"/api/v1/namespaces/{namespace}/services")["items"]
    }
    nodes = dict[ServiceName, list[str]]()
    if spec.mesh.discovery == "entries":
        for name, service in shared.services.items():
            own = services.get(name)
            selector = own.selector if own and not own.made_by_isthmus else service.selector
            if found := _nodes_of_ready_pods(api, name[0], selector):
                nodes[name] = found
    localities = _localities(api) if nodes else {}
    running = {
        name: ReadyPods(len(found), _in_common([localities.get(n, ()) for n in found]))
        for name, found in nodes.items()
    }
    return Inventory(namespaces, services, running)


def _configuration(
    api: ClusterApi, labelled: Inventory, shared: SharedObjects
) -> Mapping[ConfigurationName, FoundConfiguration]:
    """Return what this cluster has of the shared objects of Istio, with the label or without."""
    found = dict(labelled.configuration)
    paths = {kind: path for kind, _, path in KINDS}
    for name, wanted in shared.configuration.items():
        if name not in found:
            kind, namespace, own = name
            path = f"/apis/{wanted.api_version}/namespaces/{namespace}/{paths[kind]}/{own}"
            try:
                one = api.get(path)
            except UnansweredError as error:
                if error.status != 404:
                    raise
            else:
                found[name] = _found_configuration(one, wanted.api_version, labelled=False)
    return found


def _found_configuration(item: Any, version: str, *, labelled: bool) -> FoundConfiguration:
    return FoundConfiguration(
        version, item.get("spec", {}), MADE_BY_ISTHMUS in _labels(item), labelled
    )


def _nodes_of_ready_pods(api: ClusterApi, namespace: str, selector: Mapping[str, str]) -> list[str]:
    """Return the node of each ready pod."""
    if not selector:
        return []
    pods = api.get(
        f"/api/v1/namespaces/{namespace}/pods",
        labelSelector=",".join(f"{k}={v}" for k, v in selector.items()),
    )["items"]
    return [
        pod["spec"].get("nodeName", "")
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in pod.get("status", {}).get("conditions", [])
        )
    ]


def _localities(api: ClusterApi) -> Mapping[str, Sequence[str]]:
    """Return region and zone of each node; nothing if this account cannot list nodes."""
    try:
        nodes = api.get("/api/v1/nodes")["items"]
    except UnansweredError as error:
        if error.status == 403:
            return {}
        raise
    return {
        node["metadata"]["name"]: [labels[key] for key in _LOCALITY if key in labels]
        for node in nodes
        if _LOCALITY[0] in (labels := _labels(node))
    }


def _in_common(localities: Sequence[Sequence[str]]) -> str:
    """Return what all localities begin with.

    One gateway is one endpoint: Envoy keeps only the first of several with the same address, so it
    cannot be in two zones (envoyproxy/envoy#22417).
    """
    levels = takewhile(lambda level: len(set(level)) == 1, zip(*localities, strict=False))
    return "/".join(level[0] for level in levels)


def _name(item: Any) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _labels(item: Any) -> Mapping[str, str]:
    return item["metadata"].get("labels", {})


def _namespace(item: Any) -> FoundNamespace:
    labels = _labels(item)
    injection = {key: labels[key] for key in INJECTION if key in labels}
    return FoundNamespace(
        injection, made_by_isthmus=MADE_BY_ISTHMUS in labels, was_occupied=OCCUPIED in labels
    )


def _service(item: Any, *, labelled: bool) -> FoundService:
    spec = item["spec"]
    return FoundService(
        ports=tuple(
            PortOfService(
                p.get("name", ""),
                p["port"],
                p.get("targetPort", p["port"]),
                p.get("protocol", "TCP"),
                p.get("appProtocol"),
            )
            for p in spec.get("ports", [])
        ),
        selector=spec.get("selector", {}),
        made_by_isthmus=MADE_BY_ISTHMUS in _labels(item),
        labelled=labelled,
        takes_callers=spec["type"] != "ExternalName" and spec.get("clusterIP") != "None",
    )
