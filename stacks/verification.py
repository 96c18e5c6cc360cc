"""The sample in every cluster, and the requests that verify the mesh."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import pulumi

from components import names
from components.sample import Sample
from components.service_entries import ServicePort
from components.verification import Verification
from spec.mesh import Cluster
from spec.shared import ReadyPods
from stacks.built import Built
from stacks.shared_objects import create_entries

_NOT_TRAFFIC = ("kubeconfig", "context", "gke", "ca", "absent")
"""Keys of a cluster that no request depends on."""
_NOT_TRAFFIC_OF_SAMPLE = ("ca", "traffic_policy")
"""Keys of the mesh: the roots are compared apart, and the sample has its own rule."""

Observed = Mapping[str, pulumi.Output[str | None]]
"""By the cluster that requests were sent from: when the last version had answered there."""


def create_sample(built: Built, cluster: Cluster, version: str) -> Sample:
    """Install `helloworld` and its client. `version` names the cluster in every answer."""
    created = Sample(
        cluster.name,
        {
            "version": version,
            "server_image": built.spec.images.server,
            "client_image": built.spec.images.client,
            "pull_secrets": built.spec.images.pull_secrets,
            "is_primary": not cluster.is_remote,
            "adopts_namespace": built.adopts(cluster, names.SAMPLE_NAMESPACE),
            "injects": cluster.injection == "automatic",
        },
        built.options(cluster, built.webhooks[cluster.name]),
    )
    create_entries(
        built,
        cluster,
        (names.SAMPLE_NAMESPACE, names.SAMPLE_SERVICE),
        [ServicePort(names.SAMPLE_PORT, "http", "HTTP")],
        {c.name: ReadyPods() for c in built.answering.values()},
        created,
    )
    return created


def verify(
    built: Built,
    callers: Iterable[Cluster],
    root: pulumi.Output[str],
    job: str = "verify-mesh",
) -> Observed:
    """Send requests from each caller to every version that must answer there.

    Args:
        root: PEM text of the roots that every proxy trusts; another one makes the requests run
            again.
        job: name of the Job, unique among the stacks that verify from one cluster.
    """
    if not built.spec.sample.enabled:
        return {}
    fingerprint = _fingerprint(built, root)
    # The requests wait for the sample's workloads themselves, so they start beside these. The
    # fingerprint has the gateways' addresses: no Job starts before the load balancers have one,
    # which takes a cloud minutes.
    prerequisites = [
        *(x for sample in built.samples.values() for x in sample.before_requests),
        *built.webhooks.values(),
        # Those of the version before would answer too.
        *(built.gateways.values() if built.changes_istio else ()),
    ]
    return {
        cluster.name: Verification(
            cluster.name,
            {
                "cluster": cluster.name,
                "job": job,
                "image": built.spec.images.client,
                "pull_secrets": built.spec.images.pull_secrets,
                "control_plane": built.spec.control_plane_of(cluster),
                "versions": {
                    v: c.name
                    for v, c in built.answering.items()
                    if c == cluster
                    or not built.spec.is_local(names.SAMPLE_NAMESPACE, names.SAMPLE_SERVICE)
                },
                "root": root,
                "fingerprint": fingerprint,
            },
            built.options(cluster, *prerequisites),
        ).completed
        for cluster in callers
    }


def _fingerprint(built: Built, root: pulumi.Output[str]) -> pulumi.Output[str]:
    """A hash of all that traffic depends on: the spec, which clusters they are, addresses and the
    shared root."""
    clusters = [
        {k: v for k, v in asdict(c).items() if k not in _NOT_TRAFFIC} for c in built.present
    ]
    mesh = {k: v for k, v in asdict(built.spec.mesh).items() if k not in _NOT_TRAFFIC_OF_SAMPLE}
    identities = [built.facts[c.name].uid for c in built.present if c.name in built.facts]
    plain = json.dumps([clusters, mesh, identities], sort_keys=True, default=str)

    def digest(parts: Sequence[str]) -> str:
        return hashlib.sha256("\n".join([plain, *parts]).encode()).hexdigest()[:16]

    return pulumi.Output.all(
        root, *(x.address for x in (*built.gateways.values(), *built.discovery.values()))
    ).apply(digest)
