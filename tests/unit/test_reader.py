"""Reading: what becomes a chart, what is refused by name, and what is then known of each list."""

import json
from typing import Any

import pytest

from fhir_adapters.errors import InputError
from fhir_adapters.reading import reader
from fhir_adapters.reading.reader import Chart
from tests.fixtures import fhir
from tests.fixtures.fhir import Json, bundle, raw
from tests.fixtures.resources import SERTRALINE, patient, request

CLINICAL = (
    fhir.observation(),
    fhir.condition(),
    fhir.request(),
    fhir.statement(),
    fhir.medication(),
    fhir.allergy(),
    fhir.response(),
    fhir.consent(),
    fhir.family(),
)


def _read(*resources: Json) -> Chart:
    return reader.read(raw(bundle(fhir.patient(), *resources)))


def _only(chart: Chart) -> tuple[str, str, str]:
    (refusal,) = chart.refusals
    return refusal.reference, refusal.path, refusal.reason


def _prefetch(**values: Any) -> Chart:
    given = {"patient": fhir.patient(), **values}
    return reader.read_prefetch({key: raw(value) for key, value in given.items()}, "p1")


def _searchset(*resources: Json, **changes: Any) -> Json:
    return bundle(*resources, type="searchset", **changes)


# ---- envelopes


@pytest.mark.parametrize("kind", ["document", "collection", "transaction", "batch-response", "searchset", "x"])
def test_bundle_of_any_type(kind: str) -> None:
    """A Bundle of any type is read."""
    chart = reader.read(raw(bundle(fhir.patient(), *CLINICAL, type=kind)))
    assert len(chart.observations) == len(chart.conditions) == len(chart.medication_requests) == 1
    assert len(chart.medication_statements) == len(chart.allergies) == len(chart.consents) == 1
    assert len(chart.questionnaire_responses) == 1
    assert set(chart.lists.values()) == {"supplied"}
    assert (chart.refusals, chart.repairs, chart.fhir_version) == ((), {}, "R4")


def test_list_ndjson_and_bundles_in_them_read_alike() -> None:
    """The same resources as a Bundle, a list, NDJSON and a list of Bundles give the same chart."""
    resources = (fhir.patient(), *CLINICAL)
    expected = reader.read(raw(bundle(*resources)))
    lines = b"\n".join(raw(one) for one in resources)
    assert reader.read(raw(list(resources))) == expected
    assert reader.read(lines) == expected
    assert reader.read(lines.replace(b"\n", b"\r\n\r\n") + b"\n") == expected
    assert reader.read(raw([bundle(fhir.patient()), bundle(*CLINICAL)])) == expected
    assert reader.read(raw(bundle(bundle(*resources)))) == expected


def test_one_patient_alone() -> None:
    """A Patient alone is a chart without any list."""
    chart = reader.read(raw(fhir.patient()))
    assert chart.patient is not None
    assert set(chart.lists.values()) == {"not-supplied"}


def test_pretty_printed_json_is_no_ndjson() -> None:
    """Line breaks inside one JSON value do not make it NDJSON."""
    text = json.dumps(bundle(fhir.patient(), *CLINICAL), indent=2).encode()
    assert len(reader.read(text).observations) == 1


def test_types_that_we_do_not_touch_are_skipped_unread() -> None:
    """A resource of another type is not read, however broken it is."""
    chart = _read({"resourceType": "EpisodeOfCare", "id": 7, "modifierExtension": [{"url": "x"}]})
    assert chart.refusals == ()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "U-JSON-SYNTAX"),
        (b'{"resourceType": "Bundle"', "U-JSON-SYNTAX"),
        (b'{"resourceType":"Patient","id":"p1"}\n{"resourceType":', "U-JSON-SYNTAX"),
        (b"null", "U-FHIR-TYPE"),
        (b"7", "U-FHIR-TYPE"),
        (b"[]", "U-FHIR-TYPE"),
        (b"[1, 2]", "U-FHIR-TYPE"),
        (b'{"id": "p1"}', "U-FHIR-TYPE"),
        (b'{"resourceType": 4}', "U-FHIR-TYPE"),
        (b'{"resourceType": "Bundle", "entry": []}', "U-FHIR-TYPE"),
        (b'{"resourceType": "Practitioner"}', "U-FHIR-NO-PATIENT"),
        (raw(fhir.patient(birthDate=19800517)), "U-FHIR-NO-PATIENT"),
        (raw([fhir.patient(), fhir.patient(id="p2")]), "U-PATIENT-MISMATCH"),
        (raw([fhir.patient(), fhir.patient(gender="male")]), "U-PATIENT-MISMATCH"),
        (raw(bundle(fhir.patient(), *[fhir.observation()] * 2000)), "U-FHIR-ENTRIES"),
        (b'{"resourceType":"Patient","id":"p1","id":"p2"}', "U-JSON-DUPLICATE-KEY"),
    ],
)
def test_inputs_that_are_no_chart(value: bytes, code: str) -> None:
    """Bytes without one patient's FHIR in them raise a stable code."""
    with pytest.raises(InputError) as caught:
        reader.read(value)
    assert caught.value.code == code


