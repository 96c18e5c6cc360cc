"""Remote secrets, with which each control plane watches other clusters, and their effect."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from checks import istiod, remote_kubeconfig
from checks.model import Check, Finding, failed, ok, primaries, readers, skipped, warning
from checks.view import Mesh, View
from components import names
from kube.api import UnansweredError
from kube.pods import PodApi
from picture.state import Part
from preflight.ending import end_of_token

_TOKEN_ENDS_SOON = timedelta(days=30)
_AGAIN = "`pulumi up --refresh` writes it again"
# What istiod reads in other clusters (templates/reader-clusterrole.yaml of its chart).
_NEEDED = (
    ("list", "", "services"),
    ("list", "", "pods"),
    ("list", "", "nodes"),
    ("list", "", "namespaces"),
    ("list", "discovery.k8s.io", "endpointslices"),
    ("create", "authentication.k8s.io", "tokenreviews"),
)
# What else Istio's role allows, the last two only in a remote. A stolen secret is worth that much.
_OF_ISTIO = (
    ("read all Secrets", ("list", "", "secrets")),
    ("change ConfigMaps", ("update", "", "configmaps")),
    (
        "change the webhooks that inject pods",
        ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ),
)
# With these permissions, a stolen secret gives control of the cluster.
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
    """The data key, which istiod uses as the cluster's ID."""
    annotated: str | None
    kubeconfig: str = field(repr=False)
    """Someone else's text: it is read as data and never loaded."""


def _watched(mesh: Mesh, view: View) -> Sequence[str]:
    return [c.name for c in mesh.spec.clusters if view.cluster in mesh.spec.readers_of(c)]


def _entries(view: View) -> Sequence[_Entry]:
    """Return what istiod finds: labeled secrets in its namespace."""
    return [
        _Entry(
            s["metadata"]["name"],
            key,
            s["metadata"].get("annotations", {}).get(names.REMOTE_CLUSTER),
            base64.b64decode(value).decode(errors="replace"),
        )
        for s in view.items(view.istio("secrets"), labelSelector=f"{names.REMOTE_LABEL}=true")
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
                f"without it istiod of {view.name} does not see {name}'s pods. {_AGAIN}",
                part,
            )
        elif len(mine) > 1:
            yield failed(
                f"{len(mine)} secrets are for {name}: {', '.join(e.secret for e in mine)}",
                "istiod uses the first that it sees and ignores the others, even if that is the "
                "wrong "
                f"one. Keep {names.REMOTE_PREFIX}{name} and delete the rest",
                part,
            )
        elif problem := _wrong(mesh, mine[0]):
            yield failed(f"{mine[0].secret}: {problem}", _AGAIN, part)
        else:
            yield ok(f"{mine[0].secret} is for {name}")
    for entry in entries:
        if entry.cluster == view.name:
            yield warning(
                f"{entry.secret} is for {view.name} itself, so istiod ignores it silently",
                f"delete it: kubectl --context {view.name} -n {view.namespace} delete secret "
                f"{entry.secret}",
            )
        elif entry.cluster not in watched:
            yield failed(
                f"{entry.secret} is for {entry.cluster!r}, which is not a cluster of this mesh",
                "istiod sends traffic there too, or waits for it when it starts. Delete it: "
                f"kubectl --context {view.name} -n {view.namespace} delete secret {entry.secret}",
                Part("istiod", view.name),
            )


def _why_missing(view: View, name: str, entries: Sequence[_Entry]) -> str:
    wanted = f"{names.REMOTE_PREFIX}{name}"
    secret = view.find(view.istio("secrets", wanted))
    if secret is None:
        return f"{wanted} does not exist"
    if secret["metadata"].get("labels", {}).get(names.REMOTE_LABEL) != "true":
        return f"{wanted} lacks the label {names.REMOTE_LABEL}=true, by which istiod finds it"
    keys = ", ".join(e.cluster for e in entries if e.secret == wanted)
    has = f"the key {keys}" if keys else "no data"
    return f"{wanted} has {has}, but istiod needs the key {name}"


def _wrong(mesh: Mesh, entry: _Entry) -> str:
    """Return what is wrong with an entry as text; empty if nothing."""
    if entry.annotated != entry.cluster:
        return (
            f"the annotation {names.REMOTE_CLUSTER} is {entry.annotated!r}, not {entry.cluster!r}"
        )
    try:
        server = remote_kubeconfig.read(entry.kubeconfig).server
    except remote_kubeconfig.ShapeError as error:
        return str(error)
    if server != mesh.description.servers[entry.cluster]:
        return f"it leads to {server}, not to {mesh.description.servers[entry.cluster]}"
    return ""


