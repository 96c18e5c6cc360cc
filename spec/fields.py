"""Types and settings that all records of the configuration share."""

from typing import Annotated

from pydantic import ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""A DNS-1123 label: valid as a Kubernetes namespace and as Istio's name of a cluster."""

STRICT_CAMEL = ConfigDict(
    extra="forbid",
    alias_generator=to_camel,
    populate_by_name=True,
    use_attribute_docstrings=True,  # spec/reference.py generates documents from them
)
"""Keys are camelCase, unknown keys are refused, and docstrings become the reference page."""
