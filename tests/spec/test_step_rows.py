"""Every row of guideline_steps.csv that reads something, on both sides of each threshold and without its value.

Generated from the table: a new row is tested the day it is added.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fhir_adapters.canonical import FeatureVector
from fhir_adapters.vector.schema import BY_NAME
from recommender.catalog import knowledge
from recommender.catalog.rows import StepRow
from recommender.step import step_readings
from recommender.step.step_readings import StepChart
from tests.factories import absent, course, days_ago, feature, features, patient, score

K = knowledge.load()
READING = [row for row in K.guideline_steps if row.reads]
COMPARING = [row for row in READING if row.operator]
ASKING = [row for row in READING if not row.operator]
BASELINE = 100.0  # a total of which a fall in per cent is as many points; no scale goes so far, no row asks


def name(row: StepRow) -> str:
    """Name a case after its row."""
    return row.id


def compared_by(row: StepRow) -> list[tuple[str, str, list[float]]]:
    """Return what a row reads, how it compares, and its limits."""
    parts = (cell.split("&") for cell in (row.reads, row.operator, row.value))
    return [
        (reads, operator, [float(one) for one in value.split(";")])
        for reads, operator, value in zip(*parts, strict=True)
    ]


def holds_at(operator: str, limits: list[float], value: float) -> bool:
    """Say whether a comparison holds; ``between`` has both ends."""
    low, high = limits[0], limits[-1]
    return {">": value > low, ">=": value >= low, "<": value < low, "between": low <= value <= high}[operator]


def fitting(operator: str, limits: list[float]) -> float:
    """Return a value for which a comparison holds."""
    return limits[0] + {">": 1, ">=": 0, "<": -1, "between": 0}[operator]


def chart(row: StepRow, given: Mapping[str, float | None], *gaps: Any) -> StepChart:
    """Return a chart in which the readings have these values; None, and what is not given, is not on record."""
    vector, scales = _measured(given, gaps)
    days = given.get("course_days")
    taken = () if days is None else (course("sertraline", start=days_ago(int(days))),)
    trials = given.get("trials")
    return StepChart(
        patient=patient(*scales, *_stopped(given.get("clozapine_break_days"))),
        features=vector,
        knowledge=replace(K, guideline_steps=(row,)),
        focus=None,
        names=frozenset({row.condition}),
        step=row.step if row.step != "any" else "start",
        current=taken,
        trials=None if trials is None else int(trials),
    )


def _stopped(days: float | None) -> list[Any]:
    """Return clozapine stopped so many days ago, nothing where that is not on record."""
    return (
        [] if days is None else [course("clozapine", taking="stopped", start=days_ago(400), stop=days_ago(int(days)))]
    )


def _measured(given: Mapping[str, float | None], gaps: tuple[Any, ...]) -> tuple[FeatureVector, list[Any]]:
    known = {reads: value for reads, value in given.items() if reads in BY_NAME and value is not None}
    found, scales = [feature(reads, value, days_ago(1)) for reads, value in known.items()], list[Any]()
    for reads, value in given.items():
        scale = reads.removesuffix("_fall")
        if scale != reads and value is not None:
            found.append(feature(f"{scale}_total", BASELINE - value, days_ago(1)))
            scales.append(score(scale, "total", BASELINE, days_ago(300)))
    return features(*found, *gaps), scales


def told(row: StepRow, given: Mapping[str, float | None], *gaps: Any) -> bool:
    """Say whether the row holds."""
    return bool(step_readings.holding(chart(row, given, *gaps), row.kind))


@pytest.mark.parametrize("row", COMPARING, ids=name)
def test_each_row_holds_on_its_own_side_only(row: StepRow) -> None:
    """A row holds just below, at and just above each of its thresholds exactly as its operator says."""
    fits = {reads: fitting(operator, limits) for reads, operator, limits in compared_by(row)}
    assert told(row, fits)
    for reads, operator, limits in compared_by(row):
        for value in (limit + side for limit in limits for side in (-1, 0, 1)):
            assert told(row, {**fits, reads: value}) is holds_at(operator, limits, value)


@pytest.mark.parametrize("row", COMPARING, ids=name)
def test_a_row_without_its_value_says_nothing(row: StepRow) -> None:
    """A row does not hold while one of its values is missing, stale, conflicting or refused."""
    fits = {reads: fitting(operator, limits) for reads, operator, limits in compared_by(row)}
    for reads in fits:
        assert not told(row, {**fits, reads: None})
        read = reads.replace("_fall", "_total")
        for status in ("missing", "stale", "conflicting", "refused") if read in BY_NAME else ():
            assert not told(row, {**fits, reads: None}, absent(read, status, days_ago(900)))


@pytest.mark.parametrize("row", [row for row in ASKING if row.reads in BY_NAME], ids=name)
def test_a_gap_is_asked_for_and_a_value_is_not(row: StepRow) -> None:
    """A row that asks for a value is told in every kind of gap, and never beside a value."""
    for status in ("missing", "stale", "conflicting", "refused"):
        (found,) = step_readings.unread(chart(row, {}, absent(row.reads, status, days_ago(900))), row.kind)
        assert found.unknown
        assert found.missing
    assert step_readings.unread(chart(row, {row.reads: 1.0}), row.kind) == ()


def test_every_row_that_reads_is_tested() -> None:
    """What rows read is a feature, or one of the readings that these tables make."""
    named = {reads for row in READING for reads in row.reads.split("&") if reads not in BY_NAME}
    assert named == {"trials", "phase", "course_days", "clozapine_break_days", "phq9_fall", "gad7_fall"}
    assert {row.id for row in ASKING if row.reads not in BY_NAME} == {"GS204"}
