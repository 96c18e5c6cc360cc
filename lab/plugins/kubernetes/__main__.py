"""Stand-in for pulumi-resource-kubernetes: see lab/plugins/README.md for what it keeps."""

from __future__ import annotations

import grpc
from google.protobuf import empty_pb2

from lab.plugins.install import VERSIONS
from lab.plugins.kubernetes import identity
from lab.plugins.kubernetes.chart import Charts
from lab.plugins.kubernetes.cluster import Cluster
from lab.plugins.kubernetes.generic import Objects
from lab.plugins.kubernetes.groups import Groups
from lab.plugins.kubernetes.helm import Helm
from lab.plugins.kubernetes.settings import Settings
from lab.plugins.kubernetes.waiting import refuse_await_all
from lab.plugins.protocol import provider_pb2
from lab.plugins.servicer import Provider, ProviderError, serve
from lab.plugins.values import Object, decode

RELEASE = "kubernetes:helm.sh/v3:Release"


class Kubernetes(Provider):
    """One provider configuration: one cluster."""

    VERSION = VERSIONS["kubernetes"]

    def __init__(self, engine: str) -> None:
        super().__init__(engine)
        self.configure({})

    def configure(self, config: Object) -> None:
        refuse_await_all()
        self._cluster = Cluster(Settings.read(config))
        self._objects = Objects(self, self._cluster)
        self._charts = Charts(self, self._cluster, Helm(self._cluster, self.cancelled))
        self._groups = Groups(self, self._cluster)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return identity.diff_config(decode(request.old_inputs), decode(request.news))

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return self._objects.check(request)

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return self._objects.diff(request)

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        return self._objects.create(request)

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        return self._objects.read(request)

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        return self._objects.update(request)

    def Delete(
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        return self._objects.delete(request)

    def Construct(
        self, request: provider_pb2.ConstructRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConstructResponse:
        match request.type:
            case "kubernetes:helm.sh/v4:Chart":
                return self._charts.construct(request)
            case "kubernetes:yaml/v2:ConfigGroup" | "kubernetes:yaml/v2:ConfigFile":
                return self._groups.construct(request)
            case _:
                raise ProviderError(f"this stand-in does not support {request.type}")


if __name__ == "__main__":
    serve(Kubernetes)
