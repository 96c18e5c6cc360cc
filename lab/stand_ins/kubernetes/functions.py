"""The provider's functions: YAML decoded, charts rendered for the older Chart of helm/v3."""

from __future__ import annotations

import json
from typing import cast

from lab.stand_ins.kubernetes import fields, manifests
from lab.stand_ins.kubernetes.chart import Charts
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object

# helm.v3.Chart's options (invoke_helm_template.go HelmChartOpts); the last three are the SDK's own.
_TEMPLATE_OPTIONS = {
    "chart",
    "namespace",
    "path",
    "release_name",
    "repo",
    "skip_crd_rendering",
    "values",
    "version",
    "fetch_opts",
    "resource_prefix",
    "skip_await",
    "transformations",
}
_FETCH_OPTIONS = {"ca_file", "cert_file", "devel", "key_file", "password", "repo", "username"}


class Functions:
    """Functions of one cluster's provider."""

    def __init__(self, cluster: Cluster, charts: Charts) -> None:
        self._cluster = cluster
        self._charts = charts

    def invoke(self, token: str, args: Object) -> Object:
        match token:
            case "kubernetes:yaml:decode":
                return {"result": self._decode(str(args["text"]), args.get("defaultNamespace"))}
            case "kubernetes:helm:template":
                return {"result": self._template(json.loads(str(args["jsonOpts"])))}
            case _:
                raise ProviderError(f"this stand-in does not support the function {token}")

    def _decode(self, text: str, home: object) -> list[Object]:
        found = [o for o in manifests.parse(text) if o.get("kind") and o.get("apiVersion")]
        for obj in found:
            # An unknown kind counts as namespaced (invoke_decode_yaml.go).
            if home and not fields.namespace(obj) and self._cluster.namespaced(obj) is not False:
                obj["metadata"] = {**(obj.get("metadata") or {}), "namespace": str(home)}
        return found

    def _template(self, options: Object) -> list[Object]:
        given = {key: value for key, value in options.items() if value}
        fetch = {k: v for k, v in cast(Object, given.get("fetch_opts") or {}).items() if v}
        odd = sorted((set(given) - _TEMPLATE_OPTIONS) | (set(fetch) - _FETCH_OPTIONS))
        if odd:
            raise ProviderError(f"helm.v3.Chart: this stand-in does not support {', '.join(odd)}")
        chart = str(given.get("chart") or "")
        if given.get("path"):
            chart = "/".join(filter(None, [str(given["path"]), chart]))
        elif given.get("repo") and not fetch.get("repo"):
            chart = f"{given['repo']}/{chart}"
        home = str(given.get("namespace") or "default")
        inputs: Object = {
            "chart": chart,
            "version": given.get("version"),
            "devel": fetch.get("devel"),
            "values": given.get("values"),
            "skipCrds": given.get("skip_crd_rendering"),
            "repositoryOpts": {
                "repo": fetch.get("repo"),
                "username": fetch.get("username"),
                "password": fetch.get("password"),
                "caFile": fetch.get("ca_file"),
                "certFile": fetch.get("cert_file"),
                "keyFile": fetch.get("key_file"),
            },
        }
        text = self._charts.render(
            inputs, str(given.get("release_name") or "release"), home, lookup=False
        )
        return self._decode(text, home)
