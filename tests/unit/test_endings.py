"""Claims about what the stack and the checks say of what ends, and when."""

import base64
import datetime as dt
import json

import yaml

from spec import config, support
from stacks.build import build_mesh
from stacks.endings import endings_of
from stacks.identity import MeshIdentity
from tests.authorities import Authority
from tests.unit import meshes
from tests.unit.recorder import record

_DAYS = dt.timedelta(days=1)


def day(days: int) -> str:
    return (dt.datetime.now(dt.UTC) + days * _DAYS).date().isoformat()


def test_certificates_are_listed_by_the_day_on_which_they_end() -> None:
    root = Authority("Root CA", None, {"lasts": 300 * _DAYS})
    east = root.below("Intermediate CA", lasts=100 * _DAYS)
    listed = endings_of(root.certificate, {"east": east.certificate}, {}, "9.9.9", {})
    assert listed == [
        {"on": day(100), "what": "intermediate CA of east, CN=Intermediate CA"},
        {"on": day(300), "what": "root CA CN=Root CA"},
    ]


def test_both_roots_of_a_bundle_are_listed() -> None:
    bundle = "".join(Authority(f"Root {i}", None).certificate for i in (1, 2))
    assert {e["what"] for e in endings_of(bundle, {}, {}, "9.9.9", {})} == {
        "root CA CN=Root 1",
        "root CA CN=Root 2",
    }


def test_credentials_that_end_are_listed_without_being_shown() -> None:
    ends = (dt.datetime.now(dt.UTC) + 3 * _DAYS).timestamp()
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode()
    content = yaml.safe_dump({"users": [{"name": "a", "user": {"token": f"a.{claims}.c"}}]})
    assert endings_of("", {}, {"west": content, "east": "no kubeconfig"}, "9.9.9", {}) == [
        {"on": day(3), "what": "credentials of west in the state"}
    ]


def test_the_support_of_versions_is_listed() -> None:
    listed = endings_of("", {}, {}, "1.30.4", {"east": "1.34.4-gke.1047000", "west": "9.9"})
    assert listed == [
        {"on": "2026-10-27", "what": "support of Kubernetes 1.34.4-gke.1047000 in east"},
        {"on": "2026-11-30", "what": "support of Istio 1.30.4"},
    ]


def test_every_supported_pair_of_versions_has_its_end() -> None:
    from spec.rules.versions import SUPPORTED

    for istio, (oldest, newest) in SUPPORTED.items():
        assert support.end_of_istio("{}.{}".format(*istio))
        for minor in range(oldest[1], newest[1] + 1):
            assert support.end_of_kubernetes(f"1.{minor}"), minor


def test_an_end_of_support_is_described_as_coming_or_past() -> None:
    assert support.described(dt.date(2000, 1, 1)) == ", without support since 2000-01-01"
    assert support.described(dt.date(9000, 1, 1)) == ", supported until 9000-01-01"
    assert support.described(None) == ""


def test_the_stack_has_them_as_an_output_without_secrets() -> None:
    seen = list[object]()

    async def run() -> None:
        spec = config.parse(meshes.two_networks())
        outputs = await build_mesh(spec, meshes.facts(spec), MeshIdentity.create())
        seen.append(await outputs["ends"].future())
        seen.append(await outputs["ends"].is_secret())

    record(run)
    listed, secret = seen
    assert {"on": "2027-02-28", "what": "support of Istio 1.31.0"} in listed  # pyright: ignore[reportOperatorIssue]
    assert secret is False
