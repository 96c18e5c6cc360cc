"""Steps between versions of Istio that its project does not support.

Istio upgrades in place from the minor version before (istio.io, In-place Upgrades), and istiod
serves proxies of its own minor version and of the one before (Supported Releases, Control
Plane/Data Plane Skew).
"""

from collections.abc import Iterator

from preflight.last_update import LastUpdate
from spec.mesh import MeshSpec
from spec.problems import Problem
from spec.rules.versions import Minor, minor

ACCEPTED = "ISTHMUS_ISTIO_STEP"
"""Environment variable with a version to which any step is accepted, for one command."""
_PATH = "isthmus:mesh.istio.version"


def check(spec: MeshSpec, last: LastUpdate, accepted: str | None = None) -> Iterator[Problem]:
    """Report a minor version that is skipped or lower, once for all clusters.

    An absent cluster keeps its version, so it counts again in the update that brings it back.

    Args:
        accepted: the version to which the user accepts any step.
    """
    wanted = spec.mesh.istio.version
    if accepted == wanted:
        return
    for cluster in spec.clusters:
        before = last.clusters.get(cluster.name)
        if cluster.absent or before is None or (was := before.istio or last.istio) is None:
            continue
        found = _step(cluster.name, minor(was), minor(wanted), was, wanted)
        if found:
            yield found
            return


def _step(
    name: str, before: Minor | None, now: Minor | None, was: str, wanted: str
) -> Problem | None:
    if before is None or now is None:
        return None
    if now < before:
        return Problem(
            "istio-downgraded",
            _PATH,
            f"must not be below the minor version of {was}, which cluster {name} has",
            "Istio supports proxies that are older than istiod, and none that are newer. Those "
            "that run would get configuration from an istiod that does not know them",
            f"restore {was}, or use a later patch of it. To go back after all: "
            f"`{ACCEPTED}={wanted} pulumi up`, and restart all pods with proxies at once",
            wanted,
        )
    if now[0] == before[0] and now[1] > before[1] + 1:
        following = f"{before[0]}.{before[1] + 1}"
        return Problem(
            "istio-minor-skipped",
            _PATH,
            f"must be at most one minor version above {was}, which cluster {name} has",
            "Istio upgrades in place from the minor version before, and istiod serves proxies of "
            "its own minor version and of the one before. Those that run would be older",
            f"set the last patch of {following}, run `pulumi up`, restart all pods with proxies, "
            f"and go on from there. To skip {following} after all, if no traffic depends on the "
            f"mesh: `{ACCEPTED}={wanted} pulumi up`",
            wanted,
        )
    return None
