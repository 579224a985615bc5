"""Conditions to diagnoses."""

from datetime import date

import pytest

from tests.fixtures.resources import ICD10CM, SNOMED, Resource, adapted, concept, condition, fixture

MDD_CODE = concept(ICD10CM, "F33.1")


@pytest.mark.parametrize(
    ("clinical", "active"),
    [
        ("active", True),
        ("recurrence", True),
        ("relapse", True),
        ("inactive", False),
        ("remission", False),
        ("resolved", False),
    ],
)
def test_the_clinical_status_says_whether_a_problem_is_active(clinical: str, active: bool) -> None:
    """Active, recurrence and relapse are active; inactive, remission and resolved are not."""
    (found,) = adapted(condition("c", MDD_CODE, clinical)).patient.diagnoses
    assert found.active is active


@pytest.mark.parametrize(
    ("clinical", "repair"), [(None, "clinical-status-missing"), ("sometimes", "clinical-status-unknown")]
)
def test_a_problem_without_a_readable_status_is_active(clinical: str | None, repair: str) -> None:
    """A missing or unknown clinical status counts as active and says so."""
    (found,) = adapted(condition("c", MDD_CODE, clinical)).patient.diagnoses
    assert found.active
    assert repair in found.source.repairs


def test_a_problem_with_an_end_and_no_status_is_over() -> None:
    """An abatement without a clinical status makes the problem inactive."""
    (found,) = adapted(condition("c", MDD_CODE, None, abatementDateTime="2020-01-01")).patient.diagnoses
    assert not found.active


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error"])
def test_a_wrong_condition_is_no_diagnosis(verification: str) -> None:
    """Refuted and mistaken Conditions are refused."""
    found = adapted(condition("c", MDD_CODE, verificationStatus=concept("x", verification))).patient
    assert found.diagnoses == ()
    assert len(found.refusals) == 1


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (concept(ICD10CM, "F33.1"), "mdd"),
        (concept(ICD10CM, "F331"), "mdd"),
        (concept(SNOMED, "370143000"), "mdd"),
        (concept("urn:oid:2.16.840.1.113883.6.96", "370143000"), "mdd"),
        (concept(SNOMED, "21897009"), "gad"),
        ({"coding": [{"system": "urn:x", "code": "1"}, {"system": ICD10CM, "code": "F43.10"}]}, "ptsd"),
    ],
)
def test_a_problem_is_known_by_any_of_its_codes(code: Resource, key: str) -> None:
    """SNOMED CT and ICD-10-CM, with or without its dot, give the key."""
    (found,) = adapted(condition("c", code)).patient.diagnoses
    assert key in found.keys


@pytest.mark.parametrize("code", [concept(SNOMED, "57019003", "Verruca plana"), {"text": "low mood"}])
def test_a_problem_that_no_table_knows_stays(code: Resource) -> None:
    """An unmapped or uncoded problem is a diagnosis without keys."""
    (found,) = adapted(condition("c", code)).patient.diagnoses
    assert found.keys == ()
    assert found.text


def test_a_condition_without_code_and_text_leaves_the_list_incomplete() -> None:
    """A Condition that says nothing is refused, and the problem list is then partial."""
    found = adapted(condition("c", {})).patient
    assert found.diagnoses == ()
    assert found.lists["conditions"] == "partial"


def test_a_partial_onset_is_its_first_day_and_says_so() -> None:
    """An onset of 2022 is 2022-01-01 with the repair onset-not-exact."""
    (found,) = adapted(condition("c", MDD_CODE, onsetDateTime="2022")).patient.diagnoses
    assert found.onset == date(2022, 1, 1)
    assert "onset-not-exact" in found.source.repairs


def test_the_fixture_of_shapes() -> None:
    """Of six Conditions four are diagnoses, an encounter diagnosis among them, and two are refused."""
    found = fixture("conditions_shapes").patient
    assert {one.source.reference.split("/")[1]: one.active for one in found.diagnoses} == {
        "mdd": True,
        "gad-old": False,
        "ptsd": True,
        "wart": True,
    }
    assert {one.reference for one in found.refusals} == {"Condition/refuted", "Condition/error"}
