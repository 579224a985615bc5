"""Where facts and refusals say that they come from, seen in the resources themselves."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from fhir_adapters.canonical import Adapted
from tests.fixtures.resources import (
    FIXTURES,
    LOINC,
    PATIENT,
    RXNORM,
    SERTRALINE,
    SNOMED,
    Resource,
    adapted,
    allergy,
    concept,
    condition,
    consent,
    fixture,
    observation,
    quantity,
    request,
    statement,
)

STEP = re.compile(r"([A-Za-z]+)(?:\[(\d+)\])?")
LOCAL = "urn:local"
FOLLOWED = "medicationReference.code."
OPT_OUT = concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTOUT")
PANEL = observation("panel", "44249-1", component=[{"code": concept(LOINC, "44250-9"), "valueInteger": 2}])
SHAPES: dict[str, list[Resource]] = {
    "allergen by its text": [allergy("a", {"text": "Citalopram"})],
    "allergen by its display": [allergy("a", concept(LOCAL, "1", "citalopram"))],
    "allergen of a code alone": [allergy("a", concept(LOCAL, "1"))],
    "allergen by its reaction": [allergy("a", {}, reaction=[{"substance": concept(RXNORM, "36437")}])],
    "allergen by its reaction, beside words": [
        allergy("a", {"text": "antidepressants"}, reaction=[{"substance": concept(RXNORM, "36437")}])
    ],
    "allergen by its reaction's words": [allergy("a", {}, reaction=[{"substance": {"text": "Citalopram"}}])],
    "problem by its text": [condition("c", {"text": "Asthma"})],
    "problem by its display": [condition("c", concept(LOCAL, "1", "Asthma"))],
    "problem of a code alone": [condition("c", concept(LOCAL, "1"))],
    "problem that says nothing": [condition("c", {})],
    "drug by its text": [request("m", {"text": "sertraline 50 mg tablet"})],
    "drug by its display": [request("m", concept(LOCAL, "1", "sertraline 50 mg tablet"))],
    "drug of a code alone": [request("m", concept(LOCAL, "1"))],
    "drug by reference": [
        {"resourceType": "Medication", "id": "d", "code": SERTRALINE},
        request("m", None, medicationReference={"reference": "Medication/d"}),
    ],
    "drug by a lost reference": [request("m", None, medicationReference={"reference": "Medication/lost"})],
    "drug by the reference's display": [
        request("m", None, medicationReference={"reference": "Medication/lost", "display": "sertraline 50 mg"})
    ],
    "dose of an order": [request("m", SERTRALINE, dosageInstruction=[{"text": "as directed"}])],
    "dose of a statement": [statement("m", SERTRALINE, dosage=[{"text": "as directed"}])],
    "part of a cancelled panel": [{**PANEL, "status": "cancelled"}],
    "consent by its policy alone": [consent("o", None, policyRule=OPT_OUT)],
    "consent that is a draft": [consent("o", None, status="draft")],
    "consent that denies": [consent("o", {"type": "deny"})],
    "a value and its parts": [
        observation("v", "2951-2", valueQuantity=quantity(140, "furlong")),
        observation("w", "2823-3", valueQuantity=quantity(4, "mmol/L")),
    ],
    "a smoking status": [observation("s", "72166-2", valueCodeableConcept=concept(SNOMED, "266919005"))],
}


def told(found: Adapted) -> Iterator[tuple[str, str]]:
    """Reference and path of every fact and every refusal."""
    one = found.patient
    listed = (one.diagnoses, one.medications, one.allergies, one.measurements, one.scales, one.genotypes, one.consents)
    for facts in listed:
        yield from ((fact.source.reference, fact.source.path) for fact in facts)
    yield from ((each.reference, each.path) for each in one.refusals)


def stands(resource: Resource, path: str) -> bool:
    """Say whether an element path leads to something; without an index, in any of a list."""
    held: list[Any] = [resource]
    for step in path.split("."):
        match = STEP.fullmatch(step)
        assert match, path
        held = [value[match[1]] for value in held if isinstance(value, dict) and match[1] in value]
        held = [one for value in held for one in (value if isinstance(value, list) else [value])]
        held = held[int(match[2]) :][:1] if match[2] else held
    return bool(held)


def lost(found: Adapted, resources: Iterable[Resource]) -> set[tuple[str, str]]:
    """What does not stand where it is said to; words behind an element say more of it, a reference leads on."""
    held = {f"{one['resourceType']}/{one['id']}": one for one in resources}
    said = ((reference, path.split(" ")[0]) for reference, path in told(found))
    plain = ((reference, path.split(".code.")[0] if FOLLOWED in path else path) for reference, path in said)
    return {(reference, path) for reference, path in plain if path and not stands(held[reference], path)}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_said_of_a_shape_stands_where_it_is_said_to(shape: str) -> None:
    """Each shape tells at least one fact or refusal, and every one of them names an element that the resource has."""
    found = adapted(*SHAPES[shape])
    assert any(reference != PATIENT for reference, _ in told(found))
    assert lost(found, SHAPES[shape]) == set()


@pytest.mark.parametrize("name", sorted(path.stem for path in FIXTURES.glob("*.json")))
def test_what_is_said_of_a_fixture_stands_where_it_is_said_to(name: str) -> None:
    """Every fact and refusal of every R4 fixture names an element that its resource has."""
    held = json.loads((FIXTURES / f"{name}.json").read_bytes())
    entries = held["entry"] if isinstance(held, dict) else [{"resource": one} for one in held]
    assert lost(fixture(name), [one["resource"] for one in entries]) == set()
