"""Wearables: one value a day and key, from one source."""

import dataclasses
import json
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from fhir_adapters import terminology
from fhir_adapters.canonical import DailyValue, Feature
from fhir_adapters.dialect import profile
from fhir_adapters.facts import Reading
from fhir_adapters.measuring import wearables
from fhir_adapters.measuring.elements import elements
from fhir_adapters.reading import reader, wire
from tests.fixtures.resources import AS_OF, Resource, adapted, observation, quantity

STEPS, STEPS_24H, SLEEP, DEEP, LIGHT, REM, AWAKE, PULSE = (
    *("55423-8", "41950-7", "93832-4", "93831-6", "93830-8", "93829-0", "93828-2"),
    "40443-4",
)
DAY = "2026-11-10"
_DECODER = msgspec.json.Decoder(wire.Observation)


def sample(id_: str, code: str, value: float, unit: str, when: str | tuple[str, str] = DAY, **fields: Any) -> Resource:
    """One reading: ``when`` is a date, a dateTime or a pair of them."""
    measured = {"valueQuantity": quantity(value, unit), **fields}
    if isinstance(when, str):
        return observation(id_, code, when, **measured)
    return observation(id_, code, None, effectivePeriod={"start": when[0], "end": when[1]}, **measured)


def at(clock: str, day: str = DAY) -> str:
    """A local time of the day."""
    return f"{day}T{clock}:00-05:00"


def by(device: str) -> Resource:
    """The device of a reading."""
    return {"device": {"reference": f"Device/{device}"}}


def days(*resources: Resource) -> dict[tuple[str, str], float]:
    """The values read, by key and day."""
    return {(one.key, one.day.isoformat()): one.value for one in adapted(*resources).patient.daily}


