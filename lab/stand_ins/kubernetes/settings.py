"""The provider's configuration (provider.go Configure; schema.go)."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any, cast

from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import UNKNOWN, Object, has_unknown

# Refused because a program that relies on them would pass here and do something else there.
_REFUSED = {
    "renderYamlToDirectory": "it talks to a cluster and writes no YAML files",
    "alwaysRender": "it talks to a cluster and writes no YAML files",
    "rejectUnknownResources": "it leaves the validation of kinds to the API server",
    "strictMode": "set `pulumi:disable-default-providers` to forbid default providers",
}
_KNOWN = {
    "kubeconfig",
    "context",
    "cluster",
    "namespace",
    "clusterIdentifier",
    "enableServerSideApply",
    "enablePatchForce",
    "enableConfigMapMutable",
    "enableSecretMutable",
    "upsertExistingObjects",
    "deleteUnreachable",
    "skipUpdateUnreachable",
    "suppressDeprecationWarnings",
    "suppressHelmHookWarnings",
    "kubeClientSettings",
    "helmReleaseSettings",
    "version",
    "pluginDownloadURL",
}


@dataclass(frozen=True)
class HelmSettings:
    """helmReleaseSettings: where helm keeps things. Empty means helm's own default."""

    driver: str = "secret"
    plugins_path: str = ""
    registry_config: str = ""
    repository_config: str = ""
    repository_cache: str = ""


@dataclass(frozen=True)
class Settings:
    """What a provider resource says, over what the environment says."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    enable_patch_force: bool = False
    config_map_mutable: bool = False
    secret_mutable: bool = False
    upsert: bool = False
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    suppress_hook_warnings: bool = False
    timeout: float | None = None
    qps: float | None = None
    burst: int | None = None
    helm: HelmSettings = field(default_factory=HelmSettings)
    unknown: tuple[str, ...] = ()
    """Options known only in the update, because the same program creates the cluster."""

    @staticmethod
    def read(config: Object) -> Settings:
        """Read the configuration; raise ProviderError for what the stand-in does not do."""
        given = {key: value for key, value in config.items() if value not in (None, "", False)}
        for key, reason in _REFUSED.items():
            if _flag(given.get(key)) or (key in given and key.endswith("Directory")):
                raise ProviderError(f"{key}: this stand-in does not support it: {reason}")
        if odd := sorted(set(given) - _KNOWN - set(_REFUSED)):
            raise ProviderError(f"unknown provider option: {', '.join(odd)}")
        flags = _Flags(config)
        if not flags.read("enableServerSideApply", "ENABLE_SERVER_SIDE_APPLY", default=True):
            raise ProviderError(
                "enableServerSideApply: this stand-in writes by server-side apply only; "
                "leave the option out or set it to true"
            )
        client = _nested(config, "kubeClientSettings")
        helm = _nested(config, "helmReleaseSettings")
        _only(client, "kubeClientSettings", {"burst", "qps", "timeout"})
        _only(
            helm,
            "helmReleaseSettings",
            {
                "driver",
                "pluginsPath",
                "registryConfigPath",
                "repositoryCache",
                "repositoryConfigPath",
            },
        )
        return Settings(
            kubeconfig=_text(config, "kubeconfig"),
            context=_text(config, "context"),
            cluster=_text(config, "cluster"),
            namespace=_text(config, "namespace"),
            enable_patch_force=flags.read("enablePatchForce", "ENABLE_PATCH_FORCE"),
            config_map_mutable=flags.read("enableConfigMapMutable", "ENABLE_CONFIGMAP_MUTABLE"),
            secret_mutable=flags.read("enableSecretMutable", "ENABLE_SECRET_MUTABLE"),
            upsert=flags.read("upsertExistingObjects", "UPSERT_EXISTING_OBJECTS"),
            delete_unreachable=flags.read("deleteUnreachable", "DELETE_UNREACHABLE"),
            skip_update_unreachable=flags.read("skipUpdateUnreachable", "SKIP_UPDATE_UNREACHABLE"),
            suppress_hook_warnings=flags.read(
                "suppressHelmHookWarnings", "SUPPRESS_HELM_HOOK_WARNINGS"
            ),
            timeout=_number(client, "timeout", "CLIENT_TIMEOUT"),
            qps=_number(client, "qps", "CLIENT_QPS"),
            burst=int(_number(client, "burst", "CLIENT_BURST") or 0) or None,
            helm=HelmSettings(
                driver=helm.get("driver") or _env("HELM_DRIVER") or "secret",
                plugins_path=helm.get("pluginsPath") or _env("HELM_PLUGINS_PATH"),
                registry_config=helm.get("registryConfigPath") or _env("HELM_REGISTRY_CONFIG_PATH"),
                repository_config=helm.get("repositoryConfigPath")
                or _env("HELM_REPOSITORY_CONFIG_PATH"),
                repository_cache=helm.get("repositoryCache") or _env("HELM_REPOSITORY_CACHE"),
            ),
            unknown=tuple(sorted(key for key, value in config.items() if has_unknown(value))),
        )


def _env(name: str) -> str:
    return os.environ.get(f"PULUMI_K8S_{name}", "")


def _flag(value: Any) -> bool:
    return value is True or value == "true"


class _Flags:
    def __init__(self, config: Object) -> None:
        self._config = config

    def read(self, key: str, variable: str, *, default: bool = False) -> bool:
        """The option wins over the environment (provider.go Configure)."""
        value = self._config.get(key)
        if value is None:
            value = os.environ.get(f"PULUMI_K8S_{variable}")
        return default if value is None else _flag(value)


def _text(config: Object, key: str) -> str:
    value = config.get(key)
    if value is None or value == UNKNOWN:
        return ""
    # A program may give a kubeconfig as a mapping (provider/util.go parseKubeconfigPropertyValue).
    return value if isinstance(value, str) else json.dumps(value)


def _nested(config: Object, key: str) -> Object:
    """SDKs send nested options as JSON text."""
    value = config.get(key) or {}
    if isinstance(value, str):
        if value == UNKNOWN:
            return {}
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ProviderError(f"failed to unmarshal {key} option: {error}") from None
    return cast(Object, value)


def _only(given: Object, option: str, known: set[str]) -> None:
    if odd := sorted(key for key, value in given.items() if key not in known and value):
        raise ProviderError(f"{option}: this stand-in does not support {', '.join(odd)}")


def _number(settings: Object, key: str, variable: str) -> float | None:
    value = settings.get(key)
    if value is None and (text := _env(variable)):
        value = text
    try:
        return None if value is None or value == UNKNOWN else float(value)
    except ValueError:
        raise ProviderError(
            f"invalid value specified for PULUMI_K8S_{variable}: {value!r} is not a number"
        ) from None
