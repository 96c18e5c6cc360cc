"""The address of Istio's charts."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from spec.mesh import MeshSpec
from spec.problems import Problem

_PATH = "isthmus:mesh.istio.charts"


def _no_password_in_the_address(spec: MeshSpec) -> Iterator[Problem]:
    charts = spec.mesh.istio.charts
    if "://" in charts and "@" in charts.partition("://")[2].partition("/")[0]:
        yield Problem(
            "charts-password-in-url",
            _PATH,
            "must be an address without a user and a password in it",
            "the address is in plain text in the state, in previews and in messages",
            "name a repository that needs no login, a directory, or an oci:// registry after "
            "`helm registry login`",
        )


def _charts_come_encrypted(spec: MeshSpec) -> Iterator[Problem]:
    charts = spec.mesh.istio.charts
    if urlsplit(charts).scheme == "http" and "@" not in charts:
        yield Problem(
            "charts-not-encrypted",
            _PATH,
            "should begin with https://",
            "anyone on the path can replace the charts, and so run anything in every cluster",
            "use https://, or a directory with charts whose checksums you have compared",
            charts,
            refuses=False,
        )


RULES = (_no_password_in_the_address, _charts_come_encrypted)
