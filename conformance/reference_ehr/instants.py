"""FHIR dates of any precision as half-open intervals of time, and the comparisons of R4 search.html#date."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from conformance.reference_ehr.refusals import Json, invalid

Interval = tuple[datetime, datetime]

_FORM = re.compile(
    r"^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$"
)
_EVER: Interval = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def interval(text: str) -> Interval:
    """Return the time that a date, dateTime or instant covers; without a zone it is read as UTC."""
    match = _FORM.match(text)
    if match is None:
        raise invalid("A date in the search or resource is not a FHIR date.")
    year, month, day, hour, _, second, fraction, zone = match.groups()
    try:
        if hour is None:
            return _days(int(year), month and int(month), day and int(day))
        start = datetime.fromisoformat(text if zone else text + "+00:00")
    except ValueError as error:
        raise invalid("A date in the search or resource does not exist.") from error
    width = timedelta(milliseconds=1) if fraction else timedelta(seconds=1) if second else timedelta(minutes=1)
    return start, start + width


def _days(year: int, month: int | str | None, day: int | str | None) -> Interval:
    start = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
    if day:
        return start, start + timedelta(days=1)
    if month:
        later = start + timedelta(days=31)
        return start, later.replace(day=1)
    return start, start.replace(year=year + 1)


def covered(value: str | Json) -> Interval:
    """Return the time that an element covers: a date, or a Period with open ends reaching for ever."""
    if isinstance(value, str):
        return interval(value)
    start, end = value.get("start"), value.get("end")
    return (interval(start)[0] if start else _EVER[0], interval(end)[1] if end else _EVER[1])


_COMPARE: Mapping[str, Callable[[Interval, Interval], bool]] = {
    "eq": lambda asked, found: asked[0] <= found[0] and found[1] <= asked[1],
    "gt": lambda asked, found: found[1] > asked[1],
    "lt": lambda asked, found: found[0] < asked[0],
    "ge": lambda asked, found: found[1] > asked[0],
    "le": lambda asked, found: found[0] < asked[1],
}


def matches(asked: str, element: str | Json) -> bool:
    """Say whether an element fits a search value such as ``ge2026-01``; other prefixes are refused."""
    prefix, text = (asked[:2], asked[2:]) if asked[:2].isalpha() else ("eq", asked)
    if prefix not in _COMPARE:
        raise invalid("This EHR compares dates with eq, gt, lt, ge and le only.")
    return _COMPARE[prefix](interval(text), covered(element))
