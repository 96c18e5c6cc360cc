"""Whether each cluster is the one that the configuration means, and the mesh the one of this state.

Objects are created, changed and deleted by name. A kubeconfig that leads to another cluster, a
changed name or a second state would therefore change objects of a mesh that is in use.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from preflight import gke_changes
from preflight.facts import ClusterFacts
from preflight.last_update import LastCluster, LastUpdate
from preflight.marks import Marks
from spec.mesh import Cluster, MeshSpec, cluster_path
from spec.problems import Problem

_AGAIN = (
    "remove it from isthmus:clusters, run `pulumi up` (if that cluster does not exist any more, "
    "`PULUMI_K8S_DELETE_UNREACHABLE=true pulumi up --refresh`), add it again, and run `pulumi up`"
)

_METHODS = ("rendered", "release")


@dataclass(frozen=True)
class Expected:
    """The stack's data about its mesh, before it queries the clusters."""

    stack: str
    """`<project>/<stack>`."""
    mesh: str | None = None
    """The UUID in the stack's state; None where the state has none yet."""
    last: LastUpdate = field(default_factory=LastUpdate)
    accepted_istio: str | None = None
    """See `upgrades.ACCEPTED`."""
    destroys: bool = False
    """See `removal.DESTROY`."""


def check(
    spec: MeshSpec, expected: Expected, facts: Mapping[int, ClusterFacts]
) -> Iterator[Problem]:
    """Problems of the queried clusters, which are by their index in `isthmus:clusters`."""
    owners = {c.uid: name for name, c in expected.last.clusters.items() if c.uid}
    yield from _changed_stacks(spec, expected, facts)
    for i, known in facts.items():
        cluster, path = spec.clusters[i], cluster_path(i)
        last = expected.last.clusters.get(cluster.name)
        marks = known.marks
        if marks is None:  # not answered; that is a problem of its own
            continue
        ours = marks.stack == owner(expected.stack, cluster)
        if marks.stack and not ours:
            continue  # preflight/foreign.py
        if ours and marks.mesh and marks.mesh != expected.mesh:
            yield _another_state(path, cluster, spec.mesh.istio.namespace, marks.mesh, expected)
            continue
        found = (marks.cluster if ours else None) or owners.get(known.uid or "")
        if found and found != cluster.name:
            yield _another_name(path, cluster, found, spec)
        elif known.uid and ours and marks.uid and marks.uid != known.uid:
            yield _another_cluster(path, cluster, marks.uid, known.uid)
        elif known.uid and last and last.uid and last.uid != known.uid:
            yield _another_cluster(path, cluster, last.uid, known.uid)
        elif last and not last.uid and not last.stack and marks.stack is None:
            yield _no_mark(path, cluster, spec.mesh.istio.namespace, expected.stack)
        elif ours:
            yield from _changes_by_marks(spec, marks)


def _changes_by_marks(spec: MeshSpec, marks: Marks) -> Iterator[Problem]:
    """Changes since an update that failed: it left marks, and no outputs for `check_changes`."""
    istio = spec.mesh.istio
    # What else a cluster says must not become part of a command in a message.
    if marks.install in _METHODS and marks.install != istio.install:
        yield _install_changed(istio.install, marks.install)


def owner(stack: str, cluster: Cluster) -> str:
    """The mark of the stack that builds a cluster."""
    return _beside(stack, cluster.stack) if cluster.stack else stack


def _beside(stack: str, name: str) -> str:
    """The mark of another stack of the same project."""
    return f"{stack.partition('/')[0]}/{name}"


def _changed_stacks(
    spec: MeshSpec, expected: Expected, facts: Mapping[int, ClusterFacts]
) -> Iterator[Problem]:
    """Clusters that one stack would delete from while, or after, another creates there."""
    if expected.last.namespace is None:
        return
    this = expected.stack.partition("/")[2]
    for i, cluster in enumerate(spec.clusters):
        before = expected.last.clusters.get(cluster.name)
        if before is None or cluster.stack == before.stack:
            continue
        if before.stack is None:
            built, restore = this, "remove this key"
            up = f"`pulumi up --stack {this}`"
            steps = (
                f"remove {cluster.name} from isthmus:clusters, {up}, add it with `stack: "
                f"{cluster.stack}`, {up}, and then `pulumi up --stack {cluster.stack}`"
            )
        # Another stack's name is of no effect here: that one sees the mark of the former.
        elif cluster.stack is None and not _has_left(facts.get(i), before.stack, expected):
            built, restore = before.stack, f"restore {before.stack}"
            steps = f"`pulumi destroy --stack {before.stack}`, and then `pulumi up --stack {this}`"
        else:
            continue
        yield Problem(
            "cluster-stack-changed",
            f"{cluster_path(i)}.stack",
            f"cannot change while stack {built} has built cluster {cluster.name}",
            "the one stack would delete what the other has just created",
            f"{restore}; to change it: {steps} (docs/state.md, Move a remote)",
            cluster.stack,
        )


