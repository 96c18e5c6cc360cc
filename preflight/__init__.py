"""Checks before anything changes: kubeconfigs, API servers, charts."""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from kube.kubeconfig import Connection
from preflight import config_clusters, holders, identity, removal, restarts, upgrades
from preflight.ask import ask, is_marked
from preflight.charts import missing_charts
from preflight.ending import ending
from preflight.facts import ClusterFacts, PreflightResult
from preflight.identity import Expected
from preflight.kubeconfigs import read_connection
from preflight.services import with_inventories
from spec import rules
from spec.mesh import Cluster, MeshSpec
from spec.problems import Problem, raise_if_refused
from spec.rules import kubeconfigs, ranges


def examine(
    spec: MeshSpec, expected: Expected, builds: Collection[Cluster] | None = None
) -> PreflightResult:
    """Look at the mesh, and at the clusters that the stack builds and that exist.

    Args:
        expected: what the stack knows of its mesh.
        builds: the clusters that it builds; all that have no stack of their own if left out. Of the
            others there are facts, but only their mark is queried.

    Raises:
        MeshRefusedError: with everything in the configuration, the kubeconfigs, the clusters and
            the charts that is not as it must be.
    """
    read = {
        i: read_connection(i, cluster, cluster.kubeconfig)
        for i, cluster in enumerate(spec.clusters)
        if cluster.kubeconfig is not None
    }
    connections = {i: x for i, x in read.items() if isinstance(x, Connection)}
    with ThreadPoolExecutor(8) as pool:
        charts = pool.submit(lambda: list(missing_charts(spec.mesh.istio)))
        asked = {
            i: pool.submit(ask, spec, i, spec.clusters[i], connection, expected)
            for i, connection in connections.items()
            if spec.clusters[i] in (spec.in_mesh_stack if builds is None else builds)
            and not spec.clusters[i].absent
        }
        # The stack that builds them has handed them over.
        marked = {
            i: pool.submit(is_marked, connection, spec.mesh.istio.namespace)
            for i, connection in connections.items()
            if i not in asked and spec.clusters[i].stack is None and not spec.clusters[i].absent
        }
        answers = {i: answer.result() for i, answer in asked.items()}
        # Of every cluster of the mesh, whichever stack builds it.
        changing = holders.is_changing(spec, (a.facts.root for a in answers.values()))
        held = {
            spec.clusters[i].name: pool.submit(holders.find, connection, spec.mesh.istio.namespace)
            for i, connection in connections.items()
            if changing
        }
    problems = [
        *rules.check(spec),
        *(x for x in read.values() if isinstance(x, Problem)),
        *(p for i, x in connections.items() for p in ending(i, spec.clusters[i].name, x)),
        *kubeconfigs.check_kubeconfigs(
            spec, connections, {i: a.facts.uid for i, a in answers.items() if a.facts.uid}
        ),
        *(p for a in answers.values() for p in a.problems),
        *charts.result(),
    ]
    # What two clusters are to each other, some of it known from the configuration already.
    facts = {i: a.facts for i, a in answers.items()}
    between = [
        *_one_cluster_twice(spec, facts),
        *_overlaps(spec, facts),
        *identity.check(spec, expected, facts),
        *identity.check_changes(spec, expected.last),
        *upgrades.check(spec, expected.last, expected.accepted_istio),
        *removal.check(spec, expected, facts),
        *config_clusters.check(
            spec, expected, {spec.clusters[i].name: x for i, x in connections.items()}
        ),
        *restarts.changed_networks(spec, expected.last, facts),
    ]
    problems += [p for i, p in enumerate(between) if p not in (*problems, *between[:i])]
    warnings = raise_if_refused(problems)
    by_name = {spec.clusters[i].name: known for i, known in facts.items()}
    found = {
        **{
            spec.clusters[i].name: ClusterFacts(
                x, None, adoptable=i in marked and marked[i].result()
            )
            for i, x in connections.items()
        },
        **with_inventories(spec, by_name, expected.last),
    }
    return PreflightResult(
        facts=found | {n: replace(found[n], holders=h.result()) for n, h in held.items()},
        warnings=warnings,
        unchecked=tuple(
            f"cluster {spec.clusters[i].name} could not be checked for {a.unchecked}"
            for i, a in answers.items()
            if a.unchecked
        ),
    )


def _one_cluster_twice(spec: MeshSpec, facts: Mapping[int, ClusterFacts]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for i, known in facts.items():
        if known.uid is None:
            continue
        one = first.setdefault(known.uid, i)
        # check_kubeconfigs has reported an equal URL.
        if one != i and known.connection.server != facts[one].connection.server:
            yield kubeconfigs.one_cluster_twice(spec, one, i, "by the UID of its kube-system")


def _overlaps(spec: MeshSpec, facts: Mapping[int, ClusterFacts]) -> Iterator[Problem]:
    from_nodes = {spec.clusters[i].name: known.pods for i, known in facts.items()}
    yield from ranges.overlaps(
        spec, {c.name: c.ranges.pods or from_nodes.get(c.name, ()) for c in spec.clusters}
    )
