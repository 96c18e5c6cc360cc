"""A port of a cluster of the lab that refuses connections, as if its program had stopped."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager

from lab.lab import Lab


@contextmanager
def refused(lab: Lab, cluster: str, port: int) -> Generator[None]:
    """Reset connections from outside the cluster, new ones and those that exist."""
    namespace = lab.footprint.netns(cluster)
    table = ("nsenter", f"--net=/run/netns/{namespace}", "iptables", "-w")
    rule = ("INPUT", "-i", "eth0", "-p", "tcp", "--dport", str(port), "-j", "REJECT")
    subprocess.run([*table, "-I", *rule, "--reject-with", "tcp-reset"], check=True)
    try:
        yield
    finally:
        subprocess.run([*table, "-D", *rule, "--reject-with", "tcp-reset"], check=True)
