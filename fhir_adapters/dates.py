"""FHIR dates with their precision kept: a year is the whole year, never the first of January.

http://hl7.org/fhir/R4/datatypes.html#dateTime. The day is the local calendar day, as the EHR wrote it; the
instant is kept beside it where a zone is written, or where the site's profile declares one.
"""

import calendar
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_SHAPE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?)?)?", re.ASCII
)
_LONGEST = 40  # no FHIR date is longer; what is kept in memory stays small


class PartialDate(NamedTuple):
    """A date as precise as it was written: the first and the last day that it can mean."""

    first: date
    last: date

    @property
    def exact(self) -> bool:
        """True when the day itself is known."""
        return self.first == self.last


class When(NamedTuple):
    """When something was: its day, the instant in UTC where it is known, and what was mended to read it.

    A date that is a month or a year gives its first day and says so in ``repairs``: see ``last_day``.
    """

    day: date | None = None
    moment: str | None = None
    repairs: tuple[str, ...] = ()


def parse(text: str | None) -> PartialDate | None:
    """Return the days that a FHIR date, dateTime or instant can mean, None when it is none of these.

    A missing zone or missing seconds are tolerated, because the day does not depend on them.
    """
    return _parse(text) if text and len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _parse(text: str) -> PartialDate | None:
    found = _SHAPE.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(part) if part else None for part in found.groups())
    try:
        return _span(year or 0, month, day)
    except ValueError:
        return None


def _span(year: int, month: int | None, day: int | None) -> PartialDate:
    if month is None:
        return PartialDate(date(year, 1, 1), date(year, 12, 31))
    if day is None:
        first = date(year, month, 1)
        return PartialDate(first, first.replace(day=calendar.monthrange(year, month)[1]))
    return PartialDate(date(year, month, day), date(year, month, day))


def when(text: str | None, zone: str | None) -> When:
    """Return when a dateTime or instant is; ``zone`` (offset or IANA name) counts only where none is written."""
    return _when(text, zone) if text and len(text) <= _LONGEST else When()


@lru_cache(maxsize=4096)
def _when(text: str, zone: str | None) -> When:
    days = _parse(text)
    if days is None:
        return When()
    if not days.exact:
        return When(days.first, None, ("year-only" if len(text) == 4 else "month-only",))
    instant = _moment(text)
    if instant is None and zone is not None and "T" in text:
        instant = _local(text, zone)
        return When(days.first, instant, ("zone-from-profile",) if instant else ())
    return When(days.first, instant)


def last_day(first: date, repairs: tuple[str, ...]) -> date:
    """Return the last day that a date can mean which ``when`` read as ``first`` with these repairs."""
    if not repairs:
        return first
    if "year-only" in repairs:
        return date(first.year, 12, 31)
    return _span(first.year, first.month, None).last if "month-only" in repairs else first


def moment(text: str | None) -> str | None:
    """Return a dateTime or instant in UTC, None where it has no time or no zone."""
    return _moment(text) if text and len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _moment(text: str) -> str | None:
    try:
        instant = datetime.fromisoformat(text)
        return None if instant.tzinfo is None else instant.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def _local(text: str, zone: str) -> str | None:
    """Return the instant of a local time; None where the clocks were changed and it may be two, or none."""
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=_zone(zone))
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            return None
        return local.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    if name[0] not in "+-":
        return ZoneInfo(name)
    hours, _, minutes = name[1:].partition(":")
    ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(ahead if name[0] == "+" else -ahead)


def age(birth: date, on: date) -> int:
    """Return whole years from ``birth`` to ``on``; 29 February counts as 1 March in other years."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))
