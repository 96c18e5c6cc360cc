"""Claims about what exists in a cluster and this stack did not create."""

import http.server
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pulumi
import pytest
import yaml

from components import names
from preflight import own_names
from preflight.identity import Expected
from preflight.last_update import ADOPTED, CREATED, LastCluster, LastUpdate
from spec import config
from spec.description import spec_for_output
from spec.shared import FoundConfiguration, FoundNamespace, Inventory
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.clusters import Kubernetes, Preflight
from tests.unit.meshes import cluster, configuration, facts, refused
from tests.unit.recorder import Recording, record

_STACK = "isthmus/dev"
SCRIPT = Path(__file__).parents[2] / "components/leave-nothing/files/leave-nothing.sh"
_SYSTEM = "/api/v1/namespaces/istio-system"
_SAMPLE = "/api/v1/namespaces/sample"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def marked(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {names.STACK: _STACK, **annotations}}}


@pytest.mark.parametrize("namespace", ["istio-system", "sample"])
def test_a_namespace_that_exists_is_refused_or_adopted(
    look: Preflight, up: Kubernetes, namespace: str
) -> None:
    up.answers[f"/api/v1/namespaces/{namespace}"] = {"metadata": {"name": namespace}}
    (problem,) = look.refused("up")
    assert problem.name == "namespace-exists"
    assert f"namespace {namespace}" in problem.rule
    found = look.examine("up", adopt=True)
    assert f"adopts namespace {namespace}" in found.warnings[0].rule
    assert found.facts["c0"].adopted == {namespace}


def test_an_adopted_namespace_stays_the_users_without_the_key(
    look: Preflight, up: Kubernetes
) -> None:
    up.answers[_SYSTEM] = marked(**{names.ADOPTED: "true"})
    assert look.examine("up").facts["c0"].adopted == {"istio-system"}


@pytest.mark.parametrize(
    ("namespace", "kind", "name"),
    [
        ("sample", "/api/v1|services", "helloworld"),
        ("sample", "/apis/apps/v1|deployments", "sleep"),
        ("istio-system", "/api/v1|configmaps", "istio"),
        ("istio-system", "/apis/apps/v1|deployments", "istio-eastwestgateway"),
    ],
)
def test_a_namespace_is_not_adopted_with_objects_that_would_be_overwritten(
    look: Preflight, up: Kubernetes, namespace: str, kind: str, name: str
) -> None:
    group, plural = kind.split("|")
    up.answers[f"/api/v1/namespaces/{namespace}"] = {"metadata": {"name": namespace}}
    there = f"{group}/namespaces/{namespace}/{plural}/{name}"
    up.answers[there] = {"metadata": {"name": name}}
    problem = next(p for p in look.refused("up", adopt=True) if p.refuses)
    assert problem.name == "adopted-objects-exist"
    assert f"{plural}/{name}" in problem.rule
    assert f"`kubectl --context c0 -n {namespace} delete {plural}/{name}`" in problem.fix
    own = [{"manager": f"{_STACK}:c0-{name}"}]
    up.answers[there] = {"metadata": {"name": name, "managedFields": own}}
    assert look.examine("up", adopt=True).facts, "an update that was killed has created it"


@pytest.mark.parametrize("was", [CREATED, ADOPTED])
def test_an_annotation_that_anyone_can_edit_does_not_change_who_owns_a_namespace(
    look: Preflight, up: Kubernetes, was: str
) -> None:
    """The state has another type of resource for each: a change of types would delete it."""
    up.answers[_SYSTEM] = marked(**({names.ADOPTED: "true"} if was == CREATED else {}))
    one = LastCluster(namespaces={"istio-system": was})
    expected = Expected(_STACK, last=LastUpdate({"c0": one}, "istio-system"))
    adopted = look.examine("up", expected=expected).facts["c0"].adopted
    assert adopted == ({"istio-system"} if was == ADOPTED else set())


def test_the_outputs_say_whose_each_namespace_is() -> None:
    spec = config.parse(meshes.two_networks())
    adopting = {n: replace(f, adopted=frozenset({"sample"})) for n, f in facts(spec).items()}
    built = dict[str, Any]()

    async def build() -> None:
        outputs = await build_mesh(spec, adopting, MeshIdentity.create())
        pulumi.Output.from_input(outputs["clusters"]).apply(built.update)

    record(build)
    described = {"spec": spec_for_output(spec), "kubeconfigs": {}}
    last = LastUpdate.read({"mesh": described, "clusters": built})
    assert last.clusters["east"].namespaces == {"istio-system": CREATED, "sample": ADOPTED}
    of_one = LastUpdate.read({"cluster": {"name": "east", **built["east"]}})
    assert of_one.clusters["east"].namespaces == last.clusters["east"].namespaces


