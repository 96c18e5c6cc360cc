"""Whether Istio's project still supports the version."""

from collections.abc import Iterator

from spec import support
from spec.mesh import MeshSpec
from spec.problems import Problem


def _istio_is_supported(spec: MeshSpec) -> Iterator[Problem]:
    version = spec.mesh.istio.version
    if ended := support.istio_ended(version):
        yield Problem(
            "istio-unsupported",
            "isthmus:mesh.istio.version",
            f"should be a version that Istio's project supports; the support of {version} ended "
            f"{ended}",
            "it gets no fixes of security holes any more",
            "upgrade by one minor version at a time, and restart all pods with proxies after each",
            version,
            refuses=False,
        )


RULES = (_istio_is_supported,)
