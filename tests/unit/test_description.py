"""Claims about the description of its mesh that a stack outputs."""

import json
from dataclasses import fields
from typing import Any

from spec import config
from spec.description import Description, spec_for_output
from tests.unit.meshes import two_networks

_KEY = "-----BEGIN PRIVATE KEY-----"


def test_the_description_is_read_as_the_same_mesh() -> None:
    spec = config.parse(two_networks())
    output: dict[str, Any] = {f.name: {} for f in fields(Description)}
    output |= {"spec": json.loads(json.dumps(spec_for_output(spec))), "root": ""}
    read = Description.read(output).spec
    assert [c.name for c in read.remotes] == ["west"]
    assert spec_for_output(read) == spec_for_output(spec)


def test_the_description_has_no_key_no_values_and_no_path() -> None:
    configuration = two_networks(values={"istiod": {"env": {"PASSWORD": "hidden"}}})
    configuration["mesh"]["ca"] = {"root": {"certificate": "", "key": _KEY}}
    configuration["clusters"][0]["kubeconfig"] = "/home/operator/kubeconfig"
    spec = config.TypeAdapter(config.MeshSpec).validate_python(configuration)
    written = json.dumps(spec_for_output(spec))
    for hidden in (_KEY, "PASSWORD", "operator"):
        assert hidden not in written
