"""Stand-in for pulumi-resource-gcp 10.2.0, for previews of programs that create things.

It checks inputs against the installed pulumi_gcp package and leaves every other output unknown.
It never speaks to Google Cloud: whatever would need that is refused with a sentence. Where
GCP_STAND_IN_PRETENDS is set, as tests of the engine's own order do, it makes things up instead, and
nothing but the stack's state knows of them.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, NoReturn, cast

import grpc
from google.protobuf import empty_pb2

from lab.stand_ins import diff
from lab.stand_ins.protocol import engine_pb2, provider_pb2
from lab.stand_ins.sdk_types import SdkTypes
from lab.stand_ins.servicer import Provider, ProviderError, serve
from lab.stand_ins.values import UNKNOWN, Object, decode, encode, plain

# What the provider's configuration alone can answer: result by configuration key. Other results
# are left out: the engine refuses unknown ones (sdk/go/common/resource/plugin/provider_plugin.go).
INVOKES: dict[str, dict[str, str]] = {
    "gcp:organizations/getClientConfig:getClientConfig": {
        "project": "project",
        "region": "region",
        "zone": "zone",
    },
    "gcp:organizations/getProject:getProject": {"projectId": "project"},
}
# What the API fills in within objects that the program gives; the SDK does not tell it from inputs.
# Source: terraform-provider-google services/container/resource_container_cluster.go, "Computed".
COMPUTED: dict[str, tuple[diff.Path, ...]] = {
    "gcp:container/cluster:Cluster": (
        ("controlPlaneEndpointsConfig", "dnsEndpointConfig", "endpoint"),
        ("privateClusterConfig", "privateEndpoint"),
        ("privateClusterConfig", "publicEndpoint"),
        ("privateClusterConfig", "peeringName"),
    ),
}
# What cannot change in place ("ForceNew"), of the types that the program changes most. A change of
# any other type is refused: the SDK does not tell what it does.
# Source: resource_container_cluster.go, resource_container_node_pool.go, node_config.go beside it.
REPLACES: dict[str, tuple[diff.Path, ...]] = {
    "gcp:container/cluster:Cluster": (
        ("clusterIpv4Cidr",),
        ("confidentialNodes",),
        ("datapathProvider",),
        ("defaultMaxPodsPerNode",),
        ("enableAutopilot",),
        ("enableKubernetesAlpha",),
        ("initialNodeCount",),
        ("ipAllocationPolicy", "clusterSecondaryRangeName"),
        ("ipAllocationPolicy", "servicesSecondaryRangeName"),
        ("location",),
        ("name",),
        ("network",),
        ("nodePools",),
        ("nodeConfig",),
        ("privateClusterConfig", "enablePrivateNodes"),
        ("privateClusterConfig", "masterIpv4CidrBlock"),
        ("privateClusterConfig", "privateEndpointSubnetwork"),
        ("project",),
        ("subnetwork",),
    ),
    "gcp:container/nodePool:NodePool": (
        ("cluster",),
        ("initialNodeCount",),
        ("location",),
        ("maxPodsPerNode",),
        ("name",),
        ("nodeConfig", "oauthScopes"),
        ("nodeConfig", "serviceAccount"),
        ("nodeConfig", "shieldedInstanceConfig"),
        ("nodeConfig", "spot"),
        ("project",),
    ),
}
PRETENDS = "GCP_STAND_IN_PRETENDS"
_CURE = (
    "install the real plugin (`pulumi plugin install resource gcp v10.2.0`) and give it"
    " credentials for Google Cloud"
)


class Gcp(Provider):
    VERSION = "10.2.0"

    def __init__(self, engine: str) -> None:
        super().__init__(engine)
        self._types = SdkTypes("pulumi_gcp")
        self._config: Object = {}
        self._pretends = bool(os.environ.get(PRETENDS))

    def configure(self, config: Object) -> None:
        self._config = config

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        token = _token(request.urn)
        inputs = {key: value for key, value in decode(request.news).items() if value is not None}
        found = self._types.problems(token, inputs)
        if "name" not in inputs and self._types.has_optional(token, "name"):
            inputs["name"] = _name(request)
        return provider_pb2.CheckResponse(
            inputs=encode(inputs),
            failures=[provider_pb2.CheckFailure(reason=reason) for reason in found],
        )

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Tell what changed, and what it replaces; refuse where only the real plugin knows."""
        inputs = [plain(decode(request.old_inputs)), plain(decode(request.news))]
        found = diff.changes(*inputs)
        fixed = REPLACES.get(_token(request.urn))
        if found and fixed is None:
            paths = ", ".join(map(diff.render, found))
            _refuse(request.urn, f"to tell what a change of {paths} does to an existing resource")
        return diff.response(
            found, inputs, replaces=lambda path: diff.within(path, cast(Any, fixed))
        )

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        token, outputs = _token(request.urn), decode(request.properties)
        if request.preview:
            # Outputs left out are unknown in a preview.
            return provider_pb2.CreateResponse(properties=encode(_with_computed(token, outputs)))
        if not self._pretends:
            _refuse(request.urn, "to create it")
        name = str(outputs.get("name") or outputs.get("accountId") or _hash(request.urn.encode()))
        made = f"projects/{self._config.get('project')}/{token.rpartition(':')[2]}/{name}"
        if token.endswith(":Account"):
            outputs["email"] = f"{name}@pretended"
            outputs["member"] = f"serviceAccount:{outputs['email']}"
        return provider_pb2.CreateResponse(
            id=made, properties=encode(_with_computed(token, outputs, f"pretended-{name}"))
        )

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        _refuse(request.urn, f"to read the existing {request.id}")

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        if not request.preview and not self._pretends:
            _refuse(request.urn, "to update it")
        olds, outputs = decode(request.olds), decode(request.news)
        for path in COMPUTED.get(_token(request.urn), ()):
            _fill(outputs, path, diff.get(olds, path))
        return provider_pb2.UpdateResponse(properties=encode({**olds, **outputs}))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Any:
        if not self._pretends:
            _refuse(request.urn, "to delete it")
        if plain(decode(request.properties)).get("deletionProtection"):
            raise ProviderError(
                "Cannot destroy cluster because deletion_protection is set to true. Set it to false"
                " to proceed with cluster deletion."
            )
        return empty_pb2.Empty()

    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        results = INVOKES.get(request.tok)
        if results is None:
            raise ProviderError(
                f"{request.tok} asks Google Cloud, which the stand-in for the gcp plugin never does"
                f" (it answers {' and '.join(INVOKES)} from the stack's configuration): give the"
                f" value in the configuration, or {_CURE}"
            )
        given = plain(decode(request.args))
        config = {result: self._config.get(key) for result, key in results.items()}
        fields: dict[str, Any] = {"return": encode({**config, **given})}  # a word of Python's
        self.log(
            f"{request.tok}: the stand-in for the gcp plugin knows only {', '.join(results)}, from"
            " the configuration; the other results are empty",
            severity=engine_pb2.WARNING,
        )
        return provider_pb2.InvokeResponse(**fields)


