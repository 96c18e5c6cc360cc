"""With what each control plane reads the other clusters, and whether it does."""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from checks import istiod, remote_kubeconfig
from checks.api import PodApi
from checks.model import Check, Finding, failed, ok, primaries, readers, skipped, warning
from checks.view import Json, Mesh, View
from kube.api import UnansweredError
from picture.state import Part

_LABEL = "istio/multiCluster"
_PREFIX = "istio-remote-secret-"
_ANNOTATION = "networking.istio.io/cluster"
_TOKEN_ENDS_SOON = 30 * 86400
_AGAIN = "`pulumi up --refresh` writes it again"
# What istiod reads of another cluster (templates/reader-clusterrole.yaml of the istiod chart).
_NEEDED = (
    ("list", "", "services"),
    ("list", "", "pods"),
    ("list", "", "nodes"),
    ("list", "", "namespaces"),
    ("list", "discovery.k8s.io", "endpointslices"),
    ("create", "authentication.k8s.io", "tokenreviews"),
)
# With these a thief of the secret owns the cluster.
_TOO_MUCH = (
    ("create", "", "pods"),
    ("create", "", "secrets"),
    ("update", "apps", "deployments"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("*", "*", "*"),
)


@dataclass(frozen=True)
class _Entry:
    """One kubeconfig in one secret."""

    secret: str
    cluster: str
    """The data key, which istiod takes for the cluster's ID."""
    annotated: str | None
    kubeconfig: str = field(repr=False)
    """Someone else's text: it is read as data and never loaded."""


def _watched(mesh: Mesh, view: View) -> Sequence[str]:
    return [c.name for c in mesh.spec.clusters if view.cluster in mesh.spec.readers_of(c)]


def _entries(view: View) -> Sequence[_Entry]:
    """What istiod finds: labelled secrets of its namespace."""
    return [
        _Entry(
            s["metadata"]["name"],
            key,
            s["metadata"].get("annotations", {}).get(_ANNOTATION),
            base64.b64decode(value).decode(errors="replace"),
        )
        for s in view.items(view.istio("secrets"), labelSelector=f"{_LABEL}=true")
        for key, value in s.get("data", {}).items()
    ]


def _objects(mesh: Mesh, view: View) -> Iterator[Finding]:
    watched, entries = _watched(mesh, view), _entries(view)
    for name in watched:
        mine = [e for e in entries if e.cluster == name]
        part = Part("secret", view.name, name)
        if not mine:
            yield failed(
                _why_missing(view, name, entries),
                f"istiod of {view.name} cannot see {name}'s pods without it; {_AGAIN}",
                part,
            )
        elif len(mine) > 1:
            yield failed(
                f"{len(mine)} secrets hold {name}: {', '.join(e.secret for e in mine)}",
                "istiod takes the first that it sees and ignores the others, which may be the "
                f"right ones; keep {_PREFIX}{name} and delete the rest",
                part,
            )
        elif problem := _wrong(mesh, mine[0]):
            yield failed(f"{mine[0].secret}: {problem}", _AGAIN, part)
        else:
            yield ok(f"{mine[0].secret} is for {name}")
    for entry in entries:
        if entry.cluster == view.name:
            yield warning(
                f"{entry.secret} is for {view.name} itself, which istiod ignores without a word",
                f"delete it: kubectl --context {view.name} -n {view.namespace} delete secret "
                f"{entry.secret}",
            )
        elif entry.cluster not in watched:
            yield failed(
                f"{entry.secret} is for {entry.cluster!r}, which is no cluster of this mesh",
                "istiod sends traffic there too, or waits for it at its start; delete it: "
                f"kubectl --context {view.name} -n {view.namespace} delete secret {entry.secret}",
                Part("istiod", view.name),
            )


def _why_missing(view: View, name: str, entries: Sequence[_Entry]) -> str:
    secret = view.find(view.istio("secrets", _PREFIX + name))
    if secret is None:
        return f"{_PREFIX}{name} is not there"
    if secret["metadata"].get("labels", {}).get(_LABEL) != "true":
        return f"{_PREFIX}{name} lacks the label {_LABEL}=true, by which istiod finds it"
    keys = ", ".join(e.cluster for e in entries if e.secret == _PREFIX + name) or "nothing"
    return f"{_PREFIX}{name} holds {keys}, where istiod must find {name}"


def _wrong(mesh: Mesh, entry: _Entry) -> str:
    """What is wrong with an entry, in words; empty if nothing."""
    if entry.annotated != entry.cluster:
        return f"the annotation {_ANNOTATION} is {entry.annotated!r}, not {entry.cluster!r}"
    try:
        server = remote_kubeconfig.read(entry.kubeconfig).server
    except remote_kubeconfig.ShapeError as error:
        return str(error)
    if server != mesh.description.servers[entry.cluster]:
        return f"it leads to {server}, not to {mesh.description.servers[entry.cluster]}"
    return ""


def _registry(mesh: Mesh, view: View) -> Iterator[Finding]:
    watched = _watched(mesh, view)
    found = {str(c["id"]): str(c["syncStatus"]) for c in istiod.asked(view, "/debug/clusterz")}
    for name in watched:
        status = found.get(name, "unknown to istiod")
        if status == "synced":
            yield ok(f"{name} synced")
        else:
            yield failed(
                f"istiod of {view.name} has {name} as: {status}",
                "`timeout` and `syncing`: its pod does not reach the API server in the secret, or "
                "the token is refused there; unknown: it does not take the secret. It says why: "
                f"kubectl --context {view.name} -n {view.namespace} logs deploy/istiod. If "
                "remote-secret is well, it has stopped listening, as Istio 1.31.0 does when a "
                "secret goes while it waits for that cluster: rollout restart deploy/istiod",
                Part("secret", view.name, name),
            )
    for name in found.keys() - {view.name, *watched}:
        yield failed(
            f"istiod of {view.name} also reads {name!r}, which is no cluster of this mesh",
            "delete its remote secret",
            Part("istiod", view.name),
        )
    if view.name not in found:
        yield failed(
            f"istiod calls itself {', '.join(found)}, not {view.name}",
            "another name in Istio's values stands above the cluster's; every name must be the one "
            "in isthmus:clusters",
            Part("istiod", view.name),
        )
    elif not watched:
        yield ok("reads its own cluster and no other")


def _token(mesh: Mesh, view: View) -> Iterator[Finding]:
    for entry in _entries(view):
        if entry.cluster not in _watched(mesh, view) or _wrong(mesh, entry):
            continue
        part = Part("secret", view.name, entry.cluster)
        server = mesh.description.servers[entry.cluster]
        try:
            with PodApi.connect(remote_kubeconfig.read(entry.kubeconfig).content) as api:
                user = api.post(
                    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                    {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
                )["status"]["userInfo"]["username"]
        except UnansweredError as error:
            if error.status == 401:
                yield failed(
                    f"{server} refuses the token for {entry.cluster}",
                    "it was revoked with its Secret or its account. `pulumi up --refresh` makes "
                    "the Secret and what reads it again",
                    part,
                )
            elif "CERTIFICATE_VERIFY_FAILED" in str(error):
                yield failed(
                    f"{server} shows a certificate that the secret's CA has not signed",
                    "behind a proxy set apiServer.certificateAuthority and apiServer.tlsServerName "
                    f"of {entry.cluster}; else {_AGAIN}",
                    part,
                )
            else:
                yield skipped(f"this machine does not reach {server}: {error}")
            continue
        ends = _end(entry.kubeconfig)
        if ends is not None and ends - time.time() < _TOKEN_ENDS_SOON:
            yield warning(
                f"the token for {entry.cluster} ends in {(ends - time.time()) / 86400:.0f} days",
                "istiod does not renew it. A Secret of type kubernetes.io/service-account-token "
                f"gives one without an end; {_AGAIN}",
                part,
            )
        else:
            yield ok(f"{entry.cluster} knows it as {user.removeprefix('system:serviceaccount:')}")


def _end(kubeconfig: str) -> float | None:
    """When the token ends, in seconds of the epoch; None if never or not told."""
    try:
        payload = remote_kubeconfig.read(kubeconfig).token.split(".")[1]
        claims: Json = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return None
    return claims.get("exp")


def _rights(mesh: Mesh, view: View) -> Iterator[Finding]:
    for entry in _entries(view):
        if entry.cluster not in _watched(mesh, view) or _wrong(mesh, entry):
            continue
        part = Part("secret", view.name, entry.cluster)
        try:
            with PodApi.connect(remote_kubeconfig.read(entry.kubeconfig).content) as api:
                missing = [_words(r) for r in _NEEDED if not _may(api, *r)]
                beyond = [_words(r) for r in _TOO_MUCH if _may(api, *r)]
        except UnansweredError as error:
            yield skipped(f"not asked: {error}")
            continue
        if missing:
            yield failed(
                f"in {entry.cluster} it may not: {', '.join(missing)}",
                "the reader's ClusterRole comes with the chart istiod, its binding with base; "
                "`pulumi up --refresh` makes what is missing",
                part,
            )
        elif beyond:
            yield warning(
                f"in {entry.cluster} it may also: {', '.join(beyond)}",
                f"whoever reads the secret in {view.name} could take over {entry.cluster}; find "
                "the binding that gives the reader's account so much",
                part,
            )
        else:
            yield ok(f"in {entry.cluster} it may read, and no more")


def _may(api: PodApi, verb: str, group: str, resource: str) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": verb, "group": group, "resource": resource}},
    }
    answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def _words(right: tuple[str, str, str]) -> str:
    verb, _, resource = right
    return "anything" if verb == "*" else f"{verb} {resource}"


CHECKS = (
    Check(
        1301,
        "remote-secret",
        "remote secrets",
        "there is one for each cluster that is read",
        _objects,
        primaries,
    ),
    Check(
        1302,
        "remote-registry",
        "remote secrets",
        "istiod reads exactly the clusters of the mesh",
        _registry,
        primaries,
        ("istiod-ready",),
    ),
    Check(1303, "remote-token", "remote secrets", "tokens are accepted", _token, readers),
    Check(
        1304,
        "remote-rights",
        "remote secrets",
        "tokens may read, and no more",
        _rights,
        readers,
        ("remote-token",),
    ),
)
