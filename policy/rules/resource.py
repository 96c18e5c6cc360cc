"""A resource as the rules see it: plain data, so that they need neither Pulumi nor its engine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""A text that only the update will know (sdk/proto in pulumi/pulumi). It is never judged."""


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
    """Inputs. Secrets are laid open, but for the rule that is about them."""
    provider: str = ""
    """URN of the provider; empty for components and providers."""
    components: tuple[str, ...] = ()
    """Types of what it is a part of, the nearest first; only in a rule for the stack."""

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
    """Where a rule is broken. The rule says why it matters, and the cure."""

    what: str
    urn: str = field(default="", kw_only=True)
    """Resource that breaks a rule for the stack."""


def mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping at a key; an empty one if there is none or it is not known yet."""
    found = parent.get(key)
    return found if isinstance(found, Mapping) else {}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no mapping or list, with its path. A secret counts as one value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value
