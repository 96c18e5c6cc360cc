"""Traffic that proves the mesh, as a part of the update."""

from collections.abc import Mapping
from typing import TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from components import names

# A cloud's load balancer may take some minutes to let requests through to a gateway that is new.
_PATIENCE_SECONDS = 240
_PAUSE_SECONDS = 0.25
_DEADLINE_SECONDS = 300


class VerificationArgs(TypedDict):
    """From where, and what has to be seen."""

    cluster: str
    """Cluster that the requests come from."""
    job: str
    """Name of the Job."""
    control_plane: str
    """Cluster whose istiod serves it; named in the advice when traffic fails."""
    versions: Mapping[str, str]
    """Cluster name by the version of `helloworld` that answers from it."""
    fingerprint: pulumi.Input[str]
    """Changes when the mesh does, and with it the Job is run again; otherwise it is not."""


class Verification(pulumi.ComponentResource):
    """A Job that calls `helloworld.sample:5000` until every version has answered.

    It is injected like any pod, so its requests take the way that a workload's take. When a
    version does not answer within the bound, the Job fails, and the update with it; its last words
    say which cluster did not see which version, and what to look at.
    """

    def __init__(
        self, name: str, args: VerificationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("isthmus:index:Verification", name, {}, opts)
        kubernetes.batch.v1.Job(
            f"{name}-job",
            metadata={
                "name": args["job"],
                "namespace": names.SAMPLE_NAMESPACE,
                "annotations": {"pulumi.com/replaceUnready": "true"},
            },
            spec={
                "backoff_limit": 0,
                "active_deadline_seconds": _DEADLINE_SECONDS,
                "template": {
                    "metadata": {
                        "labels": {"app": "verify-mesh"},
                        "annotations": {
                            "isthmus/mesh": args["fingerprint"],
                            # A sidecar of the old kind outlives the Job's container for ever.
                            "sidecar.istio.io/nativeSidecar": "true",
                        },
                    },
                    "spec": {
                        "restart_policy": "Never",
                        "termination_grace_period_seconds": 1,
                        "containers": [
                            {
                                "name": "verify",
                                "image": names.CLIENT_IMAGE,
                                "command": ["/bin/sh", "-c", script(args)],
                                "termination_message_policy": "FallbackToLogsOnError",
                            }
                        ],
                    },
                },
            },
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.register_outputs({})


def script(args: VerificationArgs) -> str:
    """The shell script that the Job runs: POSIX sh and curl, nothing else."""
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
  if [ -z "$missing" ]; then
    echo "cluster {here}:$seen answered within $try requests"
    exit 0
  fi
  sleep {_PAUSE_SECONDS}
done
echo "cluster {here}: {url} was asked $try times in {_PATIENCE_SECONDS} s, and these versions \
never answered:"
for v in $missing; do echo "  $v, which runs $(origin $v)"; done
echo "seen:$seen last answer: $last"
echo "look at: istioctl --context {there} remote-clusters"
echo "    and: istioctl --context {here} -n {names.SAMPLE_NAMESPACE} proxy-config endpoints \\
deploy/sleep --cluster 'outbound|{names.SAMPLE_PORT}||{host}'"
exit 1
"""
