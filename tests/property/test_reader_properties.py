"""Laws of reading: no bytes crash it, order means nothing, and one bad entry never costs another."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_adapters import dates, terminology
from fhir_adapters.dialect.profile import load
from fhir_adapters.errors import InputError
from fhir_adapters.measuring import units
from fhir_adapters.measuring.units import UnitRefusal
from fhir_adapters.reading import quick, reader, strict_json, wire
from fhir_adapters.reading.reader import Chart
from tests.fixtures import fhir
from tests.fixtures.fhir import Json, bundle, raw

CORPUS = Path(os.environ.get("UNDERSIGN_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
BASE = load("base-r4")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
)
VALUES = st.recursive(
    SCALARS | st.sampled_from(["Patient/p1", "entered-in-error", "final", " x ", "1.5", "urn:uuid:0a1b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "coding", "system", "value", "reference", "status", "id", "url", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
MAKERS = (
    fhir.patient,
    fhir.observation,
    fhir.condition,
    fhir.request,
    fhir.medication,
    fhir.allergy,
    fhir.statement,
    fhir.response,
    fhir.consent,
    fhir.family,
    fhir.dispense,
    fhir.administration,
    fhir.report,
)
ELEMENTS = st.sampled_from(
    [
        "id",
        "status",
        "intent",
        "code",
        "subject",
        "patient",
        "contained",
        "category",
        "valueQuantity",
        "item",
        "valueInteger",
        "component",
        "dosageInstruction",
        "verificationStatus",
        "clinicalStatus",
        "resourceType",
        "medicationReference",
        "taken",
        "context",
        "modifierExtension",
        "implicitRules",
        "provision",
        "name",
        "identifier",
        "note",
        "dosage",
        "ingredient",
        "comment",
        "requester",
        "medication",
        "assertedDate",
        "wasNotTaken",
        "doseForm",
        "performer",
        "relationship",
    ]
)


@st.composite
def resources(draw: st.DrawFn) -> Json:
    """A resource with some of its elements replaced by anything."""
    resource = dict(draw(st.sampled_from(MAKERS))())
    if resource["resourceType"] != "Patient":
        resource["id"] = draw(st.sampled_from(["a", "b", "c"]))
    resource.update(draw(st.dictionaries(ELEMENTS, VALUES, max_size=2)))
    return resource


def _read(value: bytes) -> Chart | str:
    try:
        return reader.read(value)
    except InputError as error:
        return error.code


def _content(chart: Chart | str) -> Any:
    """What a chart holds, without order: structs are compared by what they say."""
    if isinstance(chart, str):
        return chart
    tuples = (
        chart.observations,
        chart.conditions,
        chart.medication_requests,
        chart.medication_statements,
        chart.allergies,
        chart.questionnaire_responses,
        chart.consents,
        chart.family_histories,
        chart.dispenses,
        chart.administrations,
        chart.diagnostic_reports,
    )
    kept = [sorted(map(msgspec.json.encode, one)) for one in tuples]
    drugs = {key: msgspec.json.encode(one) for key, one in chart.medications.items()}
    return kept, drugs, set(chart.refusals), chart.lists, chart.repairs, chart.fhir_version


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_crash_it(value: bytes) -> None:
    """Any bytes give a chart or an InputError with a stable code."""
    found = _read(value)
    assert not isinstance(found, str) or found.startswith("U-")


@given(VALUES, st.sampled_from(["patient", "conditions", "medications", "allergies"]))
def test_no_prefetch_value_crashes_it(value: Any, key: str) -> None:
    """Any JSON as a prefetch value gives a chart or an InputError."""
    try:
        reader.read_prefetch({"patient": raw(fhir.patient()), key: raw(value)}, "p1")
    except InputError:
        return


@settings(max_examples=200)
@given(st.lists(resources(), max_size=6), st.randoms(use_true_random=False))
def test_order_of_entries_means_nothing(entries: list[Json], shuffle: Any) -> None:
    """The same entries in any order give the same chart, or the same refusal of the whole."""
    turned = [fhir.patient(), *entries]
    shuffle.shuffle(turned)
    straight = _content(_read(raw(bundle(fhir.patient(), *entries))))
    other = _content(_read(raw(bundle(*turned))))
    if isinstance(straight, str) or isinstance(other, str):
        assert type(straight) is type(other)
    else:
        assert straight == other


CONTAINED = st.lists(resources(), max_size=2).map(lambda held: {"contained": held} if held else {})


@st.composite
def envelopes(draw: st.DrawFn) -> Json | list[Json]:
    """A record in a Bundle or a list, with what contains, nests, pages and does not belong."""
    entries = [fhir.patient(), *(one | draw(CONTAINED) for one in draw(st.lists(resources(), max_size=5)))]
    shape = draw(st.sampled_from(["list", "bundle", "searchset", "nested", "parameters"]))
    if shape == "list":
        return entries
    if shape == "nested":
        return bundle(*entries[:2], bundle(*entries[2:], type="searchset", total=draw(st.integers(0, 4))))
    if shape == "parameters":
        return {"resourceType": "Parameters", "parameter": [{"resource": one} for one in entries]}
    odd = draw(st.sampled_from([{}, {"resource": {"resourceType": "Practitioner"}}, {"resource": {"id": "x"}}]))
    made = bundle(*entries, type="searchset" if shape == "searchset" else "collection")
    for entry in made["entry"]:
        mode = draw(st.sampled_from([None, "match", "include", "outcome", "x"]))
        url = draw(st.sampled_from([None, "urn:uuid:0a1b", "https://ehr.example/fhir/Observation/a", 7]))
        entry.update(({"search": {"mode": mode}} if mode else {}) | ({"fullUrl": url} if url else {}))
    made["entry"].append(odd)
    return made | draw(st.sampled_from([{}, {"total": 3}, {"link": [{"relation": "next"}]}, {"total": "x"}]))


def _both_ways(read: Callable[[], Any]) -> tuple[Any, Any]:
    with patch.object(quick, "decode", return_value=None), patch.object(quick, "decode_lines", return_value=None):
        carefully = read()
    return read(), carefully


@settings(max_examples=500)
@given(envelopes())
def test_the_quick_way_reads_what_the_careful_way_does(value: Any) -> None:
    """A record read in one pass gives the same chart, or the same refusal, as one read entry by entry."""
    quickly, carefully = _both_ways(lambda: _read(raw(value)))
    assert quickly == carefully
    lines = b"\n".join(raw(one) for one in (value if isinstance(value, list) else [value, fhir.observation("z")]))
    quickly, carefully = _both_ways(lambda: _read(lines))
    assert quickly == carefully


def _prefetch(values: dict[str, bytes]) -> Chart | str:
    try:
        return reader.read_prefetch(values, "p1")
    except InputError as error:
        return error.code


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(sorted(reader.PREFETCH_KEYS)), envelopes() | resources(), max_size=4))
def test_prefetch_is_read_alike_both_ways(values: Any) -> None:
    """The same holds for the values of a hook call, whatever stands under their keys."""
    given_values = {key: raw(value) for key, value in values.items()} | {"patient": raw(fhir.patient())}
    quickly, carefully = _both_ways(lambda: _prefetch(given_values))
    assert quickly == carefully


@settings(max_examples=200)
@given(st.lists(resources(), max_size=4))
def test_one_bad_entry_never_costs_another(entries: list[Json]) -> None:
    """Beside any other entries of the same patient, a good resource is read."""
    good = fhir.observation("good")
    others = [one for one in entries if one.get("resourceType") != "Patient"]
    found = reader.read(raw(bundle(fhir.patient(), good, *others)))
    assert "good" in {one.id for one in found.observations}


@settings(max_examples=200)
@given(resources())
def test_nothing_vanishes(resource: Json) -> None:
    """A clinical resource is in the chart, or in the refusals, or its type was not one that we touch."""
    kind = resource.get("resourceType")
    if kind == "Patient" or kind not in [maker()["resourceType"] for maker in MAKERS]:
        return
    chart = reader.read(raw(bundle(fhir.patient(), resource)))
    read = (
        *chart.observations,
        *chart.conditions,
        *chart.medication_requests,
        *chart.medication_statements,
        *chart.allergies,
        *chart.questionnaire_responses,
        *chart.consents,
        *chart.family_histories,
        *chart.dispenses,
        *chart.administrations,
        *chart.diagnostic_reports,
        *chart.medications,
    )
    assert read or chart.refusals


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner)))
def test_json_that_was_written_is_accepted(value: Any) -> None:
    """Whatever json.dumps writes of finite values is strict JSON, indented or not."""
    for text in (json.dumps(value, allow_nan=False), json.dumps(value, indent=3, ensure_ascii=False)):
        if "Infinity" not in text:
            strict_json.check(text.encode())


@given(st.dictionaries(st.text('ab"\\u0', max_size=3), st.integers(), min_size=1), st.data())
def test_a_key_that_comes_twice_is_found(value: dict[str, int], data: st.DataObject) -> None:
    """An object with one of its keys repeated anywhere is refused, however the key is written."""
    again = data.draw(st.sampled_from(sorted(value)))
    escaped = "".join(f"\\u{ord(character):04x}" for character in again)
    key = data.draw(st.sampled_from([json.dumps(again), f'"{escaped}"']))
    text = json.dumps(value)[:-1] + f", {key}: 1}}"
    with pytest.raises(InputError) as caught:
        strict_json.check(f"[{text}]".encode())
    assert caught.value.code == "U-JSON-DUPLICATE-KEY"


BROKEN = st.sampled_from([b"{", b'{"a":[1', b"2]}", b"{},{}", b'{"a":1,"a":2}', b"[1e999]", b'"\xff"', b"[" * 64])


def _refusal(check: Callable[[], None]) -> str:
    try:
        check()
    except InputError as error:
        return error.code
    return ""


@settings(max_examples=300)
@given(st.lists(VALUES.map(raw) | BROKEN, max_size=5))
def test_lines_are_checked_as_each_alone_is(lines: list[bytes]) -> None:
    """Lines checked together are refused for what the first of them that is bad alone is refused for."""
    alone = [code for line in lines if (code := _refusal(lambda line=line: strict_json.check(line)))]
    together = _refusal(lambda: strict_json.check_lines(lines))
    assert bool(together) == bool(alone)
    assert together in (alone[:1] or [""])


@given(st.dates(), st.sampled_from(["%Y-%m-%d", "%Y-%m", "%Y"]))
def test_a_date_lies_within_what_is_read_of_it(day: Any, shape: str) -> None:
    """However coarse a date is written, the day lies between the first and the last that it can mean."""
    text = "-".join(day.isoformat().split("-")[: shape.count("%")])
    found = dates.parse(text)
    assert found is not None
    assert found.first <= day <= found.last


@given(st.text(max_size=12))
def test_any_text_is_a_date_or_none(text: str) -> None:
    """No text crashes the date reader."""
    found = dates.parse(text)
    assert found is None or found.first <= found.last


QUANTITIES = [analyte for analyte in terminology.load().analytes.values() if analyte.factors]


@given(st.sampled_from(QUANTITIES), st.floats(0, 1), st.data())
def test_units_of_one_analyte_agree(analyte: terminology.Analyte, place: float, data: st.DataObject) -> None:
    """A plausible value written in any unit of its analyte comes back as the same canonical value."""
    low, high = analyte.low or 0.0, analyte.high or 1.0
    canonical = low + (0.01 + 0.98 * place) * (high - low)
    unit, (factor, offset) = data.draw(st.sampled_from(sorted(analyte.factors.items())))
    found = units.convert((canonical - offset) / factor, wire.Quantity(code=unit), analyte.key, BASE)
    assert found == pytest.approx(canonical)


@given(st.sampled_from(QUANTITIES), st.text(max_size=8), st.floats(-1e6, 1e6))
def test_a_converted_value_is_plausible(analyte: terminology.Analyte, unit: str, value: float) -> None:
    """Whatever the unit text, a number that comes out lies within the analyte's bounds."""
    found = units.convert(value, wire.Quantity(unit=unit), analyte.key, BASE)
    if not isinstance(found, UnitRefusal):
        assert (analyte.low or 0) <= found <= (analyte.high or 0)


