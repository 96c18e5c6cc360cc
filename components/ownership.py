"""The mark in a cluster that names the stack whose mesh it is in.

Names and labels cannot show the owner: they are those of Istio's charts, the same in every mesh.
Nor can the state: a killed update has created objects that the state does not contain.
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
