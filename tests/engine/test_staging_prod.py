"""Claims about stacks staging and prod under the real engine, with a stand-in for the cloud."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import toolchain
from lab.stand_ins.gcp import PRETENDS
from lab.workspace import Workspace
from tests.engine.program import Program

_PROJECT = Path(__file__).parents[2]
_KUBERNETES = {"staging": {"eu", "us"}, "prod": {"eu", "us-east", "us-west"}}
_MADE = {"staging": 85, "prod": 125}

# The clusters and VPCs of a configuration, and nothing within the clusters.
_CLUSTERS = """
import json
from pathlib import Path
from spec import config
from stacks.gke import create_clusters

spec = config.parse(json.loads(Path("configuration.json").read_text()))
create_clusters(spec, spec.gcp)
"""


def configured(stack: str) -> dict[str, Any]:
    """What a user wrote, but for the charts: their registry cannot be reached from here."""
    written = yaml.safe_load((_PROJECT / f"Pulumi.{stack}.yaml").read_text())["config"]
    found = {key.removeprefix("isthmus:"): value for key, value in written.items()}
    assert found["mesh"]["istio"]["charts"].startswith("oci://")
    found["mesh"]["istio"]["charts"] = str(toolchain.ensure().charts)
    return found


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_preview_shows_all_of_it_before_a_cluster_exists(tmp_path: Path, stack: str) -> None:
    workspace = Workspace(tmp_path, toolchain.ensure().bin)
    workspace.configure(configured(stack))
    events = list[Any]()
    shown = workspace.stack.preview(on_event=events.append)
    assert shown.change_summary == {"create": _MADE[stack]}, "no step reads, replaces or fails"
    planned = [e.resource_pre_event.metadata for e in events if e.resource_pre_event]
    providers = {
        step.urn.rpartition("::")[2]: step.new.inputs
        for step in planned
        if step.type == "pulumi:providers:kubernetes"
    }
    assert set(providers) == _KUBERNETES[stack]
    for name, inputs in providers.items():
        assert inputs["clusterIdentifier"] == name
        assert "server" not in json.dumps(inputs), "known only after the cluster exists"
    for step in planned:
        package = step.type.partition(":")[0]
        if package in ("gcp", "kubernetes", "tls"):
            assert step.provider.split("::")[-2] != "default", step.urn
    releases = [s for s in planned if s.type == "kubernetes:helm.sh/v3:Release"]
    assert len(releases) >= 3 * len(providers)
    for secret in ("PRIVATE KEY", "gke-gcloud-auth-plugin"):
        assert secret not in shown.stdout


class Clusters(Program):
    """The clusters of stack staging, in a Google Cloud that is only pretended."""

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Change the settings of the cluster `us`."""
        wanted = configured("staging")
        wanted["clusters"][1]["gke"] |= changes
        (self.folder / "configuration.json").write_text(json.dumps(wanted))

    def changed(self) -> dict[str, str]:
        """What an update would do, less what it leaves as it is."""
        return {name: op for name, op in self.planned().items() if op != "same"}


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clusters:
    monkeypatch.setenv("PYTHONPATH", str(_PROJECT))
    monkeypatch.setenv(PRETENDS, "1")
    made = Clusters(tmp_path)
    made.write(_CLUSTERS)
    made.configure({})
    return made


def test_clusters_change_in_place_are_protected_and_go_before_their_networks(
    clusters: Clusters,
) -> None:
    """One life of two clusters; the steps share the updates, which are what takes the time."""
    clusters.up()
    assert clusters.changed() == {}

    larger, more = {"name": "mesh", "machineType": "n2-standard-8"}, {"name": "more"}
    clusters.configure({"version": "1.34", "releaseChannel": "rapid", "nodePools": [larger, more]})
    changed = clusters.changed()
    assert changed == {"us-cluster": "update", "us-mesh": "update", "us-more": "create"}

    clusters.configure({"nodePools": [{"name": "mesh", "maxNodes": 2, "spot": True}]})
    assert clusters.changed() == {"us-mesh": "replace"}, "the stand-in knows what replaces"

    clusters.configure({"deletionProtection": True})
    clusters.up()
    printed = clusters.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "deletion_protection is set to true" in printed
    assert "us-cluster" in clusters.resources()

    clusters.configure({})
    clusters.up()
    gone = clusters.pulumi("destroy", "--yes", "--skip-preview")
    order = re.findall(r"(\S+) deleted \(", gone)
    assert clusters.resources() == {}
    for name in ("eu", "us"):
        for earlier, later in (
            (f"{name}-mesh", f"{name}-cluster"),
            (f"{name}-cluster", f"{name}-nat"),
            (f"{name}-nat", f"{name}-subnet"),
            (f"{name}-subnet", "networks-staging"),
            (f"{name}-webhooks", "networks-staging"),
        ):
            assert order.index(earlier) < order.index(later), gone
