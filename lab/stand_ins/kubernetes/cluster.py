"""The one cluster a provider process talks to: connected on first need, and only then."""

from __future__ import annotations

import threading

from lab.stand_ins.kubernetes.api import Api, NoKindError
from lab.stand_ins.kubernetes.kubeconfig import Kubeconfig, UnreachableError
from lab.stand_ins.kubernetes.scope import Scopes
from lab.stand_ins.kubernetes.settings import Settings
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object


class Cluster:
    """Reached, unreachable or not yet known; decided once for the life of the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.scopes = Scopes()
        self._lock = threading.Lock()
        self._api: Api | None = None
        self._reason = ""
        self._kubeconfig: Kubeconfig | None = None
        self._config_reason = ""
        unknown = [k for k in ("kubeconfig", "context", "cluster") if k in settings.unknown]
        try:
            if unknown:
                raise UnreachableError(f"{unknown[0]} is known only after the update")
            found = Kubeconfig.load(settings.kubeconfig)
            self._kubeconfig = found.select(settings.context, settings.cluster)
        except UnreachableError as error:
            self._config_reason = str(error)

    @property
    def kubeconfig(self) -> Kubeconfig:
        """The kubeconfig with the chosen context current; raises UnreachableError."""
        if self._kubeconfig is None:
            raise UnreachableError(_sentence(self._config_reason))
        return self._kubeconfig

    def configured(self) -> bool:
        """Tell whether there is a usable kubeconfig, answering or not."""
        return self._kubeconfig is not None

    @property
    def namespace(self) -> str:
        """The namespace of objects that name none; empty while the kubeconfig is not known."""
        if self.settings.namespace:
            return self.settings.namespace
        return (self._kubeconfig.namespace or "default") if self._kubeconfig else ""

    def api(self) -> Api:
        """Give the API, connected; raises UnreachableError with the reason."""
        with self._lock:
            if self._api is None and not self._reason:
                self._connect()
            if self._api is None:
                raise UnreachableError(_sentence(self._reason))
            return self._api

    def reachable(self) -> bool:
        """Tell whether the cluster answers."""
        try:
            self.api()
        except UnreachableError:
            return False
        return True

    def reason(self) -> str:
        """Say why the cluster cannot be reached."""
        try:
            self.api()
        except UnreachableError as error:
            return str(error)
        return ""

    def _connect(self) -> None:
        settings = self.settings
        try:
            api = Api(
                self.kubeconfig, timeout=settings.timeout, qps=settings.qps, burst=settings.burst
            )
            api.request("GET", "/version")
        except ProviderError as error:
            self._reason = str(error).removeprefix(_sentence(""))
        else:
            self._api = api

    def namespaced(self, obj: Object) -> bool | None:
        """Tell whether an object's kind is namespaced; None if that is not known yet."""
        known = self.scopes.namespaced(obj)
        if known is None and self.reachable():
            try:
                return self.api().kind(obj["apiVersion"], obj["kind"])[1]
            except NoKindError:
                return None
        return known

    def serves(self, obj: Object) -> bool:
        """Tell whether the cluster answers and knows the object's kind."""
        if not self.reachable():
            return False
        try:
            self.api().kind(obj["apiVersion"], obj["kind"])
        except NoKindError:
            return False
        return True


def _sentence(reason: str) -> str:
    return f"configured Kubernetes cluster is unreachable: {reason}"
