"""The root that the clusters trust, and the one that this update would give them."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi

from components import names
from preflight.facts import ClusterFacts
from spec.mesh import MeshSpec
from spec.problems import Problem, raise_if_refused
from spec.rules import certificates

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_AHEAD = dt.timedelta(days=365)
"""A new root takes planning; intermediates are renewed by any update."""


async def confirm_root(
    spec: MeshSpec, root: pulumi.Output[str], facts: Mapping[str, ClusterFacts]
) -> None:
    """Compare the root of this update with the one that each cluster of the stack trusts.

    It is an output and so known to no rule of the spec: a root that is created comes from the
    state. In a preview, one that is not known yet is a new one.

    Raises:
        MeshRefusedError: with each cluster that trusts another root, or the root if it has ended.
    """
    pem = await root.future() if await root.is_known() else None
    ours = certificates.read_pem(pem) if pem else []
    for warning in raise_if_refused([*_other_roots(spec, ours, facts), *_endings(ours)]):
        pulumi.log.warn(str(warning))


def _other_roots(
    spec: MeshSpec, ours: "Sequence[Certificate]", facts: Mapping[str, ClusterFacts]
) -> Iterator[Problem]:
    is_provided = spec.mesh.ca.root is not None
    for name, known in facts.items():
        theirs = certificates.read_pem(known.root or "")
        if not theirs or set(theirs) == set(ours):
            continue
        look = f"kubectl --context {name} -n {spec.mesh.istio.namespace}"
        yield Problem(
            "root-replaced",
            "isthmus:mesh.ca.root.certificate" if is_provided else "isthmus:mesh.ca.root",
            f"must be the root that cluster {name} trusts: {_names(theirs)}",
            "proxies trust that one alone. After the first restart of istiod, workloads with "
            "certificates of the two roots would refuse each other",
            (
                "write the former certificate again"
                if is_provided
                else "if ca.root was removed, write it again. If this state is not the one that "
                "created the mesh, use that one (`pulumi login`, `pulumi stack import`)"
            )
            + f"; if the mesh is a new one, and {names.ROOT_CONFIG_MAP} a leftover of an earlier "
            f"Istio: `{look} delete configmap {names.ROOT_CONFIG_MAP}`",
            _names(ours) if ours else "a new root, which this update would create",
        )


def _endings(ours: "Sequence[Certificate]") -> Iterator[Problem]:
    now = dt.datetime.now(dt.UTC)
    for certificate in ours:
        end = certificate.not_valid_after_utc
        if end < now + _AHEAD:
            ended = end <= now
            yield Problem(
                "ca-expired" if ended else "root-ends-too-soon",
                "isthmus:mesh.ca.root",
                f"must not have ended ({end:%Y-%m-%d})"
                if ended
                else f"ends on {end:%Y-%m-%d}, in {(end - now).days} days",
                "when the root ends, every certificate under it ends with it, and all mTLS stops",
                "plan a new root (docs/trust.md, When they end)",
                _names([certificate]),
                refuses=ended,
            )


def _names(found: "Sequence[Certificate]") -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return ", ".join(
        f"{certificates.subject(c)} ({c.fingerprint(SHA256()).hex()[:12]})" for c in found
    )
