"""Kubeconfigs: read, a context chosen, and its credentials made ready by the official client."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object

if TYPE_CHECKING:
    from kubernetes.client import Configuration


class UnreachableError(ProviderError):
    """No answer, or no usable credentials."""


@dataclass(frozen=True)
class Kubeconfig:
    """A parsed kubeconfig and the place its relative paths start from."""

    content: Object
    directory: Path

    @staticmethod
    def load(path_or_content: str) -> Kubeconfig:
        """Read a kubeconfig given as file name or as text; empty means the ambient one.

        Raises UnreachableError with the cause. Source: provider/util.go parseKubeconfigString.
        """
        import yaml

        if not path_or_content:
            return _ambient()
        path = Path(path_or_content).expanduser() if "\n" not in path_or_content else None
        try:
            is_file = path is not None and path.is_file()
        except OSError:  # a long one-line JSON text is no file name
            is_file = False
        text = path.read_text() if path is not None and is_file else path_or_content
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            # Never the text itself: it holds credentials.
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise UnreachableError(f"the kubeconfig is not YAML{where}") from None
        if not isinstance(content, dict):
            what = f"no such file: {path}" if path and not is_file else "it is not a mapping"
            raise UnreachableError(f"cannot read the kubeconfig: {what}")
        directory = path.resolve().parent if path is not None and is_file else Path.cwd()
        return Kubeconfig(cast(Object, content), directory)

    def select(self, context: str, cluster: str) -> Kubeconfig:
        """Make the context the current one, with another cluster if one is named.

        Raises UnreachableError naming the contexts or clusters that exist.
        """
        content = copy.deepcopy(self.content)
        chosen = context or str(content.get("current-context") or "")
        contexts = self._named("contexts")
        if chosen not in contexts:
            raise UnreachableError(
                f'context "{chosen}" does not exist in the kubeconfig; it has '
                f"{', '.join(sorted(contexts)) or 'none'}"
            )
        entry = dict(contexts[chosen])
        entry["cluster"] = cluster or entry.get("cluster")
        if entry["cluster"] not in self._named("clusters"):
            raise UnreachableError(
                f'cluster "{entry["cluster"]}" does not exist in the kubeconfig; it has '
                f"{', '.join(sorted(self._named('clusters'))) or 'none'}"
            )
        content["current-context"] = chosen
        content["contexts"] = [{"name": chosen, "context": entry}]
        return Kubeconfig(content, self.directory)

    def _named(self, what: str) -> dict[str, Object]:
        entries = cast(list[Object], self.content.get(what) or [])
        return {entry["name"]: entry.get(what[:-1]) or {} for entry in entries}

    @property
    def namespace(self) -> str:
        contexts = self._named("contexts")
        chosen = contexts.get(str(self.content.get("current-context") or "")) or {}
        return str(chosen.get("namespace") or "")

    def absolute(self) -> Object:
        """Give the content with file names that hold from anywhere."""
        content = copy.deepcopy(self.content)
        for what, keys in (
            ("clusters", ("certificate-authority",)),
            ("users", ("client-certificate", "client-key", "tokenFile")),
        ):
            for entry in cast(list[Object], content.get(what) or []):
                inner = cast(Object, entry.get(what[:-1]) or {})
                for key in keys:
                    if inner.get(key):
                        inner[key] = str(self.directory / str(inner[key]))
        return content

    @property
    def active_cluster(self) -> Object | None:
        """What the current context's cluster entry says, for comparison."""
        chosen = self._named("contexts").get(str(self.content.get("current-context") or ""))
        return self._named("clusters").get(str((chosen or {}).get("cluster")))


def _ambient() -> Kubeconfig:
    from kubernetes.config.kube_config import KubeConfigMerger

    files = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    merged = KubeConfigMerger(files).config
    if merged is None:
        raise UnreachableError(
            f"there is no kubeconfig at {files}; set `kubeconfig` or $KUBECONFIG"
        )
    # The merger leaves the entries of its lists in wrappers of its own.
    content = {
        key: [getattr(entry, "value", entry) for entry in value]
        if isinstance(value, list)
        else value
        for key, value in cast(Object, merged.value).items()
    }
    return Kubeconfig(content, Path.cwd())


def credentials(kubeconfig: Kubeconfig) -> tuple[Configuration, Callable[..., Any]]:
    """Let the official client read the credentials: certificates, tokens, exec plugins, OIDC.

    The loader writes certificates and keys to temporary files and removes them at exit, which a
    killed process never reaches: they are loaded into a TLS context and removed at once.
    """
    import ssl
    from functools import partial

    import urllib3
    from kubernetes.client import Configuration
    from kubernetes.client.rest import should_bypass_proxies
    from kubernetes.config import ConfigException, kube_config

    configuration = Configuration()
    with _LOADING:
        try:
            kube_config.KubeConfigLoader(
                config_dict=kubeconfig.content, config_base_path=str(kubeconfig.directory)
            ).load_and_set(configuration)
            context = ssl.create_default_context(
                cafile=configuration.ssl_ca_cert if configuration.verify_ssl else None
            )
            if not configuration.verify_ssl:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if configuration.cert_file:
                context.load_cert_chain(configuration.cert_file, configuration.key_file)
        except (ConfigException, OSError, ValueError) as error:
            raise UnreachableError(f"the kubeconfig cannot be used: {error}") from None
        finally:
            kube_config._cleanup_temp_files()  # pyright: ignore[reportPrivateUsage]
    options: dict[str, Any] = {"ssl_context": context}
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
        options["assert_hostname"] = configuration.tls_server_name
    proxy, direct = str(configuration.proxy or ""), str(configuration.no_proxy or "")
    if proxy and not should_bypass_proxies(configuration.host, direct):
        if proxy.startswith("socks"):
            raise UnreachableError("this stand-in reaches no cluster through a SOCKS proxy")
        return configuration, partial(urllib3.ProxyManager, proxy, **options)
    return configuration, partial(urllib3.PoolManager, **options)


_LOADING = threading.Lock()
