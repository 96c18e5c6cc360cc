"""Ordinary objects and Patch resources: Check, Diff, Create, Read, Update, Delete."""

from __future__ import annotations

from typing import Any, cast

from google.protobuf import empty_pb2

from lab.stand_ins import diff
from lab.stand_ins.kubernetes import changes, fields, naming
from lab.stand_ins.kubernetes.api import ApiError, NoKindError
from lab.stand_ins.kubernetes.cluster import Cluster
from lab.stand_ins.kubernetes.fields import AUTONAMED, READ_ONLY, REPLACE_UNREADY, WAIT_FOR
from lab.stand_ins.kubernetes.immutable import force_new, refused_fields, touches
from lab.stand_ins.kubernetes.readiness import verdict
from lab.stand_ins.kubernetes.store import Store
from lab.stand_ins.kubernetes.unreachable import DELETE_HINT, read_unreachable
from lab.stand_ins.kubernetes.waiting import NotReadyError, Waiter, deletion_policy, seconds_of
from lab.stand_ins.protocol import engine_pb2, provider_pb2
from lab.stand_ins.servicer import InitFailedError, Provider, ProviderError
from lab.stand_ins.values import UNKNOWN, Object, decode, encode, has_unknown, plain

_STATE = ("__inputs", "__initialApiVersion", "__fieldManager")


