"""Family histories to facts of blood relatives, and their features."""

import pytest

from fhir_adapters.canonical import Adapted
from tests.fixtures.resources import ICD10CM, PATIENT, SNOMED, Resource, adapted, concept, condition

ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
BIPOLAR = concept(SNOMED, "13746004")
MDD = concept(SNOMED, "370143000")


def relative(relation: Resource | str, *codes: Resource, id_: str = "f", status: str | None = "completed") -> Resource:
    """One relative and what they have."""
    return {
        "resourceType": "FamilyMemberHistory",
        "id": id_,
        "patient": {"reference": PATIENT},
        "relationship": concept(ROLE, relation) if isinstance(relation, str) else relation,
        "condition": [{"code": code} for code in codes],
        **({"status": status} if status else {}),
    }


def told(found: Adapted) -> dict[str, object]:
    """Return each family feature's value, or why it is absent."""
    names = ("family_bipolar", "family_depression", "family_suicide")
    features = {name: found.features.features[name] for name in names}
    return {name: one.value if one.status == "present" else one.reason for name, one in features.items()}


@pytest.mark.parametrize(
    ("relation", "outcome"),
    [
        ("MTH", "MTH"),
        ("NMTH", "NMTH"),
        ("PUNCLE", "PUNCLE"),
        ("HBRO", "HBRO"),
        ({"text": "Mother"}, "MTH"),
        ({"text": "maternal grandfather"}, "MGRFTH"),
        (concept("http://hl7.org/fhir/familial-relationship", "father"), "FTH"),
        (concept(SNOMED, "72705000"), "MTH"),
        (concept(SNOMED, "66839005", "Father"), "FTH"),
        ("SPS", "not-a-blood-relative"),
        ("BROINLAW", "not-a-blood-relative"),
        ("STPMTH", "not-a-blood-relative"),
        ("ADOPTF", "not-a-blood-relative"),
        ("GESTM", "not-a-blood-relative"),
        ("ONESELF", "not-a-blood-relative"),
        ("FAMMEMB", "relation-unknown"),
        ("EXT", "relation-unknown"),
        ("XYZ", "relation-unknown"),
        ({"text": "my mother-in-law's friend"}, "relation-unknown"),
        ({}, "relation-unknown"),
        ({"coding": [{"system": ROLE, "code": "MTH"}, {"system": ROLE, "code": "SPS"}]}, "relation-unknown"),
    ],
)
def test_only_blood_relatives_count(relation: Resource | str, outcome: str) -> None:
    """A blood relative by code or exact word gives facts; anybody else is refused by name."""
    found = adapted(relative(relation, BIPOLAR)).patient
    assert [one.relation for one in found.family_history] + [one.reason for one in found.refusals] == [outcome]


@pytest.mark.parametrize(
    ("history", "features"),
    [
        ([relative("MTH", BIPOLAR)], (True, False, False)),
        ([relative("MTH", MDD)], (False, True, False)),
        ([relative("FTH", concept(ICD10CM, "F32.A"))], (False, True, False)),
        ([relative("SIS", {"text": "suicide"})], (False, False, True)),
        ([relative("SIS", concept(SNOMED, "82313006"))], (False, False, True)),
        ([relative("MTH", concept(SNOMED, "22298006"))], (False, False, False)),
        ([relative("MTH"), relative("SPS", BIPOLAR, id_="g")], (False, False, False)),
    ],
)
def test_features_of_a_whole_family_history(history: list[Resource], features: tuple[bool, bool, bool]) -> None:
    """What a blood relative has is true; what a whole history does not hold is false."""
    assert tuple(told(adapted(*history)).values()) == features


@pytest.mark.parametrize(
    "open_",
    [
        relative("FTH", MDD, id_="g", status="partial"),
        relative("FTH", id_="g", status="health-unknown"),
        relative("FTH", id_="g", status="draft"),
        relative("FTH", {}, id_="g"),
        relative("FTH", {"text": "the nerves"}, id_="g"),
        relative("FTH", {"text": "possible schizophrenia"}, id_="g"),
        relative("FAMMEMB", MDD, id_="g"),
    ],
)
def test_what_is_open_makes_nothing_false(open_: Resource) -> None:
    """One relative whose record is open leaves what is not seen missing, and what is seen true."""
    found = adapted(relative("MTH", BIPOLAR), open_)
    assert found.patient.lists["family_history"] == "partial"
    assert told(found)["family_bipolar"] is True
    assert told(found)["family_suicide"] == "family_history-partial"


def test_a_mistaken_history_is_refused_and_leaves_the_rest_whole() -> None:
    """Entered in error is neither a fact nor a gap."""
    found = adapted(relative("MTH", BIPOLAR, status="entered-in-error"), relative("FTH", MDD, id_="g"))
    assert tuple(told(found).values()) == (False, True, False)


def test_without_a_family_history_nothing_is_false() -> None:
    """No FamilyMemberHistory at all leaves all three features missing by name."""
    assert set(told(adapted()).values()) == {"family_history-not-supplied"}


@pytest.mark.parametrize(
    ("code", "features"),
    [
        ({"text": "Family history of bipolar disorder"}, {"family_bipolar": True}),
        ({"text": "FH: depression"}, {"family_depression": True}),
        (concept("urn:x", "1", "Family history of suicide"), {"family_suicide": True}),
        ({"text": "No family history of bipolar disorder"}, {}),
        ({"text": "Family history of bipolar disorder or ADHD"}, {}),
        (concept(SNOMED, "312824007", "Family history of cancer of colon"), {}),
        (concept(ICD10CM, "Z81.8"), {}),
    ],
)
def test_a_problem_may_name_a_family_history(code: Resource, features: dict[str, bool]) -> None:
    """ "Family history of" and a known phrase is a family's, never the patient's own, and makes nothing false."""
    found = adapted(condition("c", code))
    assert {name: value for name, value in told(found).items() if value is True} == features
    assert all(one.keys == () for one in found.patient.diagnoses)


def test_a_named_disease_of_the_family_leaves_the_rest_false() -> None:
    """Colon cancer in the family, coded, says nothing of bipolar disorder; "nerves" in words leaves it open."""
    cancer = condition("c", concept(SNOMED, "312824007", "Family history of cancer of colon"))
    nerves = condition("c", {"text": "Family history of the nerves"})
    assert told(adapted(relative("MTH", MDD), cancer))["family_bipolar"] is False
    assert told(adapted(relative("MTH", MDD), nerves))["family_bipolar"] == "family-condition-not-named"


def test_an_unnamed_mental_disorder_in_the_family_makes_nothing_false() -> None:
    """Z81.8 beside a whole family history leaves open which disorder it was."""
    found = adapted(relative("MTH", BIPOLAR), condition("c", concept(ICD10CM, "Z81.8")))
    assert told(found) == {
        "family_bipolar": True,
        "family_depression": "family-condition-not-named",
        "family_suicide": "family-condition-not-named",
    }
