"""Claims about clusters that are absent: left as they are, because they do not answer."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

import preflight
from kube.api import UnansweredError
from kube.kubeconfig import Connection
from preflight.ask import Answers
from preflight.facts import PreflightResult
from preflight.identity import Expected
from spec import config
from spec.mesh import Cluster, MeshSpec
from spec.problems import MeshRefusedError, Problem
from stacks import kept, read_config
from stacks.build import build_mesh
from stacks.identity import MeshIdentity
from tests.unit import meshes
from tests.unit.recorder import Recording, record

preflight_ask = import_module("preflight.ask")  # the package has the function under this name
_URN = "urn:pulumi:test::isthmus::"


def entry(kind: str, name: str, **more: Any) -> dict[str, Any]:
    """A resource of the state; its parents' types come before its own."""
    found = {"urn": f"{_URN}{kind}::{name}", "type": kind.rpartition("$")[2], **more}
    provider = more.pop("cluster", None)
    if provider:
        found["provider"] = f"{_URN}pulumi:providers:kubernetes::{provider}::id"
    return {k: v for k, v in found.items() if k != "cluster"}


_STACK = entry("pulumi:pulumi:Stack", "isthmus-test")
_MEMBER = entry("isthmus:index:MeshMember", "west", parent=_STACK["urn"])
_NAMESPACE = entry(
    "isthmus:index:MeshMember$kubernetes:core/v1:Namespace",
    "west-namespace",
    parent=_MEMBER["urn"],
    cluster="west",
    custom=True,
    inputs={"apiVersion": "v1", "metadata": {}},
)
_SECRET = entry("isthmus:index:RemoteSecret", "east-reads-west", parent=_STACK["urn"])
_SECRET_CHILD = entry(
    "isthmus:index:RemoteSecret$kubernetes:core/v1:Secret",
    "east-reads-west-secret",
    parent=_SECRET["urn"],
    cluster="east",
    custom=True,
    dependencies=[_NAMESPACE["urn"]],
    inputs={"stringData": {}},
)
_STATE = [
    _STACK,
    _MEMBER,
    _NAMESPACE,
    entry("isthmus:index:MeshMember", "west-2", parent=_STACK["urn"]),
    entry(
        "isthmus:index:MeshMember$kubernetes:core/v1:Namespace",
        "west-2-namespace",
        parent=f"{_URN}isthmus:index:MeshMember::west-2",
        cluster="west-2",
        custom=True,
    ),
    _SECRET,
    _SECRET_CHILD,
    {**_NAMESPACE, "delete": True},
]


def spec_of(*absent: str, **istio: Any) -> MeshSpec:
    spec = config.parse(meshes.two_networks(**istio))
    return replace(spec, clusters=tuple(replace(c, absent=c.name in absent) for c in spec.clusters))


_LEFT = {
    "clusters": {n: {"uid": f"uid of {n}", "gateway": f"{n}.test"} for n in ("east", "west")},
    "mesh": {
        "spec": meshes.two_networks(),
        "kubeconfigs": {},
        "gateways": {"east": "192.0.2.1", "west": "192.0.2.2"},
        "control_planes": {"east": "192.0.2.1"},
        "kubernetes": {"east": "1.33.1", "west": "1.33.1"},
        "namespaces": {"shop": {}},
        "services": {"shop/cart": [80]},
    },
}


def test_what_is_in_the_cluster_and_leads_to_it_is_kept_and_nothing_else() -> None:
    """A name that begins with the absent cluster's is another cluster's."""
    found = kept.select(_STATE, spec_of("west"))
    assert [e["urn"] for e in found] == [
        e["urn"] for e in (_MEMBER, _NAMESPACE, _SECRET, _SECRET_CHILD)
    ]


@pytest.mark.parametrize("kind", ["SharedServices", "TrafficPolicies"])
def test_shared_objects_are_kept_in_every_cluster(kind: str) -> None:
    shared = entry(f"isthmus:index:{kind}", "east", parent=_STACK["urn"])
    child = entry(
        f"isthmus:index:{kind}$kubernetes:core/v1:Service",
        "east-shop-cart",
        parent=shared["urn"],
        cluster="east",
    )
    assert kept.select([_STACK, shared, child], spec_of("west")) == [shared, child]


def built(
    monkeypatch: pytest.MonkeyPatch, spec: MeshSpec, told: dict[str, Any] | None = None
) -> Recording:
    """A mesh with absent clusters, whose state has `_STATE`."""

    async def state() -> list[dict[str, Any]]:
        return _STATE

    monkeypatch.setattr(kept, "_state", state)

    async def run() -> None:
        facts = meshes.facts(spec)
        facts |= {c.name: replace(facts[c.name], kubernetes=None) for c in spec.absent}
        outputs = await build_mesh(spec, facts, MeshIdentity.create(), _LEFT)
        if told is not None:
            told["clusters"] = outputs["clusters"]
            told["checks"] = await outputs["checks"].future()

    return record(run)


