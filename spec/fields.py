"""What the records of the configuration have in common."""

from typing import Annotated

from pydantic import ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

DnsLabel = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""A DNS-1123 label: what Kubernetes takes as a namespace and Istio as a cluster's name."""

STRICT_CAMEL = ConfigDict(
    extra="forbid",
    alias_generator=to_camel,
    populate_by_name=True,
    use_attribute_docstrings=True,  # spec/reference.py makes documents of them
)
"""Keys are camelCase, unknown ones are refused, and docstrings are the reference page."""
