"""Istios that another owner has installed or left behind."""

from collections.abc import Iterator, Mapping
from typing import Any

from components import names
from kube.api import ClusterApi
from preflight import marks
from spec.problems import Problem

_KINDS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
_NAMES = (
    "istio-sidecar-injector",
    "istio-validator",
    "istiod-default-validator",
    "istio-revision-tag-",
)
_REMOVE = "remove it with the tool that installed it (`istioctl uninstall --purge`, or Helm)"


def istio(api: ClusterApi, path: str, namespace: str, stack: str) -> Iterator[Problem]:
    """Control planes and webhooks that are not this stack's, whose Istio is in the namespace."""
    owned_by = marks.read(api, namespace).stack
    if owned_by not in (None, stack):
        yield Problem(
            "cluster-in-another-mesh",
            path,
            f"must not belong to another stack's mesh (annotation {names.STACK} on namespace "
            f"{namespace})",
            "the two would overwrite each other",
            f"remove the cluster from that stack; if you only renamed this stack: "
            f"{_adopt(namespace, stack)}",
            owned_by,
        )
        return
    ours = {namespace} if owned_by == stack else set[str]()
    deployments = api.get("/apis/apps/v1/deployments", labelSelector="app=istiod")["items"]
    control_planes = [d["metadata"] for d in deployments if d["metadata"]["namespace"] not in ours]
    for found in control_planes:
        yield Problem(
            "istio-exists",
            path,
            "must not have an Istio that this stack did not install: Deployment "
            f"{found['name']} in namespace {found['namespace']}",
            "two Istios share CRDs and webhooks, and would overwrite each other's",
            f"{_REMOVE}, or leave this cluster out; if this stack installed it: "
            f"{_adopt(namespace, stack)}",
        )
    theirs = {d["namespace"] for d in control_planes}
    for kind in _KINDS:
        for found in api.get(f"/apis/admissionregistration.k8s.io/v1/{kind}")["items"]:
            name = found["metadata"]["name"]
            home = _home(found)
            # Webhooks of a reported control plane are part of that problem.
            if name.startswith(_NAMES) and home not in ours | theirs:
                yield Problem(
                    "istio-webhooks-exist",
                    path,
                    f"must not have webhooks of another Istio: {kind.removesuffix('s')} {name}, "
                    f"which calls {home or 'a URL'}",
                    "the API server would send it every pod or object, and refuse them if nothing "
                    "answers (istio/istio#39007, #36905)",
                    f"if that Istio is gone: `kubectl delete {kind} {name}`; otherwise {_REMOVE}",
                )


def cacerts(api: ClusterApi, path: str, namespace: str, stack: str) -> Iterator[Problem]:
    """Report a Secret `cacerts` that this stack did not create, without reading its content."""
    secret = f"/api/v1/namespaces/{namespace}/secrets/{names.CACERTS}"
    if marks.read(api, namespace).stack is None and api.metadata(secret) is not None:
        yield Problem(
            "cacerts-exists",
            path,
            f"must not have a Secret cacerts of another owner in namespace {namespace}",
            "the update would overwrite it, and with it a CA that workloads can depend on",
            "to use that CA, configure it (docs/trust.md) and delete the Secret; if the "
            f"Secret is this stack's own: {_adopt(namespace, stack)}",
        )


def releases(api: ClusterApi, path: str, namespace: str, stack: str) -> Iterator[Problem]:
    """Istio's CRDs of another release, and releases of the stack's names that it did not install.

    The API server deletes every object of a CRD with it, so a foreign one is never adopted.
    """
    istios = {crd.partition("/")[0] for crd in names.ISTIO_CRDS}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    of_others = dict[str, list[str]]()
    for found in api.metadata_list(crds):
        annotations = found.get("annotations") or {}
        key = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")
        owner = tuple(annotations.get(k, "") for k in key)
        if found["name"] in istios and owner != (names.BASE, namespace):
            of_others.setdefault(" in namespace ".join(x for x in owner if x), []).append(
                found["name"]
            )
    for owner, found in of_others.items():
        yield Problem(
            "crds-of-others",
            path,
            f"must not have CRDs of Istio that this stack did not install: {found[0]}"
            + (f" and {len(found) - 1} more" if len(found) > 1 else "")
            + (f", of release {owner}" if owner else ", of no Helm release"),
            "Helm refuses to install its CRDs over them, halfway through the update",
            "remove the tool that installed them, or have this mesh adopt them: `kubectl annotate "
            f"--overwrite crd {' '.join(sorted(found))} meta.helm.sh/release-name={names.BASE} "
            f"meta.helm.sh/release-namespace={namespace}` and `kubectl label --overwrite crd … "
            "app.kubernetes.io/managed-by=Helm`",
        )
    if marks.read(api, namespace).stack is not None:
        return
    ours = {names.BASE, names.ISTIOD, names.LEAVE_NOTHING, *names.GATEWAYS.values()}
    records = api.metadata_list(
        f"/api/v1/namespaces/{namespace}/secrets", labelSelector="owner=helm"
    )
    for release in sorted({r.get("labels", {}).get("name", "") for r in records} & ours):
        yield Problem(
            "release-of-others",
            path,
            f"must not have a Helm release {release} in namespace {namespace} that this stack did "
            "not install",
            "Helm refuses a second release of the name",
            f"`helm uninstall {release} -n {namespace}` keeps the CRDs; or, if the release is this "
            f"stack's own: {_adopt(namespace, stack)}",
        )


def _adopt(namespace: str, stack: str) -> str:
    return f"`kubectl annotate --overwrite namespace {namespace} {names.STACK}={stack}`"


def _home(webhooks: Mapping[str, Any]) -> str | None:
    """Namespace of the Service that is called; None for a URL."""
    for webhook in webhooks.get("webhooks") or ():
        if service := webhook["clientConfig"].get("service"):
            return service["namespace"]
    return None
