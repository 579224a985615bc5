"""Procedures to assessments that a person made: that the suicide risk was assessed, when, and what was decided.

FHIR keeps as Procedure what was performed on or for a patient; ``Patient/$attest`` writes such a one too. The value
is ``done``, or the outcome that keeps drafting closed; there is no score of risk in it.
"""

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from fhir_adapters import dates, facts
from fhir_adapters.canonical import Measurement, Original, Refusal
from fhir_adapters.dialect.code_systems import key_code
from fhir_adapters.facts import Reading, newest_first, source
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of
from fhir_adapters.terminology import Code

DONE = "done"
_FINISHED = "completed"


@cache
def _keys(kind: str) -> Mapping[Code, str]:
    path = files("fhir_adapters") / "terminology" / "procedures.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {(row["system"], key_code(row["system"], row["code"])): row["key"] for row in rows if row["kind"] == kind}


def read(reading: Reading) -> tuple[tuple[Measurement, ...], tuple[Refusal, ...]]:
    """Return the assessments, newest first, and those that were not finished or have no date."""
    found = [one for procedure in reading.chart.procedures for one in _read(reading, procedure)]
    ordered = newest_first(
        (one for one in found if isinstance(one, Measurement)),
        lambda one: (one.effective, one.moment),
        lambda one: (one.source.reference, one.key),
    )
    return ordered, tuple(one for one in found if isinstance(one, Refusal))


def _read(reading: Reading, procedure: wire.Procedure) -> Iterator[Measurement | Refusal]:
    concept = facts.concept(reading.profile, procedure.code.coding)
    reference, period = reference_of(procedure), procedure.performedPeriod
    performed = procedure.performedDateTime or (period and (period.end or period.start))
    for key in dict.fromkeys(_keys("procedure")[code] for code in concept.codes if code in _keys("procedure")):
        when = dates.when(performed, reading.profile.zone)
        if procedure.status != _FINISHED:
            yield Refusal(reference, "status", "not-finished", key=key)
        elif when.day is None:
            yield Refusal(reference, "performedDateTime", "no-date", key=key)
        else:
            told = source(reading, reference, "code", f"procedures.{key}", Original(code=concept.written), when.repairs)
            yield Measurement(key, _value(reading, procedure), None, when.day, told, moment=when.moment)


def _value(reading: Reading, procedure: wire.Procedure) -> str:
    """Return the outcome that is known; any other leaves the assessment as done."""
    outcome = facts.concept(reading.profile, procedure.outcome.coding)
    return next((_keys("outcome")[code] for code in outcome.codes if code in _keys("outcome")), DONE)
