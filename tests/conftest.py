"""Whole packages first: the plugins' protocol module takes parts of `pulumi` without the rest."""

import pulumi  # noqa: F401  # pyright: ignore[reportUnusedImport]
