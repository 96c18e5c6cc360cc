"""Claims about stack dev: a primary and a remote on two networks."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi.automation as automation
import pytest
import yaml

from lab import life
from lab.live import LiveMesh, Snapshots, until
from lab.load import Stream
from tests.documents import ROOT, blocks, documented, on_a_mesh
from tests.mesh import shell
from tests.mesh.conftest import MakeMesh

ROOTS = ("root", "next")
"""Names of the root that the mesh has, and of the one that it gets."""
DEV = ROOT / "Pulumi.dev.yaml"
README = ROOT / "README.md"
READER = ROOT / "docs/checks-reader.yaml"
_SAMPLE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sample"}}
_MINE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "mine", "namespace": "sample"},
    "data": {"kept": "yes"},
}
_ROUTE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "mine", "namespace": "default"},
    "spec": {
        "hosts": ["mine.example.com"],
        "http": [{"route": [{"destination": {"host": "mine"}}]}],
    },
}

_KEPT = {"mine", "virtualservices.networking.istio.io"}
"""What stays in west of a mesh that is gone: an object of a user, and the CRD of its kind."""


@pytest.fixture(scope="module")
def before(bare: LiveMesh) -> Iterator[Snapshots]:
    """In west, a user has a namespace `sample` with a ConfigMap."""
    bare.apply("west", _SAMPLE, _MINE)
    look = ("-n", "sample", "get", "configmaps,serviceaccounts", "--output", "name")
    until("Kubernetes to complete it", lambda: len(bare.kubectl("west", *look).split()) == 3)
    yield bare.snapshot()
    bare.kubectl("west", "delete", "namespace", "sample")


@pytest.fixture(scope="module")
def bare(make_mesh: MakeMesh) -> LiveMesh:
    clusters = LiveMesh.read(DEV)["clusters"]
    return make_mesh([{key: c[key] for key in ("name", "network")} for c in clusters])


@pytest.fixture(scope="module")
def both(bare: LiveMesh) -> dict[str, Any]:
    configuration = bare.placed(LiveMesh.read(DEV))
    configuration["clusters"][1]["adopt"] = True
    return configuration


@pytest.fixture(scope="module")
def mesh(bare: LiveMesh, before: Snapshots, both: dict[str, Any]) -> LiveMesh:
    """Run `up` after an update that was killed while istiod was being installed."""
    assert before
    bare.workspace.configure(both)
    bare.workspace.killed_up(when="Deployment east-istiod:istio-system/istiod creating")
    bare.up()
    return bare


def refusal(mesh: LiveMesh, configuration: Mapping[str, Any], *, west: Mapping[str, Any]) -> str:
    """Return what a preview reports when west is configured in another way."""
    east, remote = configuration["clusters"]
    mesh.workspace.configure({**configuration, "clusters": [east, {**remote, **west}]})
    try:
        with pytest.raises(automation.CommandError) as error:
            mesh.workspace.stack.preview()
    finally:
        mesh.workspace.configure(configuration)
    return str(error.value)


def test_a_namespace_of_a_user_is_refused_until_it_is_adopted(
    bare: LiveMesh, before: Snapshots, both: dict[str, Any]
) -> None:
    assert before
    said = refusal(bare, both, west={"adopt": False})
    assert "must not have a namespace sample that this stack did not create" in said


def outputs(mesh: LiveMesh) -> Mapping[str, Any]:
    return mesh.workspace.stack.outputs()["clusters"].value


def test_the_outputs_show_roles_and_addresses(mesh: LiveMesh) -> None:
    clusters = outputs(mesh)
    assert clusters["east"]["role"] == "primary"
    assert clusters["west"]["role"] == "remote of east"
    assert clusters["west"]["controlPlane"] == clusters["east"]["gateway"]
    assert clusters["west"]["gateway"] != clusters["east"]["gateway"]


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_both_versions_answer_to_each_cluster(mesh: LiveMesh, cluster: str) -> None:
    answers = mesh.ask(cluster)
    assert set(answers) == {"v1", "v2"}, answers


@pytest.mark.parametrize(("here", "there"), [("east", "west"), ("west", "east")])
def test_envoy_sees_its_own_pod_and_the_other_gateway(
    mesh: LiveMesh, here: str, there: str
) -> None:
    own = f"{mesh.pod_address(here, 'helloworld')}:5000"
    other = f"{outputs(mesh)[there]['gateway']}:15443"
    assert mesh.endpoints(here) == {own, other}


def test_istiod_watches_both_clusters(mesh: LiveMesh) -> None:
    assert mesh.remote_clusters("east") == {"east": "synced", "west": "synced"}


def test_plain_text_is_refused_by_the_sample(mesh: LiveMesh) -> None:
    address = mesh.pod_address("east", "helloworld")
    script = f"curl -s --max-time 5 http://{address}:5000/hello; echo exit $?"
    overrides = '{"metadata":{"labels":{"sidecar.istio.io/inject":"false"}}}'
    # `kubectl run --attach` prints nothing when the pod ends while it attaches
    # (kubernetes/kubernetes#27264): the answer is read from the log of the pod that has ended.
    mesh.kubectl(
        "east",
        *("run", "outsider", "--image=docker.io/curlimages/curl:8.17.0", "--restart=Never"),
        *("--quiet", "--overrides", overrides, "--command", "--", "sh", "-c", script),
    )
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    mesh.kubectl("east", "wait", "pod/outsider", ended, "--timeout=60s")
    said = mesh.kubectl("east", "logs", "outsider")
    mesh.kubectl("east", "delete", "pod", "outsider", "--now")
    assert said.strip() in ("exit 52", "exit 56"), "neither an empty answer nor a reset"


def test_no_private_key_or_token_is_in_plain_text(mesh: LiveMesh) -> None:
    state = "".join(path.read_text() for path in (mesh.workspace.folder / "state").rglob("*.json"))
    assert "verify-mesh" in state
    for clear in ("PRIVATE KEY", "client-key-data", "token:", "eyJhbGciOi"):
        assert clear not in state


def test_the_checks_pass_and_leave_nothing(mesh: LiveMesh) -> None:
    before = mesh.snapshot()
    counts = mesh.checked().splitlines()[-1].partition(": ")[2]
    assert re.fullmatch(r"\d+ ok", counts)
    until("what the checks made to be gone", lambda: mesh.snapshot() == before)


@pytest.mark.parametrize("line", on_a_mesh())
def test_a_documented_command_runs(mesh: LiveMesh, line: str) -> None:
    shell.run(mesh, line)


@pytest.fixture
def readers(mesh: LiveMesh) -> Iterator[Path]:
    """A kubeconfig of accounts with the role of docs/checks-reader.yaml, and no other."""
    kubeconfig = yaml.safe_load(mesh.lab.kubeconfig.read_text())
    role = ("--clusterrole=isthmus-checks-reader", "--serviceaccount=default:nightly")
    for user in kubeconfig["users"]:
        mesh.kubectl(user["name"], "create", "serviceaccount", "nightly")
        mesh.kubectl(user["name"], "create", "clusterrolebinding", "nightly", *role)
        mesh.kubectl(user["name"], "apply", "-f", str(READER))
        user["user"] = {"token": mesh.kubectl(user["name"], "create", "token", "nightly").strip()}
    file = mesh.workspace.folder / "readers"
    file.write_text(yaml.safe_dump(kubeconfig))
    yield file
    for user in kubeconfig["users"]:
        made = ("serviceaccount/nightly", "clusterrolebinding/nightly")
        mesh.kubectl(user["name"], "delete", *made)
        mesh.kubectl(user["name"], "delete", "-f", str(READER))


def test_an_account_that_reads_no_secret_checks_the_mesh(mesh: LiveMesh, readers: Path) -> None:
    assert readers.exists()
    shown = shell.run(mesh, documented("docs/checks.md", "--kubeconfig readers"))
    assert re.search(r"^\d+ checks in .* s: \d+ ok, \d+ skipped$", shown, re.MULTILINE)


def test_a_release_that_was_uninstalled_is_installed_again(mesh: LiveMesh) -> None:
    shown = shell.run(mesh, documented("docs/troubleshooting.md", "uninstall istio-base"))
    assert re.search(r"^Resources:\n +- 2 deleted\n +\d+ unchanged$", shown, re.MULTILINE), shown
    releases = mesh.run("helm", "--kube-context", "east", "-n", "istio-system", "list", "-q")
    assert releases.split() == ["istio-base", "leave-nothing"]
    assert "failed" not in mesh.checked()


def test_the_readme_shows_resources_and_outputs_that_exist(mesh: LiveMesh) -> None:
    (shown,) = (b for b in blocks(README, "") if "Updating (dev):" in b)
    exported = mesh.workspace.stack.export_stack().deployment
    assert exported is not None
    existing = {tuple(r["urn"].split("::")[-2:]) for r in exported["resources"]}
    names = {(kind.rpartition(":")[2], name) for kind, name in existing}
    resources = re.findall(r"^ \+  \S+:(\w+) (\S+) creat", shown, re.MULTILINE)
    assert resources
    assert set(resources) <= names
    for cluster, line in re.findall(r"^ +(\w+): \{(.*)\}$", shown, re.MULTILINE):
        real = outputs(mesh)[cluster]
        assert {*re.findall(r"(\w+): \"", line)} <= real.keys()
        assert f'role: "{real["role"]}"' in line
    (verified,) = re.findall(r'verified: "(.+)\(called from', shown)
    assert mesh.workspace.stack.outputs()["verified"].value.startswith(verified)


def test_a_second_update_changes_nothing(mesh: LiveMesh) -> None:
    mesh.workspace.stack.preview(expect_no_changes=True)
    mesh.workspace.stack.up(expect_no_changes=True)


def test_a_refresh_finds_nothing(mesh: LiveMesh) -> None:
    shown = shell.run(mesh, documented("docs/troubleshooting.md", "refresh --run-program"))
    assert re.search(r"^Resources:\n +\d+ unchanged$", shown, re.MULTILINE), shown


def test_a_renamed_cluster_is_refused_and_its_old_name_changes_nothing(
    mesh: LiveMesh, both: dict[str, Any]
) -> None:
    assert "restore the name west" in refusal(mesh, both, west={"name": "europe"})
    mesh.workspace.stack.up(expect_no_changes=True)


def test_another_context_is_refused(mesh: LiveMesh, both: dict[str, Any]) -> None:
    east, west = both["clusters"]
    swapped = {**both, "clusters": [{**east, "context": "west"}, west]}
    assert "this kubeconfig leads to the cluster that is west" in refusal(
        mesh, swapped, west={"context": "east"}
    )
    mesh.workspace.configure(both)


def test_another_mesh_id_keeps_the_root(mesh: LiveMesh, both: dict[str, Any]) -> None:
    mesh.workspace.configure({**both, "mesh": {**both["mesh"], "id": "mesh2"}})
    shown = mesh.workspace.stack.preview().stdout
    mesh.workspace.configure(both)
    assert "istio-system/istio" in shown
    assert "SelfSignedCert" not in shown, "the root would change"


def test_the_load_shows_a_gateway_that_is_gone(mesh: LiveMesh, both: dict[str, Any]) -> None:
    """The control of every test that claims that no request has failed."""
    scale = ("-n", "istio-system", "scale", "deploy/istio-eastwestgateway")
    through = [Stream("east", "v2", connections) for connections in ("new", "kept")]
    with life.load_on(mesh, both) as load:
        assert not load.report().failed
        mesh.kubectl("west", *scale, "--replicas=0")
        until(
            "requests to west to fail",
            lambda: all(load.report().streams[s].failures for s in through),
        )
        failed = {s for s, r in load.report().streams.items() if r.failures}
        assert failed == set(through), "only these pass the gateway of west"
        mesh.kubectl("west", *scale, "--replicas=1")
        load.mark()
        until("west to answer", lambda: all(load.report().streams[s].answers for s in through))


def test_another_token_costs_no_request(mesh: LiveMesh, both: dict[str, Any]) -> None:
    """The former token is gone, and istiod reads west with the new one."""
    step = life.token_step(mesh, both, "west", 2)
    with life.load_on(mesh, both) as load:
        cost = life.take(mesh, load, step)
    assert not cost.requests.failed, cost.requests
    secrets = mesh.kubectl("west", "-n", "istio-system", "get", "secrets", "-o", "name").split()
    tokens = [s for s in secrets if "istio-remote-secret-token" in s]
    assert tokens == ["secret/istio-reader-service-account-istio-remote-secret-token-2"]
    created = ("-o", "jsonpath={.metadata.creationTimestamp}")
    assert mesh.workspace.stack.outputs()["clusters"].value["west"]["token"] == {
        "generation": 2,
        "created": mesh.kubectl("west", "-n", "istio-system", "get", *tokens, *created),
    }
    both["clusters"] = step.configured["clusters"]  # what follows keeps it


def test_another_root_costs_no_request(mesh: LiveMesh, both: dict[str, Any]) -> None:
    """In three updates, of which none can be skipped, and without a restart."""
    trust, sign, forget = life.root_steps(both, *ROOTS)
    with life.load_on(mesh, both) as load:
        costs = [life.take(mesh, load, trust)]
        mesh.workspace.configure(forget.configured)
        with pytest.raises(automation.CommandError, match="root-still-in-use"):
            mesh.workspace.stack.preview()
        costs += [life.take(mesh, load, step) for step in (sign, forget)]
    assert not sum(c.requests.failed for c in costs), [str(c.requests) for c in costs]
    assert "failed" not in mesh.checked()
    both["mesh"] = forget.configured["mesh"]  # what follows keeps it


def left_in_west(before: Snapshots, after: Snapshots) -> set[str]:
    """Names of what a removal leaves, without the API service that Kubernetes has for a CRD."""
    assert before["west"] <= after["west"]
    left = after["west"] - before["west"]
    return {name for kind, _, name in left if not kind.endswith("/apiservices")}


def test_removing_the_remote_removes_what_it_added(
    mesh: LiveMesh, before: Snapshots, both: dict[str, Any]
) -> None:
    mesh.apply("west", _ROUTE)
    shown = mesh.up({**both, "clusters": both["clusters"][:1]}).stdout
    assert "has 1 virtualservices of users" in shown
    after = mesh.snapshot()
    assert left_in_west(before, after) == _KEPT
    assert not [name for _, _, name in after["east"] if "west" in name]
    assert set(mesh.ask("east")) == {"v1"}


def test_the_remote_comes_back_under_another_name(mesh: LiveMesh, both: dict[str, Any]) -> None:
    """These are the steps that the refusal of a new name advises: remove, `up`, add, `up`."""
    east, west = both["clusters"]
    mesh.up({**both, "clusters": [east, {**west, "name": "europe"}]})
    assert set(mesh.ask("west")) == {"v1", "v2"}
    assert mesh.remote_clusters("east") == {"east": "synced", "europe": "synced"}


def test_destroy_leaves_the_clusters_as_they_were(mesh: LiveMesh, before: Snapshots) -> None:
    """And what a user has created meanwhile, with the CRD of its kind."""
    shell.run(mesh, documented("docs/troubleshooting.md", "destroy --run-program"))
    after = mesh.snapshot()
    assert after["east"] == before["east"]
    assert left_in_west(before, after) == _KEPT
    mesh.kubectl("west", "delete", "crd", "virtualservices.networking.istio.io")
    until("the API without the kind", lambda: mesh.snapshot() == before)
