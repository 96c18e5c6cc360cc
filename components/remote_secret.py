"""The remote secret, with which istiod or Kiali in one cluster watches another cluster."""

import base64
from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict, cast

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from . import names

Watcher = Literal["istiod", "kiali"]
_NAMED: Mapping[Watcher, tuple[str, str, str]] = {
    "istiod": (names.REMOTE_PREFIX, names.REMOTE_LABEL, names.REMOTE_CLUSTER),
    "kiali": (names.KIALI_PREFIX, names.KIALI_LABEL, names.KIALI_CLUSTER),
}
"""How the Secret's name begins, its label, and its annotation."""


class RemoteSecretArgs(TypedDict):
    """The watched cluster, and its credentials."""

    watcher: NotRequired[Watcher]
    """Who uses the Secret. Default: `istiod`."""

    cluster: str
    """Name of the watched cluster. Secret name, data key, kubeconfig entries and annotation come
    from it, because istiod and Kiali use the key as the cluster's ID."""
    server: pulumi.Input[str]
    """URL at which pods of the watching cluster reach the API server of the watched one."""
    certificate_authority: NotRequired[pulumi.Input[str]]
    """PEM text of the CA to trust there, instead of the one that the token's Secret names."""
    trusts_public: NotRequired[bool]
    """Whether a public CA has signed for the API server there: no CA is named then."""
    tls_server_name: NotRequired[str]
    """Name to expect in the API server's certificate, if it is not the URL's."""
    reader_token: pulumi.Input[Mapping[str, str]]
    """Data of the Secret with the watcher's token: `token` and `ca.crt`, base64."""
    namespace: pulumi.Input[str]
    """Namespace of the watcher: Istio's."""


class RemoteSecret(pulumi.ComponentResource):
    """The Secret `istio-remote-secret-<cluster>`, or Kiali's, in the watching cluster.

    Its form is that of istioctl/pkg/multicluster/remote_secret.go in istio/istio; Kiali's has other
    names (hack/istio/multicluster/kiali-prepare-remote-cluster.sh in kiali/kiali). A cluster never
    gets one for itself, which istiod ignores silently (istio/istio#35674).
    """

    def __init__(
        self, name: str, args: RemoteSecretArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:RemoteSecret", name, {}, opts)
        cluster = args["cluster"]
        prefix, label, annotation = _NAMED[args.get("watcher", "istiod")]
        kubernetes.core.v1.Secret(
            f"{name}-secret",
            metadata={
                "name": f"{prefix}{cluster}",
                "namespace": args["namespace"],
                "labels": {label: "true"},
                "annotations": {annotation: cluster},
            },
            string_data={cluster: _kubeconfig(args)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _kubeconfig(args: RemoteSecretArgs) -> pulumi.Output[str]:
    """A kubeconfig with an inline token, the only credential besides keys that istiod accepts."""
    name = args["cluster"]

    def write(parts: Sequence[object]) -> str:
        server, token, authority = cast("tuple[str, Mapping[str, str], str | None]", parts)
        cluster = {"server": server}
        if authority:
            cluster["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
        elif not args.get("trusts_public"):
            cluster["certificate-authority-data"] = token["ca.crt"]
        if "tls_server_name" in args:
            cluster["tls-server-name"] = args["tls_server_name"]
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": base64.b64decode(token["token"]).decode()}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        return yaml.safe_dump(document, sort_keys=True)

    parts = (args["server"], args["reader_token"], args.get("certificate_authority"))
    return pulumi.Output.secret(pulumi.Output.all(*parts).apply(write))
