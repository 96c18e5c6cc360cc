"""The rules, without the code that runs them (`__main__.py`). docs/policy.md lists them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from . import clusters, providers, traffic, versions
from .resource import Finding, Resource

ResourceCheck = Callable[[Resource], Iterator[Finding]]
StackCheck = Callable[[Sequence[Resource]], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """What must hold, why, and how to fix a violation."""

    name: str
    demand: str
    why: str
    fix: str

    def message(self, finding: Finding) -> str:
        return f"{finding.what}\n  why: {self.why}\n  fix: {self.fix}"


SECRECY = Rule(
    "secrets-stay-secret",
    "CA keys, kubeconfigs and the data of Secrets are Pulumi secrets.",
    "they would be readable in the state, in diffs and in a pull request's comment",
    "make it a secret where it is read: pulumi.Output.secret(…), `pulumi config set --secret`",
)

RESOURCE_RULES: Sequence[tuple[Rule, ResourceCheck]] = (
    (
        Rule(
            "cluster-identifier",
            "Every Kubernetes provider has a cluster identifier.",
            "without it, new credentials or a new address of the same cluster replace everything "
            "in it (pulumi/pulumi-kubernetes#1148)",
            "set cluster_identifier to the cluster's name",
        ),
        providers.has_identifier,
    ),
    (
        Rule(
            "no-default-provider",
            "No object uses the default Kubernetes provider.",
            "it means whatever context this machine's kubeconfig has today, so an object can "
            "land in another cluster",
            "pass opts with the provider of its cluster, or with a parent that has it",
        ),
        providers.has_own_provider,
    ),
    (
        Rule(
            "versions-pinned",
            "Charts have an exact version, images a tag other than latest or a digest.",
            "the next update, or the next pod, would run code that no reviewer has seen",
            "write the version, or the digest as NAME@sha256:…",
        ),
        versions.pins_versions,
    ),
    (
        Rule(
            "no-public-load-balancer",
            "Load balancers are internal.",
            "gateways and control planes are for the mesh's own clusters; on the internet anyone "
            "can connect to them",
            "add the cloud's annotation to isthmus:mesh.gateways.annotations or to controlPlane, "
            "or disable the rule in policy/levels for a stack whose networks only meet there",
        ),
        traffic.is_internal,
    ),
    (
        Rule(
            "deletion-protection",
            "Clusters on Google Cloud are protected from deletion.",
            "one wrong key in a pull request would delete the cluster with everything in it",
            "leave deletionProtection on, or set this rule's level in policy/levels for a "
            "temporary stack",
        ),
        clusters.is_protected,
    ),
)

STACK_RULES: Sequence[tuple[Rule, StackCheck]] = (
    (
        Rule(
            "mtls-strict",
            "Every control plane requires mTLS in the whole mesh.",
            "any client that reaches a pod could call it in plain text, without an identity",
            "set isthmus:mesh.mtls to strict, or this rule's level in policy/levels",
        ),
        traffic.demands_mtls,
    ),
    (
        Rule(
            "gateway-network-label",
            "Gateways between networks carry topology.istio.io/network.",
            "istiod would not know that the gateway leads to the network: its pods stay "
            "unreachable from others, without an error (istio/istio#52065)",
            "add the label, or announce the gateway by meshNetworks",
        ),
        traffic.gateways_announced,
    ),
)
