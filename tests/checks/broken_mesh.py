"""The report of a mesh in which some checks failed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from checks import page
from checks.model import Finding, Result, failed, ok, warning
from checks.run import CHECKS
from picture.state import Part
from tests.checks.fake import mesh

AT = datetime(2026, 11, 29, 2, tzinfo=UTC)
ROOT_ENDS = datetime(2036, 11, 18, tzinfo=UTC)
HOSTILE = "</style></title><script>window.taken=1</script><img src=x onerror=window.taken=1>\"'&"


def results(*of: tuple[str, str, Finding]) -> list[Result]:
    """Results by the check's ID, the cluster and the finding."""
    checks = {c.id: c for c in CHECKS}
    return [Result(checks[check], cluster, finding, 0.25) for check, cluster, finding in of]


BROKEN = results(
    ("cluster-answers", "east", ok("Kubernetes 1.34.4")),
    ("cluster-answers", "west", ok("Kubernetes 1.34.4")),
    ("istiod-ready", "east", warning("1 of 2 pods are ready", "wait for the second")),
    ("trust-expiry", "east", ok("the root until 2036-11-18", ends=ROOT_ENDS)),
    ("trust-expiry", "west", ok("the root until 2036-11-18", ends=ROOT_ENDS)),
    (
        "remote-secret",
        "east",
        failed(
            "istio-remote-secret-west does not exist",
            "`pulumi up --refresh` creates it again",
            Part("secret", "east", "west"),
        ),
    ),
    ("traffic", "east", failed(HOSTILE, HOSTILE, Part("traffic", "east", "west"))),
)


def page_of(found: Sequence[Result] = BROKEN) -> str:
    """The page about two clusters of which one reports a hostile version."""
    description = replace(
        mesh().description, kubernetes={"east": "1.34.4", "west": HOSTILE}, gateways={}
    )
    return page.page(description, found, 3.9, AT)