def test_malformed_envelope_keeps_its_resources() -> None:
    """A Bundle whose envelope is wrong still gives its resources, and the lists that it fed are partial."""
    broken = bundle(fhir.patient(), fhir.allergy())
    broken["entry"][1]["fullUrl"] = 7
    chart = reader.read(raw(broken))
    assert len(chart.allergies) == 1
    assert chart.lists["allergies"] == "partial"


# ---- one bad resource


@pytest.mark.parametrize(
    ("resource", "path", "reason", "name"),
    [
        (fhir.allergy(code="citalopram"), "code", "unreadable", "allergies"),
        (fhir.allergy(code={"coding": [{"code": 7}]}), "code.coding[0].code", "unreadable", "allergies"),
        (
            fhir.observation(valueQuantity={"value": "high"}),
            "valueQuantity.value",
            "unreadable",
            "observations",
        ),
        (
            fhir.observation(valueQuantity={"value": "1e3"}),
            "valueQuantity.value",
            "unreadable",
            "observations",
        ),
        (fhir.observation(valueInteger=1.5), "valueInteger", "unreadable", "observations"),
        (
            fhir.request(category=[]) | {"dosageInstruction": "daily"},
            "dosageInstruction[0]",
            "unreadable",
            "medications",
        ),
        (
            fhir.allergy(modifierExtension=[{"url": "urn:x"}]),
            "modifierExtension",
            "modifier-extension",
            "allergies",
        ),
        (fhir.allergy(implicitRules="urn:x"), "implicitRules", "modifier-extension", "allergies"),
        (
            fhir.observation(component=[{"modifierExtension": [{"url": "urn:x"}]}]),
            "component.modifierExtension",
            "modifier-extension",
            "observations",
        ),
        (fhir.condition(subject=None), "subject", "subject-missing", "conditions"),
        (fhir.condition(subject={"display": "Ann"}), "subject", "subject-unresolved", "conditions"),
        (fhir.condition(subject={"reference": "#p"}), "subject", "subject-unresolved", "conditions"),
        (fhir.condition(subject={"reference": "urn:uuid:1"}), "subject", "subject-unresolved", "conditions"),
        (
            fhir.condition(subject={"reference": "Patient?identifier=1"}),
            "subject",
            "subject-unresolved",
            "conditions",
        ),
    ],
)
def test_unreadable_resource_makes_its_list_partial(resource: Json, path: str, reason: str, name: str) -> None:
    """What cannot be read is refused by name, its list is partial, and the other resources are read."""
    chart = _read(resource, *(one for one in CLINICAL if one["resourceType"] != resource["resourceType"]))
    assert _only(chart) == (f"{resource['resourceType']}/{resource['id']}", path, reason)
    assert chart.lists[name] == "partial"
    others = {key: state for key, state in chart.lists.items() if key != name}
    assert set(others.values()) == {"supplied"}


@pytest.mark.parametrize(
    ("resource", "path", "reason"),
    [
        (fhir.observation(status="entered-in-error"), "status", "status-entered-in-error"),
        (fhir.observation(status=" entered-in-error"), "status", "status-entered-in-error"),
        (fhir.request(status="entered-in-error"), "status", "status-entered-in-error"),
        (fhir.consent(status="entered-in-error"), "status", "status-entered-in-error"),
        (
            fhir.allergy(verificationStatus={"coding": [{"code": "entered-in-error"}]}),
            "verificationStatus",
            "status-entered-in-error",
        ),
        (
            fhir.condition(verificationStatus={"coding": [{"code": "entered-in-error"}]}),
            "verificationStatus",
            "status-entered-in-error",
        ),
        (fhir.observation(subject={"reference": "Group/1"}), "subject", "subject-not-a-patient"),
        (fhir.observation(subject={"reference": "Patient/p2"}), "subject", "subject-another-patient"),
        (
            fhir.allergy(patient={"reference": "https://x.example/Patient/p2"}),
            "patient",
            "subject-another-patient",
        ),
    ],
)
def test_refused_without_loss(resource: Json, path: str, reason: str) -> None:
    """What was never true, or is somebody else's, is refused by name and takes nothing from the list."""
    chart = _read(resource, *CLINICAL[1:], fhir.observation("o2"), fhir.allergy("a2"), fhir.condition("c2"))
    assert _only(chart) == (f"{resource['resourceType']}/{resource['id']}", path, reason)
    assert set(chart.lists.values()) == {"supplied"}


