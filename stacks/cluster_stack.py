"""One cluster of a mesh as a stack of its own, out of what the mesh's stack hands over."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.shared_ca import IntermediateCA
from stacks import outputs
from stacks.access import Access
from stacks.handover import HandOver
from stacks.mesh import Discovery, MeshBuilder
from stacks.preflight.facts import ClusterFacts
from stacks.spec import Cluster


class ClusterBuilder(MeshBuilder):
    """Builds a remote: all that is in it, and its remote secrets in the primaries.

    The secrets are made here and not in the mesh's stack, which would need the reader's token from
    here, and so would have to be updated before and after. Requests are sent from this cluster and
    from its primary; clusters with other stacks are not asked, because those may not be up.
    """

    def __init__(self, handover: HandOver, facts: Mapping[str, ClusterFacts]) -> None:
        super().__init__(handover.spec, facts)
        # Nothing is protected, not even in the primary: that is the mesh's stack's to say.
        self.access = Access(facts, self.made, protected=frozenset())
        self.cluster = handover.cluster
        self.present = (*handover.spec.in_mesh_stack, handover.cluster)
        self.root = pulumi.Output.from_input(handover.root)
        self.intermediate = IntermediateCA(
            certificate=pulumi.Output.from_input(handover.intermediate.certificate),
            key=pulumi.Output.secret(handover.intermediate.key),
            root_certificate=self.root,
        )
        self.discovery |= {
            name: Discovery(pulumi.Output.from_input(address), None)
            for name, address in handover.discovery.items()
        }

    def build(self) -> dict[str, Any]:
        self._clusters([self.cluster], {self.cluster.name: self.intermediate})
        if self.spec.sample.enabled:
            fingerprint = self._fingerprint(self.root)
            for cluster in self._askers():
                self._verification(cluster, fingerprint, f"verify-mesh-{self.cluster.name}")
        return {
            "cluster": outputs.describe(self, self.cluster),
            "verified": outputs.verified(self),
        }

    def _askers(self) -> list[Cluster]:
        both = (self.cluster.name, self.cluster.primary)
        return [c for c in self.answering().values() if c.name in both]
