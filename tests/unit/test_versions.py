"""FHIR versions: which one a resource is written in, and its R4 shape, by pairs, laws and what may never happen."""

import copy
import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.fhir_versions import versions
from fhir_adapters.fhir_versions.version_elements import ROWS, Version
from fhir_adapters.reading import wire

Json = dict[str, Any]
FOLDER = Path(__file__).parents[1] / "fixtures" / "fhir" / "versions"
OLD: dict[Version, str] = {"DSTU2": "dstu2", "STU3": "stu3", "R5": "r5"}
PAIRS: list[tuple[Version, str, Json, Json]] = [
    (version, pair["claim"], pair["old"], pair["r4"])
    for version, name in OLD.items()
    for pair in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
]
_DECODERS = {kind.__name__: msgspec.json.Decoder(kind) for kind in get_args(wire.AnyResource)}


def head(resource: Json) -> dict[str, msgspec.Raw]:
    """Return the elements of a resource, unread."""
    return msgspec.json.decode(msgspec.json.encode(resource), type=dict[str, msgspec.Raw])


def told(resource: Json) -> versions.Written:
    """Return what the elements of a resource tell."""
    return versions.written_in(resource["resourceType"], head(resource))


# ---- detection


@pytest.mark.parametrize(("version", "claim", "old", "r4"), PAIRS, ids=[f"{one[0]}: {one[1]}" for one in PAIRS])
def test_pairs_convert(version: Version, claim: str, old: Json, r4: Json) -> None:
    """A resource of an older or newer version has this R4 shape, which the R4 decoder reads or refuses on purpose."""
    before = copy.deepcopy(old)
    converted = versions.to_r4(old, version)
    assert converted == r4, claim
    assert old == before
    if "modifierExtension" not in r4:
        assert _DECODERS[r4["resourceType"]].decode(msgspec.json.encode(converted))


@pytest.mark.parametrize("written", OLD)
@pytest.mark.parametrize("r4", [pair[3] for pair in PAIRS], ids=[f"{one[0]}: {one[1]}" for one in PAIRS])
def test_r4_stays_as_it_is(written: Version, r4: Json) -> None:
    """A resource of R4 shape comes back equal, whatever version it was taken for."""
    assert versions.to_r4(r4, written) == r4


@pytest.mark.parametrize(
    ("resource", "version", "element"),
    [
        ({"resourceType": "MedicationOrder"}, "DSTU2", "resourceType"),
        ({"resourceType": "MedicationStatement", "wasNotTaken": True}, "DSTU2", "wasNotTaken"),
        ({"resourceType": "MedicationAdministration", "wasNotGiven": False}, "DSTU2", "wasNotGiven"),
        ({"resourceType": "Condition", "patient": {}, "clinicalStatus": "active"}, "DSTU2", "patient"),
        ({"resourceType": "AllergyIntolerance", "substance": {}}, "DSTU2", "substance"),
        ({"resourceType": "AllergyIntolerance", "criticality": "CRITL"}, "DSTU2", "criticality"),
        ({"resourceType": "Medication", "product": {}}, "DSTU2", "product"),
        ({"resourceType": "QuestionnaireResponse", "group": {}}, "DSTU2", "group"),
        ({"resourceType": "Observation", "comments": "x"}, "DSTU2", "comments"),
        ({"resourceType": "MedicationStatement", "taken": "n", "status": "active"}, "STU3", "taken"),
        ({"resourceType": "MedicationDispense", "notDone": True}, "STU3", "notDone"),
        ({"resourceType": "MedicationAdministration", "notGiven": True}, "STU3", "notGiven"),
        ({"resourceType": "FamilyMemberHistory", "notDone": True}, "STU3", "notDone"),
        ({"resourceType": "MedicationRequest", "requester": {"agent": {}}}, "STU3", "requester"),
        ({"resourceType": "MedicationRequest", "dosageInstruction": [{"doseQuantity": {}}]}, "STU3", "resourceType"),
        ({"resourceType": "Condition", "subject": {}, "clinicalStatus": "active"}, "STU3", "subject"),
        ({"resourceType": "AllergyIntolerance", "code": {}, "verificationStatus": "refuted"}, "STU3", ""),
        ({"resourceType": "Observation", "context": {}, "category": []}, "STU3", "context"),
        ({"resourceType": "QuestionnaireResponse", "questionnaire": {}, "item": []}, "STU3", "item"),
        ({"resourceType": "Consent", "except": []}, "STU3", "except"),
        ({"resourceType": "Condition", "assertedDate": "2017", "code": {}}, "STU3", "assertedDate"),
        ({"resourceType": "MedicationRequest", "medication": {"concept": {}}}, "R5", "medication"),
        ({"resourceType": "MedicationRequest", "status": "ended"}, "R5", "status"),
        ({"resourceType": "MedicationRequest", "dosageInstruction": [{"asNeededFor": []}]}, "R5", "dosageInstruction"),
        ({"resourceType": "MedicationStatement", "status": "recorded"}, "R5", "status"),
        ({"resourceType": "MedicationStatement", "adherence": {}}, "R5", "adherence"),
        ({"resourceType": "Medication", "ingredient": [{"item": {}}]}, "R5", "ingredient"),
        ({"resourceType": "AllergyIntolerance", "type": {}}, "R5", "type"),
        ({"resourceType": "Consent", "decision": "deny"}, "R5", "decision"),
        ({"resourceType": "Consent", "provision": []}, "R5", "provision"),
        ({"resourceType": "Condition", "participant": []}, "R5", "participant"),
    ],
)
def test_elements_tell_the_version(resource: Json, version: str | None, element: str) -> None:
    """An element, its shape or a code that one version alone has tells that version and is named."""
    written = told(resource)
    assert written.version == version
    assert not element or written.element == element


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation", "status": "final", "code": {}, "valueQuantity": {}, "encounter": {}},
        {"resourceType": "Patient", "name": [{"family": "x"}]},
        {"resourceType": "MedicationRequest", "requester": {"reference": "x"}, "medicationReference": {}},
        {"resourceType": "MedicationStatement", "context": {}, "status": "active", "medicationReference": {}},
        {"resourceType": "QuestionnaireResponse", "questionnaire": "x"},
        {"resourceType": "Encounter", "context": {}},
    ],
)
def test_nothing_told(resource: Json) -> None:
    """Elements that R4 has too do not tell another version, and R4 remains possible."""
    assert told(resource) == versions.UNTOLD