def test_two_versions_of_one_resource_are_both_refused() -> None:
    """One id with two contents is read neither way, whichever comes first, and the list is partial."""
    one, other = fhir.allergy(), fhir.allergy(code={"text": "sertraline"})
    for order in ((one, other), (other, one), (one, other, one)):
        chart = _read(*order)
        assert chart.allergies == ()
        assert _only(chart) == ("AllergyIntolerance/a1", "id", "conflicting-versions")
        assert chart.lists["allergies"] == "partial"


def test_the_same_resource_twice_is_one() -> None:
    """A resource sent twice alike stands once."""
    chart = _read(fhir.request(), fhir.request())
    assert len(chart.medication_requests) == 1
    assert chart.lists["medications"] == "supplied"


def test_an_entry_without_a_type_may_have_been_anything() -> None:
    """An entry that names no resource type makes every supplied list partial, and supplies none."""
    chart = _read({"id": "x"}, fhir.allergy())
    assert chart.lists["allergies"] == "partial"
    assert chart.lists["conditions"] == "not-supplied"


def test_an_id_that_is_none_is_not_shown() -> None:
    """An id with characters that no id has is refused and not repeated."""
    chart = _read(fhir.observation("a b/../c"))
    assert _only(chart) == ("Observation/?", "id", "id-invalid")


# ---- repairs


@pytest.mark.parametrize(
    ("resource", "repairs"),
    [
        (fhir.observation(note={"text": "fasting"}), ("wrap-list",)),
        (fhir.observation(code=[{"coding": {"code": "2951-2"}}]), ("unwrap-list", "wrap-list")),
        (fhir.observation(valueQuantity={"value": "139.5", "unit": "mmol/L"}), ("number-from-string",)),
        (fhir.observation(status="final "), ("trim",)),
        (fhir.observation(note=None), ("drop-null",)),
        (fhir.observation(valueInteger=12.0), ("integer-from-decimal",)),
    ],
)
def test_repairs_are_named(resource: Json, repairs: tuple[str, ...]) -> None:
    """A resource that is mended is read, and says what was mended."""
    chart = _read(resource)
    assert len(chart.observations) == 1
    assert chart.repairs == {"Observation/o1": repairs}
    assert chart.lists["observations"] == "supplied"


def test_a_repaired_value_is_the_value() -> None:
    """A decimal in quotes is read as that decimal, and one element in place of a list as a list of it."""
    (found,) = _read(fhir.observation(valueQuantity={"value": "139.5"}, component={"valueInteger": "2"})).observations
    assert found.valueQuantity is not None
    assert found.valueQuantity.value == 139.5
    assert [part.valueInteger for part in found.component] == [2]


def test_repairs_that_the_profile_forbids_are_not_made() -> None:
    """Without its repair a resource that needs it is refused."""
    value = raw(bundle(fhir.patient(), fhir.observation(note={"text": "fasting"})))
    chart = reader.read(value, repairs=frozenset())
    assert _only(chart) == ("Observation/o1", "note", "unreadable")


def test_a_name_never_costs_the_patient() -> None:
    """A Patient whose name cannot be read is read without it."""
    chart = reader.read(raw(fhir.patient(name=[{"family": ["van", "Dyck"]}])))
    assert chart.patient is not None
    assert chart.patient.birthDate == "1980-05-17"
    assert chart.repairs == {"Patient/p1": ("drop-name",)}


def test_nulls_that_keep_a_place_are_passed_over() -> None:
    """A null among given names keeps the place of an extension and is no name."""
    chart = reader.read(raw(fhir.patient(name=[{"given": [None, "Ann"]}])))
    assert chart.patient is not None
    assert chart.patient.name[0].given == ("Ann",)


# ---- versions

ORDER = {
    "resourceType": "MedicationOrder",
    "id": "m1",
    "status": "active",
    "patient": fhir.SUBJECT,
    "medicationCodeableConcept": {"text": "sertraline 50 MG Oral Tablet"},
}
BARE = {name: value for name, value in fhir.condition().items() if name != "clinicalStatus"}

