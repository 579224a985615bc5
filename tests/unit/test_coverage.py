"""The coverage report: each outcome of a feature, what is counted, and what no report may hold."""

import io
import json
from collections.abc import Sequence
from datetime import date

import pytest
from rich.console import Console

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.dialect import profile
from fhir_adapters.facts import Reading
from fhir_adapters.reading import reader
from fhir_adapters.survey import feeds
from fhir_adapters.survey.coverage import OUTCOMES, Coverage, Outcome
from fhir_adapters.vector.schema import FEATURES
from service.coverage.page import print_coverage
from service.coverage.report import as_object
from tests.fixtures.fhir import (
    Json,
    allergy,
    condition,
    consent,
    family,
    observation,
    patient,
    request,
    response,
    statement,
)

DAY = date(2026, 11, 22)
BASE = profile.load("base-r4")
LOINC = "http://loinc.org"
LOCAL = {"coding": [{"system": "urn:north:lab", "code": "NA-S", "display": "Sodium"}]}
Case = tuple[list[Json], str, Outcome, str | None]


def quantity(value: float, unit: str | None) -> Json:
    """Return a Quantity without a UCUM code."""
    return {"value": value} | ({"unit": unit} if unit else {})


def tally_of(*charts: Sequence[Json]) -> Coverage:
    """Return the tally over charts, one a patient."""
    tally = Coverage(DAY, BASE.name)
    for chart in charts:
        raw = json.dumps([*chart] if any(one["resourceType"] == "Patient" for one in chart) else [patient(), *chart])
        reading = Reading(reader.read(raw.encode(), repairs=BASE.repairs), BASE, terminology.load())
        tally.add(reading, adapt_chart(reading, DAY))
    return tally


