"""Laws of the adapters: nothing crashes them, order changes nothing, a feature stands on what it names."""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_adapters.adapt import adapt, adapt_prefetch
from fhir_adapters.canonical import Adapted, Feature
from fhir_adapters.errors import InputError
from fhir_adapters.vector.schema import BY_NAME
from tests.fixtures.resources import (
    AS_OF,
    FIXTURES,
    FREQUENCY,
    LOINC,
    MDD,
    PATIENT,
    PHQ9,
    SERTRALINE,
    Resource,
    concept,
    observation,
    patient,
    quantity,
    request,
)

FILES = sorted(FIXTURES.glob("*.json"))
DAYS = st.dates(date(2024, 1, 1), date(2027, 6, 1)).map(date.isoformat)
TIMES = st.one_of(st.none(), DAYS, DAYS.map(lambda day: f"{day}T09:30:00Z"), st.sampled_from(["2026", "2026-10", "x"]))
CODES = (
    "2951-2",
    "2823-3",
    "2160-0",
    "29463-7",
    "8302-2",
    "39156-5",
    "98979-8",
    "44261-6",
    "44260-8",
    "82810-3",
)
UNITS = ("mmol/L", "mg/dL", "kg", "cm", "{score}", "mL/min/{1.73_m2}", "furlong", "")
STATUSES = ("final", "final", "final", "amended", "cancelled", "entered-in-error", "unknown", "odd")


@st.composite
def observations(draw: st.DrawFn) -> Resource:
    """A plausible or odd Observation, without its id."""
    number = draw(st.sampled_from([0, 1, 2, 9, 16, 27, 70, 100, 140, 171, 900]))
    unit = draw(st.sampled_from(UNITS))
    value = draw(
        st.sampled_from(
            [
                {"valueQuantity": quantity(number, unit)},
                {"valueInteger": number},
                {"valueString": str(number)},
                {"valueCodeableConcept": concept(LOINC, FREQUENCY[number % 4])},
                {"dataAbsentReason": concept("x", "unknown")},
            ]
        )
    )
    code, when, status = draw(st.sampled_from(CODES)), draw(TIMES), draw(st.sampled_from(STATUSES))
    return observation("x", code, when, status=status, **value)


@st.composite
def orders(draw: st.DrawFn) -> Resource:
    """A MedicationRequest of varied status, intent, drug and dates, without its id."""
    drug = draw(st.sampled_from([SERTRALINE, {"text": "fluoxetine 20 mg"}, {"text": "herbs"}, {}]))
    return request(
        "x",
        drug,
        status=draw(st.sampled_from(["active", "stopped", "completed", "draft", "cancelled", "paused"])),
        intent=draw(st.sampled_from(["order", "plan", "proposal"])),
        authoredOn=draw(st.one_of(DAYS, st.sampled_from(["2026", "x"]))),
        dispenseRequest={"validityPeriod": {"end": draw(DAYS)}},
    )


def numbered(resources: list[Resource]) -> list[Resource]:
    """Give each resource an id."""
    return [{**one, "id": f"r{place}"} for place, one in enumerate(resources)]


def read(resources: list[Resource]) -> Adapted:
    """Adapt a patient with depression and these resources."""
    return adapt(json.dumps([patient(), MDD, *resources]).encode(), AS_OF)


CHARTS = st.lists(st.one_of(observations(), orders()), min_size=1, max_size=12).map(numbered)


