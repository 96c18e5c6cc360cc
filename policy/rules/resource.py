"""A resource as plain data, so that the rules need neither Pulumi nor its engine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""A text that is only known in the update (sdk/proto in pulumi/pulumi). No rule judges it."""


@dataclass(frozen=True)
class Secret:
    """A value that the program has marked as a secret."""

    value: Any


@dataclass(frozen=True)
class Resource:
    """One resource of a stack."""

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    """Inputs. Secrets are plain values, except for the rule about secrets."""
    provider: str = ""
    """URN of the provider; empty for components and providers."""
    components: tuple[str, ...] = ()
    """Types of its parents, the nearest first; only in a rule for the stack."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of a Kubernetes object."""
        return mapping(self.props, "metadata")

    @property
    def spec(self) -> Mapping[str, Any]:
        """Spec of a Kubernetes object."""
        return mapping(self.props, "spec")


@dataclass(frozen=True)
class Finding:
    """A place where a rule is violated. The rule has the reason and the fix."""

    what: str
    urn: str = field(default="", kw_only=True)
    """Resource that violates a rule for the stack."""


def mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping at a key; an empty one if there is none or it is not known yet."""
    found = parent.get(key)
    return found if isinstance(found, Mapping) else {}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is not a mapping or list, with its path. A secret counts as one value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value
