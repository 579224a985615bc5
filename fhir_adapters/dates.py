"""FHIR dates with their precision kept: a year is the whole year, never the first of January.

http://hl7.org/fhir/R4/datatypes.html#dateTime. Only the calendar day matters here, as the EHR wrote it: times
and zones are checked for shape and then left.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date

_SHAPE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date as precise as it was written: the first and the last day that it can mean."""

    first: date
    last: date

    @property
    def exact(self) -> bool:
        """True when the day itself is known."""
        return self.first == self.last


def parse(text: str | None) -> PartialDate | None:
    """Return the days that a FHIR date, dateTime or instant can mean, None when it is none of these.

    A missing zone or missing seconds are tolerated, because the day does not depend on them.
    """
    found = _SHAPE.fullmatch(text) if text else None
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


def age(birth: date, on: date) -> int:
    """Return whole years from ``birth`` to ``on``; 29 February counts as 1 March in other years."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))
