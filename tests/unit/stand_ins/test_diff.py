"""Differences as the engine shows them, and when they count."""

import pytest

from lab.stand_ins import diff
from lab.stand_ins.diff import Path
from lab.stand_ins.kubernetes.changes import compare, settled
from lab.stand_ins.kubernetes.immutable import force_new, touches
from lab.stand_ins.kubernetes.settings import Settings
from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.values import Object

_Kind = provider_pb2.PropertyDiff


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "ports", 0, "port"), "spec.ports[0].port"),
        (("data", "a.b"), 'data["a.b"]'),
        (("metadata", "labels", 'q"q\\'), 'metadata.labels["q\\"q\\\\"]'),
    ],
)
def test_paths_are_written_and_read(path: Path, text: str) -> None:
    assert diff.render(path) == text
    assert diff.parse(text) == path


def test_changes_are_the_leaves() -> None:
    old = {"a": 1, "b": {"c": [1, 2]}, "gone": 0, "flag": 1}
    new = {"a": 1, "b": {"c": [1, 3, 4]}, "made": {"x": 1}, "flag": True}
    assert diff.changes(old, new) == {
        ("b", "c", 1): "UPDATE",
        ("b", "c", 2): "ADD",
        ("gone",): "DELETE",
        ("made",): "ADD",
        ("flag",): "UPDATE",
    }


def test_the_answer_names_properties_and_replacements() -> None:
    found: diff.Changes = {("spec", "a"): "UPDATE", ("spec", "b"): "ADD", ("meta",): "DELETE"}
    answer = diff.response(
        found,
        [{"spec": {"a": 1}}, {"spec": {"a": 2}}],
        replaces=lambda path: path == ("spec", "b"),
        delete_before_replace=True,
    )
    assert answer.detailedDiff["spec.a"].kind == _Kind.UPDATE
    assert answer.detailedDiff["spec.a"].inputDiff
    assert answer.detailedDiff["spec.b"].kind == _Kind.ADD_REPLACE
    assert not answer.detailedDiff["meta"].inputDiff
    assert list(answer.diffs) == ["spec", "meta"]
    assert list(answer.replaces) == ["spec"]
    assert answer.deleteBeforeReplace
    assert diff.response({}, []).changes == provider_pb2.DiffResponse.DIFF_NONE


OLD: Object = {"spec": {"replicas": 2, "hostNetwork": False, "limits": {"cpu": "1000m"}}}


@pytest.mark.parametrize(
    ("live", "new", "changed"),
    [
        pytest.param({"spec": {"replicas": 2, "limits": {"cpu": "1"}}}, OLD, [], id="same meaning"),
        pytest.param(
            {"spec": {"replicas": 2, "limits": {"cpu": "1"}, "added": "by a controller"}},
            OLD,
            [],
            id="not ours",
        ),
        pytest.param(
            {"spec": {"replicas": 5, "limits": {"cpu": "1"}}},
            OLD,
            [("spec", "replicas")],
            id="drift",
        ),
        pytest.param(
            {"spec": {"replicas": 2, "limits": {"cpu": "2"}}},
            OLD,
            [("spec", "limits", "cpu")],
            id="drift of a quantity",
        ),
        pytest.param(
            {"spec": {"replicas": 2, "limits": {"cpu": "1"}}},
            {"spec": {"replicas": 2, "hostNetwork": True, "limits": {"cpu": "1000m"}}},
            [("spec", "hostNetwork")],
            id="change",
        ),
    ],
)
def test_only_what_differs_in_meaning_counts(
    live: Object, new: Object, changed: list[Path]
) -> None:
    assert list(compare(live, OLD, new)) == changed


def test_a_label_is_no_quantity() -> None:
    old = {"metadata": {"labels": {"version": "1.0"}}}
    live = {"metadata": {"labels": {"version": "1"}}}
    assert compare(live, old, old) == {("metadata", "labels", "version"): "UPDATE"}


def test_a_refresh_takes_drift_and_keeps_spelling() -> None:
    live = {"spec": {"replicas": 5, "limits": {"cpu": "1"}, "more": 1}, "status": {}}
    assert settled(live, OLD) == {
        "spec": {"replicas": 5, "hostNetwork": False, "limits": {"cpu": "1000m"}}
    }
    assert settled({"list": [1, 2]}, {"list": [1], "gone": "x"}) == {"list": [1, 2]}


@pytest.mark.parametrize(
    ("kind", "path", "replaced"),
    [
        ("apps/v1/Deployment", "spec.selector.matchLabels.app", True),
        ("apps/v1/Deployment", "spec.template.spec.containers[0].image", False),
        ("v1/Pod", "spec.containers[1].image", True),
        ("v1/Pod", "spec.activeDeadlineSeconds", False),
        ("batch/v1/Job", "spec.template.spec.containers[0].image", True),
        ("v1/Secret", "data.key", True),
        ("v1/ConfigMap", 'data["a.b"]', True),
        ("v1/ConfigMap", "metadata.labels.a", False),
        ("v1/Service", "metadata.name", True),
        ("rbac.authorization.k8s.io/v1/RoleBinding", "roleRef", True),
    ],
)
def test_fields_that_cannot_change(kind: str, path: str, replaced: bool) -> None:
    version, _, own = kind.rpartition("/")
    fixed = force_new({"apiVersion": version, "kind": own}, Settings(), patch=False)
    assert touches(diff.parse(path), fixed, [{}]) == replaced


def test_a_whole_spec_touches_what_is_in_it() -> None:
    fixed = force_new({"apiVersion": "apps/v1", "kind": "Deployment"}, Settings(), patch=False)
    assert touches(("spec",), fixed, [{"spec": {"selector": {}}}])
    assert not touches(("spec",), fixed, [{"spec": {"replicas": 1}}])


def test_settings_and_patches_lift_the_rule() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret"}
    mutable = Settings(secret_mutable=True)
    assert not touches(("data", "a"), force_new(secret, mutable, patch=False), [{}])
    assert touches(
        ("data", "a"), force_new({**secret, "immutable": True}, mutable, patch=False), [{}]
    )
    assert not touches(("data", "a"), force_new(secret, Settings(), patch=True), [{}])
