"""Until when versions of Istio and Kubernetes get fixes.

Istio's days are those of its page "Supported Releases"; for a version whose end is only expected,
the last day of that month. Kubernetes' are those of its page "Releases". A cloud can support its
clusters longer.
"""

import datetime as dt
from collections.abc import Mapping

from spec.rules.versions import Minor, minor

_ISTIO: Mapping[Minor, dt.date] = {
    (1, 28): dt.date(2026, 7, 1),
    (1, 29): dt.date(2026, 8, 31),
    (1, 30): dt.date(2026, 11, 30),
    (1, 31): dt.date(2027, 2, 28),
}
_KUBERNETES: Mapping[Minor, dt.date] = {
    (1, 30): dt.date(2025, 6, 28),
    (1, 31): dt.date(2025, 10, 28),
    (1, 32): dt.date(2026, 2, 28),
    (1, 33): dt.date(2026, 6, 28),
    (1, 34): dt.date(2026, 10, 27),
    (1, 35): dt.date(2027, 2, 28),
    (1, 36): dt.date(2027, 6, 28),
    (1, 37): dt.date(2027, 10, 28),
}


def today() -> dt.date:
    """The day, in UTC."""
    return dt.datetime.now(dt.UTC).date()


def end_of_istio(version: str) -> dt.date | None:
    """The last day on which a version gets fixes; None where it is not known."""
    return _end(_ISTIO, version)


def istio_ended(version: str) -> str | None:
    """When the support of a version ended, as words; None while it is supported or unknown."""
    found, oldest = minor(version), min(_ISTIO)
    if found and found < oldest:
        return f"before that of {oldest[0]}.{oldest[1]}, which ended on {_ISTIO[oldest]}"
    end = end_of_istio(version)
    return f"on {end}" if end and end < today() else None


def end_of_kubernetes(version: str) -> dt.date | None:
    """The same for Kubernetes, as its project supports it."""
    return _end(_KUBERNETES, version)


def described(end: dt.date | None) -> str:
    """Until when, as a part of a sentence that begins with the version."""
    if end is None:
        return ""
    passed = end < today()
    return f", without support since {end}" if passed else f", supported until {end}"


def _end(ends: Mapping[Minor, dt.date], version: str) -> dt.date | None:
    found = minor(version)
    return ends.get(found) if found else None
