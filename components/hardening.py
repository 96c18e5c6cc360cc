"""The security context of Isthmus's own pods: the Pod Security level `restricted`."""

from pulumi_kubernetes.core.v1 import PodSecurityContextArgsDict, SecurityContextArgsDict

POD: PodSecurityContextArgsDict = {
    "run_as_non_root": True,
    "run_as_user": 65532,
    "seccomp_profile": {"type": "RuntimeDefault"},
}
CONTAINER: SecurityContextArgsDict = {
    "allow_privilege_escalation": False,
    "capabilities": {"drop": ["ALL"]},
}