OTHERS = [
    (ORDER, "DSTU2"),
    (fhir.statement(wasNotTaken=True), "DSTU2"),
    (fhir.condition(patient=fhir.SUBJECT), "DSTU2"),
    (fhir.allergy(substance={"text": "x"}), "DSTU2"),
    (fhir.response(group={}), "DSTU2"),
    (fhir.observation(comments="x"), "DSTU2"),
    (fhir.statement(taken="n"), "STU3"),
    (fhir.request(context={"reference": "Encounter/1"}), "STU3"),
    (fhir.request(requester={"agent": {"reference": "Practitioner/1"}}), "STU3"),
    (fhir.condition(clinicalStatus="active", context={}), "STU3"),
    (BARE | {"assertedDate": "2026"}, "STU3"),
    (fhir.allergy(verificationStatus="confirmed", clinicalStatus="active"), "STU3"),
    (fhir.observation(comment="x"), "STU3"),
    (fhir.consent() | {"except": [{}]}, "STU3"),
    (fhir.medication(isBrand=True, isOverTheCounter=False), "STU3"),
    (fhir.request(medication={"concept": {"text": "x"}}), "R5"),
    (fhir.request(status="ended"), "R5"),
    (fhir.statement(adherence={}), "R5"),
    (fhir.allergy(type={"text": "allergy"}), "R5"),
    (fhir.consent(decision="deny"), "R5"),
    (fhir.medication(doseForm={}), "R5"),
]
READ = (
    "observations",
    "conditions",
    "medication_requests",
    "medication_statements",
    "allergies",
    "questionnaire_responses",
    "consents",
)


@pytest.mark.parametrize(("resource", "version"), OTHERS)
def test_other_versions_are_told_and_read(resource: Json, version: str) -> None:
    """A resource of another version is told by its elements, read as what it says, and says where it came from."""
    if resource["resourceType"] in ("Consent", "MedicationRequest") and version == "R5":
        resource = resource | {"medicationCodeableConcept": None}
    chart = _read(resource)
    assert (chart.fhir_version, chart.refusals) == (version, ())
    kind = "MedicationRequest" if resource["resourceType"] == "MedicationOrder" else resource["resourceType"]
    assert f"from-{version.lower()}" in chart.repairs[f"{kind}/{resource['id']}"]
    assert len([one for name in READ for one in getattr(chart, name)]) + len(chart.medications) == 1


@pytest.mark.parametrize(
    ("told", "assumed", "version"),
    [
        ((), "R4", "R4"),
        ((), "DSTU2", "DSTU2"),
        ((), "STU3", "STU3"),
        ((fhir.observation("o2", comment="x"),), "R4", "STU3"),
        ((fhir.observation("o2", comments="x"),), "STU3", "DSTU2"),
        ((fhir.observation("o2", note=[{"text": "x"}], interpretation=[{}]),), "R4", "R4"),
    ],
)
def test_what_tells_no_version_follows_the_others(told: tuple[Json, ...], assumed: Any, version: str) -> None:
    """A resource that tells no version is in the one that the others tell, else in the one that is assumed."""
    chart = reader.read(raw(bundle(fhir.patient(), fhir.observation(), *told)), assumed=assumed)
    expected = () if version == "R4" else (f"from-{version.lower()}",)
    assert chart.repairs.get("Observation/o1", ()) == expected
    assert chart.fhir_version == version


def test_versions_that_disagree_are_reported() -> None:
    """Two versions in one input are both read, named in order, and reported under the Bundle."""
    chart = _read(fhir.request(reportedBoolean=True), fhir.observation(comment="x"), fhir.allergy())
    assert chart.fhir_version == "R4+STU3"
    assert _only(chart) == ("Bundle", "", "mixed-versions")
    assert "partial" not in chart.lists.values()
    assert chart.repairs == {"Observation/o1": ("from-stu3",)}


def test_a_resource_of_no_version_is_refused() -> None:
    """Elements that contradict each other make a resource unreadable, by name."""
    chart = _read(fhir.statement(wasNotTaken=False, taken="y"))
    assert _only(chart) == ("MedicationStatement/s1", "taken", "version-mixed")
    assert chart.lists["medications"] == "partial"


def test_old_orders_may_stand_alone_in_a_prefetch() -> None:
    """A MedicationOrder by itself is what the key for orders may hold."""
    assert len(_prefetch(medications=ORDER).medication_requests) == 1


def test_versions_are_told_across_prefetch_values() -> None:
    """One value in STU3 makes the values that tell nothing STU3, whatever their order."""
    value = _searchset(fhir.observation(comment="x"))
    chart = _prefetch(allergies=_searchset(fhir.allergy(clinicalStatus=None)), observations=value)
    assert chart.fhir_version == "STU3"
    assert "from-stu3" in chart.repairs["AllergyIntolerance/a1"]


@pytest.mark.parametrize(
    "resource",
    [
        fhir.request(requester={"reference": "Practitioner/1"}),
        fhir.condition(assertedDate="2026"),
        fhir.allergy(type="allergy"),
        fhir.statement(context={"reference": "Encounter/1"}),
        fhir.response(questionnaire="http://example.org/phq9"),
    ],
)
def test_r4_is_not_taken_for_another_version(resource: Json) -> None:
    """Elements that R4 shares with other versions do not make a resource one of theirs."""
    assert _read(resource).refusals == ()


