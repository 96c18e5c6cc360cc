"""How each cluster is reached: by this program, and by the control planes of other clusters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as kubernetes

from components.ownership import this_stack
from preflight.facts import ClusterFacts
from spec.mesh import Cluster

if TYPE_CHECKING:
    from stacks.gke import GkeClusters


class Connections:
    """Kubeconfigs, providers and API servers, of existing clusters and of those created here."""

    def __init__(
        self,
        facts: Mapping[str, ClusterFacts],
        gke: "GkeClusters | None",
        *,
        protected: frozenset[str],
        absent: frozenset[str] = frozenset(),
    ) -> None:
        """`gke`: the clusters that this stack creates. `protected`: those that other stacks need,
        so that `destroy` stops before it deletes anything in them. `absent`: those that do not
        answer (stacks/kept.py)."""
        self._facts, self.gke, self._protected = facts, gke, protected
        self._absent = absent
        self._providers: dict[str, kubernetes.Provider] = {}

    def provider(self, name: str) -> kubernetes.Provider:
        """The provider of a cluster, created with the first object in it."""
        if name not in self._providers:
            self._providers[name] = self._make_provider(name)
        return self._providers[name]

    def _make_provider(self, name: str) -> kubernetes.Provider:
        return kubernetes.Provider(
            name,
            kubeconfig=pulumi.Output.secret(self.kubeconfig(name)),
            # New credentials or a new address of the same cluster must not replace what is in it
            # (pulumi/pulumi-kubernetes#1148).
            cluster_identifier=name,
            enable_server_side_apply=True,
            # An update that was killed has created objects that the state does not know. The next
            # one adopts them, where the default is to stop at each.
            upsert_existing_objects=self._adopts(name),
            # What has changed is changed in place: istiod must never see cacerts vanish, nor the
            # ConfigMaps that it reads.
            enable_secret_mutable=True,
            enable_config_map_mutable=True,
            # A refresh keeps what it cannot read, and a check repeats what the state has.
            skip_update_unreachable=name in self._absent or None,
            opts=pulumi.ResourceOptions(
                depends_on=self.gke.needed_in(name)
                if self.gke and name in self.gke.clusters
                else None,
                protect=name in self._protected,
            ),
        )

    def _adopts(self, name: str) -> bool:
        # Nothing is created in an absent cluster, so its provider does not change in this.
        return name in self._absent or self._created_here(name) or self._facts[name].adoptable

    def was_marked(self, name: str) -> bool:
        """Whether the stack's mark was seen in the cluster before this update wrote it."""
        if self._created_here(name):
            return True
        marks = self._facts[name].marks
        return marks is not None and marks.stack == this_stack()

    def _created_here(self, name: str) -> bool:
        return self.gke is not None and name in self.gke.clusters

    def kubeconfig(self, name: str) -> pulumi.Input[str]:
        """Content of a kubeconfig with one context. Holds credentials: a secret."""
        if self.gke and name in self.gke.clusters:
            return self.gke.clusters[name].kubeconfig
        return self._facts[name].connection.kubeconfig

    def server(self, reader: Cluster, cluster: Cluster) -> pulumi.Input[str]:
        """URL at which the reader's pods reach the API server of another cluster."""
        if cluster.api_server.server is not None:
            return cluster.api_server.server
        if self.gke and cluster.gke:
            return self.gke.server(reader, cluster)
        return self._facts[cluster.name].connection.server

    def certificate_authority(self, cluster: Cluster) -> str | None:
        """PEM text of the CA that the kubeconfig has for the kubeconfig's URL; empty for a public
        CA, None where the cluster's own CA is to be trusted."""
        if cluster.api_server.server is not None or cluster.gke:
            return None
        connection = self._facts[cluster.name].connection
        return None if connection.insecure else connection.certificate_authority or ""

    def tls_server_name(self, cluster: Cluster) -> str | None:
        """Name in the API server's certificate; the kubeconfig's with the kubeconfig's URL."""
        configured = cluster.api_server
        if configured.tls_server_name is not None or configured.server is not None or cluster.gke:
            return configured.tls_server_name
        return self._facts[cluster.name].connection.tls_server_name
