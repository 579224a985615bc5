"""What charts as EHRs send them close: self-harm however written, unfinished answers, hidden bipolar disorder."""

from typing import Any

import pytest

from recommender.catalog import knowledge
from recommender.gate import gate_readings, gates
from tests.fixtures.resources import ICD10CM, SNOMED, adapted, concept, condition, observation, request, statement

K = knowledge.load()
MDD = condition("mdd", concept(ICD10CM, "F33.1", "Major depressive disorder, recurrent, moderate"))
WOMAN = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1997-03-12"}
LONG_AGO = {"onsetDateTime": "2020-05-01"}
LAST_WEEK = {"onsetDateTime": "2026-11-14"}


def problem(code: Any, clinical: str = "active", **fields: Any) -> Any:
    """Return a problem beside the depression."""
    return condition("c", code, clinical, **fields)


def item9(value: int, when: str, status: str = "final") -> Any:
    """Return an answer to PHQ-9 item 9."""
    return observation(f"i{when}", "44260-8", when, valueInteger=value, status=status)


def ymrs(value: float) -> Any:
    """Return a Young Mania Rating Scale that is named and not coded."""
    plain = observation("y", "0-0", "2026-11-10", valueQuantity={"value": value, "unit": "{score}"})
    return {**plain, "code": {"text": "Young Mania Rating Scale"}}


TAKES_NOTHING = statement(
    "n", concept("http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips", "no-known-medications")
)
READ = ("crisis", "insufficient-data", "out-of-scope", "escalate", "notice")
# What holds beside a row: the milder words on the same finding, and the episode of a mania with its disorder.
BESIDE = {"GC26": {"GE13"}, "GI26": {"GE21"}, "GI27": {"GE22"}, "GO04": {"GO03"}}
NO, CLOSED, OUT, CRISIS = "open", "insufficient-data", "out-of-scope", "crisis"
CASES: list[tuple[list[Any], str, str]] = [
    ([problem(concept(SNOMED, "59274003", "Intentional drug overdose"), "resolved", **LAST_WEEK)], CRISIS, "GC26"),
    ([problem(concept(SNOMED, "59274003", "Intentional drug overdose"), "resolved", **LONG_AGO)], NO, "GE13"),
    ([problem(concept(ICD10CM, "T39.1X4A"), "resolved", **LAST_WEEK)], CLOSED, "GI26"),
    ([problem(concept(ICD10CM, "T39.1X4A"), "resolved", **LONG_AGO)], NO, "GE21"),
    ([problem(concept(ICD10CM, "T39.1X1A"), **LAST_WEEK)], NO, ""),
    ([problem({"text": "Thoughts of suicide"})], CRISIS, "GC12"),
    ([problem({"text": "Intentional overdose of paracetamol"}, **LAST_WEEK)], CLOSED, "GI27"),
    ([problem({"text": "Suicide attempt 2 weeks ago"})], CLOSED, "GI27"),
    ([problem({"text": "Suicide attempt in 2019"}, "resolved", **LONG_AGO)], NO, "GE22"),
    ([problem({"text": "history of suicide attempt in 2019"})], NO, "GE22"),
    ([problem({"text": "denies suicidal ideation"})], NO, ""),
    ([problem({"text": "No suicidal ideation at present"})], NO, ""),
    ([item9(0, "2026-11-02"), item9(3, "2026-11-13", "preliminary")], CLOSED, "GI08"),
    ([item9(0, "2026-11-02"), item9(3, "2026-11-13", "entered-in-error")], NO, ""),
    ([item9(0, "2026-11-13"), item9(3, "2026-11-02", "preliminary")], NO, ""),
    ([problem(concept(ICD10CM, "F31.76"), "remission")], OUT, "GO03"),
    ([problem(concept(ICD10CM, "F30.9"), "resolved", **LONG_AGO)], OUT, "GO04"),
    ([problem(concept(ICD10CM, "F34.0"))], OUT, "GO21"),
    ([ymrs(11)], NO, ""),
    ([ymrs(12)], OUT, "GO22"),
    ([ymrs(30)], OUT, "GO23"),
    ([problem(concept(ICD10CM, "O99.340"))], OUT, "GO08"),
    ([observation("h", "2118-8", "2026-11-10", valueString="Positive")], CLOSED, "GI25"),
    ([observation("d", "11778-8", "2026-11-10", valueDateTime="2027-04-10")], CLOSED, "GI25"),
    ([request("l", {"text": "lithium carbonate 300 mg capsule"})], CLOSED, "GI29"),
    ([request("l", {"text": "lithium carbonate 300 mg capsule"}, reasonCode=[MDD["code"]])], NO, ""),
    ([request("q", {"text": "quetiapine 300 mg"}), request("l", {"text": "lamotrigine 200 mg"})], CLOSED, "GI30"),
    ([problem(concept(ICD10CM, "R44.0"))], CLOSED, "GI28"),
    ([observation("a", "75626-2", "2026-11-10", valueQuantity={"value": 11, "unit": "{score}"})], NO, "GE23"),
]


@pytest.mark.parametrize(("resources", "status", "rule"), CASES, ids=[f"{n}-{one[2]}" for n, one in enumerate(CASES)])
def test_what_a_chart_says_closes_as_it_should(resources: list[Any], status: str, rule: str) -> None:
    """Each finding closes drafting or tells somebody by its own row; what is denied or old closes nothing."""
    phq = observation("p", "44261-6", "2026-11-10", valueInteger=17)
    found = adapted(MDD, phq, TAKES_NOTHING, *resources, person=WOMAN)
    gate, _ = gates.evaluate(found.patient, found.features, K, jurisdiction="US-MA")
    chart = gate_readings.chart(found.patient, found.features, K, (), "opt-out")
    holding = {row.id for row in K.gates if row.effect in READ and gate_readings.hits(row, chart)}
    assert gate.status == status, gate.reasons
    assert holding - {"GN01", "GN02"} == ({rule} if rule else set()) | BESIDE.get(rule, set())
