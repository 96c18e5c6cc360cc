"""Namespaces and Services that every cluster has, and entries that lead to pods elsewhere."""

from collections.abc import Mapping, Sequence

import pulumi

from components.service_entries import (
    GatewayEndpoint,
    ServiceEntries,
    ServicePort,
    protocol_of,
)
from components.shared_configuration import SharedConfiguration, SharedObjectArgs
from components.shared_services import SharedServices
from spec.mesh import Cluster
from spec.shared import MADE_BY_ISTHMUS, OCCUPIED, ReadyPods, ServiceName, WantedNamespace
from stacks.built import Built


def create_shared_configuration(built: Built, cluster: Cluster) -> None:
    """Create what a control plane lacks of Istio's objects that all of them have."""
    if built.spec.absent:  # stacks/kept.py keeps them everywhere
        return
    lacking: list[SharedObjectArgs] = [
        {
            "api_version": wanted.api_version,
            "kind": kind,
            "namespace": namespace,
            "name": name,
            "spec": wanted.spec,
        }
        for (kind, namespace, name), wanted in built.shared.configuration.items()
        if cluster.name not in wanted.exists_in
    ]
    if lacking:
        SharedConfiguration(
            cluster.name,
            {"objects": lacking, "mark": {MADE_BY_ISTHMUS: built.spec.mesh.id}},
            built.options(
                cluster,
                built.webhooks[cluster.name],
                built.shared_services.get(cluster.name),
                built.samples.get(cluster.name),
            ),
        )


def create_shared_objects(built: Built, cluster: Cluster) -> None:
    """Create what the cluster lacks of the mesh's shared namespaces and Services."""
    shared = built.shared
    if built.spec.absent or not shared.namespaces:  # stacks/kept.py keeps them everywhere
        return
    services = built.shared_services[cluster.name] = SharedServices(
        cluster.name,
        {
            "namespaces": {
                name: {**namespace.labels, **_occupied(namespace, cluster)}
                for name, namespace in shared.namespaces.items()
                if cluster.name not in namespace.exists_in
            },
            "services": [
                {
                    "namespace": name[0],
                    "name": name[1],
                    "ports": [
                        {
                            "name": p.name,
                            "port": p.port,
                            "target_port": p.target_port,
                            "protocol": p.protocol,
                            "app_protocol": p.app_protocol,
                        }
                        for p in service.ports
                    ],
                    "selector": service.selector,
                }
                for name, service in shared.services.items()
                if cluster.name not in service.exists_in
            ],
            "occupied": {
                name
                for name, namespace in shared.namespaces.items()
                if _occupied(namespace, cluster)
            },
            "mark": {MADE_BY_ISTHMUS: built.spec.mesh.id},
        },
        built.options(cluster, built.members[cluster.name]),
    )
    for name, service in shared.services.items():
        ports = [
            ServicePort(p.port, p.name, protocol_of(p.name, p.app_protocol))
            for p in service.ports
            if p.protocol == "TCP"  # a ServiceEntry has no other
        ]
        create_entries(built, cluster, name, ports, service.runs_in, services)


def _occupied(namespace: WantedNamespace, cluster: Cluster) -> Mapping[str, str]:
    """Return the label of a namespace that holds objects of users in this cluster, if it does."""
    return {OCCUPIED: "true"} if cluster.name in namespace.occupied_in else {}


def create_entries(
    built: Built,
    cluster: Cluster,
    service: ServiceName,
    ports: Sequence[ServicePort],
    runs_in: Mapping[str, ReadyPods],
    after: pulumi.Resource,
) -> None:
    """Enter the gateways of other clusters, where control planes do not watch those clusters.

    Args:
        runs_in: pods of the Service by cluster.
        after: what creates the Service itself.
    """
    if built.spec.absent or built.spec.mesh.discovery != "entries":
        return
    elsewhere = {
        other.name: GatewayEndpoint(
            built.gateways[other.name].address,
            built.spec.mesh.gateways.port,
            other.network,
            runs_in[other.name].number,
            runs_in[other.name].locality,
        )
        for other in built.spec.clusters
        if other.name in runs_in and other.name != cluster.name
    }
    if elsewhere:
        namespace, name = service
        ServiceEntries(
            f"{cluster.name}/{namespace}/{name}",
            {"namespace": namespace, "service": name, "ports": ports, "elsewhere": elsewhere},
            pulumi.ResourceOptions.merge(
                built.options(cluster, after, built.webhooks[cluster.name]),
                # The name until 0.1 could be that of two Services: see SharedServices.
                pulumi.ResourceOptions(
                    aliases=[
                        pulumi.Alias(name=f"{cluster.name}-{namespace}-{name}", type_=type_)
                        for type_ in (
                            "isthmus:index:ServiceEntries",
                            "isthmus:index:FederatedService",
                        )
                    ]
                ),
            ),
        )