# ---- whose


@pytest.mark.parametrize(
    "reference",
    ["Patient/p1", "Patient/p1/_history/3", "https://ehr.example/fhir/Patient/p1", "urn:uuid:0a1b"],
)
def test_references_to_the_patient(reference: str) -> None:
    """Relative, versioned, absolute and urn references find the Patient of the Bundle."""
    value = bundle(fhir.patient(), fhir.condition(subject={"reference": reference}))
    value["entry"][0]["fullUrl"] = "urn:uuid:0a1b"
    assert len(reader.read(raw(value)).conditions) == 1


@pytest.mark.parametrize("resource", [fhir.observation(), fhir.response()])
def test_a_subject_that_may_be_absent(resource: Json) -> None:
    """Where R4 lets the subject be absent, a resource without one in a record of one patient is theirs."""
    del resource["subject"]
    assert _read(resource).refusals == ()


def test_id_from_full_url() -> None:
    """An entry without an id has the one of its fullUrl, and says so."""
    value = bundle(fhir.patient(), fhir.observation())
    del value["entry"][1]["resource"]["id"]
    value["entry"][1]["fullUrl"] = "urn:uuid:0a1b"
    chart = reader.read(raw(value))
    assert chart.observations[0].id == "0a1b"
    assert chart.repairs == {"Observation/0a1b": ("id-from-full-url",)}


# ---- drugs in other places


def test_medications_by_every_address() -> None:
    """A Medication is found by any reference to it, and a contained one in its owner only."""
    value = bundle(
        fhir.patient(),
        fhir.medication("d1"),
        fhir.medication("d2"),
        fhir.request("m1", contained=[fhir.medication("in"), {"resourceType": "Practitioner", "id": "x"}]),
    )
    value["entry"][1]["fullUrl"] = "https://ehr.example/fhir/Medication/d1"
    value["entry"][2]["fullUrl"] = "urn:uuid:0a1b"
    chart = reader.read(raw(value))
    found = {
        reference: reader.medication_of(chart, "MedicationRequest/m1", reference)
        for reference in (
            "Medication/d1",
            "https://ehr.example/fhir/Medication/d1",
            "Medication/d1/_history/2",
            "urn:uuid:0a1b",
            "#in",
            "Medication/none",
            "#none",
            "",
        )
    }
    assert [one.id if one else None for one in found.values()] == [
        "d1",
        "d1",
        "d1",
        "d2",
        "in",
        None,
        None,
        None,
    ]
    assert reader.medication_of(chart, "MedicationRequest/m2", "#in") is None
    assert chart.lists["medications"] == "supplied"


def test_one_address_for_two_medications() -> None:
    """Two Medications under one address are both refused, whichever comes first."""
    for one, other in (("d1", "d2"), ("d2", "d1")):
        value = bundle(fhir.patient(), fhir.medication(one), fhir.medication(other), fhir.request())
        value["entry"][1]["fullUrl"] = value["entry"][2]["fullUrl"] = "urn:uuid:0a1b"
        chart = reader.read(raw(value))
        assert chart.medications == {}
        assert [refusal.reference for refusal in chart.refusals] == ["Medication/d1", "Medication/d2"]
        assert chart.lists["medications"] == "partial"


def test_owners_without_an_id_do_not_share_what_they_contain() -> None:
    """Two orders without an id that contain different drugs under one name resolve to neither."""
    orders = [fhir.request(contained=[fhir.medication("in", code={"text": text})]) for text in ("a", "b")]
    for order in orders:
        del order["id"]
    chart = _read(*orders)
    assert len(chart.medication_requests) == 2
    assert chart.medications == {}
    assert chart.lists["medications"] == "partial"


def test_medication_without_an_address() -> None:
    """A Medication that no order can refer to is refused, and takes nothing from the list."""
    drug = fhir.medication()
    del drug["id"]
    chart = _read(drug, fhir.request())
    assert _only(chart) == ("Medication/?", "id", "id-missing")
    assert chart.lists["medications"] == "supplied"


@pytest.mark.parametrize(
    ("contained", "path", "reason"),
    [
        (fhir.medication("in", code="x"), "contained.code", "unreadable"),
        (fhir.medication("in", status="entered-in-error"), "contained.status", "status-entered-in-error"),
        (fhir.medication("in", implicitRules="urn:x"), "contained.implicitRules", "modifier-extension"),
        ({"id": "in"}, "contained", "unreadable"),
    ],
)
def test_contained_medication_that_cannot_be_read(contained: Json, path: str, reason: str) -> None:
    """An unreadable contained Medication is refused under its owner, and the list is partial."""
    chart = _read(fhir.request(contained=[contained]))
    assert _only(chart) == ("MedicationRequest/m1", path, reason)
    assert chart.lists["medications"] == "partial"


