"""Claims about tokens that are replaced at an age."""

import datetime as dt
from typing import Any

import pulumi
import pytest

from preflight.last_update import LastUpdate
from spec import config
from stacks import summary
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from stacks.token_age import with_due_tokens
from tests.unit import meshes
from tests.unit.recorder import record

_CREATED = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def _configured(**west: Any) -> dict[str, Any]:
    found = meshes.two_networks()
    found["clusters"][1].update(west)
    return found


def _last(generation: int = 1, created: str | None = _CREATED.isoformat()) -> LastUpdate:
    """What an update left whose token of `west` has this generation."""
    token = {"generation": generation, "created": created}
    return LastUpdate.read(
        {
            "mesh": {"spec": _configured(), "kubeconfigs": {}},
            "clusters": {"east": {}, "west": {"token": token}},
        }
    )


def _generation(days: float, last: LastUpdate, **west: Any) -> int:
    """The generation of west's token that many days after the last one was created."""
    spec = config.parse(_configured(**west))
    due = with_due_tokens(spec, last, _CREATED + dt.timedelta(days=days))
    assert due.clusters[0] == spec.clusters[0], "no other cluster reads the primary"
    return due.clusters[1].token_generation


def test_a_token_is_replaced_at_its_age_and_not_before() -> None:
    assert _generation(89.9, _last(), tokenDays=90) == 1
    assert _generation(90, _last(), tokenDays=90) == 2


def test_the_next_token_is_kept_until_it_has_that_age_too() -> None:
    assert _generation(1, _last(generation=7), tokenDays=90) == 7
    assert _generation(91, _last(generation=7), tokenDays=90) == 8


def test_a_higher_number_replaces_a_token_that_is_younger() -> None:
    assert _generation(1, _last(generation=2), tokenDays=90, tokenGeneration=3) == 3
    assert _generation(91, _last(generation=2), tokenDays=90, tokenGeneration=3) == 3


def test_no_token_is_replaced_without_an_age_or_in_an_absent_cluster() -> None:
    assert _generation(1000, _last()) == 1
    assert _generation(1000, _last(generation=2), tokenDays=90, absent=True) == 2


@pytest.mark.parametrize("last", [LastUpdate(), _last(created=None)], ids=["first", "unknown age"])
def test_a_token_of_unknown_age_is_kept(last: LastUpdate) -> None:
    assert _generation(1000, last, tokenDays=90) == 1


def test_the_stack_of_one_cluster_knows_the_token_too() -> None:
    token = {"generation": 4, "created": "2026-01-31T12:00:00Z"}
    last = LastUpdate.read({"cluster": {"name": "west", "token": token}})
    assert _generation(90, last, tokenDays=90) == 5


def test_the_outputs_say_which_token_a_cluster_has_and_since_when() -> None:
    found = dict[str, Any]()

    async def program() -> None:
        spec = config.parse(_configured(tokenGeneration=3))
        outputs = await build_mesh(spec, meshes.facts(spec), MeshIdentity.create())
        pulumi.Output.from_input(outputs["clusters"]).apply(found.update)

    record(program)
    assert found["west"]["token"] == {"generation": 3, "created": "2026-01-31T12:00:00Z"}
    assert "token" not in found["east"], "no other cluster reads the primary"


def test_the_preview_says_that_a_token_is_replaced() -> None:
    spec = with_due_tokens(
        config.parse(_configured(tokenDays=30)), _last(), _CREATED + dt.timedelta(days=31)
    )
    lines = list(summary.summary(spec, {}, _last()))
    assert "The token of west, created on 2026-01-31, is replaced." in lines
    assert not [x for x in summary.summary(spec, {}, LastUpdate()) if "token" in x]