def test_every_object_in_a_namespace_that_can_be_adopted_is_looked_for_by_name() -> None:
    for discovery in ("endpoints", "entries"):
        given = meshes.two_networks()
        given["kiali"] = {"cluster": "east"}
        given["mesh"] |= {"mtls": "strict", "discovery": discovery}
        if discovery == "entries":
            del given["clusters"][1]["primary"]
        parsed = config.parse(given)
        for resource in meshes.recorded(given):
            metadata = resource.inputs.get("metadata") or {}
            if "namespace" not in metadata or metadata["name"] == names.CACERTS:
                continue
            cluster = next(c for c in parsed.clusters if c.name == resource.provider)
            looked_for = own_names.of(parsed, cluster)[metadata["namespace"]]
            kind = resource.type.rpartition(":")[2].lower().removesuffix("y")
            assert [
                x
                for x in looked_for
                if x.rsplit("/", 2)[1].startswith(kind) and x.endswith(f"/{metadata['name']}")
            ], resource.key


def test_a_sample_of_an_older_version_is_this_stacks_own(look: Preflight, up: Kubernetes) -> None:
    up.answers[_SYSTEM], up.answers[_SAMPLE] = marked(), {"metadata": {"name": "sample"}}
    last = LastUpdate({"c0": LastCluster()}, "istio-system", sample=True)
    assert look.examine("up", expected=Expected(_STACK, last=last)).facts["c0"].adopted == set()


def test_an_adopted_namespace_is_labeled_and_never_deleted() -> None:
    spec = config.parse(meshes.two_networks())
    adopting = {
        n: replace(f, adopted=frozenset({"istio-system", "sample"})) for n, f in facts(spec).items()
    }
    mesh = record(lambda: build_mesh(spec, adopting, MeshIdentity.create()))
    assert mesh.of_type("Namespace") == []
    for name in ("east-namespace", "east-sample"):
        annotations = mesh.one("NamespacePatch", name).inputs["metadata"]["annotations"]
        assert annotations[names.ADOPTED] == "true"
        assert annotations[names.STACK] == "isthmus/test"


@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_istio_is_not_put_into_a_namespace_of_kubernetes(namespace: str) -> None:
    (problem,) = refused(meshes.two_networks(namespace=namespace))
    assert problem.path == "isthmus:mesh.istio.namespace"


def crd(crd_name: str, **release: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": crd_name,
            "annotations": {f"meta.helm.sh/release-{k}": v for k, v in release.items()},
        }
    }


_VIRTUAL = "virtualservices.networking.istio.io"


@pytest.mark.parametrize("release", [{}, {"name": "istio-base", "namespace": "mesh-crds"}])
def test_crds_of_others_are_refused_with_the_commands_that_adopt_them(
    look: Preflight, up: Kubernetes, release: dict[str, str]
) -> None:
    up.has(_CRDS, crd(_VIRTUAL, **release), crd("certificates.cert-manager.io"))
    (problem,) = look.refused("up")
    assert problem.name == "crds-of-others"
    assert f"crd {_VIRTUAL} meta.helm.sh/release-name=istio-base" in problem.fix
    up.has(_CRDS, crd(_VIRTUAL, name="istio-base", namespace="istio-system"))
    assert look.examine("up").facts, "an earlier destroy kept it, because it was in use"


def test_a_helm_release_of_others_is_refused(look: Preflight, up: Kubernetes) -> None:
    records = f"{_SYSTEM}/secrets"
    up.has(
        records,
        {
            "metadata": {
                "name": "sh.helm.release.v1.istio-base.v1",
                "labels": {"name": "istio-base"},
            }
        },
    )
    (problem,) = look.refused("up")
    assert problem.name == "release-of-others"
    up.answers[_SYSTEM] = marked()
    assert look.examine("up").facts, "it is this stack's own"


def removed(look: Preflight, context: str, uid: str | None = "uid") -> Expected:
    """The last update had c0, and a cluster `gone` that is behind the context."""
    document = yaml.safe_load(Path(look.kubeconfig).read_text())
    document["current-context"] = context
    for entry in document["clusters"]:
        entry["cluster"]["certificate-authority"] = str(Path(look.kubeconfig).parent / "ca.pem")
    last = LastCluster(yaml.safe_dump(document), uid)
    return Expected(_STACK, last=LastUpdate({"gone": last}, "istio-system"))


def test_a_removed_cluster_that_does_not_answer_is_refused(
    look: Preflight, monkeypatch: pytest.MonkeyPatch
) -> None:
    (problem,) = look.refused("up", expected=removed(look, "down"))
    assert problem.name == "removed-cluster-unreachable"
    assert "PULUMI_K8S_DELETE_UNREACHABLE=true pulumi up" in problem.fix
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    (warning,) = look.examine("up", expected=removed(look, "down")).warnings
    assert not warning.refuses


