"""Configurations and facts that the unit tests share."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from kube.kubeconfig import Connection
from preflight.facts import ClusterFacts
from spec import config
from spec.mesh import MeshSpec
from spec.problems import MeshRefusedError, Problem
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit.recorder import Recording, record


def cluster(name: str, network: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "network": network, "kubeconfig": "kubeconfig", **more}


def configuration(*clusters: Mapping[str, Any], **istio: Any) -> dict[str, Any]:
    """A configuration with a sample; `istio` adds to or replaces the settings of Istio."""
    return {
        "mesh": {
            "id": "mesh1",
            "istio": {"version": "1.31.0", "charts": "charts", **istio},
            "gateways": {"sourceRanges": ["10.0.0.0/8"]},
        },
        "clusters": list(clusters),
        "sample": {"enabled": True},
    }


def two_networks(**istio: Any) -> dict[str, Any]:
    """A primary and its remote, on two networks: stack dev."""
    return configuration(
        cluster("east", "east-net"), cluster("west", "west-net", primary="east"), **istio
    )


def refused(configured: Mapping[str, Any]) -> list[Problem]:
    """What a configuration is refused for, which never shows a key; nothing if it is taken."""
    try:
        config.parse(configured)
    except MeshRefusedError as refusal:
        found = list(refusal.problems)
    else:
        found = []
    assert "PRIVATE KEY" not in "".join(str(p) for p in found)
    return found


def facts(spec: MeshSpec) -> dict[str, ClusterFacts]:
    return {
        c.name: ClusterFacts(
            Connection(f"kubeconfig of {c.name}", f"https://{c.name}.test:6443", None),
            "1.34.4",
            f"uid of {c.name}",
            adoptable=True,
        )
        for c in spec.clusters
    }


def recorded(configured: Mapping[str, Any], **hostnames: str) -> Recording:
    """All resources of a mesh; `hostnames` as in `record`, with `_` for `-`.

    A mesh without host names is recorded once for all tests that use it; a host name is resolved
    each time, by the resolver of the test.
    """
    if hostnames:
        return _record(configured, {n.replace("_", "-"): host for n, host in hostnames.items()})
    return _recorded_once(json.dumps(configured))


@cache
def _recorded_once(configured: str) -> Recording:
    return _record(json.loads(configured), {})


def _record(configured: Mapping[str, Any], hostnames: Mapping[str, str]) -> Recording:
    spec = config.parse(configured)
    return record(lambda: build_mesh(spec, facts(spec), MeshIdentity.create()), hostnames)
