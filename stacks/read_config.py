"""The stack's configuration, as Pulumi hands it over."""

from typing import Any

import pulumi

_KEYS = ("mesh", "clusters", "sample", "namespaces", "services", "gcp")


def read() -> dict[str, Any]:
    """The keys of `isthmus:` that are set, decrypted; secrets stay secrets in the components."""
    config = pulumi.Config("isthmus")
    found = {key: config.get_object(key) for key in _KEYS}
    # Pulumi.yaml has to give an object a default, and knows none but an empty one.
    return {key: value for key, value in found.items() if value not in (None, {})}
