"""The dialect writers: what they write is valid, pure, from sourced codes, and shows each system's habits."""

import ast
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import pytest

from conformance.reference_ehr import dialects, patients
from conformance.reference_ehr.dialects import Resource, envelopes, tables

DAY = date(2026, 11, 22)
PEOPLE = {person.id: person.resources for person in patients.load(DAY)}
MODELS = {"STU3": "fhir.resources.STU3", "R4": "fhir.resources.R4B", "R5": "fhir.resources"}
TABLES = ("drugs", "problems", "measures", "answers", "units")
# http://hl7.org/fhir/DSTU2/<type>.html: every element of what is written in DSTU2, but those of every resource.
DSTU2_ELEMENTS = {
    "Patient": "identifier active name telecom gender birthDate deceasedBoolean deceasedDateTime address photo "
    "maritalStatus multipleBirthBoolean contact animal communication careProvider managingOrganization link",
    "Condition": "identifier patient encounter asserter dateRecorded code category clinicalStatus "
    "verificationStatus severity onsetDateTime onsetPeriod abatementDateTime stage evidence bodySite notes",
    "Observation": "identifier status category code subject encounter effectiveDateTime effectivePeriod issued "
    "performer valueQuantity valueCodeableConcept valueString dataAbsentReason interpretation comments bodySite "
    "method specimen device referenceRange related component",
    "MedicationOrder": "identifier dateWritten status dateEnded reasonEnded patient prescriber encounter "
    "reasonCodeableConcept reasonReference note medicationCodeableConcept medicationReference "
    "dosageInstruction dispenseRequest substitution priorPrescription",
    "MedicationStatement": "identifier patient informationSource dateAsserted status wasNotTaken reasonNotTaken "
    "reasonForUseCodeableConcept effectiveDateTime effectivePeriod note supportingInformation "
    "medicationCodeableConcept medicationReference dosage",
    "Medication": "code isBrand manufacturer product package",
    "AllergyIntolerance": "identifier onset recordedDate recorder patient reporter substance status criticality "
    "type category lastOccurence note reaction",
    "QuestionnaireResponse": "identifier questionnaire status subject author authored source encounter group",
    "Contract": "identifier issued applies subject authority domain type subType action actionReason actor "
    "valuedItem signer term bindingAttachment friendly legal rule",
}
EVERY = {"resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "extension"}


def written(dialect: str, patient: str = "amara-osei") -> list[Resource]:
    """One shipped patient in a dialect."""
    return dialects.write(PEOPLE[patient], dialect)


def only(dialect: str, kind: str, patient: str = "amara-osei") -> list[Resource]:
    """That patient's resources of one type."""
    return [one for one in written(dialect, patient) if one["resourceType"] == kind]


def test_the_dialects_are_the_shipped_profiles() -> None:
    """Each dialect has a profile of its name, and each profile a dialect."""
    folder = resources.files("fhir_adapters") / "profiles"
    assert set(dialects.names()) == {file.name.removesuffix(".toml") for file in folder.iterdir()}


@pytest.mark.parametrize("patient", PEOPLE)
@pytest.mark.parametrize("dialect", dialects.names())
def test_writing_changes_nothing_and_is_repeatable(dialect: str, patient: str) -> None:
    """The same chart is written alike twice, and is itself left as it was."""
    before = deepcopy(PEOPLE[patient])
    first = dialects.write(PEOPLE[patient], dialect)
    assert dialects.write(PEOPLE[patient], dialect) == first
    assert PEOPLE[patient] == before


@pytest.mark.parametrize("patient", PEOPLE)
@pytest.mark.parametrize("dialect", [name for name in dialects.names() if dialects.of(name).fhir_version in MODELS])
def test_what_is_written_is_valid_in_its_version(dialect: str, patient: str) -> None:
    """Every resource that a dialect writes satisfies the strict model of its FHIR version."""
    package = MODELS[dialects.of(dialect).fhir_version]
    for resource in dialects.write(PEOPLE[patient], dialect):
        kind = resource["resourceType"]
        model = getattr(import_module(f"{package}.{kind.lower()}"), kind)
        model.model_validate(json.loads(envelopes.dumped(resource)))


@pytest.mark.parametrize("patient", PEOPLE)
def test_dstu2_has_elements_of_dstu2_only(patient: str) -> None:
    """No resource in DSTU2 has an element that its specification does not."""
    for resource in dialects.write(PEOPLE[patient], "base-dstu2"):
        allowed = set(DSTU2_ELEMENTS[resource["resourceType"]].split()) | EVERY
        assert set(resource) <= allowed


def test_the_document_of_a_summary_is_valid_and_whole() -> None:
    """An IPS bundle starts with its Composition, and every reference into it is found in it."""
    document = json.loads(envelopes.dumped(dialects.bundle(PEOPLE["amara-osei"], "ips")))
    import_module("fhir.resources.R4B.bundle").Bundle.model_validate(document)
    assert document["entry"][0]["resource"]["resourceType"] == "Composition"
    held = {entry["fullUrl"] for entry in document["entry"]}
    assert {one for one in _references(document) if one.startswith("urn:uuid:")} <= held


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["reference"]} if isinstance(value.get("reference"), str) else set[str]()
        return own.union(*map(_references, value.values()))
    return set[str]().union(*map(_references, value)) if isinstance(value, list) else set[str]()


