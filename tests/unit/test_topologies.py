"""Claims about what follows from roles and networks."""

from spec import config
from tests.unit import meshes
from tests.unit.meshes import cluster, configuration


def test_clusters_of_one_network_need_no_gateway_for_data() -> None:
    spec = config.parse(configuration(cluster("a", "net"), cluster("b", "net", primary="a")))
    a, b = spec.clusters
    assert not spec.spans_networks
    assert spec.has_gateway(a), "its remote reaches the control plane through it"
    assert not spec.has_gateway(b)


def test_a_remote_on_another_network_gets_a_gateway() -> None:
    spec = config.parse(meshes.two_networks())
    assert all(spec.has_gateway(c) for c in spec.clusters)


def test_a_cluster_alone_gets_neither_gateway_nor_remote_secret() -> None:
    spec = config.parse(configuration(cluster("only", "net")))
    (only,) = spec.clusters
    assert not spec.has_gateway(only)
    assert spec.readers_of(only) == ()


def test_each_primary_reads_every_cluster_but_itself() -> None:
    spec = config.parse(
        configuration(
            cluster("a", "n1"),
            cluster("b", "n1", primary="a"),
            cluster("c", "n2"),
            cluster("d", "n2", primary="c"),
        )
    )
    pairs = {(r.name, c.name) for c in spec.clusters for r in spec.readers_of(c)}
    assert pairs == {("a", "b"), ("a", "c"), ("a", "d"), ("c", "a"), ("c", "b"), ("c", "d")}


def test_two_primaries_create_a_secret_in_each() -> None:
    mesh = meshes.recorded(configuration(cluster("a", "n1"), cluster("b", "n2")))
    secrets = {
        (s.provider, s.inputs["metadata"]["name"])
        for s in mesh.of_type("Secret")
        if "istio/multiCluster" in s.inputs["metadata"].get("labels", {})
    }
    assert secrets == {("a", "istio-remote-secret-b"), ("b", "istio-remote-secret-a")}


def test_a_local_sample_is_expected_from_the_callers_own_cluster_alone() -> None:
    configured = configuration(cluster("a", "n1"), cluster("b", "n2"))
    configured["mesh"]["clusterLocal"] = ["*.sample.svc.cluster.local"]
    mesh = meshes.recorded(configured)
    (container,) = mesh.one("Job", "b-job").inputs["spec"]["template"]["spec"]["containers"]
    script = container["command"][-1]
    assert "v2) echo 'in cluster b'" in script
    assert "v1" not in script