@given(st.text(max_size=40))
def test_any_text_names_known_ingredients_or_none(text: str) -> None:
    """No drug text crashes the reader or names an ingredient that is not in the tables."""
    terms = terminology.load()
    assert set(terms.ingredients_in_text(text)) <= set(terms.drug_names.values())


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus: set UNDERSIGN_CORPUS")
def test_every_corpus_file_reads_alike_both_ways() -> None:
    """Real files of every version give the same chart, or the same refusal, read quickly and with care."""
    for path in sorted(path for path in CORPUS.rglob("*") if path.suffix in {".json", ".ndjson"}):
        value = path.read_bytes()
        quickly, carefully = _both_ways(lambda value=value: _read(value))
        assert quickly == carefully, path


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus: set UNDERSIGN_CORPUS")
def test_every_corpus_file_is_read_or_refused() -> None:
    """Each file of the corpus gives a chart or a stable code, and Synthea charts lose nothing."""
    paths = sorted(path for path in CORPUS.rglob("*") if path.suffix in {".json", ".ndjson"})
    found = {path: _read(path.read_bytes()) for path in paths}
    charts = {path: chart for path, chart in found.items() if isinstance(chart, Chart)}
    assert len(charts) > 200
    synthea = [chart for path, chart in charts.items() if path.parent.name == "synthea-r4"]
    assert synthea
    assert all(not chart.refusals and chart.fhir_version == "R4" for chart in synthea)
    assert all(chart.fhir_version == "DSTU2" for path, chart in charts.items() if path.parent.name == "synthea-dstu2")