CONTAINERS = (fhir.request, fhir.statement, fhir.dispense, fhir.administration, fhir.medication)


@pytest.mark.parametrize("make", CONTAINERS)
def test_medications_inside_every_container(make: Any) -> None:
    """Whatever names a drug may contain it; it is found in its owner only, read quickly or with care."""
    for wrap in ({}, {"implicitRules": None}):
        owner = make("x", contained=[fhir.medication("in")], **wrap)
        chart = _read(owner)
        reference = f"{owner['resourceType']}/x"
        found = reader.medication_of(chart, reference, "#in")
        assert found is not None
        assert found.id == "in"
        assert reader.medication_of(chart, f"{owner['resourceType']}/y", "#in") is None
        assert chart.refusals == ()


def test_a_medication_of_another_server_is_not_meant() -> None:
    """An absolute reference does not find the Medication of the same id whose own address is another."""
    value = bundle(fhir.patient(), fhir.medication("d1"), fhir.medication("d2"))
    value["entry"][1]["fullUrl"] = "https://ehr.example/fhir/Medication/d1"
    chart = reader.read(raw(value))
    found = [
        reader.medication_of(chart, "", f"https://{server}/fhir/Medication/{name}")
        for server in ("ehr.example", "other.example")
        for name in ("d1", "d2")
    ]
    assert [one.id if one else None for one in found] == ["d1", "d2", None, "d2"]


def _reported(*items: Json, **changes: Any) -> Chart:
    return _read(fhir.report(contained=list(items), **changes))


def _item(identity: str, **changes: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": identity,
        "code": {"coding": [{"display": "Feeling nervous, anxious, or on edge"}]},
        "valueCodeableConcept": {"coding": [{"code": "LA6569-3", "display": "Several days"}]},
        **changes,
    }


def test_observations_inside_a_report() -> None:
    """A contained Observation stands in the chart under its report, which says status and time where it does not."""
    chart = _reported(_item("1"), _item("2", effectiveDateTime="2026-09-01", status="preliminary"))
    first, second = chart.observations
    assert (first.id, second.id) == ("DiagnosticReport/p1#1", "DiagnosticReport/p1#2")
    assert [reader.reference_of(one) for one in chart.observations] == [first.id, second.id]
    assert (first.status, first.effectiveDateTime) == ("final", "2026-10-01")
    assert (second.status, second.effectiveDateTime) == ("preliminary", "2026-09-01")
    assert chart.repairs == {"DiagnosticReport/p1#1": ("from-report",)}
    assert chart.diagnostic_reports[0].contained == ()


@pytest.mark.parametrize(
    ("item", "changes", "count", "reason"),
    [
        (_item("1", status="entered-in-error"), {}, 0, "status-entered-in-error"),
        (_item("1"), {"status": "entered-in-error"}, 0, "status-entered-in-error"),
        (_item("1", subject={"reference": "Patient/p2"}), {}, 0, "subject-another-patient"),
        (_item("1"), {"subject": {"reference": "Patient/p2"}}, 0, "subject-another-patient"),
        (_item("1", valueInteger="x"), {}, 0, "unreadable"),
        ({"resourceType": "Specimen", "id": "s"}, {}, 0, ""),
        (_item("1", subject={"reference": "Patient/p1"}), {}, 1, ""),
    ],
)
def test_observations_inside_a_report_that_do_not_count(item: Json, changes: Json, count: int, reason: str) -> None:
    """What was never true, or is somebody else's, is refused inside a report as outside."""
    chart = _reported(item, **changes)
    assert len(chart.observations) == count
    assert [refusal.reason for refusal in chart.refusals] == ([reason] if reason else [])


# ---- other envelopes


def test_parameters_are_opened_like_a_bundle() -> None:
    """Resources in the parameters of an operation, and in their parts, are read."""
    held = [{"resource": fhir.patient()}, {"part": [{"resource": fhir.observation()}, {"valueString": "x"}]}]
    chart = reader.read(raw({"resourceType": "Parameters", "parameter": held}))
    assert len(chart.observations) == 1
    inner = {"resourceType": "Parameters", "parameter": held[1:]}
    assert reader.read(raw(bundle(fhir.patient(), inner))).observations == chart.observations


def test_parameters_that_cannot_be_opened_may_have_held_anything() -> None:
    """Malformed Parameters make every supplied list partial."""
    chart = _read({"resourceType": "Parameters", "parameter": 7}, fhir.allergy())
    assert chart.lists["allergies"] == "partial"


