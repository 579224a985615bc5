"""Encounters and flags to diagnoses: what somebody came for, and what others are warned of.

Neither is a confirmed problem: it is never certain, is no indication, and does not make a problem list whole. Only
what must not be passed over is read of them (``terminology/visit_keys.csv``, with the days for which it counts as
present after the visit).
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files

from fhir_adapters import dates
from fhir_adapters.canonical import Diagnosis
from fhir_adapters.facts import Reading, newest_first, source
from fhir_adapters.problem.problem_codes import Problem, problem_of
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

# http://hl7.org/fhir/R4/valueset-encounter-status.html
_PRESENT = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_TRUE = _PRESENT | {"finished"}


def read(reading: Reading, as_of: date) -> tuple[Diagnosis, ...]:
    """Return what the reasons of visits and the flags say, newest first."""
    found = (*_of_visits(reading, as_of), *_of_flags(reading, as_of))
    return newest_first(found, lambda one: (one.onset, None), lambda one: (one.source.reference,))


@cache
def _days() -> Mapping[str, int]:
    path = files("fhir_adapters") / "terminology" / "visit_keys.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {row["key"]: int(row["days"]) for row in rows}


def _of_visits(reading: Reading, as_of: date) -> Iterator[Diagnosis]:
    for visit in reading.chart.encounters:
        if visit.status not in _TRUE:
            continue
        period = visit.period or wire.Period()
        last = dates.parse(period.end or period.start)
        for concept in visit.reasonCode:
            problem = problem_of(reading.profile, concept)
            days = max((_days()[key] for key in problem.meaning.keys if key in _days()), default=0)
            recent = last is None or (as_of - last.last).days <= days  # without a date it may be of today
            active = recent or visit.status in _PRESENT
            yield from _diagnosis(reading, reference_of(visit), "reasonCode", problem, period, active=active)


def _of_flags(reading: Reading, as_of: date) -> Iterator[Diagnosis]:
    for flag in reading.chart.flags:
        period = flag.period or wire.Period()
        ended = dates.parse(period.end)
        active = flag.status == "active" and (ended is None or ended.last >= as_of)
        problem = problem_of(reading.profile, flag.code)
        yield from _diagnosis(reading, reference_of(flag), "code", problem, period, active=active)


def _diagnosis(
    reading: Reading, reference: str, path: str, problem: Problem, period: wire.Period, *, active: bool
) -> Iterator[Diagnosis]:
    keys = tuple(sorted(key for key in problem.meaning.keys if key in _days()))
    if not keys or problem.sureness == "A":
        return
    code, began = next(iter(problem.meaning.telling), None), dates.parse(period.start)
    yield Diagnosis(
        keys=keys,
        active=active and problem.past is None,
        onset=began.first if began else None,
        text=problem.text,
        code="|".join(code) if code else None,
        source=source(reading, reference, path, f"visits.{path}", problem.original, tuple(sorted(problem.repairs))),
        certain=False,
    )