def _with_computed(token: str, outputs: Object, value: str = UNKNOWN) -> Object:
    for path in COMPUTED.get(token, ()):
        _fill(outputs, path, value)
    return outputs


def _fill(outputs: Object, path: diff.Path, value: Any) -> None:
    """Set the value at the path, if there is none and its parent object exists."""
    here = diff.get(outputs, path[:-1])
    if isinstance(here, dict):
        cast(Object, here).setdefault(str(path[-1]), value)


def _hash(seed: bytes) -> str:
    return hashlib.sha256(seed).hexdigest()[:7]


def _token(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _name(request: provider_pb2.CheckRequest) -> str:
    """Name a resource as the bridge does: the old name, the engine's proposal, or name-1a2b3c4.

    Source: pulumi-terraform-bridge pkg/tfbridge/names.go SetAutonaming(63, "-"), ComputeAutoName.
    """
    old = plain(decode(request.olds)).get("name")
    if isinstance(old, str):
        return old
    if request.HasField("autonaming"):
        options = request.autonaming
        if options.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE:
            raise ProviderError(f"{request.urn}: autonaming is disabled, so give it a name")
        if options.proposed_name:
            return options.proposed_name
    seed = request.randomSeed or request.urn.encode()
    logical = request.urn.rsplit("::", 1)[-1].lower()
    return f"{logical}-{_hash(seed)}"


def _refuse(urn: str, purpose: str) -> NoReturn:
    raise ProviderError(
        f"{_token(urn)} {urn.rsplit('::', 1)[-1]!r}: the stand-in for the gcp plugin previews new"
        f" resources and no more; {purpose}, {_CURE}"
    )


if __name__ == "__main__":
    serve(Gcp)
