"""The output `ends`: what ends one day, and when."""

import datetime as dt
from collections.abc import Mapping, Sequence

import pulumi

from components.shared_ca import SharedCA
from preflight.ending import end_of_credentials
from spec import support
from spec.rules import certificates
from stacks.built import Built

_Ending = tuple[dt.date, str]


def endings(built: Built, ca: SharedCA) -> pulumi.Output[list[dict[str, str]]]:
    """CAs, credentials in the state, and the support of versions."""
    kubeconfigs = {n: f.connection.kubeconfig for n, f in built.facts.items()}
    kubernetes = {n: f.kubernetes for n, f in built.facts.items() if f.kubernetes}
    pems = [ca.trusted, *(x.certificate for x in ca.intermediates.values())]

    def listed(known: Sequence[str]) -> list[dict[str, str]]:
        intermediates = dict(zip(ca.intermediates, known[1:], strict=True))
        return endings_of(known[0], intermediates, kubeconfigs, built.istio.version, kubernetes)

    return pulumi.Output.unsecret(pulumi.Output.all(*pems).apply(listed))


def endings_of(
    root: str,
    intermediates: Mapping[str, str],
    kubeconfigs: Mapping[str, str],
    istio: str,
    kubernetes: Mapping[str, str],
) -> list[dict[str, str]]:
    """Each ending as `on`, a day, and `what`, soonest first; none shows a secret.

    Args:
        root: PEM text of the roots that the mesh trusts.
        intermediates: PEM texts by name of the cluster.
        kubeconfigs: contents by name of the cluster.
        istio: the mesh's version.
        kubernetes: versions by name of the cluster.
    """
    found = _of_certificates("root CA", root)
    for name, pem in intermediates.items():
        found += _of_certificates(f"intermediate CA of {name},", pem)
    for name, content in kubeconfigs.items():
        if end := end_of_credentials(content):
            found.append((end.date(), f"credentials of {name} in the state"))
    if day := support.end_of_istio(istio):
        found.append((day, f"support of Istio {istio}"))
    for name, version in kubernetes.items():
        if day := support.end_of_kubernetes(version):
            found.append((day, f"support of Kubernetes {version} in {name}"))
    return [{"on": day.isoformat(), "what": what} for day, what in sorted(set(found))]


def _of_certificates(what: str, pem: str) -> list[_Ending]:
    return [
        (c.not_valid_after_utc.date(), f"{what} {certificates.subject(c)}")
        for c in certificates.read_pem(pem)
    ]
