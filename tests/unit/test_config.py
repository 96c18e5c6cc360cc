"""Claims about configurations that are refused."""

from typing import Any

import pytest

from spec import config
from spec.problems import MeshRefusedError, Problem
from tests.unit.meshes import cluster, configuration, two_networks


def problems(configured: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(MeshRefusedError) as refusal:
        config.parse(configured)
    return refusal.value.problems


def test_two_clusters_of_one_name_are_refused() -> None:
    (problem,) = problems(configuration(cluster("a", "n"), cluster("a", "m")))
    assert problem.path == "isthmus:clusters[1].name"
    assert "clusters[0]" in problem.rule


@pytest.mark.parametrize(
    ("primary", "rule"),
    [
        ("nowhere", "must name a cluster of this mesh"),
        ("b", "must name another cluster"),
        ("c", "must name a primary, but that cluster is itself a remote"),
    ],
)
def test_a_remote_names_a_primary_of_the_mesh(primary: str, rule: str) -> None:
    found = problems(
        configuration(
            cluster("a", "n"), cluster("b", "n", primary=primary), cluster("c", "n", primary="a")
        )
    )
    assert [(p.path, p.rule) for p in found] == [("isthmus:clusters[1].primary", rule)]


def test_a_primary_that_is_taken_out_while_remotes_name_it_is_refused() -> None:
    found = problems(
        configuration(
            cluster("kept", "n"),
            cluster("b", "n", primary="taken-out"),
            cluster("c", "m", primary="taken-out"),
        )
    )
    assert [p.path for p in found] == [f"isthmus:clusters[{i}].primary" for i in (1, 2)]
    for problem in found:
        assert problem.fix.startswith("name one of: kept; if taken-out was removed")
        assert problem.fix.endswith("remove its remotes first or together with it: b, c")


def test_a_remote_has_no_control_plane_of_its_own() -> None:
    (problem,) = problems(
        configuration(
            cluster("a", "n"),
            cluster("b", "n", primary="a", controlPlane={"exposure": "gateway"}),
        )
    )
    assert problem.path == "isthmus:clusters[1].controlPlane"


def test_all_problems_are_reported_at_once() -> None:
    found = problems(
        {
            "mesh": {"istio": {"version": "latest"}, "idd": "x"},
            "clusters": [{"name": "East_1", "network": "n", "kubeconfig": "k"}],
        }
    )
    assert {p.path for p in found} == {
        "isthmus:mesh.istio.version",
        "isthmus:mesh.istio.charts",
        "isthmus:mesh.idd",
        "isthmus:clusters[0].name",
    }


def test_a_missing_key_is_named_with_its_path_and_fix() -> None:
    (problem,) = problems(configuration({"name": "a", "kubeconfig": "k"}))
    assert problem.name == "key-missing"
    assert problem.path == "isthmus:clusters[0].network"
    assert "Pulumi.<stack>.yaml" in problem.fix


def test_no_secret_is_repeated_in_a_message() -> None:
    configured = two_networks()
    configured["mesh"]["ca"] = {"root": {"certificate": "c", "key": ["do-not-print"]}}
    configured["clusters"][0]["kubeconfig"] = {"token": "do-not-print"}
    text = "\n".join(str(p) for p in problems(configured))
    assert "isthmus:mesh.ca.root.key" in text
    assert "do-not-print" not in text


@pytest.mark.parametrize("root", [{"certificate": "c", "keey": "do-not-print"}, "do-not-print" * 9])
def test_no_secret_in_the_wrong_place_is_repeated_either(root: object) -> None:
    configured = two_networks()
    configured["mesh"]["ca"] = {"root": root}
    (problem,) = problems(configured)
    assert problem.path.startswith("isthmus:mesh.ca.root")
    assert "do-not-print" not in str(problem)


def test_a_misspelled_key_is_refused_and_the_list_of_keys_is_named() -> None:
    configured = two_networks()
    configured["clusters"][0]["netwrok"] = "east-net"
    (problem,) = problems(configured)
    assert problem.name == "key-unknown"
    assert problem.path == "isthmus:clusters[0].netwrok"
    assert "docs/configuration.md" in problem.fix


@pytest.mark.parametrize(
    ("chart", "values", "key"),
    [
        ("istiod", {"global": {"network": "x"}}, "global.network"),
        ("istiod", {"pilot": {"revision": "x"}}, "revision"),
        ("gateway", {"networkGateway": "x"}, "networkGateway"),
    ],
)
def test_values_cannot_contradict_the_clusters(
    chart: str, values: dict[str, Any], key: str
) -> None:
    (problem,) = problems(two_networks(values={chart: values}))
    assert problem.path == f"isthmus:mesh.istio.values.{chart}.{key}"


def test_istios_default_cluster_id_is_refused() -> None:
    (problem,) = problems(configuration(cluster("kubernetes", "n")))
    assert problem.path == "isthmus:clusters[0].name"
