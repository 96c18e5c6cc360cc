"""Claims about credentials: none is in a message, and none in plain text in the configuration."""

import base64
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from kube import kubeconfig
from preflight.ending import ending
from preflight.kubeconfigs import read_connection
from spec import config, rules
from spec.description import Description, spec_for_output
from spec.mesh import Cluster
from spec.problems import MeshRefusedError, Problem
from stacks import read_config
from stacks.handover import Intermediate
from tests.authorities import Authority
from tests.unit.meshes import cluster, configuration, refused, two_networks

_SECRET = "do-not-print"  # noqa: S105


@pytest.mark.parametrize(
    "given",
    [
        json.dumps({"users": [{"name": "u", "user": {"token": _SECRET}}]}),
        f'  {{"token": "{_SECRET}", "server": "https://api.test"}}',
        f"token: {_SECRET}\n",
        f"{_SECRET}" * 30,
        f"{_SECRET}\0",
    ],
)
def test_no_content_of_a_kubeconfig_is_in_a_message(given: str) -> None:
    """One line of JSON was taken for a path, and printed whole."""
    problem = read_connection(0, Cluster("east", "n", kubeconfig=given), given)
    assert isinstance(problem, Problem)
    assert _SECRET not in str(problem)


def test_no_url_is_printed_with_its_password() -> None:
    charts = f"https://robot:{_SECRET}@charts.test/istio"
    [problem] = refused(two_networks(charts=charts))
    assert problem.path == "isthmus:mesh.istio.charts"
    assert _SECRET not in str(problem)


def test_charts_that_come_unencrypted_cause_a_warning() -> None:
    configured = two_networks(charts="http://charts.test/istio")
    assert not refused(configured)
    [problem] = rules.check(config.parse_types(configured))
    assert "https://" in problem.rule


@pytest.mark.parametrize(
    "configured",
    [
        {"mesh": {"istio": {"version": "1.31.0", "charts": "c"}, "ca": {"root": _SECRET}}},
        {"mesh": {"istio": {"version": "1.31.0", "charts": "c"}, "ca": _SECRET}},
        {"clusters": [_SECRET]},
        {"clusters": [{"name": "a", "network": "n", "ca": {"key": [_SECRET]}}]},
        {"clusters": [{"name": "a", "network": "n", "apiServer": {"server": f"u:{_SECRET}@a"}}]},
    ],
)
def test_no_text_in_a_wrong_place_is_repeated(configured: Mapping[str, Any]) -> None:
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse_types({**two_networks(), **configured})
    assert _SECRET not in str(refusal.value)


