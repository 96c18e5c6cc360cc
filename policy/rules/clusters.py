"""Rules about clusters that the stack creates."""

from collections.abc import Iterator

from .resource import Finding, Resource


def is_protected(resource: Resource) -> Iterator[Finding]:
    # Without the input, the provider protects the cluster.
    off = resource.props.get("deletionProtection") is False
    if resource.type == "gcp:container/cluster:Cluster" and off:
        yield Finding(f"cluster `{resource.name}` can be deleted: deletionProtection is false")
