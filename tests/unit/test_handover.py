"""Claims about what the mesh's stack hands to the stack of one cluster."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from spec import config, description
from spec.problems import MeshRefusedError
from stacks import build, handover, read_config
from stacks.build import build_mesh
from stacks.built import Built
from stacks.cluster_stack import build_cluster, verification_job
from stacks.handover import HandOver
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.recorder import Recording, created_certificate, record

ROOT = created_certificate("root")


def fleet(**istio: Any) -> dict[str, Any]:
    """A primary and two remotes, one of them with its own stack."""
    return meshes.configuration(
        meshes.cluster("east", "east-net"),
        meshes.cluster("west", "west-net", primary="east", stack="fleet-west"),
        meshes.cluster("north", "north-net", primary="east"),
        **istio,
    )


def outputs(configured: Mapping[str, Any]) -> dict[str, Any]:
    """Both outputs of the mesh's stack, as another stack reads them."""
    spec = config.parse(configured)
    mesh = {
        "spec": description.spec_for_output(spec),
        "kubeconfigs": {c.name: f"kubeconfig of {c.name}" for c in spec.clusters},
        "root": ROOT,
        "signing_root": ROOT,
        "uuid": "the mesh",
        "servers": {},
        "gateways": {},
        "control_planes": {"east": "192.0.2.1"},
        "kubernetes": {},
        "versions": {},
    }
    known = set(description.Description.__dataclass_fields__)
    mesh = {key: mesh.get(key, {}) for key in known}
    given = {"west": {"certificate": "CERTIFICATE\n", "key": "KEY of west\n"}}
    # Through JSON, as a state is.
    return json.loads(
        json.dumps({"mesh": mesh, "handover": handover.handover_output(spec, given)}, default=str)
    )


def taken(configured: Mapping[str, Any]) -> HandOver:
    return handover.read("fleet", "fleet-west", outputs(configured))


@pytest.fixture(scope="module")
def west() -> Recording:
    given = taken(fleet())
    return record(lambda: build_cluster(given, meshes.facts(given.spec)))


def test_the_stack_of_a_cluster_refuses_another_root_than_in_its_last_update() -> None:
    given = taken(fleet())
    left = {"cluster": {"name": "west", "root": created_certificate("another")}}
    with pytest.raises(MeshRefusedError) as refusal:
        record(lambda: build_cluster(given, meshes.facts(given.spec), left))
    (problem,) = refusal.value.problems
    assert problem.name == "root-replaced"


def test_the_spec_arrives_whole() -> None:
    configured = fleet(values={"istiod": {"pilot": {"replicaCount": 2}}})
    sent, got = config.parse(configured), taken(configured).spec
    assert got.mesh == sent.mesh
    assert [(c.name, c.network, c.primary, c.stack) for c in got.clusters] == [
        (c.name, c.network, c.primary, c.stack) for c in sent.clusters
    ]
    assert [c.kubeconfig for c in got.clusters] == [
        f"kubeconfig of {c}" for c in ("east", "west", "north")
    ]


def test_a_provided_root_keeps_its_key() -> None:
    configured = fleet()
    configured["mesh"]["ca"] = {"root": {"certificate": "ROOT", "key": "KEY of the root"}}
    spec = config.parse_types(configured)
    assert "KEY of the root" not in json.dumps(
        {"spec": description.spec_for_output(spec), "handover": handover.handover_output(spec, {})},
        default=str,
    )


def test_the_meshs_stack_creates_nothing_for_a_cluster_with_a_stack() -> None:
    spec = config.parse(fleet())
    mesh = record(lambda: build_mesh(spec, meshes.facts(spec), MeshIdentity.create()))
    assert {r.name for r in mesh.of_type("kubernetes")} == {"east", "north"}
    about_west = {r.type.rsplit(":", 1)[-1] for r in mesh if "west" in r.name}
    assert about_west == {"PrivateKey", "CertRequest", "LocallySignedCert"}


def test_the_clusters_stack_creates_the_cluster_and_its_remote_secret(west: Recording) -> None:
    made = {r.type for r in west if r.type.startswith("isthmus:") and r.name == "west"}
    assert made == {
        f"isthmus:index:{name}"
        for name in (
            *("MeshMember", "RemoteCluster", "Webhooks", "ClusterAwareGateway"),
            *("Sample", "Verification"),
        )
    }
    in_the_primary = {
        r.key for r in west if r.provider == "east" and not r.type.startswith("isthmus:")
    }
    assert in_the_primary == {
        "kubernetes:core/v1:Secret::east/reads/west-secret",
        "kubernetes:batch/v1:Job::east-job",
    }


def test_the_clusters_stack_issues_no_certificates(west: Recording) -> None:
    assert not [r.key for r in west if r.type.startswith("tls:")]


def test_the_path_to_the_control_plane_and_the_ca_come_from_the_meshs_stack(
    west: Recording,
) -> None:
    chart = west.one("helm.sh/v4:Chart", "west-istiod")
    assert chart.inputs["values"]["global"]["remotePilotAddress"] == "192.0.2.1"
    files = west.one("Secret", "west-cacerts").inputs["stringData"]
    assert files["cert-chain.pem"] == f"CERTIFICATE\n{ROOT}"
    assert "stringData" in west.one("Secret", "west-cacerts").secret_paths