def test_a_tolerated_element_beside_what_only_r4_has_is_r4() -> None:
    """``assertedDate`` beside a status that is a concept, and a recorder, is R4 as some systems write it."""
    resource = {"resourceType": "Condition", "assertedDate": "2020", "clinicalStatus": {"coding": []}, "recorder": {}}
    assert told(resource).version == "R4"


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "MedicationStatement", "taken": "n", "adherence": {"code": {}}},
        {"resourceType": "MedicationStatement", "wasNotTaken": True, "taken": "y"},
        {"resourceType": "Consent", "decision": "permit", "except": [{"type": "deny"}]},
    ],
)
def test_mixed_versions_remain_none(resource: Json) -> None:
    """Elements that belong to different versions leave none, and no preference reads them."""
    written = told(resource)
    assert (written.version, written.remaining) == (None, frozenset())
    assert {versions.version_of(resource["resourceType"], head(resource), one) for one in versions.ALL} == {None}


@pytest.mark.parametrize(
    ("resource", "preferred", "version"),
    [
        ({"resourceType": "Patient"}, "DSTU2", "DSTU2"),
        ({"resourceType": "Patient"}, "R4B", "R4"),
        ({"resourceType": "Observation", "category": [], "encounter": {}}, "STU3", "R4"),
        ({"resourceType": "Observation", "category": [], "encounter": {}}, "R5", "R5"),
        ({"resourceType": "Observation", "hasMember": []}, "DSTU2", "R4"),
        ({"resourceType": "Observation", "related": []}, "R4", "STU3"),
        ({"resourceType": "Observation", "related": []}, "DSTU2", "DSTU2"),
        ({"resourceType": "MedicationStatement", "taken": "y"}, "R4", "STU3"),
    ],
)
def test_the_untold_follow_the_others(resource: Json, preferred: str, version: str) -> None:
    """What is not told is read as preferred where its elements allow it, else as R4 or the newest that they allow."""
    assert versions.version_of(resource["resourceType"], head(resource), preferred) == version


# ---- what may never happen

_STATUSES = ("active", "on-hold", "completed", "stopped", "intended", "recorded", "draft", "unknown", None)
_FLAGS: list[tuple[Version, str, Any]] = [
    *(("DSTU2", "wasNotTaken", value) for value in (True, "true", 1, None, [], {}, "n")),
    *(("STU3", "taken", value) for value in ("n", "unk", "na", "N", "", True, False, None, 1, ["y"], {"code": "y"})),
    *(
        ("R5", "adherence", {"code": {"coding": [{"code": code} for code in codes]}})
        for codes in (["not-taking"], ["stopped"], ["on-hold"], ["unknown"], ["x"], [], ["taking", "not-taking"])
    ),
    *(("R5", "adherence", value) for value in ({}, {"code": {"text": "taking"}}, "taking?", None, [])),
]