HABITS: dict[str, Callable[[], bool]] = {
    "epic-r4 names the drug beside a reference": lambda: all(
        "display" in one["medicationReference"] for one in only("epic-r4", "MedicationRequest")
    ),
    "epic-r4 has several RxNorm codes in one Medication": lambda: (
        len({code["code"] for code in only("epic-r4", "Medication")[0]["code"]["coding"]}) > 1
    ),
    "epic-r4 has no MedicationStatement": lambda: not only("epic-r4", "MedicationStatement"),
    "epic-r4 orders have a date without a time": lambda: all(
        len(one["authoredOn"]) == 10 for one in only("epic-r4", "MedicationRequest")
    ),
    "epic-r4 codes problems in ICD-9-CM too": lambda: any(
        code["system"].endswith("icd-9-cm") for code in only("epic-r4", "Condition")[0]["code"]["coding"]
    ),
    "epic-r4 has an OperationOutcome among its results": lambda: any(
        entry["resource"]["resourceType"] == "OperationOutcome"
        for entry in dialects.bundle(PEOPLE["amara-osei"], "epic-r4")["entry"]
    ),
    "oracle-r4 has home medications as plans": lambda: (
        "plan" in {one["intent"] for one in only("oracle-r4", "MedicationRequest")}
    ),
    "oracle-r4 has a synonym beside RxNorm": lambda: any(
        code["system"].endswith("/synonym")
        for code in only("oracle-r4", "MedicationRequest")[0]["medicationCodeableConcept"]["coding"]
    ),
    "athenahealth-r4 mixes in results entered in error": lambda: (
        "entered-in-error" in {one["status"] for one in only("athenahealth-r4", "Observation")}
    ),
    "athenahealth-r4 has laboratory units as text": lambda: all(
        "code" not in one["valueQuantity"]
        for one in only("athenahealth-r4", "Observation")
        if "valueQuantity" in one and one.get("category", [{}])[0].get("coding", [{}])[0].get("code") == "laboratory"
    ),
    "athenahealth-r4 has results named by text only": lambda: any(
        "coding" not in one["code"] for one in only("athenahealth-r4", "Observation")
    ),
    "meditech-r4 names drugs by text or NDC": lambda: all(
        not any("rxnorm" in code["system"] for code in one["medicationCodeableConcept"].get("coding", ()))
        for one in only("meditech-r4", "MedicationRequest")
    ),
    "meditech-r4 writes units in capitals": lambda: (
        {"BEATS PER MINUTE", "KILOGRAMS"}
        <= {one.get("valueQuantity", {}).get("unit") for one in only("meditech-r4", "Observation")}
    ),
    "eclinicalworks-r4 refers without a display": lambda: all(
        "display" not in one["medicationReference"] for one in only("eclinicalworks-r4", "MedicationRequest")
    ),
    "eclinicalworks-r4 does not say which orders are active": lambda: (
        {"unknown"} == {one["status"] for one in only("eclinicalworks-r4", "MedicationRequest")}
    ),
    "nextgen-r4 has dosages in words": lambda: all(
        "doseAndRate" not in dosage
        for one in only("nextgen-r4", "MedicationRequest")
        for dosage in one["dosageInstruction"]
    ),
    "openemr-r4 has the word RXCUI for a code": lambda: (
        "RXCUI"
        in {
            code["code"]
            for one in only("openemr-r4", "MedicationRequest")
            for code in one["medicationCodeableConcept"]["coding"]
        }
    ),
    "openemr-r4 hides GAD-7 in a report": lambda: bool(only("openemr-r4", "DiagnosticReport")),
    "openmrs-r4 contains its drugs": lambda: all("contained" in one for one in only("openmrs-r4", "MedicationRequest")),
    "openmrs-r4 has units without a code": lambda: all(
        "code" not in one["valueQuantity"] for one in only("openmrs-r4", "Observation") if "valueQuantity" in one
    ),
    "ips says none known by its own code": lambda: (
        only("ips", "AllergyIntolerance")[0]["code"]["coding"][0]["code"] == "no-known-allergies"
    ),
    "ips says that nothing is known of drugs": lambda: (
        only("ips", "MedicationStatement", "mia-tanaka")[0]["medicationCodeableConcept"]["coding"][0]["code"]
        == "no-medication-info"
    ),
    "uk-core has dm+d and no RxNorm": lambda: (
        [
            code["code"]
            for one in only("uk-core", "MedicationRequest")
            for code in one["medicationCodeableConcept"].get("coding", ())
        ]
        == ["321987003"]
    ),
    "uk-core has no ICD-10-CM": lambda: (
        not any("icd-10" in code["system"] for one in only("uk-core", "Condition") for code in one["code"]["coding"])
    ),
    "au-core has drugs in words": lambda: all("coding" not in one["code"] for one in only("au-core", "Medication")),
    "isik has ATC": lambda: (
        "N06AB04" in {code["code"] for one in only("isik", "Medication") for code in one["code"].get("coding", ())}
    ),
    "isik has ICD-10-GM": lambda: only("isik", "Condition")[0]["code"]["coding"][0]["system"].endswith("icd-10-gm"),
    "base-dstu2 has MedicationOrders": lambda: bool(only("base-dstu2", "MedicationOrder")),
    "base-dstu2 has groups of questions": lambda: (
        "question" in only("base-dstu2", "QuestionnaireResponse", "ingrid-novak")[0]["group"]
    ),
    "base-dstu2 has a Contract for a Consent": lambda: bool(only("base-dstu2", "Contract", "piotr-zielinski")),
    "base-stu3 says who takes what": lambda: only("base-stu3", "MedicationStatement")[0]["taken"] == "y",
    "base-stu3 keeps a denial as an exception": lambda: (
        only("base-stu3", "Consent", "piotr-zielinski")[0]["except"][0]["type"] == "deny"
    ),
    "base-r5 has CodeableReferences": lambda: "concept" in only("base-r5", "MedicationRequest")[0]["medication"],
    "base-r5 keeps a denial as the exception to a permission": lambda: (
        only("base-r5", "Consent", "piotr-zielinski")[0]["decision"] == "permit"
    ),
}