class Objects:
    """The resources that are single objects of the API server."""

    def __init__(self, provider: Provider, cluster: Cluster) -> None:
        self._provider = provider
        self._cluster = cluster
        self._settings = cluster.settings

    def check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        inputs, old = fields.without_nulls(decode(request.news)), plain(decode(request.olds))
        known = fields.for_api(inputs)
        kind = str(known.get("kind") or "")
        if not kind or not known.get("apiVersion"):
            raise ProviderError("Kubernetes resources require a kind and apiVersion")
        if kind.endswith("List") and "items" in known:
            raise ProviderError(
                "list resources exist for compatibility with YAML manifests and Helm charts, and "
                "cannot be created directly. Use the underlying resource type instead"
            )
        self._warn_of_hooks(known, request.urn)
        if fields.is_patch(request.type, kind):
            if not fields.name(known) and known.get("metadata") != UNKNOWN:
                raise ProviderError("patch resources require the `.metadata.name` field to be set")
        else:
            naming.assign(inputs, old, request)
        known = fields.for_api(inputs)
        home = self._cluster.namespace
        homeless = not fields.namespace(known) and known.get("metadata") != UNKNOWN
        # A kind that is unknown yet counts as namespaced, as in the real plugin.
        if home and homeless and self._cluster.namespaced(known) is not False:
            naming.set_namespace(inputs, home)
        self._cluster.scopes.learn([known])
        return provider_pb2.CheckResponse(inputs=encode(fields.protect(inputs, inputs)))

    def _warn_of_hooks(self, obj: Object, urn: str) -> None:
        if self._settings.suppress_hook_warnings:
            return
        annotations = fields.metadata(obj).get("annotations")
        hooks = (
            cast(Object, annotations).get("helm.sh/hook") if isinstance(annotations, dict) else 0
        )
        if hooks:
            self._provider.log(
                "This resource contains Helm hooks that are not currently supported by Pulumi. "
                "The resource will be created, but any hooks will not be executed. This warning "
                "can be disabled by setting the PULUMI_K8S_SUPPRESS_HELM_HOOK_WARNINGS "
                "environment variable",
                urn,
                severity=engine_pb2.WARNING,
            )

    def diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        stored, given = decode(request.olds), decode(request.news)
        old_given = cast(Object, stored.get("__inputs") or decode(request.old_inputs))
        live, new = fields.live_of(plain(stored)), fields.body(fields.for_api(given))
        old = fields.body(fields.inputs_of(stored) or fields.for_api(old_given))
        live.setdefault("apiVersion", new["apiVersion"])
        patch = fields.is_patch(request.type, new["kind"])
        live, old = self._comparable(live, new), self._comparable(old, new)
        new = self._comparable(new, new)
        found = changes.compare(live, old, new)
        ignored = [diff.parse(path) for path in request.ignoreChanges]
        found: diff.Changes = {
            path: kind for path, kind in found.items() if not diff.within(path, ignored)
        }
        fixed = force_new(new, self._settings, patch=patch)
        same = fields.identity(live) == fields.identity(new)
        if unready := self._unready(new, live, request.urn):
            found[unready] = "UPDATE"
            fixed.append(unready)
        return diff.response(
            found,
            [fields.for_api(old_given), fields.for_api(given), live],
            replaces=lambda path: touches(path, fixed, [live, new]),
            delete_before_replace=same
            and bool(fields.name(new))
            and not fields.is_true(new, AUTONAMED),
        )

    def _comparable(self, obj: Object, like: Object) -> Object:
        """Give the object as Diff compares it: namespaces spelled out, or left out."""
        obj = {k: v for k, v in obj.items() if k != "status" or "status" in like}
        if not fields.metadata(obj):
            return obj
        meta = {k: v for k, v in fields.metadata(obj).items() if k not in READ_ONLY}
        if self._cluster.scopes.namespaced(like) is False:
            meta.pop("namespace", None)
        elif self._cluster.scopes.namespaced(like):
            meta["namespace"] = meta.get("namespace") or "default"
        return {**obj, "metadata": meta}

    def _unready(self, new: Object, live: Object, urn: str) -> diff.Path:
        """Name the annotation if it asks to replace this Job (provider.go Diff)."""
        if not fields.is_true(new, REPLACE_UNREADY):
            return ()
        if new["kind"] != "Job":
            why = "replaceUnready annotation is not supported for this resource"
        elif not self._cluster.reachable():
            why = "Cluster is unreachable, skipping replaceUnready check"
        else:
            job = self._cluster.api().get(live)
            return ("metadata", "annotations", REPLACE_UNREADY) if _unfinished(job) else ()
        self._provider.log(why, urn, severity=engine_pb2.WARNING)
        return ()

    def create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        inputs = decode(request.properties)
        obj = fields.body(fields.for_api(inputs))
        patch = fields.is_patch(request.type, obj["kind"])
        if request.preview:
            made = None if patch else self._preview_creation(obj, inputs, request.urn)
            outputs = inputs if made is None else fields.state(made, inputs, obj["apiVersion"], "")
            outputs.pop("__fieldManager", None)
            return provider_pb2.CreateResponse(id="", properties=encode(outputs))
        manager = naming.field_manager(obj, {})
        try:
            before = self._waited_for(obj)
            live = self._store().create(
                obj, manager, apply=patch or self._settings.upsert, dry_run=False
            )
        except NoKindError as error:
            raise ProviderError(
                f'creation of resource "{request.urn}" with kind '
                f"{obj['apiVersion']}/{obj['kind']} failed because the Kubernetes API server "
                "reported that the apiVersion for this resource does not exist. "
                f"Verify that any required CRDs have been created: {error}"
            ) from None
        except ProviderError as error:
            raise ProviderError(
                f'resource "{request.urn}" was not successfully created by the Kubernetes API '
                f"server: {error}"
            ) from None
        try:
            live = self._waiter(request.urn).ready(
                obj, live, seconds_of(obj, request.timeout), updated=False, before=before
            )
        except ProviderError as error:
            why = (
                f'resource "{request.urn}" was successfully created, but the Kubernetes API server '
                f"reported that it failed to fully initialize or become live: {error}"
            )
            raise _partial(error, why, live, inputs, manager) from None
        outputs = fields.state(live, inputs, obj["apiVersion"], manager)
        return provider_pb2.CreateResponse(id=fields.identity(live), properties=encode(outputs))

    def _waited_for(self, obj: Object) -> Object | None:
        """The object as it is now, if something of it will be waited for."""
        return self._cluster.api().get(obj) if fields.annotation(obj, WAIT_FOR) else None

    def _preview_creation(self, obj: Object, inputs: Object, urn: str) -> Object | None:
        """Dry-run a creation; None if that gives no object (provider.go Create)."""
        if has_unknown(obj) or not self._cluster.serves(obj):
            return None
        try:
            made = self._store().create(
                obj, naming.field_manager(obj, {}), apply=self._settings.upsert, dry_run=True
            )
        except ApiError as error:
            # Not there yet, there still (a replacement), not allowed, or not able to dry-run.
            missing = error.code == 404 and error.details.get("kind") == "namespaces"
            no_dry_run = error.code == 400 and "does not support dry run" in str(error)
            exists = error.reason == "AlreadyExists" or bool(refused_fields(error))
            if missing or no_dry_run or exists or error.code == 403:
                return None
            raise ProviderError(
                f'resource "{urn}" was not successfully created by the Kubernetes API server: '
                f"{error}"
            ) from None
        made.pop("status", None)
        return made

    def update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        inputs, stored = decode(request.news), decode(request.olds)
        obj = fields.body(fields.for_api(inputs))
        patch = fields.is_patch(request.type, obj["kind"])
        old = plain_state(stored)
        if request.preview and (has_unknown(obj) or not self._cluster.serves(obj)):
            return provider_pb2.UpdateResponse(properties=encode(inputs))
        manager = naming.field_manager(obj, old)
        version = str(old.get("__initialApiVersion") or obj["apiVersion"])
        try:
            before = None if request.preview else self._waited_for(obj)
            live = self._store().update(
                obj,
                manager,
                ignored=list(request.ignoreChanges),
                patch=patch,
                dry_run=request.preview,
            )
        except NoKindError as error:
            raise ProviderError(
                f'update of resource "{request.urn}" failed because the Kubernetes API server '
                "reported that the apiVersion for this resource does not exist. "
                f"Verify that any required CRDs have been created: {error}"
            ) from None
        except ProviderError as error:
            if request.preview and isinstance(error, ApiError) and error.code == 403:
                return provider_pb2.UpdateResponse(properties=encode(inputs))
            raise ProviderError(f'update of resource "{request.urn}" failed: {error}') from None
        if request.preview:
            outputs = fields.state(live, inputs, version, manager)
            return provider_pb2.UpdateResponse(properties=encode(outputs))
        try:
            live = self._waiter(request.urn).ready(
                obj, live, seconds_of(obj, request.timeout), updated=True, before=before
            )
        except ProviderError as error:
            why = (
                "the Kubernetes API server reported that "
                f'"{fields.identity(live)}" failed to fully initialize or become live: {error}'
            )
            raise _partial(error, why, live, inputs, manager) from None
        former = str(old.get("__fieldManager") or manager)
        if former != manager:
            self._store().relinquish(live, former)
        return provider_pb2.UpdateResponse(
            properties=encode(fields.state(live, inputs, version, manager))
        )

    def read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        if not self._cluster.reachable():
            return read_unreachable(self._provider, self._cluster, request)
        stored, inputs = decode(request.properties), decode(request.inputs)
        known = fields.for_api(inputs)
        reference = self._reference(request, known or fields.live_of(plain(stored)))
        try:
            live = self._cluster.api().get(reference)
        except NoKindError:
            live = None
        if live is None:
            return provider_pb2.ReadResponse(id="")
        manager = naming.field_manager(known, plain_state(stored))
        version = str(plain(stored.get("__initialApiVersion")) or live["apiVersion"])
        if not known.get("kind"):
            inputs = fields.for_pulumi(_as_inputs(live))
        else:
            inputs = _refreshed(inputs, known, live)
        outputs = fields.state(live, inputs, version, manager)
        if known.get("kind"):
            try:
                self._waiter(request.urn).check(known, live)
            except NotReadyError as error:
                raise InitFailedError(
                    request.id, outputs, inputs, [str(error), *error.details]
                ) from None
        return provider_pb2.ReadResponse(
            id=request.id or fields.identity(live),
            properties=encode(outputs),
            inputs=encode(fields.protect(inputs, inputs)),
        )

    def _reference(self, request: provider_pb2.ReadRequest, known: Object) -> Object:
        space, _, own = request.id.rpartition("/")
        kind = known if known.get("kind") else fields.of_token(request.type)
        meta: Object = {"name": own}
        if space or fields.namespace(known):
            meta["namespace"] = space or fields.namespace(known)
        return {"apiVersion": kind["apiVersion"], "kind": kind["kind"], "metadata": meta}

    def delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        stored = decode(request.properties)
        live, inputs = fields.live_of(plain(stored)), fields.inputs_of(stored)
        if not self._cluster.reachable():
            self._warn(self._cluster.reason(), request.urn)
            if self._settings.delete_unreachable:
                return empty_pb2.Empty()
            raise ProviderError(
                "configured Kubernetes cluster is unreachable. If the cluster was deleted, "
                f"{DELETE_HINT}"
            )
        space, _, own = request.id.rpartition("/")
        live["metadata"] = {**fields.metadata(live), "name": own}
        if space:
            live["metadata"]["namespace"] = space
        try:
            if fields.is_patch(request.type, str(live["kind"])):
                self._store().relinquish(live, naming.field_manager(inputs, plain_state(stored)))
                return empty_pb2.Empty()
            self._cluster.api().delete(live, deletion_policy(inputs))
            self._waiter(request.urn).gone(inputs, live, seconds_of(inputs, request.timeout))
        except NoKindError:
            return empty_pb2.Empty()  # its CRD is gone, and so is the object
        except NotReadyError as error:
            raise ProviderError("; ".join([str(error), *error.details])) from None
        return empty_pb2.Empty()

    def _warn(self, message: str, urn: str) -> None:
        self._provider.log(message, urn, severity=engine_pb2.WARNING)

    def _store(self) -> Store:
        return Store(
            self._cluster.api(),
            self._provider.cancelled.wait,
            force=self._settings.enable_patch_force,
        )

    def _waiter(self, urn: str) -> Waiter:
        def status(message: str) -> None:
            self._provider.log(message, urn, ephemeral=True)

        return Waiter(self._cluster.api(), self._provider.cancelled.wait, status)


