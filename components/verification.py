"""Traffic that verifies the mesh, as a part of the update."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from . import hardening, names

# A cloud's load balancer may take some minutes to let requests through to a gateway that is new.
_PATIENCE_SECONDS = 240
_PAUSE_SECONDS = 0.25
_DEADLINE_SECONDS = 300
_PROXY_CERTIFICATES = "http://localhost:15000/certs"
"""Envoy's list of the certificates that it shows and of those that it trusts."""


class VerificationArgs(TypedDict):
    """Where requests come from, and which answers are expected."""

    cluster: str
    """Cluster that the requests come from."""
    job: str
    """Name of the Job."""
    control_plane: str
    """Cluster whose istiod serves it; named in the advice when traffic fails."""
    versions: Mapping[str, str]
    """Cluster name by the version of `helloworld` that answers from it."""
    root: pulumi.Input[str]
    """PEM text of the roots that every proxy of the mesh must trust."""
    image: str
    """Image with `curl` and a shell."""
    pull_secrets: Sequence[str]
    """Secrets of the namespace `sample` for pulling it."""
    fingerprint: pulumi.Input[str]
    """Changes when the mesh does, and with it the Job is run again; otherwise it is not."""


class Verification(pulumi.ComponentResource):
    """A Job that calls `helloworld.sample:5000` until every version has answered.

    It is injected like any pod, so its requests take the path that a workload's take. Its proxy
    must trust the mesh's root, so that what answers from another network has a certificate under
    that root. When a version does not answer within the bound, the Job fails, and the update with
    it; its last words say which cluster did not see which version, and what to look at.
    """

    completed: pulumi.Output[str | None]
    """When the Job ended, as an RFC 3339 time; None where the cluster did not say."""

    def __init__(
        self, name: str, args: VerificationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:Verification", name, {}, opts)
        roots = pulumi.Output.from_input(args["root"]).apply(serial_numbers)
        job = kubernetes.batch.v1.Job(
            f"{name}-job",
            metadata={
                "name": args["job"],
                "namespace": names.SAMPLE_NAMESPACE,
                "annotations": {
                    "pulumi.com/replaceUnready": "true",
                    # The next Job does not wait until the pod of the last one is gone.
                    "pulumi.com/deletionPropagationPolicy": "background",
                },
            },
            spec={
                "backoff_limit": 0,
                "active_deadline_seconds": _DEADLINE_SECONDS,
                "template": {
                    "metadata": {
                        "labels": {"app": "verify-mesh"},
                        "annotations": {
                            "isthmus/mesh": args["fingerprint"],
                            # A sidecar that is not a native one runs on after the Job's container.
                            "sidecar.istio.io/nativeSidecar": "true",
                        },
                    },
                    "spec": {
                        "restart_policy": "Never",
                        "termination_grace_period_seconds": 1,
                        "automount_service_account_token": False,
                        "security_context": hardening.POD,
                        "image_pull_secrets": [{"name": s} for s in args["pull_secrets"]],
                        "containers": [
                            {
                                "name": "verify",
                                "image": args["image"],
                                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                                "security_context": hardening.CONTAINER,
                                "command": [
                                    "/bin/sh",
                                    "-c",
                                    roots.apply(lambda serials: script(args, serials)),
                                ],
                                "termination_message_policy": "FallbackToLogsOnError",
                            }
                        ],
                    },
                },
            },
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.completed = job.status.apply(lambda s: s.completion_time if s else None)
        self.register_outputs({"completed": self.completed})


def serial_numbers(pem: str) -> Sequence[str]:
    """Serial numbers of certificates in hexadecimal, which is how Envoy lists them."""
    from cryptography import x509  # costly, and of no use to a refused mesh

    return [f"{c.serial_number:x}" for c in x509.load_pem_x509_certificates(pem.encode())]


def script(args: VerificationArgs, roots: Sequence[str]) -> str:
    """The shell script that the Job runs: POSIX sh, grep, sed and curl, nothing else.

    Args:
        roots: serial numbers of the roots that the Job's proxy must trust.
    """
    here, there = args["cluster"], args["control_plane"]
    host = names.host(names.SAMPLE_SERVICE, names.SAMPLE_NAMESPACE)
    url = f"http://helloworld.{names.SAMPLE_NAMESPACE}:{names.SAMPLE_PORT}/hello"
    wanted = " ".join(args["versions"])
    origins = "\n".join(
        f"      {version}) echo 'in cluster {cluster}' ;;"
        for version, cluster in args["versions"].items()
    )
    return f"""set -u
origin() {{
  case $1 in
{origins}
  esac
}}
seen=' ' last='' try=0 end=$(($(date +%s) + {_PATIENCE_SECONDS}))
while [ "$(date +%s)" -lt "$end" ]; do
  try=$((try + 1))
  last=$(curl -sS --max-time 5 {url} 2>&1)
  version=$(echo "$last" | sed -n 's/^Hello version: \\([^,]*\\),.*/\\1/p')
  case "$seen" in *" $version "*) ;; *) [ -n "$version" ] && seen="$seen$version " ;; esac
  missing=''
  for v in {wanted}; do case "$seen" in *" $v "*) ;; *) missing="$missing $v" ;; esac; done
  unknown=''
  certs=$(curl -sS --max-time 5 {_PROXY_CERTIFICATES} 2>&1)
  for root in {" ".join(roots)}; do
    echo "$certs" | grep -qi '"serial_number": *"0*'"$root"'"' || unknown="$unknown $root"
  done
  if [ -z "$missing$unknown" ]; then
    echo "cluster {here}:$seen answered within $try requests"
    exit 0
  fi
  sleep {_PAUSE_SECONDS}
done
if [ -n "$unknown" ]; then
  echo "cluster {here}: proxies do not trust the mesh's root, serial number$unknown"
  echo "istiod of {there} signs under another root: python -m checks shows which (trust-istiod)"
fi
[ -n "$missing" ] || exit 1
echo "cluster {here}: {url} was called $try times in {_PATIENCE_SECONDS} s, and these versions \
never answered:"
for v in $missing; do echo "  $v, which runs $(origin $v)"; done
echo "seen:$seen last answer: $last"
echo "look at: istioctl --context {there} remote-clusters"
echo "    and: istioctl --context {here} -n {names.SAMPLE_NAMESPACE} proxy-config endpoints \\
deploy/sleep --cluster 'outbound|{names.SAMPLE_PORT}||{host}'"
exit 1
"""
