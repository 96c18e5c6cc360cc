"""helm.sh/v3:Release: a chart installed by helm itself, one resource (helm_release.go)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from google.protobuf import empty_pb2

from lab.stand_ins import diff
from lab.stand_ins.kubernetes import changes, fields, manifests, naming
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.kubernetes.helm import Helm, HelmError, source_of
from lab.stand_ins.kubernetes.unreachable import read_unreachable
from lab.stand_ins.protocol import engine_pb2, provider_pb2
from lab.stand_ins.servicer import InitFailedError, Provider, ProviderError
from lab.stand_ins.values import (
    SIGNATURE,
    UNKNOWN,
    Object,
    Secret,
    decode,
    encode,
    has_unknown,
    mark_secrets,
    plain,
)

TYPE = "kubernetes:helm.sh/v3:Release"
DEFAULT_SECONDS = 300

# Inputs that become flags of helm, each command its own (helm_release.go helmCreate, helmUpdate).
_INSTALL_FLAGS = {
    "atomic": "--atomic",
    "createNamespace": "--create-namespace",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "renderSubchartNotes": "--render-subchart-notes",
    "replace": "--replace",
    "skipCrds": "--skip-crds",
    "takeOwnership": "--take-ownership",
}
_UPGRADE_FLAGS = {
    "atomic": "--atomic",
    "cleanupOnFail": "--cleanup-on-fail",
    "disableCRDHooks": "--no-hooks",
    "forceUpdate": "--force",
    "renderSubchartNotes": "--render-subchart-notes",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
    "takeOwnership": "--take-ownership",
}
_PLAIN = {
    "allowNullValues",
    "chart",
    "dependencyUpdate",
    "description",
    "devel",
    "keyring",
    "maxHistory",
    "name",
    "namespace",
    "postrender",
    "repositoryOpts",
    "skipAwait",
    "timeout",
    "valueYamlFiles",
    "values",
    "verify",
    "version",
    "waitForJobs",
}
_IGNORED = {"resourceNames", "status", "compat", "checksum", "manifest"}
_REFUSED = {
    "lint": "run `helm lint` on the chart instead",
    "recreatePods": "helm's command line no longer has it; change a pod annotation instead",
}
# What the real plugin records of inputs that are left out (the fields of its Release).
_DEFAULTS: Object = {
    **dict.fromkeys({*_INSTALL_FLAGS, *_UPGRADE_FLAGS, *_REFUSED}, False),
    **dict.fromkeys(
        ("allowNullValues", "dependencyUpdate", "devel", "skipAwait", "verify", "waitForJobs"),
        False,
    ),
    **dict.fromkeys(("description", "keyring", "postrender", "version"), ""),
    "timeout": 0,
}
_REPOSITORY = ("caFile", "certFile", "keyFile", "password", "repo", "username")
_KNOWN = {*_PLAIN, *_INSTALL_FLAGS, *_UPGRADE_FLAGS, *_REFUSED}


class Releases:
    """Releases of one cluster."""

    def __init__(self, provider: Provider, cluster: Cluster, helm: Helm) -> None:
        self._provider = provider
        self._cluster = cluster
        self._helm = helm

    def check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        given, old = decode(request.news), cast(Object, plain(decode(request.olds)))
        for key, cure in _REFUSED.items():
            if plain(given.get(key)):
                raise ProviderError(f"{key}: this stand-in does not support it: {cure}")
        if odd := sorted(set(given) - _KNOWN - _IGNORED):
            raise ProviderError(f"helm.v3.Release: unknown input: {', '.join(odd)}")
        if plain(given.get("allowNullValues")):
            self._provider.log(
                "`allowNullValues` is deprecated and has no effect; null values in Helm chart "
                "values are preserved by default.",
                request.urn,
                severity=engine_pb2.WARNING,
            )
        news = {key: value for key, value in given.items() if key not in _IGNORED}
        if not plain(news.get("name")):
            own = request.urn.rpartition("::")[2]
            news["name"] = old.get("name") or naming.unique(own, request.randomSeed)
        if not plain(news.get("namespace")):
            news["namespace"] = self._cluster.namespace
        if not plain(news.get("skipAwait")):
            news.setdefault("timeout", DEFAULT_SECONDS)
        news["values"] = _values(news)
        news.pop("valueYamlFiles", None)
        response = provider_pb2.CheckResponse()
        if not has_unknown(news):
            try:
                news["version"] = self._version(cast(Object, plain(news)))
            except ProviderError as error:
                reason = f"{error}; check the chart name and repository configuration."
                response.failures.add(property="chart", reason=reason)
        given = {key: value for key, value in news.items() if plain(value) is not None}
        if options := plain(given.get("repositoryOpts")):
            given["repositoryOpts"] = {**dict.fromkeys(_REPOSITORY, ""), **cast(Object, options)}
        response.inputs.CopyFrom(encode({**_DEFAULTS, **given}))
        return response

    def _version(self, inputs: Object) -> str:
        """Give the chart's own version: what a constraint such as `>= 1.2` comes to."""
        chart = Path(str(inputs["chart"]), "Chart.yaml")
        if chart.is_file():
            text = chart.read_text()
        else:
            text = self._helm.chart(["show", "chart"], source_of(inputs), None, [])
        return str(manifests.parse(text)[0]["version"])

    def diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        stored, news = decode(request.olds), decode(request.news)
        old = _inputs_of(stored)
        state = {k: v for k, v in cast(Object, plain(stored)).items() if k != "__inputs"}
        new = cast(Object, plain(news))
        ignored = [diff.parse(path) for path in request.ignoreChanges]
        found: diff.Changes = {
            path: kind
            for path, kind in changes.compare(state, old, new).items()
            if not diff.within(path, ignored)
        }
        return diff.response(
            found,
            [old, new],
            replaces=lambda path: path[0] in ("name", "namespace"),
        )

    def create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        news = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=encode(_planned(news)))
        inputs = cast(Object, plain(news))
        own = f"{inputs['namespace']}/{inputs['name']}"
        self._cluster.api()
        try:
            self._run("install", _INSTALL_FLAGS, inputs, news)
        except HelmError as error:
            live = self._lookup(inputs["namespace"], inputs["name"])
            if live is None or live["status"].get("status") == "deployed":
                raise
            self._provider.log(
                f'Helm release "{inputs["name"]}" was created but has a failed status. Use the '
                f"`helm` command to investigate the error, correct it, then retry. Reason: {error}",
                request.urn,
                severity=engine_pb2.WARNING,
            )
            raise InitFailedError(
                own,
                _state(news, live),
                news,
                [
                    f'Helm release "{own}" was created, but failed to initialize completely. Use '
                    f"Helm CLI to investigate: failed to become available within allocated "
                    f"timeout. Error: Helm Release {own}: {error}"
                ],
            ) from None
        outputs = _state(news, self._found(inputs))
        return provider_pb2.CreateResponse(id=own, properties=encode(outputs))

    def update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        news = decode(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(_planned(news)))
        inputs = cast(Object, plain(news))
        own = f"{inputs['namespace']}/{inputs['name']}"
        self._cluster.api()
        try:
            self._run("upgrade", _UPGRADE_FLAGS, inputs, news)
        except HelmError as error:
            live = self._lookup(inputs["namespace"], inputs["name"])
            if live is None or live["status"].get("status") != "failed":
                raise
            raise InitFailedError(
                own,
                _state(news, live),
                news,
                [
                    f'Helm release "{own}" failed to initialize completely. Use Helm CLI to '
                    f"investigate: failed to become available within allocated timeout. "
                    f"Error: Helm Release {own}: {error}"
                ],
            ) from None
        return provider_pb2.UpdateResponse(properties=encode(_state(news, self._found(inputs))))

    def _run(self, command: str, flags: dict[str, str], inputs: Object, news: Object) -> None:
        space, own = inputs["namespace"], inputs["name"]
        words = [command, own, "--namespace", space]
        words += [flag for key, flag in flags.items() if inputs.get(key)]
        words += ["--timeout", f"{int(inputs.get('timeout') or DEFAULT_SECONDS)}s"]
        if not inputs.get("skipAwait"):
            words += ["--wait", *(["--wait-for-jobs"] if inputs.get("waitForJobs") else [])]
        if inputs.get("description"):
            words += ["--description", str(inputs["description"])]
        if inputs.get("postrender"):
            words += ["--post-renderer", str(inputs["postrender"])]
        if command == "upgrade":
            words += ["--history-max", str(int(inputs.get("maxHistory") or 0))]
        self._helm.chart(
            words,
            source_of(inputs),
            cast(Object, inputs.get("values") or {}),
            [],
        )

    def _found(self, inputs: Object) -> Object:
        live = self._lookup(inputs["namespace"], inputs["name"])
        if live is None:
            raise ProviderError(f"release {inputs['name']}: not found after helm had installed it")
        return live

    def _lookup(self, space: str, own: str) -> Object | None:
        """Read a release: status, resourceNames, and the values that it was installed with."""
        with ThreadPoolExecutor(2) as pool:
            tail = [own, "--namespace", space, "--output", "json"]
            about = pool.submit(self._helm.run, ["get", "metadata", *tail])
            whole = pool.submit(self._helm.run, ["status", *tail])
            try:
                meta = cast(Object, json.loads(about.result()))
                release = cast(Object, json.loads(whole.result()))
            except HelmError as error:
                if "release: not found" in str(error):
                    return None
                raise
        return {
            "values": release.get("config") or {},
            "version": meta["version"],
            "chart": meta["chart"],
            "resourceNames": _resource_names(str(release.get("manifest") or "")),
            "status": {
                "appVersion": str(meta.get("appVersion") or ""),
                "chart": meta["chart"],
                "name": own,
                "namespace": space,
                "revision": release["version"],
                "status": release["info"]["status"],
                "version": meta["version"],
            },
        }

    def read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        if not self._cluster.reachable():
            return read_unreachable(self._provider, self._cluster, request)
        stored = decode(request.properties)
        space, _, own = request.id.rpartition("/")
        live = self._lookup(space, own)
        if live is None:
            return provider_pb2.ReadResponse(id="")
        inputs = decode(request.inputs)
        if not inputs.get("chart"):
            # An import: where the chart came from is not recorded, only its name.
            inputs = {
                "chart": live["chart"],
                "name": own,
                "namespace": space,
                "timeout": DEFAULT_SECONDS,
                "values": live["values"],
                "version": live["version"],
            }
            return provider_pb2.ReadResponse(
                id=request.id, properties=encode(_state(inputs, live)), inputs=encode(inputs)
            )
        known = _inputs_of(stored) or cast(Object, plain(inputs))
        found: Object = dict(inputs)
        for key in ("values", "version"):
            if plain(known.get(key)) != live[key] and (known.get(key) or live[key]):
                found[key] = mark_secrets(live[key], inputs.get(key))
        return provider_pb2.ReadResponse(
            id=request.id, properties=encode(_state(found, live)), inputs=encode(found)
        )

    def delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        inputs = cast(Object, plain(decode(request.properties)))
        if not self._cluster.reachable():
            # Whatever deleteUnreachable says (provider.go Delete): only a refresh forgets it.
            raise ProviderError(
                "can't delete Helm Release with unreachable cluster. "
                f'Reason: "{self._cluster.reason()}"'
            )
        space, _, own = request.id.rpartition("/")
        words = ["uninstall", own, "--namespace", space]
        if inputs.get("atomic") or not inputs.get("skipAwait"):
            words += ["--wait", "--timeout", f"{int(inputs.get('timeout') or DEFAULT_SECONDS)}s"]
        said = self._helm.run(words)
        kept = said.partition("These resources were kept")[2]
        if kept:
            # The real plugin quotes it as Go does: one line.
            info = json.dumps(f"These resources were kept{kept.rstrip()}\n")
            self._provider.log(
                f"Helm uninstall returned information: {info}",
                request.urn,
                severity=engine_pb2.WARNING,
            )
        return empty_pb2.Empty()


