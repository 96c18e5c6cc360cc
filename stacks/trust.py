"""The roots that the clusters use, and those that this update would give them."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi

from components import names
from preflight.facts import ClusterFacts, Holder
from preflight.last_update import LastUpdate
from spec.mesh import MeshSpec
from spec.problems import Problem, raise_if_refused
from spec.rules import certificates

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_AHEAD = dt.timedelta(days=365)
"""A new root takes planning; intermediates are renewed by any update."""
_SHOWN = 5
"""So many proxies are named in a message."""


async def confirm_roots(
    spec: MeshSpec,
    trusted: Sequence[pulumi.Output[str]],
    signing: pulumi.Output[str],
    facts: Mapping[str, ClusterFacts],
    last: LastUpdate,
) -> None:
    """Compare the roots of this update with those that the clusters of the mesh use.

    Where a cluster has no ConfigMap with its root, or is never queried because this stack creates
    it, the root of the last update counts.

    They are outputs and so known to no rule of the spec: a root that is created comes from the
    state. In a preview, one that is not known yet is a new one.

    Args:
        trusted: PEM texts of the roots that clusters shall trust.
        signing: PEM text of the one that shall sign.

    Raises:
        MeshRefusedError: with each cluster that trusts other roots, or is not ready for these, and
            with each root that has ended.
    """
    ours = [c for root in trusted for c in await _known(root)]
    signer = next(iter(await _known(signing)), None)
    problems = [*_other_roots(spec, ours, facts, last), *_endings(ours)]
    # The rest would only repeat it, for every proxy.
    if not any(p.refuses for p in problems):
        problems += [p for n, known in facts.items() for p in _step(n, known, ours, signer)]
        if any(_changes(known, ours, signer) for known in facts.values()):
            problems += _absent(spec)
    for warning in raise_if_refused(problems):
        pulumi.log.warn(str(warning))


async def _known(root: pulumi.Output[str]) -> "Sequence[Certificate]":
    pem = await root.future() if await root.is_known() else None
    return list(dict.fromkeys(certificates.read_pem(pem))) if pem else []


def _other_roots(
    spec: MeshSpec,
    ours: "Sequence[Certificate]",
    facts: Mapping[str, ClusterFacts],
    last: LastUpdate,
) -> Iterator[Problem]:
    is_provided = spec.mesh.ca.signer.certificate is not None
    path = spec.mesh.ca.place(spec.mesh.ca.signer)
    config_map = names.ROOT_CONFIG_MAP
    for name in dict.fromkeys((*facts, *(c.name for c in spec.clusters))):
        seen = certificates.read_pem(facts[name].root or "") if name in facts else []
        before = certificates.read_pem(last.root or "") if name in last.clusters else []
        theirs = seen or before
        if not theirs or not set(theirs).isdisjoint(ours):
            continue
        look = f"kubectl --context {name} -n {spec.mesh.istio.namespace}"
        yield Problem(
            "root-replaced",
            f"{path}.certificate" if is_provided else path,
            f"must be the root that cluster {name} "
            f"{'trusts' if seen else 'trusted after the last update'}: {_names(theirs)}",
            "proxies trust that one alone. After the first restart of istiod, workloads with "
            "certificates of the two roots would refuse each other",
            (
                "write the former certificate again"
                if is_provided
                else "if ca.root was removed, write it again. If this state is not the one that "
                "created the mesh, use that one (`pulumi login`, `pulumi stack import`)"
            )
            + ". To change the root, trust both first (docs/trust.md, A new root); "
            + (
                f"if the mesh is a new one, and {config_map} a leftover of an earlier Istio: "
                f"`{look} delete configmap {config_map}`"
                if seen
                else "if a `pulumi destroy` stopped halfway, finish it first"
            ),
            _names(ours) if ours else "a new root, which this update would create",
        )


def _step(
    cluster: str,
    known: ClusterFacts,
    ours: "Sequence[Certificate]",
    signer: "Certificate | None",
) -> Iterator[Problem]:
    """Problems of a step from the roots that a cluster uses to those of the update.

    Whatever the step is, it is safe if every proxy trusts the root that signs after it, and if no
    certificate is left under a root that nothing trusts after it.

    Args:
        signer: the root that signs after it; None if it does not exist yet.
    """
    held = [h for h in known.holders if not h.unknown]
    waiting = [h for h in held if h.trusts and signer not in h.trusts]
    leaving = [h for h in held if h.shows and h.shows not in ours]
    if waiting:
        yield Problem(
            "root-not-trusted-yet",
            "isthmus:mesh.ca.signs",
            f"must be a root that all of cluster {cluster} trusts; {_some(waiting)} not yet",
            "workloads with a certificate under it would be refused there",
            "let the former root sign, and list both in ca.roots; when istiod has given both to "
            f"every proxy, which takes a minute or two, change it{_restart(waiting)}",
            _names([signer]) if signer else "a new root, which this update would create",
        )
    if leaving:
        yield Problem(
            "root-still-in-use",
            "isthmus:mesh.ca.roots",
            f"must contain {_names({h.shows for h in leaving if h.shows})}, because in cluster "
            f"{cluster} there are certificates under it: {_some(leaving)}",
            "nothing would trust them any more, and all their connections would fail",
            "keep it, and let another root sign; proxies get new certificates in a minute or two"
            + _restart(leaving),
            _names(ours),
        )
    unknown = [h for h in known.holders if h.unknown]
    if unknown and _held_changes(known, ours, signer):
        yield Problem(
            "root-use-unknown",
            "isthmus:mesh.ca",
            f"cannot change the root while parts of cluster {cluster} do not say which roots they "
            f"use: {', '.join(f'{h.name} ({h.unknown})' for h in unknown[:_SHOWN])}"
            + _more(unknown),
            "they might not trust the root, or have certificates under the former one",
            "wait until they are ready, and preview again; the account of the kubeconfig must be "
            "allowed to run commands in pods",
        )
    if lagging := [h for h in known.holders if not h.follows]:
        yield Problem(
            "proxies-follow-no-root",
            "isthmus:mesh.ca.roots",
            f"restart in cluster {cluster}, before the next step: {_some(lagging)}",
            f"they were injected without {names.FOLLOWS_ROOTS}, and learn of another root only "
            "when they start",
            f"`kubectl --context {cluster} rollout restart` of their Deployments",
            refuses=False,
        )


def _held_changes(
    known: ClusterFacts, ours: "Sequence[Certificate]", signer: "Certificate | None"
) -> bool:
    """Whether a part of the cluster has a certificate or a root that the update would take away."""
    held = [h for h in known.holders if not h.unknown]
    return any((h.shows and h.shows != signer) or not h.trusts <= set(ours) for h in held)


def _changes(
    known: ClusterFacts, ours: "Sequence[Certificate]", signer: "Certificate | None"
) -> bool:
    """Whether the update would change the roots of a cluster, or the one that signs there."""
    trusted = set(certificates.read_pem(known.root or ""))
    return _held_changes(known, ours, signer) or bool(trusted and trusted != set(ours))


def _absent(spec: MeshSpec) -> Iterator[Problem]:
    for cluster in spec.absent:
        yield Problem(
            "root-use-unknown",
            "isthmus:mesh.ca",
            f"cannot change the root while cluster {cluster.name} is absent",
            "it keeps its roots and certificates, and does not say which ones they are. The next "
            "step might lead to two parts of the mesh that refuse each other",
            "write the former roots again and update the others; change the root when the cluster "
            "is back, or has been removed from isthmus:clusters",
        )


def _some(holders: Sequence[Holder]) -> str:
    return ", ".join(h.name for h in holders[:_SHOWN]) + _more(holders)


def _more(holders: Sequence[Holder]) -> str:
    left = len(holders) - _SHOWN
    return f" and {left} more" if left > 0 else ""


def _restart(holders: Sequence[Holder]) -> str:
    lagging = [h for h in holders if not h.follows]
    if not lagging:
        return ""
    return f". Restart what was injected without {names.FOLLOWS_ROOTS}: {_some(lagging)}"


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
                "change the root (docs/trust.md, A new root)",
                _names([certificate]),
                refuses=ended,
            )


def _names(found: "Iterable[Certificate]") -> str:
    from cryptography.hazmat.primitives.hashes import SHA256

    return ", ".join(
        f"{certificates.subject(c)} ({c.fingerprint(SHA256()).hex()[:12]})" for c in found
    )