CASES: dict[str, tuple[list[Resource], dict[tuple[str, str], float]]] = {
    "a day's total": ([sample("a", STEPS_24H, 8123, "{steps}")], {("steps", DAY): 8123}),
    "a total a day, as a count without a unit": (
        [observation("a", STEPS_24H, DAY, valueInteger=8123)],
        {("steps", DAY): 8123},
    ),
    "samples are added, fractions too": (
        [
            sample("a", STEPS, 100.4, "{steps}", (at("08:00"), at("08:10"))),
            sample("b", STEPS, 50.2, "{steps}", (at("08:10"), at("08:20"))),
            sample("c", STEPS, 10, "{steps}", at("21:00")),
        ],
        {("steps", DAY): 160.6},
    ),
    "a sample that another overlaps counts once": (
        [
            sample("a", STEPS, 100, "{steps}", (at("08:00"), at("09:00"))),
            sample("b", STEPS, 60, "{steps}", (at("08:30"), at("09:30"))),
            sample("c", STEPS, 40, "{steps}", (at("09:00"), at("10:00"))),
        ],
        {("steps", DAY): 140},
    ),
    "two devices: the fuller, never the sum": (
        [
            sample("a", STEPS, 3000, "{steps}", (at("08:00"), at("12:00")), **by("phone")),
            sample("b", STEPS, 2000, "{steps}", (at("12:00"), at("18:00")), **by("phone")),
            sample("c", STEPS, 7000, "{steps}", (at("08:00"), at("18:00")), **by("watch")),
        ],
        {("steps", DAY): 7000},
    ),
    "two totals of one day: the fuller": (
        [sample("a", STEPS_24H, 4000, "{steps}", at("12:00")), sample("b", STEPS_24H, 9000, "{steps}", at("23:59"))],
        {("steps", DAY): 9000},
    ),
    "a total beside its own samples": (
        [
            sample("a", STEPS, 900, "{steps}", (at("08:00"), at("09:00"))),
            sample("b", STEPS, 5000, "{steps}", (at("00:00"), at("23:59"))),
        ],
        {("steps", DAY): 5000},
    ),
    "steps across midnight are of the day they began": (
        [sample("a", STEPS, 500, "{steps}", (at("23:50"), at("00:20", "2026-11-11")))],
        {("steps", DAY): 500},
    ),
    "a sleep is of the day it ends": (
        [sample("a", SLEEP, 7.5, "h", (at("23:00", "2026-11-09"), at("06:30")))],
        {("sleep_duration", DAY): 7.5},
    ),
    "minutes": ([sample("a", SLEEP, 450, "min")], {("sleep_duration", DAY): 7.5}),
    "a nap is added to a night": (
        [
            sample("a", SLEEP, 6, "h", (at("00:30"), at("06:30"))),
            sample("b", SLEEP, 1, "h", (at("14:00"), at("15:00"))),
        ],
        {("sleep_duration", DAY): 7},
    ),
    "two totals of one night without bounds: never the sum": (
        [sample("a", SLEEP, 7, "h", at("07:00")), sample("b", SLEEP, 7.2, "h", at("07:05"))],
        {("sleep_duration", DAY): 7.2},
    ),
    "phases of one night, the first before midnight, awake not counted": (
        [
            sample("a", LIGHT, 60, "min", (at("22:30", "2026-11-09"), at("23:30", "2026-11-09"))),
            sample("b", DEEP, 120, "min", (at("23:30", "2026-11-09"), at("01:30"))),
            sample("w", AWAKE, 30, "min", (at("01:30"), at("02:00"))),
            sample("c", REM, 90, "min", (at("02:00"), at("03:30"))),
        ],
        {("sleep_duration", DAY): 4.5},
    ),
    "phases without bounds, one of each kind": (
        [sample("a", LIGHT, 4, "h"), sample("b", DEEP, 1.5, "h"), sample("c", REM, 1.5, "h")],
        {("sleep_duration", DAY): 7},
    ),
    "a whole sleep counts before its phases": (
        [
            sample("a", SLEEP, 7.5, "h", (at("23:00", "2026-11-09"), at("06:30")), **by("watch")),
            sample("b", DEEP, 2, "h", (at("23:00", "2026-11-09"), at("01:00")), **by("watch")),
        ],
        {("sleep_duration", DAY): 7.5},
    ),
    "resting pulse is a mean": (
        [sample("a", PULSE, 60, "/min", at("06:00")), sample("b", PULSE, 64, "/min", at("22:00"))],
        {("resting_heart_rate", DAY): 62},
    ),
    "two devices' pulse: the one with more readings": (
        [
            sample("a", PULSE, 60, "/min", at("06:00"), **by("watch")),
            sample("b", PULSE, 64, "/min", at("22:00"), **by("watch")),
            sample("c", PULSE, 90, "/min", at("12:00"), **by("phone")),
        ],
        {("resting_heart_rate", DAY): 62},
    ),
    "no result": ([sample("a", STEPS_24H, 8000, "{steps}", status="cancelled")], {}),
    "no known day": ([sample("a", STEPS_24H, 8000, "{steps}", "2026-11")], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_day_has_one_value(name: str) -> None:
    """What a day's readings come to, whatever their shape and whoever made them."""
    resources, expected = CASES[name]
    assert days(*resources) == expected
    assert days(*reversed(resources)) == expected


@pytest.mark.parametrize(
    ("resource", "key", "reason"),
    [
        (sample("a", STEPS_24H, 250000, "{steps}"), "steps", "implausible"),
        (sample("a", SLEEP, 25, "h"), "sleep_duration", "implausible"),
        (sample("a", PULSE, 12, "/min"), "resting_heart_rate", "implausible"),
        (sample("a", STEPS_24H, 5, "km"), "steps", "unit-unknown"),
        (sample("a", STEPS_24H, 9000, "{steps}"), "steps", None),
    ],
)
def test_a_day_that_cannot_be_is_refused(resource: Resource, key: str, reason: str | None) -> None:
    """A day outside what is possible, or in an unknown unit, is a refusal of that day and no value."""
    patient = adapted(resource).patient
    refused = [(one.key, one.reason, one.effective) for one in patient.refusals]
    assert refused == ([] if reason is None else [(key, reason, date(2026, 11, 10))])
    assert bool(patient.daily) == (reason is None)


def test_samples_that_add_up_to_the_impossible_are_refused() -> None:
    """Three sleeps of nine hours on one day are no day."""
    naps = [sample(f"s{hour}", SLEEP, 9, "h", (at(f"{hour:02}:00"), at(f"{hour + 1:02}:00"))) for hour in (1, 9, 17)]
    patient = adapted(*naps).patient
    assert patient.daily == ()
    assert [(one.key, one.reason) for one in patient.refusals] == [("sleep_duration", "implausible")]


def test_a_day_with_a_sample_that_cannot_be_read_is_refused() -> None:
    """A day's steps without one of its samples would be too few."""
    patient = adapted(
        sample("a", STEPS, 900, "{steps}", (at("08:00"), at("09:00"))),
        sample("b", STEPS, 2, "km", (at("09:00"), at("10:00"))),
    ).patient
    assert patient.daily == ()
    assert [(one.key, one.reason) for one in patient.refusals] == [("steps", "unit-unknown")]


def test_a_day_names_its_first_reading() -> None:
    """The source of a day is its first reading, as written, with the count of readings."""
    (found,) = adapted(
        sample("b", STEPS, 50, "{steps}", (at("09:00"), at("10:00"))),
        sample("a", STEPS, 100, "{steps}", (at("08:00"), at("09:00"))),
    ).patient.daily
    assert isinstance(found, DailyValue)
    assert (found.samples, found.unit) == (2, "{steps}")
    assert (found.source.reference, found.source.rule) == ("Observation/a", "wearables.steps")
    assert found.source.original is not None
    assert found.source.original.value == 100


def test_what_is_read_by_day_is_no_measurement() -> None:
    """Steps, sleep and resting pulse stand among the days only."""
    patient = adapted(sample("a", STEPS_24H, 8000, "{steps}"), sample("b", PULSE, 60, "/min")).patient
    assert patient.measurements == ()
    assert len(patient.daily) == 2


def daily(ages: Iterable[int], value: float = 6000) -> list[Resource]:
    """A day's total for each of these numbers of days before the assessment."""
    return [sample(f"d{age}", STEPS_24H, value + age, "{steps}", str(AS_OF - timedelta(days=age))) for age in ages]


def steps(*resources: Resource) -> Feature:
    """The feature of a patient with these resources."""
    return adapted(*resources).features.features["steps_per_day"]


@pytest.mark.parametrize(
    ("ages", "status", "value", "reason"),
    [
        ((1, 2, 3, 4), "present", 6002.5, None),
        ((1, 14, 7, 10), "present", 6008, None),
        ((0, 1, 2, 3), "missing", None, "fewer-than-4-days"),
        ((1, 2, 3), "missing", None, "fewer-than-4-days"),
        ((1, 2, 3, 15), "missing", None, "fewer-than-4-days"),
        ((15, 16, 17, 18, 19), "stale", None, "older-than-14-days"),
        ((), "missing", None, "observations-not-supplied"),
    ],
)
def test_a_mean_needs_four_of_the_last_fourteen_days(
    ages: tuple[int, ...], status: str, value: float | None, reason: str | None
) -> None:
    """The mean of the days with data among the last 14, at least 4 of them; the day itself is not over."""
    found = steps(*daily(ages))
    assert (found.status, found.value, found.reason) == (status, value, reason)


def test_a_mean_names_each_of_its_days() -> None:
    """The source of a mean holds the first reading of every day that it was made of."""
    found = steps(*daily((1, 2, 3, 4, 20)))
    assert found.source is not None
    named = {word for word in found.source.path.replace(";", " ").split() if word.startswith("Observation/")}
    assert named == {f"Observation/d{age}" for age in (1, 2, 3, 4)}
    assert found.effective == AS_OF - timedelta(days=1)


def test_days_that_were_all_refused_are_a_refusal() -> None:
    """Steps in kilometres only make the feature refused, not missing."""
    found = steps(sample("a", STEPS_24H, 5, "km", "2026-11-20"))
    assert (found.status, found.reason) == ("refused", "unit-unknown")


def test_the_work_for_samples_grows_no_faster_than_their_number() -> None:
    """Four times as many minute samples take no more than five times as many calls, and every sample is counted."""

    def calls(count: int) -> int:
        minutes = [divmod(place, 24 * 60) for place in range(count)]
        decoded = tuple(
            json_observation(sample(f"o{place}", STEPS, 3, "{steps}", _minute(days, minute)))
            for place, (days, minute) in enumerate(minutes)
        )
        held = reader.read(json.dumps([{"resourceType": "Patient", "id": "p1"}]).encode())
        reading = Reading(_with(held, decoded), profile.load("base-r4"), terminology.load())
        made = 0

        def count_call(*_: object) -> None:
            nonlocal made
            made += 1

        sys.setprofile(count_call)
        try:
            values, refusals = wearables.read(reading, elements(reading))
        finally:
            sys.setprofile(None)
        assert refusals == ()
        assert sum(one.samples for one in values) == count
        return made

    calls(100)  # what is remembered is remembered now
    assert calls(6000) < 5 * calls(1500)


def _minute(days: int, minute: int) -> str:
    return f"{date(2026, 1, 1) + timedelta(days=days)}T{minute // 60:02}:{minute % 60:02}:00Z"


def json_observation(resource: Resource) -> Any:
    """The resource as the reader decodes it."""
    return _DECODER.decode(json.dumps(resource))


def _with(chart: reader.Chart, observations: tuple[Any, ...]) -> reader.Chart:
    return dataclasses.replace(chart, observations=observations)