def _registry(mesh: Mesh, view: View) -> Iterator[Finding]:
    watched = _watched(mesh, view)
    found = {str(c["id"]): str(c["syncStatus"]) for c in istiod.debug_json(view, "/debug/clusterz")}
    for name in watched:
        status = found.get(name, "unknown to istiod")
        if status == "synced":
            yield ok(f"{name} synced")
        else:
            yield failed(
                f"istiod of {view.name} reports {name} as: {status}",
                _unsynced(view, name in found),
                Part("secret", view.name, name),
            )
    for name in found.keys() - {view.name, *watched}:
        yield failed(
            f"istiod of {view.name} also watches {name!r}, which is not a cluster of this mesh",
            "delete its remote secret",
            Part("istiod", view.name),
        )
    if view.name not in found:
        yield failed(
            f"istiod has the cluster ID {', '.join(found)}, not {view.name}",
            "a Helm value overrides the cluster's name. Remove it, so that the name comes from "
            "isthmus:clusters",
            Part("istiod", view.name),
        )
    elif not watched:
        yield ok("watches its own cluster and no other")


def _unsynced(view: View, is_known: bool) -> str:
    logs = f"kubectl --context {view.name} -n {view.namespace} logs deploy/istiod"
    if is_known:
        return (
            "istiod cannot reach the API server named in the secret, or the token is rejected; "
            "see: "
            f"{logs}"
        )
    return (
        f"istiod did not accept the secret; see: {logs}. If remote-secret passes, restart istiod: "
        "Istio 1.31.0 stops watching secrets after one is deleted during its first sync"
    )


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
                    "its Secret or account was deleted. `pulumi up --refresh` creates both, and "
                    "writes "
                    "the remote secret again",
                    part,
                )
            elif "CERTIFICATE_VERIFY_FAILED" in str(error):
                yield failed(
                    f"{server} presents a certificate that the secret's CA has not signed",
                    "behind a proxy, set apiServer.certificateAuthority and "
                    f"apiServer.tlsServerName of {entry.cluster}; otherwise {_AGAIN}",
                    part,
                )
            else:
                yield skipped(f"this machine does not reach {server}: {error}")
            continue
        accepts = f"{entry.cluster} accepts {user.removeprefix('system:serviceaccount:')}"
        ends = end_of_token(remote_kubeconfig.read(entry.kubeconfig).token)
        if ends is None:
            yield ok(accepts)
        elif (left := ends - datetime.now(UTC)) > _TOKEN_ENDS_SOON:
            yield ok(f"{accepts} until {ends:%Y-%m-%d}", ends=ends)
        else:
            yield warning(
                f"the token for {entry.cluster} expires in {left.days} days",
                "istiod does not renew it. A token from a Secret of type "
                f"kubernetes.io/service-account-token does not expire; {_AGAIN}",
                part,
                ends=ends,
            )


def _rights(mesh: Mesh, view: View) -> Iterator[Finding]:
    for entry in _entries(view):
        if entry.cluster not in _watched(mesh, view) or _wrong(mesh, entry):
            continue
        part = Part("secret", view.name, entry.cluster)
        try:
            with PodApi.connect(remote_kubeconfig.read(entry.kubeconfig).content) as api:
                missing = [_words(r) for r in _NEEDED if not _may(api, r)]
                of_istio = [words for words, r in _OF_ISTIO if _may(api, r)]
                beyond = [_words(r) for r in _TOO_MUCH if _may(api, r)]
        except UnansweredError as error:
            yield skipped(f"not checked: {error}")
            continue
        if missing:
            yield failed(
                f"in {entry.cluster} it is not allowed to: {', '.join(missing)}",
                "the chart istiod has the reader's ClusterRole, and the chart base its binding. "
                "`pulumi up --refresh` creates what is missing",
                part,
            )
        elif beyond:
            yield warning(
                f"in {entry.cluster} it is also allowed to: {', '.join(beyond)}",
                f"anyone who reads the secret in {view.name} could control {entry.cluster}. Find "
                "and remove the binding that gives the reader's account these permissions",
                part,
            )
        else:
            yield ok(_allowed(entry.cluster, of_istio))


def _allowed(cluster: str, of_istio: Sequence[str]) -> str:
    also = f"; Istio's role also lets it {', '.join(of_istio)}" if of_istio else ""
    return f"in {cluster} it can read what istiod needs{also}"


def _may(api: PodApi, right: tuple[str, str, str]) -> bool:
    verb, group, resource = right
    return api.is_allowed(verb=verb, group=group, resource=resource)


def _words(right: tuple[str, str, str]) -> str:
    verb, _, resource = right
    return "anything" if verb == "*" else f"{verb} {resource}"


_check = partial(Check, "remote secrets")

CHECKS = (
    _check(
        1301,
        "remote-secret",
        "each watched cluster has a remote secret",
        _objects,
        primaries,
    ),
    _check(
        1302,
        "remote-registry",
        "istiod watches exactly the clusters of the mesh",
        _registry,
        primaries,
        ("istiod-ready",),
    ),
    _check(1303, "remote-token", "tokens are accepted", _token, readers),
    _check(
        1304,
        "remote-rights",
        "tokens have the reader's rights, and no more",
        _rights,
        readers,
        ("remote-token",),
    ),
)
