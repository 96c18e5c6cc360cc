"""Helm releases that an update left half-way when it was killed.

Helm refuses to touch such a release for ever (`another operation is in progress`, `cannot re-use a
name`), though nobody is at work: its record says so, and nobody is left to change it. Without the
record, the next update installs over what is there, for objects say which release they belong to.
"""

from collections.abc import Iterator, Mapping

from components import releases
from stacks.cluster_api import ClusterApi, UnansweredError
from stacks.preflight.facts import ClusterFacts, UnfinishedRelease
from stacks.preflight.foreign import owner
from stacks.problems import Problem

_UNFINISHED = (
    "owner=helm,status in (pending-install,pending-upgrade,pending-rollback),"
    f"name in ({','.join(releases.ALL)})"
)


def unfinished(api: ClusterApi, namespace: str, stack: str) -> tuple[UnfinishedRelease, ...]:
    """Those of this stack's own; Helm writes down each revision as a Secret with such labels."""
    path = f"/api/v1/namespaces/{namespace}/secrets"
    records = [s["metadata"] for s in api.get(path, labelSelector=_UNFINISHED)["items"]]
    if not records or owner(api, namespace) != stack:
        return ()
    return tuple(
        UnfinishedRelease(r["labels"]["name"], r["labels"]["status"], f"{path}/{r['name']}")
        for r in records
    )


def told(found: tuple[UnfinishedRelease, ...], path: str) -> Iterator[Problem]:
    for release in found:
        yield Problem(
            path,
            f"Helm release {release.name} is {release.status}: an update was killed at it",
            "Helm itself would refuse to go on with it",
            "nothing; `pulumi up` removes Helm's record of that step, and takes it again",
            refuses=False,
        )


def forget(facts: Mapping[str, ClusterFacts]) -> Iterator[str]:
    """Remove the records, so that the update can go on; gives a sentence for each.

    For an update only: it holds the stack's lock, so nobody else is at work.
    """
    for cluster, known in facts.items():
        if not known.unfinished:
            continue
        with ClusterApi.connect(known.access.kubeconfig) as api:
            for release in known.unfinished:
                about = f"the {release.status} of Helm release {release.name} in cluster {cluster}"
                try:
                    api.delete(release.record)
                except UnansweredError as error:
                    yield f"{about} could not be forgotten, and Helm will refuse: {error}"
                else:
                    yield f"{about}, at which an update was killed, is forgotten"
