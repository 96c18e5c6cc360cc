"""What the kubernetes stand-in reads: manifests, kubeconfigs, provider options."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.stand_ins.kubernetes import fields
from lab.stand_ins.kubernetes.identity import diff_config
from lab.stand_ins.kubernetes.kubeconfig import Kubeconfig, UnreachableError
from lab.stand_ins.kubernetes.manifests import parse
from lab.stand_ins.kubernetes.scope import Scopes
from lab.stand_ins.kubernetes.settings import Settings
from lab.stand_ins.servicer import ProviderError
from lab.stand_ins.values import UNKNOWN, Object, Secret

KUBECONFIG: Object = {
    "current-context": "east",
    "contexts": [
        {"name": "east", "context": {"cluster": "east", "user": "me", "namespace": "home"}},
        {"name": "west", "context": {"cluster": "west", "user": "me"}},
    ],
    "clusters": [
        {"name": "east", "cluster": {"server": "https://east", "certificate-authority": "ca.crt"}},
        {"name": "west", "cluster": {"server": "https://west"}},
    ],
    "users": [{"name": "me", "user": {"token": "t"}}],
}


def test_yaml_is_read_as_go_reads_it() -> None:
    text = """
    since: 2026-01-01
    ratio: 1:30
    big: 1e3
    mode: 0644
    half: .5
    yes: on
    port: 8080
    version: "1.10"
    word: 1.2.3
    """
    assert parse(text) == [
        {
            "since": "2026-01-01",
            "ratio": "1:30",
            "big": 1000,
            "mode": 420,
            "half": 0.5,
            True: True,
            "port": 8080,
            "version": "1.10",
            "word": "1.2.3",
        }
    ]


def test_a_mistake_in_yaml_has_its_line() -> None:
    with pytest.raises(ProviderError, match="line 2"):
        parse("a: 1\n b: 2\n")
    with pytest.raises(ProviderError, match="not an object"):
        parse("just text")


def test_a_kubeconfig_by_path_or_content(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(KUBECONFIG))
    by_path = Kubeconfig.load(str(file))
    assert by_path.select("", "").namespace == "home"
    chosen = by_path.select("west", "")
    assert chosen.active_cluster == {"server": "https://west"}
    other = by_path.select("west", "east")
    assert other.active_cluster is not None
    assert other.active_cluster["server"] == "https://east"
    content = Kubeconfig.load(yaml.safe_dump(KUBECONFIG))
    assert content.select("east", "").namespace == "home"
    ca = by_path.absolute()["clusters"][0]["cluster"]["certificate-authority"]
    assert ca == str(tmp_path / "ca.crt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no-such-file", "no such file: no-such-file"),
        ("a: [token", "not YAML at line 1"),
    ],
)
def test_a_kubeconfig_that_is_none(text: str, words: str) -> None:
    with pytest.raises(UnreachableError, match=words) as caught:
        Kubeconfig.load(text)
    assert "[token" not in str(caught.value)


def test_contexts_and_clusters_that_do_not_exist_are_listed() -> None:
    loaded = Kubeconfig.load(yaml.safe_dump(KUBECONFIG))
    with pytest.raises(UnreachableError, match=r'context "north" .* it has east, west'):
        loaded.select("north", "")
    with pytest.raises(UnreachableError, match=r'cluster "north" .* it has east, west'):
        loaded.select("east", "north")


def _config(context: str, **more: Any) -> Object:
    return {"kubeconfig": yaml.safe_dump(KUBECONFIG), "context": context, **more}


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        (_config("east"), _config("west"), ["context"]),
        (_config("east"), _config("east", cluster="west"), ["cluster"]),
        (_config("east"), _config("east", namespace="n"), []),
        (_config("east", clusterIdentifier="e"), _config("west", clusterIdentifier="e"), []),
        (
            _config("east", clusterIdentifier="e"),
            _config("east", clusterIdentifier="w"),
            ["clusterIdentifier"],
        ),
        (_config("east"), _config("east", clusterIdentifier="e"), []),
        (_config("east"), {**_config("east"), "kubeconfig": UNKNOWN}, ["kubeconfig"]),
        (
            _config("east", clusterIdentifier="e"),
            {**_config("east", clusterIdentifier="e"), "kubeconfig": UNKNOWN},
            [],
        ),
    ],
)
def test_another_cluster_replaces_everything(old: Object, new: Object, replaces: list[str]) -> None:
    assert list(diff_config(old, new).replaces) == replaces


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"enableServerSideApply": "false"}, "server-side apply only"),
        ({"renderYamlToDirectory": "out"}, "renderYamlToDirectory"),
        ({"contxt": "east"}, "unknown provider option: contxt"),
        ({"kubeClientSettings": '{"qqs": 1}'}, "does not support qqs"),
        ({"kubeClientSettings": "{"}, "failed to unmarshal kubeClientSettings"),
    ],
)
def test_options_it_does_not_do_are_refused(config: Object, words: str) -> None:
    with pytest.raises(ProviderError) as caught:
        Settings.read(config)
    assert words in str(caught.value)


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_K8S_ENABLE_SECRET_MUTABLE", "true")
    monkeypatch.setenv("PULUMI_K8S_CLIENT_TIMEOUT", "7")
    assert Settings.read({}).secret_mutable
    assert not Settings.read({"enableSecretMutable": "false"}).secret_mutable
    assert Settings.read({"kubeClientSettings": '{"timeout": 9}'}).timeout == 9
    assert Settings.read({"kubeconfig": UNKNOWN}).unknown == ("kubeconfig",)
    assert Settings.read({"kubeconfig": KUBECONFIG}).kubeconfig.startswith("{")


def test_state_is_what_the_real_plugin_keeps() -> None:
    inputs: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n"},
        "stringData": {"k": Secret("v")},
    }
    live = {**fields.body(fields.for_api(inputs)), "status": {"x-kubernetes-map-type": "a"}}
    kept = fields.state(live, inputs, "v1", "manager")
    assert kept["data"] == Secret({"k": "dg=="})
    assert kept["__inputs"]["stringData"] == Secret({"k": "v"})
    assert kept["status"] == {"x_kubernetes_map_type": "a"}
    assert fields.live_of(kept)["data"] == {"k": "dg=="}
    assert "__inputs" not in fields.live_of(kept)
    assert fields.inputs_of(kept)["stringData"] == {"k": "v"}


def test_objects_are_named_as_pulumi_names_them() -> None:
    service: Object = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    assert fields.token(service) == "kubernetes:core/v1:Service"
    assert fields.of_token("kubernetes:apps/v1:DeploymentPatch") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
    }
    assert fields.identity(service) == "s"
    properties = {"x_kubernetes_validations": 1}
    assert fields.for_pulumi(fields.for_api(properties)) == properties
    assert fields.body({"metadata": {"name": "s", "uid": "u"}, "spec": None}) == {
        "metadata": {"name": "s"}
    }


def test_scopes_are_known_without_a_cluster() -> None:
    scopes = Scopes()
    assert scopes.namespaced({"apiVersion": "v1", "kind": "Namespace"}) is False
    assert scopes.namespaced({"apiVersion": "apps/v1", "kind": "Deployment"}) is True
    toy: Object = {"apiVersion": "tiny.example.com/v1", "kind": "Toy"}
    assert scopes.namespaced(toy) is None
    names = {"kind": "Toy", "plural": "toys"}
    spec = {"group": "tiny.example.com", "scope": "Cluster", "names": names}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    scopes.learn([{**crd, "spec": spec}])
    assert scopes.namespaced(toy) is False
