"""Whole packages first: the plugins' protocol module takes parts of `pulumi` without the rest."""

import gc

import pulumi  # noqa: F401  # pyright: ignore[reportUnusedImport]


def pytest_collection_finish() -> None:
    """Collect garbage more seldom, and never among the imported packages, which stay anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