@pytest.mark.parametrize("status", _STATUSES)
@pytest.mark.parametrize(("version", "flag", "value"), _FLAGS)
def test_no_conversion_makes_a_drug_taken(version: Version, flag: str, value: Any, status: str | None) -> None:
    """A statement is active in R4 only where nothing beside its status takes that back or leaves it in doubt."""
    old = {"resourceType": "MedicationStatement", "status": status, flag: value}
    assert versions.to_r4(old, version).get("status") != "active"


@pytest.mark.parametrize(("status", "becomes"), [("recorded", "unknown"), ("draft", "unknown"), ("active", "active")])
def test_an_r5_statement_without_adherence(status: str, becomes: str) -> None:
    """That a statement was recorded does not say that the drug is taken."""
    assert versions.to_r4({"resourceType": "MedicationStatement", "status": status}, "R5")["status"] == becomes


@pytest.mark.parametrize(
    ("version", "kind", "flag"),
    [
        ("DSTU2", "MedicationStatement", "wasNotTaken"),
        ("DSTU2", "MedicationAdministration", "wasNotGiven"),
        ("STU3", "MedicationStatement", "taken"),
        ("STU3", "MedicationDispense", "notDone"),
        ("STU3", "MedicationAdministration", "notGiven"),
        ("STU3", "FamilyMemberHistory", "notDone"),
        ("R5", "MedicationStatement", "adherence"),
    ],
)
@pytest.mark.parametrize("value", [True, False, "n", "y", None, {"code": {"coding": [{"code": "taking"}]}}])
def test_what_is_entered_in_error_stays_so(version: Version, kind: str, flag: str, value: Any) -> None:
    """No flag lifts entered-in-error."""
    old = {"resourceType": kind, "status": "entered-in-error", flag: value}
    assert versions.to_r4(old, version)["status"] == "entered-in-error"


@pytest.mark.parametrize(
    ("code", "clinical", "verification"),
    [
        ("active", "active", None),
        ("unconfirmed", "active", "unconfirmed"),
        ("confirmed", "active", "confirmed"),
        ("inactive", "inactive", None),
        ("resolved", "resolved", None),
        ("refuted", "inactive", "refuted"),
        ("entered-in-error", None, "entered-in-error"),
        ("other", None, None),
    ],
)
def test_dstu2_allergy_statuses(code: str, clinical: str | None, verification: str | None) -> None:
    """The one DSTU2 status says both R4 statuses; one that it does not have says none, and the allergy stands."""
    found = versions.to_r4({"resourceType": "AllergyIntolerance", "status": code, "substance": {"text": "x"}}, "DSTU2")
    both = (found.get("clinicalStatus", {}), found.get("verificationStatus", {}))
    assert [status.get("coding", [{}])[0].get("code") for status in both] == [clinical, verification]
    assert found["code"] == {"text": "x"}


# ---- laws

_READ = {"status", "dosage", "contained", "provision"}
_NAMES = sorted({row.element for rows in ROWS.values() for row in rows} | _READ)
_INNER = ("agent", "code", "coding", "type", "target", "repeat", "timing", "item", "group", "question", "system")
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from(["", "active", "n", "deny", "has-member", "http://hl7.org/fhir/v3/ActCode"]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_INNER), inner, max_size=3),
    max_leaves=8,
)
_RESOURCES = st.builds(
    lambda kind, elements: {**elements, "resourceType": kind},
    st.sampled_from([*sorted(ROWS), "Encounter"]),
    st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6),
)


@given(_RESOURCES, st.sampled_from(sorted(versions.ALL)))
def test_no_json_breaks_a_conversion(resource: Json, version: Version) -> None:
    """Any JSON object of any type converts without an error, and is left as it was."""
    before = copy.deepcopy(resource)
    assert isinstance(versions.to_r4(resource, version), dict)
    assert resource == before


@given(st.dictionaries(st.text(max_size=4), _VALUES, max_size=4), st.sampled_from(sorted(versions.ALL)))
def test_no_json_without_a_type_breaks_a_conversion(resource: Json, version: Version) -> None:
    """What has no type, or one that is no text, converts without an error too."""
    assert isinstance(versions.to_r4({**resource, "resourceType": [resource]}, version), dict)


@given(_RESOURCES)
def test_what_is_told_is_among_what_remains(resource: Json) -> None:
    """Whatever the elements: one version told is the one that remains, and a preference is followed if it remains."""
    written, names = told(resource), head(resource)
    assert written.version is None or written.remaining == {written.version}
    for preferred in sorted(versions.ALL):
        chosen = versions.version_of(resource["resourceType"], names, preferred)
        assert (chosen is None) == (not written.remaining)
        assert chosen is None or chosen in written.remaining
