"""Ways to break the end of a namespace."""

from collections.abc import Generator
from contextlib import contextmanager

from lab.live import until
from tests.checks.breakages.patient import SAMPLE, UNREAD, Breakage, Patient


@contextmanager
def namespace_terminating(patient: Patient) -> Generator[None]:
    """A deleted namespace, and an object in it whose finalizer no controller removes.

    Such a namespace cannot be restored; the fix that the checks name creates it again.
    """
    held = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "finalizers": ["example.com/held"]},
    }
    path = f"{SAMPLE}/configmaps/held"
    patient.west.post(f"{SAMPLE}/configmaps", held)
    patient.west.remove(SAMPLE)
    try:
        until(
            "only the finalizer blocks the end of west's sample",
            lambda: _held_by_finalizers(patient),
        )
        yield
    finally:
        patient.west.patch(path, {"metadata": {"finalizers": None}})
        until("west's sample gone", lambda: patient.west.find(SAMPLE) is None)
    patient.live.workspace.stack.up(refresh=True)


def _held_by_finalizers(patient: Patient) -> bool:
    """Kubernetes reports what is left at its next look, some seconds after the pods' end."""
    conditions = patient.west.get(SAMPLE)["status"].get("conditions", [])
    held = {c["type"]: c for c in conditions if c["status"] == "True"}
    left = held.get("NamespaceContentRemaining", {"message": "pods"})
    return "NamespaceFinalizersRemaining" in held and "pods" not in left["message"]


BREAKAGES = (
    Breakage(
        row=35,
        name="namespace-terminating",
        broken=namespace_terminating,
        check="same-namespaces",
        cluster="west",
        says=("sample", "Terminating", "example.com/held"),
        also=UNREAD | {"same-services", "proxy-missing", "injection-works"},
        last=True,
    ),
)