NUMBER = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990548609"}
IDENTIFIED = {"type": "Patient", "identifier": NUMBER}


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (IDENTIFIED, ""),
        (IDENTIFIED | {"reference": "urn:uuid:none"}, ""),
        (IDENTIFIED | {"reference": "Patient/p2"}, "subject-another-patient"),
        ({"identifier": NUMBER | {"value": "1"}}, "subject-unresolved"),
        ({"identifier": {"value": "9990548609"}}, "subject-unresolved"),
    ],
)
def test_a_subject_by_identifier(subject: Json, reason: str) -> None:
    """A subject without an address is this patient when system and value of an identifier are this patient's."""
    patient = fhir.patient(identifier=[{"value": "9990548609"}, NUMBER])
    chart = reader.read(raw(bundle(patient, fhir.request(subject=subject))))
    assert [refusal.reason for refusal in chart.refusals] == ([reason] if reason else [])


def test_an_unreadable_identifier_never_costs_the_patient() -> None:
    """A Patient whose identifier or name cannot be read is read without it."""
    chart = reader.read(raw(fhir.patient(identifier=[{"value": 7}], name="x")))
    assert chart.patient is not None
    assert chart.repairs == {"Patient/p1": ("drop-identifier", "drop-name", "wrap-list")}


def test_a_message_about_an_identified_patient() -> None:
    """A message without a Patient is about the one identifier that its subjects have in common."""
    message = bundle(fhir.dispense(subject=IDENTIFIED), {"resourceType": "MessageHeader"}, type="message")
    chart = reader.read(raw(message))
    assert (len(chart.dispenses), chart.refusals) == (1, ())
    assert chart.patient is not None
    assert chart.patient.id is None


# ---- what says that more exists


WARNING = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "processing"}]}
FATAL = {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal", "code": "exception"}]}
NOTE = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
HELD = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "suppressed"}]}
NEXT = [{"relation": "self", "url": "x"}, {"relation": "next", "url": "x"}]

INCLUDED = _searchset(fhir.condition(), fhir.condition("c2"), total=2)
INCLUDED["entry"][1]["search"] = {"mode": "include"}

MORE = {
    "total of matches": (INCLUDED, "partial"),
    "next link": (_searchset(fhir.condition(), link=NEXT), "partial"),
    "total": (_searchset(fhir.condition(), total=2), "partial"),
    "total reached": (_searchset(fhir.condition(), total=1), "supplied"),
    "warning": (_searchset(fhir.condition(), WARNING), "partial"),
    "held back": (_searchset(fhir.condition(), HELD), "partial"),
    "note": (_searchset(fhir.condition(), NOTE), "supplied"),
    "note beside a total": (_searchset(fhir.condition(), NOTE, total=1), "supplied"),
    "empty": (_searchset(), "supplied"),
    "one resource": (fhir.condition(), "supplied"),
    "null": (None, "supplied"),
    "failed": (FATAL, "not-supplied"),
    "outcome without loss": (NOTE, "partial"),
    "empty, more to come": (_searchset(link=NEXT), "partial"),
}


@pytest.mark.parametrize(("value", "state"), MORE.values(), ids=MORE)
def test_state_of_a_prefetched_list(value: Any, state: str) -> None:
    """A prefetched list is supplied whole only when nothing says that more exists."""
    assert _prefetch(conditions=value).lists["conditions"] == state


@pytest.mark.parametrize("name", ["next link", "total", "warning", "held back", "note", "total reached"])
def test_state_of_a_list_in_a_file(name: str) -> None:
    """The same signs count in a searchset that is given as a file."""
    value, state = MORE[name]
    assert reader.read(raw([fhir.patient(), value])).lists["conditions"] == state


# ---- prefetch