def test_a_removed_cluster_must_let_its_part_of_the_mesh_be_deleted(
    look: Preflight, other: Kubernetes
) -> None:
    other.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": "uid"}}
    assert look.examine("up", expected=removed(look, "other")).warnings == ()
    other.denied = {"delete"}
    (problem,) = look.refused("up", expected=removed(look, "other"))
    assert problem.name == "removed-cluster-denied"
    assert "delete namespaces" in problem.rule


def test_a_removed_cluster_that_is_another_now_is_refused(
    look: Preflight, other: Kubernetes
) -> None:
    other.answers[_SYSTEM] = marked()
    (problem,) = look.refused("up", expected=removed(look, "other"))
    assert problem.name == "removed-cluster-replaced"


def test_objects_of_users_in_a_removed_cluster_are_counted(
    look: Preflight, other: Kubernetes
) -> None:
    other.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": "uid"}}
    ours = {"metadata": {"name": "istiod-vs", "annotations": {names.STACK: _STACK}}}
    route = {"metadata": {"name": "route"}}
    other.has("/apis/networking.istio.io/v1/virtualservices", route, ours, route)
    (warning,) = look.examine("up", expected=removed(look, "other")).warnings
    assert "has 2 virtualservices of users" in warning.rule


def test_pods_with_sidecars_in_a_removed_cluster_are_counted(
    look: Preflight, other: Kubernetes
) -> None:
    """Their certificates end within a day, and no istiod renews them."""
    other.answers["/api/v1/namespaces/kube-system"] = {"metadata": {"uid": "uid"}}
    other.answers[_SYSTEM] = marked()
    pods = [("web", "shop"), ("web", "shop"), ("istio-eastwestgateway", "istio-system")]
    other.has("/api/v1/pods", *(named(pod, namespace) for pod, namespace in pods))
    (warning,) = look.examine("up", expected=removed(look, "other")).warnings
    assert "and 2 pods with sidecars" in warning.rule, "the gateway goes with its namespace"
    assert "end within a day" in warning.reason


def named(name: str, namespace: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}}


def test_every_object_of_istios_kinds_has_the_stacks_mark() -> None:
    given = meshes.two_networks()
    given["mesh"]["mtls"] = "strict"
    found = [r for r in meshes.recorded(given) if ".istio.io/" in r.type]
    assert len(found) > 4
    for resource in found:
        assert resource.inputs["metadata"]["annotations"][names.STACK] == "isthmus/test", resource


def test_no_two_resources_have_one_urn() -> None:
    long = "e" * 63
    given = configuration(*(cluster(n, f"n{i}") for i, n in enumerate(("eu", "eu-west", long))))
    given["namespaces"] = [{"name": "west-shop"}, {"name": "shop"}, {"name": "shop-cart"}]
    services: list[dict[str, Any]] = [
        {
            "namespace": ns,
            "name": n,
            "ports": [{"name": "http", "port": 80}],
            "selector": {"a": "b"},
        }
        for ns, n in (("shop", "cart-api"), ("shop-cart", "api"))
    ]
    given["mesh"]["discovery"] = "entries"
    given["services"] = [{**s, "clusters": ["eu"]} for s in services]
    assert _repeated(meshes.recorded(given)) == []
    assert _repeated(_with_shared_rules()) == []
    assert _repeated(_with_peered_vpcs()) == []


def _repeated(mesh: Recording) -> list[str]:
    return [urn for urn, n in Counter(r.urn for r in mesh).items() if n > 1]


def _with_shared_rules() -> Recording:
    """Two rules of east, which west gets too."""
    given = configuration(cluster("east", "n0"), cluster("west", "n1"))
    given["mesh"] |= {"federate": "mesh=shared"}
    found = FoundConfiguration("security.istio.io/v1", {}, made_by_isthmus=False, labelled=True)
    kind, namespace = "AuthorizationPolicy", FoundNamespace({}, made_by_isthmus=False)
    inventory = Inventory(
        {"shop": namespace, "shop-only": namespace},
        configuration={(kind, "shop", "only-get"): found, (kind, "shop-only", "get"): found},
    )
    spec = config.parse(given)
    known = {"west": facts(spec)["west"], "east": replace(facts(spec)["east"], inventory=inventory)}
    return record(lambda: build_mesh(spec, known, MeshIdentity.create()))


def _with_peered_vpcs() -> Recording:
    """`eu` and `eu-remote` are primaries with a remote each."""
    names = ("eu", "eu-remote", "west", "east")
    primaries = (None, None, "eu", "eu-remote")
    given = configuration(
        *(
            {"name": n, "network": vpc, "primary": p, "gke": {"region": "europe-west1"}}
            for n, p, vpc in zip(names, primaries, ("a-b", "c", "a", "b-c"), strict=True)
        ),
        install="release",
    )
    return meshes.recorded({**given, "gcp": {"project": "example-test", "ranges": "10.64.0.0/10"}})


