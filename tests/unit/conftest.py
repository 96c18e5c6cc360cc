"""Fixtures that several files of unit tests share: API servers that answer what a test says."""

from tests.unit.clusters import charts, kubeconfig, look, other, servers, up

__all__ = ["charts", "kubeconfig", "look", "other", "servers", "up"]