@given(CHARTS, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_order_of_entries_changes_nothing(resources: list[Resource], shuffle: random.Random) -> None:
    """A shuffled chart gives the same canonical patient and the same features."""
    shuffled = list(resources)
    shuffle.shuffle(shuffled)
    assert read(shuffled) == read(resources)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_order_of_a_bundle_changes_nothing(path: Any) -> None:
    """Each fixture reversed gives the same result."""
    bundle = json.loads(path.read_bytes())
    whole = adapt(path.read_bytes(), AS_OF)
    assert adapt(json.dumps({**bundle, "entry": bundle["entry"][::-1]}).encode(), AS_OF) == whole


@given(CHARTS)
@settings(max_examples=40, deadline=None)
def test_adapting_twice_gives_the_same(resources: list[Resource]) -> None:
    """The same bytes give the same result, and a chart sent twice over is the same chart."""
    once = read(resources)
    assert read(resources) == once
    doubled = read([*resources, *resources])
    assert replace(doubled.patient, lists=once.patient.lists, refusals=()) == replace(once.patient, refusals=())


def names(feature: Feature, reference: str) -> bool:
    """Tell whether a feature's source names a resource."""
    source = feature.source
    return source is not None and reference in f"{source.reference} {source.path}".replace(";", " ").split()


@given(st.lists(observations(), min_size=2, max_size=10).map(numbered), st.data())
@settings(max_examples=120, deadline=None)
def test_removing_a_source_changes_only_what_names_it(resources: list[Resource], data: st.DataObject) -> None:
    """Without one Observation only features that named it differ, and none names it any more."""
    gone = data.draw(st.sampled_from(resources))
    rest = [one for one in resources if one is not gone]
    before, after = read(resources).features.features, read(rest).features.features
    reference = f"Observation/{gone['id']}"
    for name, feature in before.items():
        if not names(feature, reference) and "-not-supplied" not in (after[name].reason or ""):
            assert derived_from(after[name], feature, before, reference), name
        assert not names(after[name], reference)


def derived_from(after: Feature, before: Feature, features: Mapping[str, Feature], reference: str) -> bool:
    """Equal, or a computed feature of which an input named the source but the absent feature cannot."""
    inputs = {"bmi": ("weight", "height"), "crcl": ("creatinine", "weight"), "phq9_previous": ("phq9_total",)}
    inputs |= {"phq9_change": ("phq9_total", "phq9_previous")}
    through = any(names(features[name], reference) for name in inputs.get(before.name, ()))
    return after == before or (before.status != "present" and through)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 99)
    | st.text(max_size=6)
    | st.sampled_from(["final", "active", PATIENT]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "code",
                        "coding",
                        "system",
                        "status",
                        "valueQuantity",
                        "value",
                        "unit",
                        "item",
                        "linkId",
                    ),
                    *(
                        "answer",
                        "provision",
                        "type",
                        "period",
                        "start",
                        "subject",
                        "reference",
                        "component",
                        "repeat",
                    ),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def mutate(resource: Any, rng: random.Random, junk: Any) -> Any:
    """Put junk in one random place of a JSON value, or take that place away."""
    if isinstance(resource, dict) and resource and rng.random() < 0.8:
        key = rng.choice(sorted(resource))
        if rng.random() < 0.15:
            return {name: value for name, value in resource.items() if name != key}
        return {**resource, key: mutate(resource[key], rng, junk)}
    if isinstance(resource, list) and resource and rng.random() < 0.9:
        place = rng.randrange(len(resource))
        return [*resource[:place], mutate(resource[place], rng, junk), *resource[place + 1 :]]
    return junk


@given(st.sampled_from(FILES), st.lists(JSON, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_no_mutated_file_crashes(path: Any, junk: list[Any], rng: random.Random) -> None:
    """Whatever stands where in a chart, the result is an adapted patient or an InputError."""
    chart = json.loads(path.read_bytes())
    for piece in junk:
        chart = mutate(chart, rng, piece)
    with suppress(InputError):
        assert tuple(adapt(json.dumps(chart).encode(), AS_OF).features.features) == tuple(BY_NAME)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(max_examples=100, deadline=None)
def test_no_bytes_crash(raw: bytes) -> None:
    """Bytes that are no chart give an InputError."""
    with pytest.raises(InputError):
        adapt(raw, AS_OF)


@given(JSON)
@settings(max_examples=60, deadline=None)
def test_no_prefetch_value_crashes(value: Any) -> None:
    """Whatever a prefetch value holds, the result is an adapted patient or an InputError."""
    values = {"patient": json.dumps(patient()).encode(), "observations": json.dumps(value).encode()}
    with suppress(InputError):
        assert adapt_prefetch(values, "p1", AS_OF).patient.reference == "Patient/p1"


@given(st.lists(st.integers(0, 3), min_size=9, max_size=9))
@settings(max_examples=30, deadline=None)
def test_a_total_of_items_is_their_sum(scores: list[int]) -> None:
    """Whatever the nine answers, the PHQ-9 total is their sum and item 9 is the ninth code's answer."""
    found = read(
        [
            observation(f"i{place}", code, valueCodeableConcept=concept(LOINC, FREQUENCY[score]))
            for place, (code, score) in enumerate(zip(PHQ9, scores, strict=True))
        ]
    ).features
    assert found.number("phq9_total") == sum(scores)
    assert found.number("phq9_item9") == scores[-1]
