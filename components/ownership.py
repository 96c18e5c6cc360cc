"""Whose mesh a cluster is in: a mark by which a stack knows its own objects from others'.

Names and labels do not tell: they are those of Istio's charts, the same for everyone. Nor does the
state: an update that was killed has made objects that it does not know.
"""

from collections.abc import Mapping

import pulumi

from components import names


def this_stack() -> str:
    """`<project>/<stack>`: what the mark says of this stack."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def mark() -> Mapping[str, str]:
    """The annotation as this stack writes it."""
    return {names.STACK: this_stack()}