def test_prefetch_keys_fill_their_lists() -> None:
    """Each prefetch key fills its list; keys that are not given leave theirs not supplied."""
    chart = _prefetch(
        conditions=_searchset(fhir.condition()),
        medications=_searchset(fhir.request(), fhir.medication()),
        statements=_searchset(fhir.statement()),
        observations=_searchset(fhir.observation()),
        scores=_searchset(fhir.observation("o2")),
        responses=_searchset(fhir.response()),
        other=_searchset(fhir.allergy()),
    )
    assert chart.lists == {
        "conditions": "supplied",
        "medications": "supplied",
        "observations": "supplied",
        "allergies": "not-supplied",
        "consents": "not-supplied",
        "family_history": "not-supplied",
    }
    assert len(chart.observations) == 2
    assert len(chart.medication_statements) == 1
    assert chart.allergies == ()


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"medications": None, "statements": FATAL}, "partial"),
        ({"medications": None, "statements": None}, "supplied"),
        ({"statements": _searchset(fhir.statement())}, "partial"),
        ({"statements": _searchset()}, "not-supplied"),
        ({"medications": FATAL, "statements": _searchset(fhir.statement())}, "partial"),
        ({"medications": _searchset(fhir.request(category="x"))}, "partial"),
    ],
)
def test_second_keys_of_a_list(values: dict[str, Any], state: str) -> None:
    """The list's own key decides whether it was supplied; a second one that failed makes it partial."""
    assert _prefetch(**values).lists["medications"] == state


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"patient": None}, "U-FHIR-NO-PATIENT"),
        ({"patient": FATAL}, "U-FHIR-NO-PATIENT"),
        ({"patient": fhir.patient(id="p2")}, "U-PATIENT-MISMATCH"),
        ({"patient": fhir.condition()}, "U-FHIR-TYPE"),
        ({"conditions": fhir.patient()}, "U-FHIR-TYPE"),
        ({"conditions": 7}, "U-FHIR-TYPE"),
        ({"conditions": [fhir.condition()]}, "U-FHIR-TYPE"),
        ({"conditions": _searchset(fhir.observation())}, "U-FHIR-TYPE"),
        ({"conditions": _searchset({"resourceType": "Provenance"})}, "U-FHIR-TYPE"),
        ({"conditions": _searchset(fhir.patient(id="p2"))}, "U-PATIENT-MISMATCH"),
        (
            {"conditions": _searchset(fhir.condition(subject={"reference": "Patient/p2"}))},
            "U-PATIENT-MISMATCH",
        ),
        ({"allergies": _searchset(fhir.allergy(patient={"reference": "Patient/p2"}))}, "U-PATIENT-MISMATCH"),
        ({"observations": _searchset(*[fhir.observation()] * 2001)}, "U-FHIR-ENTRIES"),
        (
            {
                "observations": _searchset(fhir.observation(), *[{"resourceType": "Basic"}] * 1000),
                "conditions": _searchset(fhir.condition(), *[{"resourceType": "Basic"}] * 1000),
            },
            "U-FHIR-ENTRIES",
        ),
    ],
)
def test_prefetch_that_is_no_chart(values: dict[str, Any], code: str) -> None:
    """Prefetch values that are not the patient's, or no FHIR, raise a stable code."""
    with pytest.raises(InputError) as caught:
        _prefetch(**values)
    assert caught.value.code == code
    assert "p2" not in caught.value.message


def test_prefetch_values_are_checked_unless_they_were() -> None:
    """A duplicate key in a prefetch value is refused, unless the caller has checked the bytes."""
    values = {"patient": b'{"resourceType":"Patient","id":"p1","gender":"male","gender":"male"}'}
    with pytest.raises(InputError) as caught:
        reader.read_prefetch(values, "p1")
    assert caught.value.code == "U-JSON-DUPLICATE-KEY"
    assert reader.read_prefetch(values, "p1", checked=True).patient is not None


def test_a_file_about_one_subject_without_a_patient_is_read_as_that_patients() -> None:
    """One Observation alone is read for its subject, whose birth date and sex stay unknown."""
    chart = reader.read(raw(fhir.observation()))
    assert chart.patient is not None
    assert (len(chart.observations), chart.patient.birthDate, chart.patient.gender) == (1, None, None)


def test_a_file_about_two_subjects_without_a_patient_is_refused() -> None:
    """Two subjects and no Patient: nobody can say whose chart it is."""
    both = [fhir.observation(id="a"), fhir.observation(id="b", subject={"reference": "Patient/other"})]
    with pytest.raises(InputError) as caught:
        reader.read(raw(both))
    assert caught.value.code == "U-FHIR-NO-PATIENT"


def test_a_modifier_in_escaped_letters_is_seen_like_any_other() -> None:
    """JSON may write a name with escapes; a nested modifier written so is refused all the same."""
    plain = raw([fhir.patient(), fhir.observation(component=[{"modifierExtension": [{"url": "urn:x"}]}])])
    escaped = plain.replace(b"modifierExtension", b"modifierExtensio\\u006e")
    assert escaped != plain
    assert reader.read(escaped).refusals == reader.read(plain).refusals
    assert len(reader.read(escaped).refusals) == 1


@pytest.mark.parametrize("kind", ["message", "collection"])
def test_a_message_tells_of_one_event_and_no_whole_list(kind: str) -> None:
    """One prescription in a message Bundle is no medication list: what it does not hold is not absent."""
    order = request("m1", SERTRALINE)
    told = {"resourceType": "Bundle", "type": kind, "entry": [{"resource": patient()}, {"resource": order}]}
    assert reader.read(json.dumps(told).encode()).lists["medications"] == (
        "partial" if kind == "message" else "supplied"
    )