def test_no_cluster_is_waited_for_that_might_not_be_up(west: Recording) -> None:
    """A third stack changes nothing in this one."""
    script = west.one("Job", "west-job").inputs["spec"]["template"]["spec"]["containers"][0]
    assert "for v in v1 v2 v3" in script["command"][2], "north is in the mesh's stack"
    configured = fleet()
    configured["clusters"][2]["stack"] = "fleet-north"
    given = taken(configured)
    alone = record(lambda: build_cluster(given, meshes.facts(given.spec)))
    script = alone.one("Job", "west-job").inputs["spec"]["template"]["spec"]["containers"][0]
    assert "for v in v1 v2;" in script["command"][2]


def test_the_stack_of_a_mesh_with_such_clusters_is_protected_as_long_as_it_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started, real_start = list[Built](), build.start

    def start(*args: Any, **kwargs: Any) -> Built:
        started.append(real_start(*args, **kwargs))
        return started[-1]

    def protected(configured: Mapping[str, Any]) -> bool:
        spec = config.parse(configured)
        with monkeypatch.context() as patched:
            patched.setattr(build, "start", start)
            record(lambda: build_mesh(spec, meshes.facts(spec), MeshIdentity.create()))
        return bool(started[-1].connections.provider("east")._protect)  # pyright: ignore[reportPrivateUsage]

    assert protected(fleet())
    assert not protected(meshes.two_networks())


def refusal(stack: str, given: Mapping[str, Any]) -> str:
    with pytest.raises(MeshRefusedError) as refused:
        handover.read("fleet", stack, given)
    assert len(refused.value.problems) == 1
    return str(refused.value)


def test_a_stack_that_is_not_up_is_refused() -> None:
    said = refusal("fleet-west", {"mesh": None, "handover": None})
    assert "isthmus:meshStack: must name the stack of a mesh that is up" in said
    assert "pulumi up --stack fleet" in said


def test_a_stack_that_no_cluster_names_is_refused() -> None:
    said = refusal("fleet-south", outputs(fleet()))
    assert "must name a mesh with a cluster whose `stack` is fleet-south" in said
    assert "fleet-west" in said


def test_outputs_of_another_isthmus_are_refused_without_showing_them() -> None:
    given = outputs(fleet())
    given["mesh"]["spec"]["mesh"]["flavour"] = "SECRET"
    said = refusal("fleet-west", given)
    assert "must be a stack that this version of Isthmus has updated" in said
    assert "flavour" in said
    assert "SECRET" not in said


def problems(configured: Mapping[str, Any]) -> list[str]:
    with pytest.raises(MeshRefusedError) as refused:
        config.parse(configured)
    return [f"{p.path}: {p.rule}" for p in refused.value.problems]


def test_a_primary_with_its_own_stack_is_refused() -> None:
    configured = meshes.two_networks()
    configured["clusters"][0]["stack"] = "other"
    assert problems(configured) == [
        "isthmus:clusters[0].stack: is only for a remote, and east is a primary"
    ]


def test_two_clusters_of_one_stack_are_refused() -> None:
    configured = fleet()
    configured["clusters"][2]["stack"] = "fleet-west"
    assert problems(configured) == [
        "isthmus:clusters[2].stack: must be the cluster's own; clusters[1] has the same"
    ]


def test_finding_services_by_label_is_refused_with_stacks_of_clusters() -> None:
    configured = fleet()
    configured["mesh"]["federate"] = "shared"
    (said,) = problems(configured)
    assert said.startswith("isthmus:mesh.federate: cannot be set if clusters have their own stacks")


def test_the_example_is_a_mesh_whose_second_stack_is_its_clusters() -> None:
    folder = Path(__file__).parents[2] / "examples/micro-stacks"
    files = {
        p.name.split(".")[1]: yaml.safe_load(p.read_text())["config"] for p in folder.iterdir()
    }
    mesh_stack = files["fleet-west"]["isthmus:meshStack"]
    assert list(files["fleet-west"]) == ["isthmus:meshStack"]
    written = {k.removeprefix("isthmus:"): v for k, v in files[mesh_stack].items()}
    assert [c.stack for c in config.parse(written).clusters] == [None, "fleet-west"]


@pytest.fixture
def configured() -> Iterator[Callable[..., None]]:
    """Sets keys of `isthmus:` as the engine would."""

    def configure(**keys: str) -> None:
        pulumi.runtime.set_all_config({f"isthmus:{key}": value for key, value in keys.items()})

    yield configure
    configure()


def test_a_clusters_stack_takes_nothing_from_its_own_file(configured: Callable[..., None]) -> None:
    configured(meshStack="fleet", mesh="{}", clusters="[]")
    assert read_config.mesh_stack() == "fleet", "defaults of the project are no contradiction"
    configured(meshStack="fleet", clusters='[{"name": "west"}]')
    with pytest.raises(
        MeshRefusedError, match="isthmus:meshStack: must be alone; isthmus:clusters"
    ):
        read_config.mesh_stack()


def test_a_whole_mesh_names_no_other_stack(configured: Callable[..., None]) -> None:
    configured(clusters='[{"name": "west"}]')
    assert read_config.mesh_stack() is None


def test_a_job_of_a_long_cluster_has_a_name_that_fits_into_a_label() -> None:
    """The API server refused the verification of a cluster of 52 letters, after all else."""
    assert verification_job("west") == "verify-mesh-west"
    long = {verification_job(f"{'c' * 62}{i}") for i in (1, 2)}
    assert len(long) == 2
    assert all(len(name) == 63 for name in long)
