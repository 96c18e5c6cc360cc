"""Which pods of a Service answer first, as rules of every control plane."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from components import names
from components.traffic_policies import TrafficPolicies, TrafficPolicyArgs
from spec.locality import TrafficPolicy
from spec.mesh import Cluster, MeshSpec
from stacks.built import Built

_POLICY = TypeAdapter(TrafficPolicy)


def create_traffic_policies(built: Built, cluster: Cluster) -> None:
    """Create the rules in a primary, if the mesh has any."""
    if built.spec.absent:  # stacks/kept.py keeps them, as the Services' namespaces
        return
    if rules := [*_rules(built.spec)]:
        TrafficPolicies(
            cluster.name,
            {"rules": rules},
            built.options(
                cluster, built.webhooks[cluster.name], built.shared_services.get(cluster.name)
            ),
        )


def _rules(spec: MeshSpec) -> Iterator[TrafficPolicyArgs]:
    if policy := spec.mesh.traffic_policy:
        yield {
            "namespace": spec.mesh.istio.namespace,
            "name": names.MESH_RULE,
            # Without hosts outside of the mesh, which have no locality.
            "host": f"*.{names.CLUSTER_DOMAIN}",
            "traffic_policy": in_istios_words(policy),
        }
    for service in spec.services:
        if policy := service.traffic_policy:
            yield {
                "namespace": service.namespace,
                "name": f"{service.name}-locality",
                "host": names.host(service.name, service.namespace),
                "traffic_policy": in_istios_words(policy),
            }


def in_istios_words(policy: TrafficPolicy) -> Mapping[str, Any]:
    """The policy as a DestinationRule has it. A disabled one has no outlier detection, which would
    turn failover by region and zone on."""
    written = _POLICY.dump_python(policy, mode="json", by_alias=True)
    setting, detection = written["localityLbSetting"], written["outlierDetection"]
    if not policy.locality_lb_setting.enabled:
        return {"loadBalancer": {"localityLbSetting": {"enabled": False}}}
    return {
        "loadBalancer": {"localityLbSetting": {k: v for k, v in setting.items() if v}},
        "outlierDetection": detection,
    }
