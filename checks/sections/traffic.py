"""Requests, at last, that take the way of a workload's."""

from collections.abc import Iterator

from checks import istiod
from checks.api import Container
from checks.model import Check, Finding, failed, ok, skipped
from checks.view import Mesh, View
from components import names
from picture.state import Part

_SECONDS = 8


def _answers(mesh: Mesh, view: View) -> Iterator[Finding]:
    versions = mesh.description.versions
    if not versions:
        yield skipped("isthmus:sample is not enabled, so nothing is known that would answer")
        return
    callers = view.pods(names.SAMPLE_NAMESPACE, labelSelector="app=sleep")
    ready = [p["metadata"]["name"] for p in callers if istiod.is_ready(p)]
    if not ready:
        if view.cluster.injection == "manual":
            yield skipped("the cluster is injected by hand, and no `sleep` of the sample runs")
            return
        why = istiod.waits_for(callers[0]) if callers else "it is not there"
        yield failed(
            f"the client `sleep` of the sample is not ready: {why}",
            f"kubectl --context {view.name} -n {names.SAMPLE_NAMESPACE} describe pod -l app=sleep",
            Part("traffic", view.name, view.name),
        )
        return
    sleep = Container(names.SAMPLE_NAMESPACE, ready[0], "sleep")
    ran = view.run(sleep, "sh", "-c", _script(tuple(versions)))
    asked, _, last = ran.stdout.strip().partition("\n")
    times, _, seen = asked.partition(" ")
    for version, cluster in versions.items():
        if version in seen.split():
            yield ok(f"{version} of {cluster} answers")
        else:
            yield failed(
                f"{version} of {cluster} did not answer in {times} requests; "
                f"answered: {seen or 'none'}; last words: {last}",
                f"mend what failed above first; then: istioctl --context {view.name} -n "
                f"{names.SAMPLE_NAMESPACE} proxy-config endpoints deploy/sleep --cluster 'outbound|"
                f"{names.SAMPLE_PORT}||{names.SAMPLE_SERVICE}.{names.SAMPLE_NAMESPACE}.svc.cluster.local'",
                Part("traffic", view.name, cluster),
            )


def _script(versions: tuple[str, ...]) -> str:
    """Ask until every version has answered. Writes how often, the versions, and the last answer."""
    url = f"http://{names.SAMPLE_SERVICE}.{names.SAMPLE_NAMESPACE}:{names.SAMPLE_PORT}/hello"
    return f"""times=0 seen='' end=$(($(date +%s) + {_SECONDS}))
while [ $times -lt {20 * len(versions)} ] && [ $(date +%s) -lt $end ]; do
  times=$((times + 1))
  last=$(curl -sS --max-time 2 {url} 2>&1)
  version=$(echo "$last" | sed -n 's/^Hello version: \\([^,]*\\),.*/\\1/p')
  case " $seen " in *" $version "*) ;; *) seen="$seen $version" ;; esac
  missing=''
  for v in {" ".join(versions)}; do case " $seen " in *" $v "*) ;; *) missing=1 ;; esac; done
  [ -z "$missing" ] && break
done
echo $times $seen
echo "$last"
"""


CHECKS = (Check(1801, "traffic", "traffic", "every version answers", _answers),)
