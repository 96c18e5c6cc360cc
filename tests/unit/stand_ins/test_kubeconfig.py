"""Claims about where the kubernetes stand-in finds its kubeconfig."""

from pathlib import Path

import pytest
import yaml

from lab.stand_ins.kubernetes.kubeconfig import Kubeconfig


def test_the_ambient_kubeconfig_can_be_selected_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(
        yaml.safe_dump(
            {
                "current-context": "a",
                "clusters": [{"name": "a", "cluster": {"server": "https://a.test"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "u"}}],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(file))
    selected = Kubeconfig.load("").select("", "")
    assert selected.content["contexts"] == [{"name": "a", "context": {"cluster": "a", "user": "u"}}]