def _has_left(known: ClusterFacts | None, stack: str, expected: Expected) -> bool:
    """Whether a cluster was seen without the mark of another stack of this project."""
    if known is None or known.marks is None:
        return False
    return known.marks.stack != _beside(expected.stack, stack)


def _another_state(
    path: str, cluster: Cluster, namespace: str, found: str, expected: Expected
) -> Problem:
    wanted = f"that is {expected.mesh}" if expected.mesh else "which has no mesh yet"
    return Problem(
        "cluster-of-another-state",
        path,
        f"cluster {cluster.name} must be in the mesh of this stack's state, {wanted}; it is in the "
        f"mesh {found} of another state of {expected.stack}",
        "two states of one name would overwrite each other's objects, and this one would bring "
        "another root CA",
        "select the backend whose state has the mesh (`pulumi login`), or give this stack another "
        "name; if that state is lost: docs/troubleshooting.md, `The state is lost`",
    )


def _another_name(path: str, cluster: Cluster, found: str, spec: MeshSpec) -> Problem:
    swapped = found in {c.name for c in spec.clusters}
    return Problem(
        "cluster-renamed",
        f"{path}.context" if swapped else f"{path}.name",
        f"must lead to cluster {cluster.name}; this kubeconfig leads to the cluster that is "
        f"{found} in the mesh",
        f"everything in a cluster is named after it: objects of {found} would be deleted after "
        f"those of {cluster.name} were created over them",
        f"correct the kubeconfig or context of {cluster.name} and {found}"
        if swapped
        else f"restore the name {found}; to change it: remove the cluster from isthmus:clusters, "
        f"run `pulumi up`, add it as {cluster.name}, and run `pulumi up`",
        cluster.context if swapped else cluster.name,
    )


def _another_cluster(path: str, cluster: Cluster, expected: str, found: str) -> Problem:
    return Problem(
        "cluster-replaced",
        f"{path}.kubeconfig",
        f"must lead to the cluster that was {cluster.name} in the last update, whose kube-system "
        f"has the UID {expected}; this one has {found}",
        "the state describes objects of the other cluster, which do not exist here",
        f"correct the kubeconfig or context; if {cluster.name} was created again: {_AGAIN}",
    )


def _no_mark(path: str, cluster: Cluster, namespace: str, stack: str) -> Problem:
    return Problem(
        "cluster-without-mark",
        f"{path}.kubeconfig",
        f"must lead to the cluster that was {cluster.name} in the last update; this one has no "
        f"mark of the mesh on namespace {namespace}",
        "the state describes objects of another cluster, which do not exist here",
        f"correct the kubeconfig or context; if {cluster.name} was created again: {_AGAIN}; if it "
        f"is the right one: `kubectl create namespace {namespace}` if that is missing, and "
        f"`kubectl annotate namespace {namespace} isthmus/stack={stack}`",
    )


def check_changes(spec: MeshSpec, last: LastUpdate) -> Iterator[Problem]:
    """Changes of a mesh that exists which would delete what they have just created."""
    istio = spec.mesh.istio
    if last.namespace not in (None, istio.namespace):
        yield Problem(
            "istio-namespace-changed",
            "isthmus:mesh.istio.namespace",
            f"cannot change while the mesh exists, where it is {last.namespace}",
            "two Istios would be in each cluster during the update, with one set of CRDs and "
            "webhooks",
            f"restore {last.namespace}; to change it: `pulumi destroy`, then `pulumi up`",
            istio.namespace,
        )
    if last.install not in (None, istio.install):
        yield _install_changed(istio.install, last.install)
    external = spec.mesh.ca.external
    if last.namespace and last.external_ca != external:
        yield Problem(
            "external-ca-changed",
            "isthmus:mesh.ca.external",
            "cannot change while the mesh exists",
            "the update would delete the Secrets cacerts that istiod signs with"
            if external
            else "the update would overwrite the Secrets cacerts of another tool",
            "restore it; to change it: `pulumi destroy`, edit, `pulumi up`",
            external,
        )
    for path, cluster in spec.numbered():
        if (before := last.clusters.get(cluster.name)) and last.namespace:
            yield from _changed_cluster(spec, path, cluster, before)
    yield from gke_changes.changed_project(spec, last)


def _install_changed(now: str, before: str) -> Problem:
    return Problem(
        "install-method-changed",
        "isthmus:mesh.istio.install",
        f"cannot change while the mesh exists, where it is {before}",
        "both methods have the same objects: the old one would delete, at the end of the update, "
        "what the new one has created",
        f"`pulumi config set --path isthmus:mesh.istio.install {before}`; to change it: "
        "`pulumi destroy`, then `pulumi up`",
        now,
    )


def _changed_cluster(
    spec: MeshSpec, path: str, cluster: Cluster, before: LastCluster
) -> Iterator[Problem]:
    yield from gke_changes.changed_cluster(spec, path, cluster, before, _AGAIN)
