"""Property values between the engine and a plugin."""

from typing import Any

import pytest

from lab.stand_ins.protocol import provider_pb2
from lab.stand_ins.values import (
    OUTPUT,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    Secret,
    decode,
    encode,
    has_secret,
    has_unknown,
    mark_secrets,
    plain,
)


@pytest.mark.parametrize(
    "value",
    [
        {"text": "a", "port": 8080, "share": 0.5, "on": True, "none": None, "empty": {}, "no": []},
        {"deep": [{"a": [1, {"b": "c"}]}]},
        {"key": Secret({"a": [1]}), "later": UNKNOWN},
    ],
)
def test_values_survive_the_wire(value: dict[str, Any]) -> None:
    text = provider_pb2.CheckResponse(inputs=encode(value)).SerializeToString()
    assert decode(provider_pb2.CheckResponse.FromString(text).inputs) == value


def test_whole_numbers_come_back_as_ints() -> None:
    port = decode(encode({"port": 8080.0}))["port"]
    assert type(port) is int


def test_output_values_keep_what_matters() -> None:
    known = {SIGNATURE: OUTPUT, "value": "a", "secret": True, "dependencies": ["urn"]}
    unknown = {SIGNATURE: OUTPUT, "dependencies": []}
    assert decode(encode({"a": known, "b": unknown})) == {"a": Secret("a"), "b": UNKNOWN}


def test_a_secret_shows_nothing_and_nests_once() -> None:
    assert "x" not in repr(Secret("x"))
    assert Secret(Secret("x")) == Secret("x")
    wire = encode({"a": Secret("x")}).fields["a"].struct_value.fields
    assert wire[SIGNATURE].string_value == SECRET


def test_secrets_and_unknowns_are_found_at_any_depth() -> None:
    value = {"a": [{"b": Secret({"c": UNKNOWN})}]}
    assert has_secret(value)
    assert has_unknown(value)
    assert plain(value) == {"a": [{"b": {"c": UNKNOWN}}]}
    assert not has_secret(plain(value))
    assert not has_unknown({"a": ["known"]})


def test_outputs_are_secret_where_inputs_are() -> None:
    inputs = {"data": {"key": Secret("x")}, "list": [{"a": Secret(1)}, {"a": 2}], "open": "o"}
    outputs = {"data": {"key": "eA==", "more": "m"}, "list": [{"a": 1}, {"a": 2}], "open": "o"}
    assert mark_secrets(outputs, inputs) == {
        "data": {"key": Secret("eA=="), "more": "m"},
        "list": [{"a": Secret(1)}, {"a": 2}],
        "open": "o",
    }


def test_a_list_that_changed_its_length_is_secret_as_a_whole() -> None:
    assert mark_secrets([1, 2, 3], [Secret(1)]) == Secret([1, 2, 3])
    assert mark_secrets([1, 2, 3], [1]) == [1, 2, 3]
