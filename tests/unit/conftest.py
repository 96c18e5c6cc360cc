"""Fixtures that several files of unit tests share: API servers that answer what a test says."""

import datetime as dt

import pytest

from spec import support
from tests.unit.clusters import charts, kubeconfig, look, other, servers, up

__all__ = ["charts", "kubeconfig", "look", "other", "servers", "up"]


@pytest.fixture(autouse=True)
def _day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day on which every version of the table is supported, so that no test ends with one."""
    monkeypatch.setattr(support, "today", lambda: dt.date(2026, 6, 1))
