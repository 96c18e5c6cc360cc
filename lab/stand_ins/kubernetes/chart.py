"""helm.sh/v4:Chart: a chart rendered, each of its objects a resource (helm/v4/chart.go)."""

from __future__ import annotations

from typing import Any, cast

from lab.stand_ins.kubernetes import manifests
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.kubernetes.component import Component
from lab.stand_ins.kubernetes.helm import Helm, source_of
from lab.stand_ins.protocol import engine_pb2, provider_pb2
from lab.stand_ins.servicer import Provider
from lab.stand_ins.values import Object, decode, has_unknown, plain

# One request names every version and kind; older servers answer with the plain group list.
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Charts:
    """Renders charts with what the cluster really serves."""

    def __init__(self, provider: Provider, cluster: Cluster, helm: Helm) -> None:
        self._provider = provider
        self._cluster = cluster
        self._helm = helm

    def construct(self, request: provider_pb2.ConstructRequest) -> provider_pb2.ConstructResponse:
        self._cluster.api()  # an unreachable cluster is an error, in previews too
        given = decode(request.inputs)
        with Component(request, self._provider.VERSION) as component:
            if has_unknown(given):
                self._warn(
                    "Input properties have unknown values. Preview is incomplete.", component
                )
                return component.finish(None)
            inputs = cast(Object, plain(given))
            if inputs.get("includeHooks"):
                self._warn(
                    "includeHooks is only supported when the provider is configured with "
                    "renderYamlToDirectory; Helm hooks will be ignored.",
                    component,
                )
            home = str(inputs.get("namespace") or self._cluster.namespace)
            text = self.render(inputs, inputs.get("name") or request.name, home, lookup=True)
            objects = manifests.normalize(manifests.parse(text), home, self._cluster)
            prefix = inputs.get("resourcePrefix")
            resources = component.children(
                objects,
                request.name if prefix is None else str(prefix),
                skip_await=bool(inputs.get("skipAwait")),
            )
            return component.finish(resources)

    def _warn(self, message: str, component: Component) -> None:
        self._provider.log(message, component.urn, severity=engine_pb2.WARNING)

    def render(self, inputs: Object, name: str, home: str, *, lookup: bool) -> str:
        """Render a chart as the cluster would get it, hooks left out."""
        command = ["template", name, "--namespace", home, "--no-hooks"]
        if lookup:
            command.append("--dry-run=server")
        if not inputs.get("skipCrds"):
            command.append("--include-crds")
        command += self._capabilities()
        if renderer := cast(Object, inputs.get("postRenderer") or {}):
            command += ["--post-renderer", str(renderer["command"])]
            for word in cast(list[Any], renderer.get("args") or []):
                command += ["--post-renderer-args", str(word)]
        return self._helm.chart(
            command,
            source_of(inputs),
            cast(Object, inputs.get("values") or {}),
            cast(list[Any], inputs.get("valueYamlFiles") or []),
        )

    def _capabilities(self) -> list[str]:
        """What `.Capabilities` says in templates; asked each time: CRDs may have come."""
        if not self._cluster.reachable():  # the older Chart renders without a cluster too
            return []
        api = self._cluster.api()
        version = api.request("GET", "/version")["gitVersion"]
        served: list[str] = []
        for root in ("/api", "/apis"):
            for group in api.request("GET", root, accept=_AGGREGATED)["items"]:
                label = group.get("metadata", {}).get("name", "")
                for found in group["versions"]:
                    full = f"{label}/{found['version']}" if label else found["version"]
                    served.append(full)
                    kinds = (r.get("responseKind", {}).get("kind") for r in found["resources"])
                    served += [f"{full}/{kind}" for kind in kinds if kind]
        return ["--kube-version", version, "--api-versions", ",".join(served)]