def test_a_renamed_resource_has_its_old_name_as_an_alias() -> None:
    mesh = meshes.recorded(meshes.two_networks())
    (secret,) = mesh.of_type("isthmus:index:RemoteSecret")
    assert secret.aliases == {"east-reads-west"}
    rule = _with_shared_rules().one("AuthorizationPolicy", "west/authorizationpolicy/shop/only-get")
    assert "west-authorizationpolicy-shop-only-get" in rule.aliases
    peered = _with_peered_vpcs()
    peering = peered.one("gcp:compute/networkPeering:NetworkPeering", "networks/a-b/c")
    assert "networks-a-b-c" in peering.aliases, "the parent's alias makes it mesh1-a-b-c"
    assert (peering.inputs["name"], peering.ignore_changes) == ("c", {"name"}), "no slash in it"
    firewall = peered.one("gcp:compute/firewall:Firewall", "eu-remotes")
    assert not firewall.aliases, (
        "eu-remote-webhooks is a rule of cluster eu-remote, if there is one"
    )


class _Cluster(http.server.BaseHTTPRequestHandler):
    """Answers of the API server by path, and what was deleted."""

    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # the name of the base class
        found = self._answers.get(urlsplit(self.path).path)
        self.send_response(200 if found is not None else 404)
        self.end_headers()
        self.wfile.write((found or "").encode())

    def do_DELETE(self) -> None:  # the name of the base class
        path = urlsplit(self.path).path
        self._answers.pop(path, None)
        self.send_response(200)
        self.end_headers()

    @property
    def _answers(self) -> dict[str, str]:
        return cast("_Api", self.server).answers

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class _Api(http.server.ThreadingHTTPServer):
    answers: dict[str, str]


@pytest.fixture
def api() -> Iterator[_Api]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = _Api(("127.0.0.1", 0), _Cluster)
    base = '{"metadata":{"annotations":{"meta.helm.sh/release-name":"%s",'
    base += '"meta.helm.sh/release-namespace":"%s"}}}'
    server.answers = {
        "/api/v1/configmaps": '{"items":[{"metadata":{"name":"x","namespace":"shop"}}]}',
        "/api/v1/namespaces/shop/configmaps/istio-ca-root-cert": "{}",
        f"{_CRDS}/{_VIRTUAL}": base % ("istio-base", "istio-system"),
        f"{_CRDS}/sidecars.networking.istio.io": base % ("istio-base", "istio-system"),
        f"{_CRDS}/gateways.networking.istio.io": base % ("istio-base", "mesh-crds"),
        "/apis/networking.istio.io/v1/virtualservices": '{"items":[{"metadata":{"name":"mine"}}]}',
        "/apis/networking.istio.io/v1/sidecars": '{"items":[]}',
        "/apis/networking.istio.io/v1/gateways": '{"items":[]}',
    }
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def run_hook(api: _Api, folder: Path, mode: str) -> subprocess.CompletedProcess[str]:
    (folder / "token").write_text("t")
    arguments = ("leave-nothing", mode, "istio-system", "istio-base", " ".join(names.ISTIO_CRDS))
    server = f"http://127.0.0.1:{api.server_port}"
    return subprocess.run(
        ["/bin/sh", "-c", SCRIPT.read_text(), *arguments],
        env={"PATH": "/usr/bin:/bin", "API": server, "ACCOUNT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        ("ifUnused", {_VIRTUAL, "gateways.networking.istio.io"}),
        ("delete", {"gateways.networking.istio.io"}),
        ("keep", {_VIRTUAL, "gateways.networking.istio.io", "sidecars.networking.istio.io"}),
    ],
)
def test_the_last_hook_deletes_only_what_no_user_needs(
    api: _Api, tmp_path: Path, mode: str, left: set[str]
) -> None:
    ran = run_hook(api, tmp_path, mode)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {p.rpartition("/")[2] for p in api.answers if p.startswith(_CRDS)} == left
    assert "/api/v1/namespaces/shop/configmaps/istio-ca-root-cert" not in api.answers
    assert (f"kept: CRD {_VIRTUAL}" in ran.stdout) is (mode == "ifUnused")


def test_the_last_hook_keeps_a_crd_whose_objects_it_cannot_list(api: _Api, tmp_path: Path) -> None:
    del api.answers["/apis/networking.istio.io/v1/sidecars"]
    ran = run_hook(api, tmp_path, "ifUnused")
    assert ran.returncode == 1
    assert "not removed: sidecars.networking.istio.io" in ran.stdout
    assert f"{_CRDS}/sidecars.networking.istio.io" in api.answers
