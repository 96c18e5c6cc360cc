"""Reports of results, for people and programs."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from checks.model import Result, Status

MARKS = {Status.OK: "✓", Status.WARNING: "!", Status.FAILED: "✗", Status.SKIPPED: "-"}
_STYLES = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "red",
    Status.SKIPPED: "dim",
}
CONSEQUENCES = "the failures below it are probably consequences"
_INDENT, _CLAIM, _SECONDS = 4, 50, 6  # columns of a terminal
_WORST = (Status.FAILED, Status.WARNING, Status.SKIPPED, Status.OK)


def is_green(results: Sequence[Result]) -> bool:
    """Whether nothing failed."""
    return all(r.status is not Status.FAILED for r in results)


def summary(results: Sequence[Result], seconds: float) -> str:
    """Count the checks: each once for every cluster, by its worst finding."""
    counts = _counts(results)
    parts = ", ".join(f"{counts[s]} {s}" for s in reversed(_WORST) if counts[s])
    return f"{sum(counts.values())} checks in {seconds:.1f} s: {parts}"


def as_json(results: Sequence[Result], seconds: float) -> str:
    """Return everything as JSON. Statuses have their names in `Status`."""
    return json.dumps(
        {
            "green": is_green(results),
            "seconds": round(seconds, 2),
            "counts": {str(s): n for s, n in _counts(results).items()},
            "results": [
                {
                    "section": r.check.section,
                    "check": r.check.id,
                    "code": r.check.code,
                    "claim": r.check.claim,
                    "cluster": r.cluster,
                    "status": r.status,
                    "seconds": round(r.seconds, 3),
                    "evidence": r.finding.evidence,
                    "hint": r.finding.hint,
                    "docs": docs(r),
                    "ends": r.finding.ends and r.finding.ends.isoformat(),
                }
                for r in results
            ],
        },
        indent=2,
    )


def short(results: Sequence[Result], seconds: float) -> str:
    """Return one line for each failure or warning, and a summary."""
    lines = [
        f"{r.status}: {r.check.id} in {r.cluster}: {r.finding.evidence}"
        for r in results
        if r.status in (Status.FAILED, Status.WARNING)
    ]
    return "\n".join([*lines, summary(results, seconds)])


def table(results: Sequence[Result], seconds: float) -> Group:
    """Return a table for a terminal: by section, with a fix below each failure and warning."""
    wide = max((len(c) for c in _clusters(results)), default=0)
    lines = list[RenderableType]()
    for section, of_section in groupby(results, lambda r: r.check.section):
        lines.append(Text(section, style="bold"))
        for alike in together(list(of_section)):
            lines += _lines(alike, wide)
    failed = [r for r in results if r.status is Status.FAILED]
    lines.append(Text(summary(results, seconds), style="bold red" if failed else "bold green"))
    if len(failed) > 1:
        first = failed[0]
        lines.append(Text(f"Fix {first.check.id} in {first.cluster} first; {CONSEQUENCES}."))
    return Group(*lines)


def _clusters(results: Sequence[Result]) -> Iterator[str]:
    """Yield the texts in the column of clusters."""
    for _, of_section in groupby(results, lambda r: r.check.section):
        for alike in together(list(of_section)):
            yield named(alike)


def together(results: Sequence[Result]) -> Iterator[Sequence[Result]]:
    """Group results of a check: all passed ones, all skipped ones, and each other one alone."""
    for _, of_check in groupby(results, lambda r: r.check.id):
        found = list(of_check)
        for status in (Status.OK, Status.SKIPPED):
            if alike := [r for r in found if r.status is status]:
                yield alike
        for result in found:
            if result.status in (Status.FAILED, Status.WARNING):
                yield [result]


def named(alike: Sequence[Result]) -> str:
    """Return the clusters of results, in one text."""
    return ", ".join(dict.fromkeys(r.cluster for r in alike))


def _lines(alike: Sequence[Result], wide: int) -> Iterator[RenderableType]:
    first = alike[0]
    style, mark = _STYLES[first.status], MARKS[first.status]
    row = Table.grid(padding=(0, 2, 0, 0))
    for width in (_INDENT - 2, _CLAIM, wide, _SECONDS):
        row.add_column(width=width, no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(
        Text(f" {mark}", style=style),
        Text(first.check.claim, style=style if first.finding.hint else ""),
        Text(named(alike)),
        Text(f"{max(r.seconds for r in alike):.2f} s", style="dim", justify="right"),
        "" if first.finding.hint else evidence(alike),
    )
    yield row
    if first.finding.hint:
        text = Text(first.finding.evidence, overflow="fold")
        text.append(f"\n→ {first.finding.hint}", style="bold")
        text.append(f"\n  {first.check.code} {docs(first)}", style="dim")
        yield Padding(text, (0, 0, 0, _INDENT))


def evidence(alike: Sequence[Result]) -> str:
    """Return the evidence of results, once if it is the same in all clusters."""
    by_cluster = {
        c: "; ".join(r.finding.evidence for r in rs)
        for c, rs in groupby(alike, lambda r: r.cluster)
    }
    if len(set(by_cluster.values())) == 1:
        return next(iter(by_cluster.values()))
    return "\n".join(f"{c}: {e}" for c, e in by_cluster.items())


def _counts(results: Sequence[Result]) -> Counter[Status]:
    worst: dict[tuple[str, str], Status] = {}
    for r in results:
        key = (r.check.id, r.cluster)
        worst[key] = min(r.status, worst.get(key, r.status), key=_WORST.index)
    return Counter(worst.values())


def docs(result: Result) -> str:
    """Return the section of the documentation about a check."""
    return f"docs/checks.md#{result.check.id}"