def test_no_credential_is_in_a_representation() -> None:
    output: dict[str, Any] = {f.name: {} for f in fields(Description)}
    output |= {"spec": spec_for_output(config.parse(two_networks())), "root": ""}
    assert _SECRET not in repr(Description.read({**output, "kubeconfigs": {"east": _SECRET}}))
    assert _SECRET not in repr(Intermediate("cert", _SECRET))
    assert _SECRET not in repr(Cluster("east", "n", kubeconfig=f"token: {_SECRET}\n"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the stack's file, with the program running in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    return tmp_path


def read(project: Path, configured: Mapping[str, Any], *encrypted: object) -> list[str]:
    """Paths of what is refused; `encrypted` are texts or keys that the stack's file has
    encrypted."""

    def written(value: Any) -> Any:
        if value in encrypted:
            return {"secure": "v1:abc"}
        if isinstance(value, dict):
            return {k: written(v) for k, v in value.items()}
        if isinstance(value, list):
            return [written(v) for v in value]
        return value

    keys = {f"isthmus:{k}": v for k, v in configured.items()}
    file = {"config": {k: written(v) for k, v in keys.items()}}
    (project / "Pulumi.dev.yaml").write_text(yaml.safe_dump(file))
    secrets = [k for k in keys if file["config"][k] != keys[k]]
    pulumi.runtime.set_all_config({k: json.dumps(v) for k, v in keys.items()}, secrets)
    try:
        read_config.read()
    except MeshRefusedError as refusal:
        found = refusal.problems
    else:
        found = ()
    finally:
        pulumi.runtime.set_all_config({})
    assert not any(text in str(p) for p in found for text in ("KEY", "token"))
    return [p.path for p in found]


def credentials() -> dict[str, Any]:
    configured = configuration(
        cluster("east", "n", ca={"certificate": "C", "key": "KEY of east"}),
        {"name": "west", "network": "m", "kubeconfig": '{"token": "t"}'},
    )
    configured["mesh"]["ca"] = {"root": {"certificate": "C", "key": "KEY of the root"}}
    return configured


def test_credentials_that_are_not_encrypted_are_refused(project: Path) -> None:
    assert read(project, credentials()) == [
        "isthmus:mesh.ca.root.key",
        "isthmus:clusters[0].ca.key",
        "isthmus:clusters[1].kubeconfig",
    ]


def test_one_that_is_encrypted_does_not_hide_another_that_is_not(project: Path) -> None:
    left = read(project, credentials(), "KEY of the root", "KEY of east")
    assert left == ["isthmus:clusters[1].kubeconfig"]


def test_credentials_that_are_encrypted_are_read(project: Path) -> None:
    every = ("KEY of the root", "KEY of east", '{"token": "t"}')
    assert not read(project, credentials(), *every)


def test_a_helm_value_that_is_encrypted_is_refused(project: Path) -> None:
    """The Chart resource printed and stored it in plain text."""
    values = {"istiod": {"env": {"TOKEN": "token-1"}}}
    assert not read(project, two_networks(values=values))
    left = read(project, two_networks(values=values), "token-1")
    assert left == ["isthmus:mesh.istio.values.istiod.env.TOKEN"]


_TOKEN = {"istiod": {"env": {"TOKEN": "token-1"}}}


def test_values_under_a_key_that_is_encrypted_as_a_whole_are_refused(project: Path) -> None:
    configured = two_networks(values=_TOKEN)
    assert read(project, configured, configured["mesh"]) == ["isthmus:mesh.istio.values"]
    without = two_networks()
    assert not read(project, without, without["mesh"]), "nothing in it goes to Helm"


def test_values_are_refused_where_the_file_does_not_say_what_is_encrypted(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = two_networks(values=_TOKEN)
    configured["mesh"]["ca"] = {"root": {"certificate": "C", "key": "KEY of the root"}}
    assert not read(project, configured, "KEY of the root")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "another")  # whose file is elsewhere
    assert read(project, configured, "KEY of the root") == ["isthmus:mesh.istio.values"]


def token(days: float) -> dict[str, str]:
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    claims = base64.urlsafe_b64encode(json.dumps({"exp": end.timestamp()}).encode()).decode()
    return {"token": f"a.{claims.rstrip('=')}.c"}


def client_certificate(days: float) -> dict[str, str]:
    pem = Authority("User", None, {"lasts": dt.timedelta(days=days)}).certificate
    return {"client-certificate-data": base64.b64encode(pem.encode()).decode()}


@pytest.mark.parametrize(
    ("user", "ends"),
    [
        (token(3), True),
        (token(300), False),
        ({"token": "opaque"}, False),
        (client_certificate(3), True),
        (client_certificate(300), False),
        ({"exec": {"command": "login"}}, False),
    ],
)
def test_credentials_that_end_within_a_week_cause_a_warning(
    user: dict[str, Any], ends: bool
) -> None:
    """The state keeps them, and `pulumi destroy` finds a healthy cluster unreachable."""
    document = {
        "clusters": [{"name": "a", "cluster": {"server": "https://api.test"}}],
        "users": [{"name": "a", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    connection = kubeconfig.read(yaml.safe_dump(document), None)
    found = list(ending(0, "east", connection))
    assert bool(found) is ends
    assert not any(p.refuses or "opaque" in str(p) for p in found)
