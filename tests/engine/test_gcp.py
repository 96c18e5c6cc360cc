"""The stand-in for pulumi-gcp under the real engine: previews of clusters on Google Cloud."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.program import Program

CLUSTERS = """
    import pulumi
    from pulumi_gcp import compute, container, organizations, projects, serviceaccount

    api = projects.Service("gke", service="container.googleapis.com")
    network = compute.Network("mesh", auto_create_subnetworks=False)
    subnet = compute.Subnetwork(
        "east", network=network.id, region="europe-west1", ip_cidr_range="10.0.0.0/20",
        secondary_ip_ranges=[{"range_name": "pods", "ip_cidr_range": "10.16.0.0/16"}])
    router = compute.Router("router", network=network.id, region="europe-west1")
    nat = compute.RouterNat(
        "nat", router=router.name, region="europe-west1", nat_ip_allocate_option="AUTO_ONLY",
        source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES")
    rule = compute.Firewall(
        "webhooks", network=network.name, source_ranges=["172.16.0.0/28"],
        allows=[compute.FirewallAllowArgs(protocol="tcp", ports=["15017"])])
    address = compute.Address("gateway", region="europe-west1")
    account = serviceaccount.Account("nodes", account_id="mesh-nodes")
    member = projects.IAMMember(
        "logs", project="acme", role="roles/logging.logWriter",
        member=account.email.apply(lambda email: f"serviceAccount:{email}"))
    cluster = container.Cluster(
        "east-cluster", name="east", location="europe-west1", network=network.id,
        subnetwork=subnet.id, initial_node_count=1, remove_default_node_pool=True,
        ip_allocation_policy={"cluster_secondary_range_name": "pods"},
        release_channel=container.ClusterReleaseChannelArgs(channel="REGULAR"),
        resource_labels={"mesh": "mesh1"}, opts=pulumi.ResourceOptions(depends_on=[api]))
    pool = container.NodePool(
        "pool", cluster=cluster.name, location="europe-west1", autoscaling={"max_node_count": 3},
        node_config={"machine_type": "e2-standard-4", "service_account": account.email})
    me = organizations.get_client_config_output()
    pulumi.export("project", me.project)
    pulumi.export("name", cluster.name)
    pulumi.export("endpoint", cluster.endpoint)
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path)
    made.write(CLUSTERS)
    made.pulumi("config", "set", "gcp:project", "acme")
    return made


def _inputs(program: Program) -> dict[str, dict[str, Any]]:
    return {
        step["urn"].rsplit("::", 1)[-1]: step["newState"].get("inputs", {})
        for step in program.preview()
    }


def test_a_preview_records_inputs_and_leaves_outputs_unknown(program: Program) -> None:
    inputs = _inputs(program)
    assert len(inputs) == 12, "the stack and its eleven resources"
    assert inputs["webhooks"]["allows"] == [{"protocol": "tcp", "ports": ["15017"]}]
    assert inputs["pool"]["cluster"] == "east", "a given name is known"
    assert inputs["mesh"]["name"].startswith("mesh-"), "and a name that is not given is generated"
    assert "name" not in inputs["gke"], "but only for what has a name"
    shown = program.pulumi("preview", "--diff")
    assert 'project : "acme"' in shown
    assert 'name    : "east"' in shown
    assert "endpoint: [unknown]" in shown
    assert "network              : [unknown]" in shown


def test_every_bad_input_is_refused_with_its_path(program: Program) -> None:
    program.write(
        """
        from pulumi_gcp import container
        container.Cluster(
            "bad", initial_node_count=True, resource_labels={"mesh": 1}, release_channel={},
            node_config={"machine_typ": "e2-standard-4", "disk_size_gb": "100"})
        """
    )
    printed = program.pulumi("preview", fails=True)
    for sentence in (
        "initialNodeCount: expected a whole number, got a boolean",
        "resourceLabels.mesh: expected a string, got a number",
        "releaseChannel.channel: missing required property",
        "nodeConfig.machine_typ: there is no such property; did you mean machineType?",
        "nodeConfig.diskSizeGb: expected a whole number, got a string",
    ):
        assert sentence in printed


def test_whatever_needs_google_cloud_is_refused_with_the_fix(program: Program) -> None:
    refused = "the stand-in for the gcp plugin previews new resources and no more; to create it"
    assert refused in program.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert not [name for name in program.resources() if name == "mesh"]

    program.write('from pulumi_gcp import compute\ncompute.Network.get("given", "acme/given")')
    printed = program.pulumi("preview", fails=True)
    assert "to read the existing acme/given, install the real plugin" in printed

    program.write("from pulumi_gcp import container\ncontainer.get_engine_versions()")
    printed = program.pulumi("preview", fails=True)
    assert "getEngineVersions asks Google Cloud" in printed
    assert "pulumi plugin install resource gcp v10.2.0" in printed