CASES: dict[str, Case] = {
    "a value that is read": ([observation()], "sodium", "fed", None),
    "a list that is whole and does not hold it": ([condition()], "ptsd", "fed", None),
    "nothing": ([observation()], "potassium", "absent", None),
    "a reason for its absence": (
        [observation(valueQuantity=None, dataAbsentReason={"coding": [{"code": "masked"}]})],
        "sodium", "absent", "data-absent-masked",
    ),
    "no Observation at all": ([condition()], "sodium", "not-supplied", "observations-not-supplied"),
    "no problem list": ([observation()], "depression", "not-supplied", "conditions-not-supplied"),
    "a local code with its name": ([observation(code=LOCAL)], "sodium", "uncoded", None),
    "a text without a code": ([observation(code={"text": "Natrium"})], "sodium", "uncoded", None),
    "a result's code that nobody knows": (
        [observation(code={"coding": [{"system": LOINC, "code": "72166-2"}]}, valueQuantity=None,
                     valueCodeableConcept={"coding": [{"system": "urn:x", "code": "1"}]})],
        "smoking_status", "uncoded", "value-code-unknown",
    ),
    "a stopped drug that nobody knows": (
        [request(status="stopped", medicationCodeableConcept={"text": "sertraline XQ"})],
        "antidepressant_trials", "uncoded", "stopped-drug-unresolved",
    ),
    "a code system under another name": (
        [observation(code={"coding": [{"system": "urn:north:loinc", "code": "2951-2"}]})],
        "sodium", "wrong-system", None,
    ),
    "a unit that nobody knows": (
        [observation(valueQuantity=quantity(139, "mmols/Ltr"))], "sodium", "wrong-unit", "unit-unknown"
    ),
    "no unit": ([observation(valueQuantity=quantity(139, None))], "sodium", "wrong-unit", "unit-missing"),
    "a value that is too old": (
        [observation(effectiveDateTime="2020-01-01")], "sodium", "stale", "older-than-365-days"
    ),
    "an old value beside a new one that is not coded": (
        [observation(effectiveDateTime="2020-01-01"), observation("o2", code=LOCAL)],
        "sodium", "uncoded", "older-than-365-days",
    ),
    "two values of one time": (
        [observation(), observation("o2", valueQuantity={**quantity(150, "mmol/L"), "code": "mmol/L"})],
        "sodium", "conflicting", "values-disagree",
    ),
    "a value that cannot be": (
        [observation(valueQuantity=quantity(1390, "mmol/L"))], "sodium", "refused", "implausible"
    ),
    "an onset that is not known": ([condition()], "chronic_depression", "refused", "onset-unknown"),
    "an input that is absent": ([observation()], "crcl", "absent", "creatinine-missing"),
    "an input that is in a wrong unit": (
        [observation(code={"coding": [{"system": LOINC, "code": "2160-0"}]}, valueQuantity=quantity(1, "mgs/Deciltr")),
         observation("o2", code={"coding": [{"system": LOINC, "code": "29463-7"}]}, valueQuantity=quantity(70, "kg"))],
        "crcl", "wrong-unit", "creatinine-refused",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_feature_has_its_outcome(case: Case) -> None:
    """A feature is fed, or it is said what became of it and why."""
    chart, feature, outcome, reason = case
    tally = tally_of(chart)
    assert dict(tally.outcomes[feature]) == {outcome: 1}
    assert reason is None or dict(tally.reasons[feature]) == {reason: 1}
    assert tally.share(feature, outcome) == 1


def test_every_outcome_has_a_case() -> None:
    """No outcome is without an example above."""
    assert {outcome for _, _, outcome, _ in CASES.values()} == set(OUTCOMES)


def test_every_feature_of_every_patient_is_counted_once() -> None:
    """The outcomes of a feature add up to the patients."""
    tally = tally_of(*(chart for chart, *_ in CASES.values()))
    assert {sum(tally.outcomes[spec.name].values()) for spec in FEATURES} == {len(CASES)}


def test_drugs_problems_and_allergies_are_counted_by_how_they_were_understood() -> None:
    """Entries that were not understood are counted by their reason, and lists by their state."""
    chart = [
        *(request(), request("m2", medicationCodeableConcept={"text": "XQ 7"})),
        *(condition(), condition("c2", code={"text": "XQ"}), condition("c3", code={"text": "Tooth ache"})),
        *(allergy(), allergy("a2", code={"text": "XQ"})),
    ]
    tally = tally_of(chart)
    assert tally.entries["medications"] == {"text": 1, "text-not-understood": 1}
    assert tally.entries["conditions"] == {"code": 1, "not-understood": 2}
    assert tally.entries["allergies"] == {"text": 1, "not-understood": 1}
    assert tally.lists["medications"] == {"supplied": 1}
    assert tally.lists["consents"] == {"not-supplied": 1}


def test_a_line_says_how_many_it_would_feed() -> None:
    """Two patients have the local code, one of them too long ago: both are read, and one more is fed."""
    tally = tally_of(
        [observation(code=LOCAL)], [observation(code=LOCAL, effectiveDateTime="2020-01-01")], [observation()]
    )
    ((line, held),) = tally.lines()
    assert line.line() == f"urn:north:lab,NA-S,{LOINC},2951-2,equivalent,"
    assert (held.patients, held.read, held.fed, held.keys) == (2, 2, 1, {"sodium"})


def test_a_line_that_reads_nothing_is_not_shown() -> None:
    """A local code whose values are no numbers would be read as nothing: there is no line."""
    tally = tally_of([observation(code=LOCAL, valueQuantity=None, valueString="see report")])
    assert tally.helps
    assert tally.lines() == []


def test_the_most_helpful_line_stands_first() -> None:
    """Lines stand by the patients whom they feed."""
    potassium: Json = {"coding": [{"system": "urn:north:lab", "code": "K", "display": "Potassium"}]}
    old: Json = {"effectiveDateTime": "2020-01-01"}
    low: Json = {"valueQuantity": quantity(4, "mmol/L")}
    tally = tally_of(
        [observation(code=LOCAL, **old)], [observation(code=LOCAL, **old)], [observation(code=potassium, **low)]
    )
    assert [one.left for one, _ in tally.lines()] == ["urn:north:lab|K", "urn:north:lab|NA-S"]


# ---- what a report may not hold

SECRETS = (
    "Quillfeather",
    "MRN-90210",
    "pat-77",
    "obs-88",
    "1961-04-03",
    "2026-10-17",
    "137.25",
    "Rx-55",
    "see Mr Quill",
)


def secret_chart() -> list[Json]:
    """Return a chart of somebody whose name, ids, dates, values and notes are all known."""
    subject = {"reference": "Patient/pat-77"}
    by_name = {"code": {"text": "Sodium"}, "valueQuantity": quantity(137.25, "mmols/Ltr")}
    items = [
        {"linkId": "q1", "text": "Little interest or pleasure in doing things", "answer": [{"valueString": "137.25"}]},
        {"linkId": "q2", "text": "Your name, see Mr Quill", "answer": [{"valueString": "Quillfeather"}]},
    ]
    return [
        patient(
            id="pat-77", birthDate="1961-04-03", name=[{"family": "Quillfeather"}],
            identifier=[{"system": "urn:mrn", "value": "MRN-90210"}],
        ),
        observation("obs-88", subject=subject, effectiveDateTime="2026-10-17", **by_name),
        observation("obs-89", subject=subject, valueQuantity=quantity(137.25, "mmols/Ltr")),
        observation("obs-90", subject=subject, valueQuantity=None, valueString="see Mr Quillfeather 137.25"),
        request("Rx-55", subject=subject, medicationCodeableConcept={"text": "sertraline for Quillfeather"}),
        statement("Rx-56", subject=subject, medicationCodeableConcept={"text": "see Mr Quill"}),
        condition("c-1", subject=subject, code={"text": "Quillfeather is sad"}, onsetDateTime="2026-10-17"),
        allergy("a-1", patient=subject, code={"text": "see Mr Quill"}),
        consent("k-1", patient=subject),
        family("f-1", patient=subject),
        response("r-1", subject=subject, item=items, authored="2026-10-17"),
    ]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_no_report_holds_a_value_or_an_identifier(secret: str) -> None:
    """Neither the page nor the JSON has a name, an id, a date, a value or a note of a patient."""
    tally = tally_of(secret_chart())
    assert tally.helps
    assert secret not in json.dumps(as_object(tally), ensure_ascii=False)
    assert secret not in page(tally, 120)


# ---- the page


def page(tally: Coverage, width: int, *, terminal: bool = True) -> str:
    """Return the page as it is printed, without colours."""
    out = io.StringIO()
    color = "standard" if terminal else None
    console = Console(
        file=out, width=width, force_terminal=terminal, color_system=color, no_color=True, highlight=False
    )
    print_coverage(console, tally)
    return out.getvalue()


def everything() -> Coverage:
    """Return the tally over all the cases, with each kind of outcome in it."""
    return tally_of(*(chart for chart, *_ in CASES.values()))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_tables_fit_a_terminal(width: int) -> None:
    """No line of a table is wider than the terminal; the lines to paste are never broken."""
    text = page(everything(), width).replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", "")
    report, _, lines = text.partition("Lines that would help")
    assert max(len(line.rstrip()) for line in report.splitlines()) <= width
    for one, _ in everything().lines():
        assert any(line.startswith(one.line().rstrip(",")) for line in lines.splitlines()), one


def test_a_pipe_gets_whole_lines_without_colours() -> None:
    """In a pipe each feature has one line with all its reasons, and no bar or colour."""
    text = page(everything(), 10_000, terminal=False)
    assert "\x1b" not in text
    assert "━" not in text
    (sodium,) = (line for line in text.splitlines() if line.startswith("sodium "))
    assert "older-than-365-days 2" in sodium
    assert "implausible 1" in sodium


def test_what_nobody_has_is_named_once() -> None:
    """Features that nobody has stand in one line of their group, whole groups in one line of the page."""
    text = page(tally_of([observation()]), 10_000, terminal=False)
    assert "nobody has " in text
    assert "Nobody has any of scales (18), problems (8), drugs (3)" in text
    assert "gad7_total" not in text


def test_every_feature_is_in_a_group() -> None:
    """No feature is left out of the page."""
    assert {feeds.group_of(spec) for spec in FEATURES} == set(feeds.GROUPS)


def test_lists_are_capped_on_a_page_and_whole_in_json() -> None:
    """Of a hundred lines a page shows thirty and says how many more there are."""
    codes = [
        {"coding": [{"system": "urn:north:lab", "code": f"N{place}", "display": "Sodium"}]} for place in range(100)
    ]
    tally = tally_of(*([observation(code=code)] for code in codes))
    text = page(tally, 10_000, terminal=False)
    assert text.count("urn:north:lab,N") == 30
    assert "70 more in --json" in text
    assert len(as_object(tally)["suggestions"]) == 100


def test_json_is_stable() -> None:
    """The same folder gives the same JSON, whatever the order of its patients."""
    charts = [chart for chart, *_ in CASES.values()]
    first, second = as_object(tally_of(*charts)), as_object(tally_of(*reversed(charts)))
    assert json.dumps(first) == json.dumps(second)
