"""Stand-in for pulumi-resource-kubernetes: see lab/stand_ins/README.md for what it keeps."""

from __future__ import annotations

import grpc
from google.protobuf import empty_pb2

from lab.stand_ins.install import VERSIONS
from lab.stand_ins.kubernetes import identity, release
from lab.stand_ins.kubernetes.chart import Charts
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.kubernetes.functions import Functions
from lab.stand_ins.kubernetes.groups import Groups
from lab.stand_ins.kubernetes.helm import Helm
from lab.stand_ins.kubernetes.objects import Objects
from lab.stand_ins.kubernetes.release import Releases
from lab.stand_ins.kubernetes.settings import Settings
from lab.stand_ins.kubernetes.unreachable import check_unreachable
from lab.stand_ins.kubernetes.waiting import refuse_await_all
from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.servicer import Provider, ProviderError, serve
from lab.stand_ins.values import Object, decode, encode, plain


class Kubernetes(Provider):
    """One provider configuration: one cluster."""

    VERSION = VERSIONS["kubernetes"]

    # Set by Configure, which the engine calls before anything that concerns a cluster.
    _cluster: Cluster
    _objects: Objects
    _releases: Releases
    _charts: Charts
    _groups: Groups
    _functions: Functions

    def configure(self, config: Object) -> None:
        refuse_await_all()
        self._cluster = Cluster(Settings.read(config))
        self._objects = Objects(self, self._cluster)
        helm = Helm(self._cluster, self.cancelled)
        self._releases = Releases(self, self._cluster, helm)
        self._charts = Charts(self, self._cluster, helm)
        self._groups = Groups(self, self._cluster)
        self._functions = Functions(self._cluster, self._charts)

    def _resources(self, type_: str) -> Objects | Releases:
        return self._releases if type_ == release.TYPE else self._objects

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return identity.diff_config(decode(request.old_inputs), decode(request.news))

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        if kept := check_unreachable(self, self._cluster, request):
            return kept
        return self._resources(request.type).check(request)

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return self._resources(request.type).diff(request)

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        return self._resources(request.type).create(request)

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        return self._resources(request.type).read(request)

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        return self._resources(request.type).update(request)

    def Delete(
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        return self._resources(request.type).delete(request)

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

    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        response = provider_pb2.InvokeResponse()
        result = self._functions.invoke(request.tok, plain(decode(request.args)))
        getattr(response, "return").CopyFrom(encode(result))  # a field named by a keyword
        return response


if __name__ == "__main__":
    serve(Kubernetes)
