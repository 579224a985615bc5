"""Security labels: what a draft inherits of the chart that it was made from."""

from typing import Any

import pytest

from fhir_adapters.canonical import Label
from fhir_adapters.labels import ACT_CODE, CONFIDENTIALITY
from recommender import drafts
from recommender.assessment import Candidate, Dose
from tests.factories import patient
from tests.fixtures.resources import SERTRALINE, Resource, adapted, observation, quantity, request

PART2 = "42CFRPart2"


def labelled(resource: Resource, *labels: tuple[str, str]) -> Resource:
    """Return the resource with security labels."""
    return {**resource, "meta": {"security": [{"system": system, "code": code} for system, code in labels]}}


def sodium(ident: str, *labels: tuple[str, str]) -> Resource:
    """Return a labelled sodium."""
    return labelled(observation(ident, "2951-2", valueQuantity=quantity(140, "mmol/L")), *labels)


@pytest.mark.parametrize(
    ("levels", "highest"),
    [("N", "N"), ("NR", "R"), ("RN", "R"), ("ULMNRV", "V"), ("UL", "L"), ("MN", "N"), ("VV", "V")],
)
def test_what_is_made_is_as_confidential_as_the_most_confidential_input(levels: str, highest: str) -> None:
    """Of several levels of confidentiality only the highest is inherited."""
    chart = [sodium(f"o{place}", (CONFIDENTIALITY, level)) for place, level in enumerate(levels)]
    assert adapted(*chart).patient.labels == (Label(CONFIDENTIALITY, highest),)


def test_every_sensitivity_is_inherited_and_none_is_ranked_away() -> None:
    """Labels that are no level stand beside each other, by system and code."""
    found = adapted(
        sodium("a", (ACT_CODE, "PSY"), (ACT_CODE, "ETH")),
        labelled(request("b", SERTRALINE), (ACT_CODE, "SUD"), (ACT_CODE, "ETH")),
    ).patient.labels
    assert [one.code for one in found] == ["ETH", "PSY", "SUD"]


def test_what_may_not_be_passed_on_unsaid_is_named() -> None:
    """The resources under 42 CFR Part 2 are named; those of a sensitivity alone are not."""
    found = adapted(sodium("a", (ACT_CODE, PART2), (ACT_CODE, "SUD")), sodium("b", (ACT_CODE, PART2))).patient.labels
    assert {one.code: one.references for one in found} == {
        PART2: ("Observation/a", "Observation/b"),
        "SUD": (),
    }


def test_the_systems_of_older_versions_are_read_as_the_same() -> None:
    """A label as DSTU2 and STU3 write it is the label of R4."""
    assert adapted(sodium("a", ("http://hl7.org/fhir/v3/ActCode", "PSY"))).patient.labels == (Label(ACT_CODE, "PSY"),)


def test_who_asserted_an_input_is_not_said_of_what_is_made() -> None:
    """An input's AIAST or CLINAST is its own."""
    asserted = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
    assert adapted(sodium("a", (asserted, "CLINAST"))).patient.labels == ()


def test_labels_that_cannot_be_read_are_refused_by_name_and_the_resource_is_read() -> None:
    """A security element of another form costs the label, never the fact."""
    found = adapted({**sodium("a"), "meta": {"security": "secret"}}).patient
    assert [one.key for one in found.measurements] == ["sodium"]
    assert [(one.reference, one.path, one.reason) for one in found.refusals] == [
        ("Observation/a", "meta.security", "unreadable")
    ]


def test_a_label_changes_no_feature() -> None:
    """The feature vector is the same with labels and without."""
    with_labels, without = adapted(sodium("a", (ACT_CODE, PART2))), adapted(sodium("a"))
    assert with_labels.features == without.features


def test_a_draft_has_the_labels_beside_that_of_the_ai() -> None:
    """A draft is labelled AIAST first, then as its inputs were."""
    dose = Dose(50, 200, 1, (), "", "312940", "sertraline 50 MG Oral Tablet", 50)
    candidate = Candidate("sertraline", "36437", "offered", "none", (), dose=dose)
    person = patient(labels=(Label(ACT_CODE, PART2, None, ("Observation/a",)), Label(CONFIDENTIALITY, "R")))
    made: dict[str, Any] = drafts.build(
        candidate, person, replaces=(), authored_on="2026-11-22", facts=(), requester=None
    )
    assert [one["code"] for one in made["meta"]["security"]] == ["AIAST", PART2, "R"]
    assert all(set(one) <= {"system", "code", "display"} for one in made["meta"]["security"])
