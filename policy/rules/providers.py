"""Rules about the cluster of a resource: it is named, and the name does not change."""

from collections.abc import Iterator

from .resource import Finding, Resource

_PROVIDER = "pulumi:providers:kubernetes"


def has_identifier(resource: Resource) -> Iterator[Finding]:
    if resource.type != _PROVIDER or _is_default(resource.name):
        return
    if not resource.props.get("clusterIdentifier"):
        yield Finding(f"provider `{resource.name}` has no clusterIdentifier")


def has_own_provider(resource: Resource) -> Iterator[Finding]:
    name = resource.provider.rsplit("::", 1)[-1]
    is_kubernetes = resource.provider.split("::")[-2:-1] == [_PROVIDER]
    if is_kubernetes and _is_default(name):
        yield Finding(f"`{resource.name}` goes to the default provider `{name}`")


def _is_default(name: str) -> bool:
    """Whether the engine named the provider (resource/deploy/source_eval.go)."""
    return name == "default" or name.startswith("default_")