def _values(news: Object) -> Any:
    """Give the values with those of the files below them; secrets stay marked."""
    files = plain(news.get("valueYamlFiles")) or []
    given = news.get("values") or {}
    if not files or files == UNKNOWN:
        return UNKNOWN if files == UNKNOWN else given
    merged: Object = {}
    for asset in cast(list[Object], files):
        merged = _merge(merged, _load(asset))
    if isinstance(given, Secret):
        return Secret(_merge(merged, cast(Object, given.value)))
    return UNKNOWN if given == UNKNOWN else _merge(merged, cast(Object, given))


def _load(asset: Object) -> Object:
    if asset.get("uri"):
        raise ProviderError("valueYamlFiles: this stand-in reads files and text, not addresses")
    try:
        text = asset["text"] if "text" in asset else Path(str(asset["path"])).read_text()
    except (KeyError, OSError) as error:
        sort = asset.get(SIGNATURE, "no asset")
        raise ProviderError(f"valueYamlFiles: cannot read {sort}: {error}") from None
    documents = manifests.parse(str(text))
    return documents[0] if documents else {}


def _merge(below: Object, above: Object) -> Object:
    """Merge values as helm does: mappings by key, all else replaced (helm/values.go)."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(cast(Object, old), cast(Object, value))
        else:
            merged[key] = value
    return merged


def _inputs_of(stored: Object) -> Object:
    found = plain(stored.get("__inputs"))
    return cast(Object, found) if isinstance(found, dict) else {}


def _state(inputs: Object, live: Object) -> Object:
    """Give what Pulumi stores; `__inputs` is secret as a whole (checkpointRelease)."""
    values = mark_secrets(live["values"], inputs.get("values"))
    return {
        **inputs,
        "values": values,
        "version": live["version"],
        "resourceNames": live["resourceNames"],
        "status": live["status"],
        "__inputs": Secret(plain(inputs)),
    }


def _planned(inputs: Object) -> Object:
    return {**inputs, "resourceNames": UNKNOWN, "status": UNKNOWN}


def _resource_names(manifest: str) -> Object:
    """Group the objects' names by `Kind.group/apiVersion` (manifest_json.go)."""
    names: dict[str, set[str]] = {}
    for obj in manifests.parse(manifest):
        group = str(obj["apiVersion"]).rpartition("/")[0]
        kind = f"{obj['kind']}.{group}" if group else str(obj["kind"])
        own = fields.identity(obj)
        names.setdefault(f"{kind}/{obj['apiVersion']}", set()).add(own)
    return {key: sorted(found) for key, found in names.items()}
