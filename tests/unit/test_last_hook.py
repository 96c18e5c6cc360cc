"""Claims about the hook that runs last in a cluster: its rights, its pod, and what it leaves."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import names

_TEMPLATE = Path(__file__).parents[2] / "components/leave-nothing/templates/hooks.yaml"
_CRD = names.ISTIO_CRDS[0].partition("/")[0]
_PLURAL, _, _GROUP = _CRD.partition(".")
_ACTIONS = {
    'regexReplaceAll "/.*" . ""': _CRD,
    'regexReplaceAll "/.*" . "" | splitList "." | rest | join "."': _GROUP,
    'splitList "." . | first': _PLURAL,
    ".Release.Name": "leave-nothing",
    ".Release.Namespace": "istio-system",
    ".name": "leave-nothing",
    ".namespace": "istio-system",
}
"""What Helm puts in place of an action, for one CRD."""


def _objects() -> Mapping[str, Any]:
    """The hook's objects by kind, rendered without Helm, with every optional part."""
    text = re.sub(r"\{\{- /\*.*?\*/\}\}\n", "", _TEMPLATE.read_text(), flags=re.DOTALL)
    define, separator, rest = text.partition("\n{{- end }}\napiVersion: v1\nkind: ServiceAccount")
    metadata = define.partition("}}\n")[2]

    def include(found: re.Match[str]) -> str:
        weight, also = re.findall(r'"(?:weight|also)" "([^"]*)"', found[0])
        given = {
            "{{ .weight | quote }}": f'"{weight}"',
            "{{ .also }}": also,
            "{{ . }}": "istio-system",
        }
        return functools.reduce(lambda text, one: text.replace(*one), given.items(), metadata)

    rest = separator.removeprefix("\n{{- end }}\n") + rest
    rest = re.sub(r"\{\{- include [^\n]*", include, rest)
    rest = re.sub(r"^ *\{\{-[^\n]*\n", "", rest, flags=re.MULTILINE)
    rest = re.sub(r"\{\{ (.*?) \}\}", lambda m: _ACTIONS.get(m[1], '"x"'), rest)
    return {one["kind"]: one for one in yaml.safe_load_all(rest)}


HOOK = _objects()


def test_the_hook_is_allowed_what_it_deletes_and_no_more() -> None:
    assert HOOK["ClusterRole"]["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [names.ROOT_CONFIG_MAP, "istio-ca-crl"],
            "verbs": ["list", "delete"],
        },
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": [_CRD],
            "verbs": ["get", "delete"],
        },
        {"apiGroups": [_GROUP], "resources": [_PLURAL], "verbs": ["list"]},
    ]
    (subject,) = HOOK["ClusterRoleBinding"]["subjects"]
    account = HOOK["ServiceAccount"]["metadata"]
    assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])


def test_the_hooks_pod_meets_the_strictest_level_of_pod_security() -> None:
    pod = HOOK["Job"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"volumes", "hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {"nodeSelector", "tolerations", "imagePullSecrets"} <= pod.keys(), "the user's values"


@pytest.mark.parametrize("kind", ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Job"])
def test_nothing_of_the_hook_is_left_and_what_a_kill_leaves_goes_with_the_next_run(
    kind: str,
) -> None:
    annotations = HOOK[kind]["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "post-delete"
    policies = set(annotations["helm.sh/hook-delete-policy"].split(","))
    assert {"before-hook-creation", "hook-succeeded"} <= policies
    # The pod of a Job that failed says why; Kubernetes deletes it after ten minutes.
    assert ("hook-failed" in policies) is (kind != "Job")
    assert HOOK["Job"]["spec"]["ttlSecondsAfterFinished"] == 600