def test_an_absent_remote_is_repeated_from_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    told = dict[str, Any]()
    found = built(monkeypatch, spec_of("west"), told)
    namespace = found.one("Namespace", "west-namespace")
    assert namespace.ignore_changes == {"apiVersion", "metadata"}
    assert namespace.parent == "isthmus:index:MeshMember::west"
    assert namespace.provider == "west"
    secret = found.one("Secret", "east-reads-west-secret")
    assert secret.provider == "east"
    assert secret.ignore_changes == {"stringData"}
    assert not found.of_type("RemoteCluster")
    assert not [r for r in found if r.name in ("west-sample", "west-job", "west-base")]
    assert found.one("providers:kubernetes", "west").inputs["skipUpdateUnreachable"] == "true"
    assert told["clusters"]["west"] == {**_LEFT["clusters"]["west"], "absent": True}
    checks = told["checks"]
    assert checks["gateways"]["west"] == "192.0.2.2"
    assert checks["kubernetes"] == {"east": "1.34.4", "west": "1.33.1"}
    assert checks["services"] == {"shop/cart": [80]}
    assert checks["versions"] == {"v1": "east"}, "no request waits for the absent cluster"


def test_remotes_of_an_absent_primary_keep_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    found = built(monkeypatch, spec_of("east"))
    chart = found.one("Chart", "west-istiod")
    assert chart.inputs["values"]["global"]["remotePilotAddress"] == "192.0.2.1"
    assert not found.of_type("PrimaryCluster")
    assert not found.of_type("Verification"), "no istiod is known that would inject the request"


def test_a_cluster_that_never_was_in_the_mesh_cannot_be_absent() -> None:
    left = {**_LEFT, "clusters": {"east": {}}}
    with pytest.raises(MeshRefusedError) as refusal:
        kept.Left.read(spec_of("west"), left)
    (problem,) = refusal.value.problems
    assert problem.path == "isthmus:clusters[1].absent"


@pytest.mark.parametrize("value", ["west", " west ,", "west,west"])
def test_the_environment_names_absent_clusters(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(read_config.ABSENT, value)
    spec = read_config.with_absent(spec_of())
    assert [c.name for c in spec.absent] == ["west"]


def test_a_misspelled_absent_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise be updated, or stop the update without a hint."""
    monkeypatch.setenv(read_config.ABSENT, "wset")
    with pytest.raises(MeshRefusedError, match="wset"):
        read_config.with_absent(spec_of())


def test_nothing_asks_an_absent_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def answer(*arguments: Any) -> Answers:
        asked.append(arguments[2].name)
        return Answers(meshes.facts(arguments[0])[arguments[2].name])

    monkeypatch.setattr(preflight, "ask", answer)

    def is_marked(*_: object) -> bool:
        asked.append("mark")
        return True

    monkeypatch.setattr(preflight, "is_marked", is_marked)

    def nothing(*_: object) -> list[Problem]:
        return []

    def connection(_index: int, cluster: Cluster, _given: str) -> Connection:
        return Connection("{}", f"https://{cluster.name}.test", None)

    monkeypatch.setattr(preflight, "missing_charts", nothing)
    monkeypatch.setattr(preflight, "read_connection", connection)
    spec = spec_of("west")
    found: PreflightResult = preflight.examine(spec, Expected("p/s"), spec.in_mesh_stack)
    assert asked == ["east"]
    assert set(found.facts) == {"east", "west"}


class _Flaky:
    """An API server that answers at a certain try."""

    def __init__(self, answers_at: int, status: int | None = None) -> None:
        self.tries, self._answers_at, self._status = 0, answers_at, status

    def get(self, _path: str) -> Mapping[str, str]:
        self.tries += 1
        if self.tries < self._answers_at:
            raise UnansweredError(self._status, "timed out")
        return {"gitVersion": "v1.34.4"}


def version_of(api: _Flaky, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(preflight_ask, "PAUSES_SECONDS", (0.0, 0.0))
    return preflight_ask._version(api)  # pyright: ignore[reportPrivateUsage, reportArgumentType]


def test_one_lost_packet_stops_no_update(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_of(_Flaky(3), monkeypatch) == "1.34.4"


@pytest.mark.parametrize(("status", "tries"), [(None, 3), (401, 1)])
def test_an_answer_is_not_waited_for_and_silence_not_for_long(
    monkeypatch: pytest.MonkeyPatch, status: int | None, tries: int
) -> None:
    api = _Flaky(9, status)
    with pytest.raises(UnansweredError):
        version_of(api, monkeypatch)
    assert api.tries == tries
