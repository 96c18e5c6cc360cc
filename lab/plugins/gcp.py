"""Stand-in for pulumi-resource-gcp 10.2.0, for previews of programs that create things.

It checks inputs against the installed pulumi_gcp package and leaves every other output unknown.
It never speaks to Google Cloud: whatever would need that is refused with a sentence.
"""

from __future__ import annotations

import hashlib
from typing import Any, NoReturn, cast

import grpc

from lab.plugins import diff
from lab.plugins.protocol import engine_pb2, provider_pb2
from lab.plugins.sdk_types import SdkTypes
from lab.plugins.servicer import Provider, ProviderError, serve
from lab.plugins.values import UNKNOWN, Object, decode, encode, plain

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
        """Say that nothing changed, or refuse: only the real plugin knows what a change does."""
        inputs = [plain(decode(request.old_inputs)), plain(decode(request.news))]
        found = diff.changes(*inputs)
        if found:
            paths = ", ".join(map(diff.render, found))
            _refuse(request.urn, f"to tell what a change of {paths} does to an existing resource")
        return diff.response(found, inputs)

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        if not request.preview:
            _refuse(request.urn, "to create it")
        # Outputs left out are unknown in a preview.
        outputs = decode(request.properties)
        for *path, last in COMPUTED.get(_token(request.urn), ()):
            here = diff.get(outputs, tuple(path))
            if isinstance(here, dict):
                cast(Object, here).setdefault(str(last), UNKNOWN)
        return provider_pb2.CreateResponse(properties=encode(outputs))

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        _refuse(request.urn, f"to read the existing {request.id}")

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        _refuse(request.urn, "to update it")

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Any:
        _refuse(request.urn, "to delete it")

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
    return f"{logical}-{hashlib.sha256(seed).hexdigest()[:7]}"


def _refuse(urn: str, purpose: str) -> NoReturn:
    raise ProviderError(
        f"{_token(urn)} {urn.rsplit('::', 1)[-1]!r}: the stand-in for the gcp plugin previews new"
        f" resources and no more; {purpose}, {_CURE}"
    )


if __name__ == "__main__":
    serve(Gcp)
