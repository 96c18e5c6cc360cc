"""Requests that take the same path as those of a workload."""

from collections.abc import Iterator
from functools import partial

from checks import istiod
from checks.model import Check, Finding, failed, ok, skipped
from checks.view import Mesh, View
from components import names
from kube.pods import Container
from picture.state import Part

_SECONDS = 8
_HOST = names.host(names.SAMPLE_SERVICE, names.SAMPLE_NAMESPACE)


def _answers(mesh: Mesh, view: View) -> Iterator[Finding]:
    versions = mesh.description.versions
    if not versions:
        yield skipped("isthmus:sample is not enabled, so there is no known server")
        return
    callers = view.pods(names.SAMPLE_NAMESPACE, labelSelector="app=sleep")
    ready = [p["metadata"]["name"] for p in callers if istiod.is_ready(p)]
    if not ready:
        if view.cluster.injection == "manual":
            yield skipped("injection is manual here, and the sample's `sleep` does not run")
            return
        why = istiod.waits_for(callers[0]) if callers else "it does not exist"
        yield failed(
            f"the client `sleep` of the sample is not ready: {why}",
            f"kubectl --context {view.name} -n {names.SAMPLE_NAMESPACE} describe pod -l app=sleep",
            Part("traffic", view.name, view.name),
        )
        return
    sleep = Container(names.SAMPLE_NAMESPACE, ready[0], "sleep")
    ran = view.run(sleep, "sh", "-c", _script(tuple(versions)))
    counts, _, last = ran.stdout.strip().partition("\n")
    times, _, seen = counts.partition(" ")
    for version, cluster in versions.items():
        if version in seen.split():
            yield ok(f"{version} of {cluster} answers")
        else:
            yield failed(
                f"{version} of {cluster} did not answer in {times} requests; "
                f"answered: {seen or 'none'}; last response: {last}",
                f"fix the failures above first; then: istioctl --context {view.name} -n "
                f"{names.SAMPLE_NAMESPACE} proxy-config endpoints deploy/sleep --cluster "
                f"'outbound|{names.SAMPLE_PORT}||{_HOST}'",
                Part("traffic", view.name, cluster),
            )


def _script(versions: tuple[str, ...]) -> str:
    """Return a script that sends requests until every version has answered.

    It prints the number of requests, the versions that answered, and the last response.
    """
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


_check = partial(Check, "traffic")

CHECKS = (_check(1801, "traffic", "every version answers", _answers),)