@pytest.mark.parametrize("habit", HABITS)
def test_each_dialect_shows_its_habits(habit: str) -> None:
    """What was measured of a system is there in what its writer writes."""
    assert HABITS[habit]()


def test_pages_of_fifty_hold_everything_once() -> None:
    """athenahealth's pages say no total, hold at most fifty, link to the next, and lose nothing."""
    found = dialects.pages([*PEOPLE["amara-osei"], *PEOPLE["george-papadakis"][1:]], "athenahealth-r4")
    assert len(found) > 1
    assert [len(page["entry"]) for page in found[:-1]] == [50] * (len(found) - 1)
    assert ["link" in page for page in found] == [True] * (len(found) - 1) + [False]
    assert not any("total" in page for page in found)
    held = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for page in found for e in page["entry"]]
    assert len(held) == len(set(held))


@pytest.mark.parametrize("name", TABLES)
def test_every_code_has_a_source(name: str) -> None:
    """Each row of the writers' tables names sources that are described."""
    known = {row["key"] for row in tables.rows("sources")}
    for row in tables.rows(name):
        assert row["source"], row
        assert set(row["source"].split(";")) <= known, row


def test_the_writers_know_nothing_of_the_adapters() -> None:
    """No module of the writers imports the adapters that are judged by what they write."""
    folder = Path(str(resources.files("conformance.reference_ehr.dialects")))
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            assert not any(one.startswith("fhir_adapters") for one in named), file
