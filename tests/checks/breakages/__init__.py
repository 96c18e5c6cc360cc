"""Ways to break a mesh of a primary `east` and its remote `west`, each of which undoes itself.

Each is a context manager: inside it the mesh is broken and shows it, after it the mesh is whole.
"""

from tests.checks.breakages import gateways, injection, namespaces, remote_secrets, traffic, trust
from tests.checks.breakages.patient import Breakage, Patient

BREAKAGES: tuple[Breakage, ...] = tuple(
    sorted(
        (
            *remote_secrets.BREAKAGES,
            *gateways.BREAKAGES,
            *trust.BREAKAGES,
            *injection.BREAKAGES,
            *traffic.BREAKAGES,
            *namespaces.BREAKAGES,
        ),
        key=lambda breakage: breakage.last,
    )
)

__all__ = ["BREAKAGES", "Breakage", "Patient"]
