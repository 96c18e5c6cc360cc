"""How the load tool counts: from the log of a `curl`, with the node's timestamps."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from lab.load import Report, Result, Stream, result

_START = datetime(2026, 1, 1, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return _START + timedelta(seconds=seconds)


def test_requests_failures_and_answers_are_counted_by_kind() -> None:
    lines = [
        (_at(0.1), "Hello version: v1, instance: helloworld-v1-abc"),
        (_at(0.1), "200 0"),
        (_at(0.2), "upstream connect error or disconnect/reset before headers"),
        (_at(0.2), "503 0"),
        (_at(2.2), "000 28"),
        (_at(2.3), "503 0"),
    ]
    found = result(lines, _START, _at(3))
    assert found.requests == 4
    assert found.failures == {"503": 2, "curl 28": 1}
    assert found.answers == {"v1": 1}


def test_an_answer_that_was_cut_short_has_failed() -> None:
    """The status had come, and the connection ended before the body."""
    assert result([(_at(1), "200 18")], _START, _at(2)).failures == {"curl 18": 1}


def test_the_gap_reaches_from_the_begin_to_the_end() -> None:
    good = [(_at(s), "200 0") for s in (1, 1.5)]
    assert result(good, _START, _at(2)).gap == 1
    assert result(good, _START, _at(9)).gap == 7.5
    assert result([], _START, _at(4)).gap == 4


def test_what_is_outside_of_the_span_does_not_count() -> None:
    found = result([(_at(1), "503 0"), (_at(3), "200 0")], _at(2), _at(4))
    assert (found.requests, found.failures) == (1, {})


def test_a_report_sums_its_streams() -> None:
    report = Report(
        {
            Stream("east", "v1", "new"): Result(10, Counter({"503": 2}), 0.5, {"v1": 8}),
            Stream("east", "v1", "kept"): Result(
                20, Counter({"503": 1, "curl 7": 1}), 1.5, {"v1": 18}
            ),
        }
    )
    assert (report.requests, report.failed, report.gap) == (30, 4, 1.5)
    assert report.failures == {"503": 3, "curl 7": 1}
    assert "east to v1, new connections: 10 requests, failed {'503': 2}" in str(report)
