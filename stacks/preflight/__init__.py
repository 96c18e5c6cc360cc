"""What is asked of the world before anything changes: kubeconfigs, API servers, charts."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from stacks.preflight.charts import missing_charts
from stacks.preflight.facts import ClusterFacts
from stacks.preflight.reach import examine_cluster
from stacks.problems import MeshRefusedError, Problem
from stacks.spec import MeshSpec


def examine(spec: MeshSpec) -> Mapping[str, ClusterFacts]:
    """Facts by cluster name.

    Raises:
        MeshRefusedError: with every kubeconfig, API server and chart that is not as it must be.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(examine_cluster, range(len(spec.clusters)), spec.clusters))
    problems = [x for x in found if isinstance(x, Problem)]
    problems += missing_charts(spec.mesh.istio)
    if problems:
        raise MeshRefusedError(problems)
    facts = [x for x in found if isinstance(x, ClusterFacts)]
    return {c.name: f for c, f in zip(spec.clusters, facts, strict=True)}
