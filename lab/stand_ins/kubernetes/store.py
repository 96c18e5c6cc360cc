"""Writing objects: create, update, patch, delete, as the real plugin's await/await.go does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from lab.stand_ins import diff
from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.api import Api, ApiError, NoKindError
from lab.stand_ins.kubernetes.fields import PATCH_FORCE
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import Object

CREATOR = "pulumi-kubernetes"
"""Creations are not applies: the field manager of the state owns fields from the first update."""

# Managers whose fields the first apply adopts (await.go fixCSAFieldManagers). A prefix counts,
# as in the library that the real plugin uses: `kubectl` means kubectl-edit too.
_TAKEN_OVER = [
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    (CREATOR, "Update"),
    ("pulumi-resource-kubernetes", "Update"),
]
_RETRY_SECONDS = (0.25, 0.5, 1, 2, 4, 8, 16)

_EXISTS = """

The resource already exists in the cluster. This can happen when:

  - Renaming a Pulumi resource: use an alias to preserve the identity,
    or use deleteBeforeReplace if the resource needs replacement.
  - Managing an existing resource: use a Patch resource (e.g. NamespacePatch)
    to manage specific fields without owning the resource lifecycle.
  - Adopting a resource into Pulumi: use `pulumi import`. Note that
    protected resources (e.g. kube-system) cannot be deleted on destroy.
  - Intentional upsert: set upsertExistingObjects on the provider to allow
    server-side apply to update existing objects on create."""

_CONFLICT_HELP = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"
)


class Store:
    """Writes objects through one API server."""

    def __init__(self, api: Api, pause: Callable[[float], bool], *, force: bool) -> None:
        self._api = api
        self._pause = pause
        self._force = force

    def create(self, obj: Object, manager: str, *, apply: bool, dry_run: bool) -> Object:
        """Create the object, or apply it where it may exist (Patch resources, upsert).

        A missing namespace or kind is waited for, about half a minute: charts and YAML files are
        often out of order. Raises AlreadyExistsError's sentence as ProviderError.
        """
        for seconds in (*_RETRY_SECONDS, None):
            try:
                if apply:
                    return self._apply(obj, manager, live=None, dry_run=dry_run)
                return self._api.create(obj, manager=CREATOR, dry_run=dry_run)
            except (ApiError, NoKindError) as error:
                if isinstance(error, ApiError) and error.reason == "AlreadyExists" and not dry_run:
                    raise ProviderError(f"{error}{_EXISTS}") from None
                missing = isinstance(error, NoKindError) or error.code == 404
                if dry_run or not missing or seconds is None or self._pause(seconds):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def update(
        self, obj: Object, manager: str, *, ignored: list[str], patch: bool, dry_run: bool
    ) -> Object:
        """Bring the live object to the inputs; fields of other managers raise a conflict."""
        live = self._api.get(obj)
        if live is None:
            kind = self._api.kind(obj["apiVersion"], obj["kind"])[0]
            raise ProviderError(
                f'{kind} "{fields.name(obj)}" not found: it was deleted outside of Pulumi; '
                "run `pulumi refresh` and then update again"
            )
        if fields.is_crd(obj):
            # Replaced, not patched: objects of the kind stay (await.go updateResource).
            versioned = {**obj, "metadata": {**fields.metadata(obj)}}
            versioned["metadata"]["resourceVersion"] = fields.metadata(live)["resourceVersion"]
            return self._api.replace(versioned, manager=manager, dry_run=dry_run)
        if not patch and not dry_run:
            live = self._take_over(live, manager)
        wanted = _without_ignored(obj, live, manager, ignored)
        return self._apply(wanted, manager, live=live, dry_run=dry_run)

    def relinquish(self, obj: Object, manager: str) -> None:
        """Give up all fields of a manager; those without another are removed (ssa/actions.go)."""
        try:
            self._api.apply(_bare(obj), manager=manager, force=False, dry_run=False)
        except ApiError as error:
            required = [c for c in error.causes if c.get("reason") == "FieldValueRequired"]
            if error.code == 422 and required:
                raise ProviderError(
                    "this Patch resource is currently managing a required field, so it can't be "
                    "deleted directly. Either set the `retainOnDelete` resource option, or "
                    "transfer ownership of the field before deleting: "
                    f"{required[0].get('field')}"
                ) from None
            if error.code != 404:
                raise

    def _apply(self, obj: Object, manager: str, *, live: Object | None, dry_run: bool) -> Object:
        force = self._force or fields.is_true(obj, PATCH_FORCE) or _forced(live, dry_run=dry_run)
        try:
            return self._api.apply(obj, manager=manager, force=force, dry_run=dry_run)
        except ApiError as error:
            if error.reason != "Conflict":
                raise
            raise ProviderError(
                f"server-side apply field conflict detected, see {_CONFLICT_HELP} for "
                f'troubleshooting help\nThe resource managed by field manager "{manager}" had an '
                f"apply conflict: {error}"
            ) from None

    def _take_over(self, live: Object, manager: str) -> Object:
        """Make the fields of creations and of kubectl ours, so that they cause no conflict."""
        entries = cast(list[Object], fields.metadata(live).get("managedFields") or [])
        taken = [entry for entry in entries if _takes_over(entry)]
        if not taken:
            return live
        ours = [e for e in entries if e.get("manager") == manager and e.get("operation") == "Apply"]
        owned: Object = {}
        for entry in (*ours, *taken):
            owned = _union(owned, cast(Object, entry.get("fieldsV1") or {}))
        merged = {**taken[0], "manager": manager, "operation": "Apply", "fieldsV1": owned}
        rest = [entry for entry in entries if entry not in taken and entry not in ours]
        version = {"op": "test", "path": "/metadata/resourceVersion"}
        return self._api.json_patch(
            live,
            [
                {**version, "value": fields.metadata(live)["resourceVersion"]},
                {"op": "replace", "path": "/metadata/managedFields", "value": [*rest, merged]},
            ],
        )


def _bare(obj: Object) -> Object:
    whole = fields.metadata(obj)
    meta = {key: whole[key] for key in ("name", "namespace") if key in whole}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}


def _takes_over(entry: Object) -> bool:
    return not entry.get("subresource") and any(
        str(entry.get("manager")).startswith(prefix) and entry.get("operation") == operation
        for prefix, operation in _TAKEN_OVER
    )


def _forced(live: Object | None, *, dry_run: bool) -> bool:
    """Conflicts that a real update would not have (await.go patchForce)."""
    if live is None:
        return dry_run
    entries = cast(list[Object], fields.metadata(live).get("managedFields") or [])
    return not entries or (dry_run and any(map(_takes_over, entries)))


def _union(a: Object, b: Object) -> Object:
    """Unite two field sets: they are trees of keys."""
    merged = dict(a)
    for key, value in b.items():
        merged[key] = _union(merged[key], value) if key in merged else value
    return merged


def _without_ignored(obj: Object, live: Object, manager: str, ignored: list[str]) -> Object:
    """Leave ignored fields to whoever holds them, or keep their live value if that is us.

    Source: await.go handleSSAIgnoreFields; as there, paths through lists are left as they are.
    """
    wanted = obj
    for path in map(diff.parse, ignored):
        if any(isinstance(step, int) for step in path):
            continue
        held = diff.get(live, path)
        if held is None:
            continue
        entries = cast(list[Object], fields.metadata(live).get("managedFields") or [])
        keys = tuple(f"f:{step}" for step in path)
        ours = any(
            diff.get(e.get("fieldsV1"), keys) is not None for e in entries if _is(e, manager)
        )
        theirs = any(
            diff.get(e.get("fieldsV1"), keys) is not None for e in entries if not _is(e, manager)
        )
        wanted = _put(wanted, path, _GONE if theirs and not ours else held)
    return wanted


def _is(entry: Object, manager: str) -> bool:
    return entry.get("manager") == manager


_GONE = object()


def _put(value: Any, path: diff.Path, item: Any) -> Any:
    """Give a copy of the value with one item set, or removed."""
    if not path:
        return item
    copy: Object = dict(cast(Object, value)) if isinstance(value, dict) else {}
    key = str(path[0])
    if item is _GONE and (key not in copy or len(path) == 1):
        copy.pop(key, None)
    else:
        copy[key] = _put(copy.get(key), path[1:], item)
    return copy