def plain_state(stored: Object) -> Object:
    """Give the parts of a state that the plugin itself keeps there."""
    return {key: plain(stored[key]) for key in _STATE if key in stored}


def _partial(
    error: ProviderError, why: str, live: Object, inputs: Object, manager: str
) -> InitFailedError:
    details = error.details if isinstance(error, NotReadyError) else []
    latest = error.object if isinstance(error, NotReadyError) else live
    outputs = fields.state(latest, inputs, str(latest["apiVersion"]), manager)
    return InitFailedError(fields.identity(latest), outputs, inputs, [why, *details])


def _unfinished(job: Object | None) -> bool:
    return job is not None and not verdict(job, updated=False).ready


def _as_inputs(live: Object) -> Object:
    """Give the inputs that would make this object: what an import writes into the program."""
    inputs = {key: value for key, value in live.items() if key != "status"}
    meta = {key: value for key, value in fields.metadata(live).items() if key not in READ_ONLY}
    annotations = dict(cast(Object, meta.get("annotations") or {}))
    annotations.pop("deployment.kubernetes.io/revision", None)
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    inputs["metadata"] = meta
    return inputs


def _refreshed(inputs: Object, known: Object, live: Object) -> Object:
    """Give the inputs with what has drifted; the very same ones if nothing has."""
    sent = fields.body(known)
    found = changes.settled(changes.prune(live, sent), sent)
    if found == sent:
        return inputs
    if known.get("stringData") and "data" in found:
        text = cast(dict[str, Any], known["stringData"])
        same = {k: v for k, v in text.items() if found["data"].get(k) == sent["data"].get(k)}
        found["stringData"] = same
        found["data"] = {k: v for k, v in found["data"].items() if k not in same}
        found = {k: v for k, v in found.items() if v or k not in ("data", "stringData")}
    return fields.protect(fields.for_pulumi(found), inputs)
