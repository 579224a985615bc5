"""From a draft to the exact bytes that are signed."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_adapters.errors import InputError, UndersignError
from service.drafts.canonical_json import digest, dumps, load_object
from service.drafts.order import dosages
from service.drafts.records import Draft, Prepared, Signature
from service.drafts.signature import orders, signing
from service.drafts.trail import verification
from service.errors import ServiceError, Unprocessable
from tests.contract.samples import EHR, PUBLIC_URL, START, dosage, held_draft, practitioner

UCUM = "http://unitsofmeasure.org"


def prepare(draft: Draft, edit: dict[str, Any] | bytes | None = None) -> Prepared:
    """Prepare as the first practitioner."""
    raw = dumps(edit) if isinstance(edit, dict) else edit
    return orders.prepare(draft, raw, practitioner(), EHR, PUBLIC_URL, START)


def edit_of(draft: Draft, **changes: Any) -> dict[str, Any]:
    """Return the draft as somebody edited it."""
    return {**load_object(draft.resource), **changes}


def code_of(act: Callable[[], object]) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(UndersignError) as caught:
        act()
    return caught.value.code


def test_the_order_holds_draft_version_time_practitioner_and_tenant():
    """What a signature must bind is inside the bytes that are signed."""
    draft = held_draft()
    prepared = prepare(draft)
    order = load_object(prepared.order)
    assert order["status"] == "active"
    assert order["intent"] == "order"
    assert order["requester"] == {"reference": "Practitioner/p1", "display": "Dr Example 1"}
    assert order["authoredOn"] == "2026-11-22T10:00:00.000Z"
    assert order["basedOn"] == [{"reference": f"{PUBLIC_URL}/fhir/MedicationRequest/{draft.id}/_history/1"}]
    assert order["identifier"] == [
        {"system": f"{PUBLIC_URL}/fhir/NamingSystem/order/north", "value": prepared.order_id}
    ]
    assert orders.order_identifier(prepared.order) == (
        f"{PUBLIC_URL}/fhir/NamingSystem/order/north",
        prepared.order_id,
    )
    assert [label["code"] for label in order["meta"]["security"]] == ["AIAST", "CLINAST"]


def test_the_bytes_are_canonical_and_their_digest_is_given():
    """The prepared bytes are their own canonical form, and the digest is theirs."""
    prepared = prepare(held_draft())
    assert dumps(load_object(prepared.order)) == prepared.order
    assert prepared.digest == digest(prepared.order)


def test_what_belongs_to_the_draft_stays_with_it():
    """Id, narrative, stored metadata and the AI's own notes are not carried into the order."""
    meta = {"versionId": "3", "lastUpdated": "2026-11-22T10:00:00Z", "profile": ["https://example.org/p"]}
    text = {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}
    order = load_object(prepare(held_draft(meta=meta, text=text)).order)
    assert not {"id", "text", "note"} & set(order)
    assert set(order["meta"]) == {"profile", "security"}


def test_a_dose_keeps_its_digits():
    """0.50 mg is signed as 0.50, not as 0.5."""
    raw = dumps({"dosageInstruction": [dosage(Decimal("0.50"))]})
    assert b'"value":0.50}' in prepare(held_draft(dosageInstruction=load_object(raw)["dosageInstruction"])).order


def test_two_prepared_orders_are_never_the_same():
    """Each preparation has an order id of its own."""
    draft = held_draft()
    assert prepare(draft).order_id != prepare(draft).order_id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"dosageInstruction": None}, "U-ORDER-INCOMPLETE"),
        ({"dosageInstruction": []}, "U-ORDER-INCOMPLETE"),
        ({"dosageInstruction": [{"text": "50 mg daily"}]}, "U-ORDER-INCOMPLETE"),
        ({"dosageInstruction": [dosage(timing={"code": {"text": "BID"}})]}, "U-ORDER-INCOMPLETE"),
        ({"dosageInstruction": [dosage(doseAndRate=[{}])]}, "U-ORDER-INCOMPLETE"),
        ({"dosageInstruction": [dosage(timing={"repeat": {"frequency": 1}})]}, "U-ORDER-INCOMPLETE"),
        ({"dosageInstruction": [dosage(0)]}, "U-ORDER-DOSE"),
        ({"dosageInstruction": [dosage(-50)]}, "U-ORDER-DOSE"),
        ({"dosageInstruction": [dosage("50")]}, "U-ORDER-DOSE"),
        ({"dosageInstruction": [dosage(True)]}, "U-ORDER-DOSE"),
        (
            {"dosageInstruction": [dosage(timing={"repeat": {"frequency": 0, "period": 1, "periodUnit": "d"}})]},
            "U-ORDER-DOSE",
        ),
        (
            {"dosageInstruction": [dosage(timing={"repeat": {"frequency": 1, "period": 1, "periodUnit": "x"}})]},
            "U-ORDER-DOSE",
        ),
        ({"dosageInstruction": [dosage(doseAndRate=[{"rateQuantity": {"value": 1}}])]}, "U-ORDER-DOSE"),
        (
            {
                "dosageInstruction": [
                    dosage(doseAndRate=[{"doseQuantity": {"value": 1, "system": UCUM, "code": "{tablet}"}}])
                ]
            },
            "U-ORDER-DOSE",
        ),
        ({"dispenseRequest": {"quantity": {"value": -30}}}, "U-ORDER-DOSE"),
        ({"dispenseRequest": {"numberOfRepeatsAllowed": -1}}, "U-ORDER-DOSE"),
        ({"dispenseRequest": "thirty"}, "U-ORDER-INVALID"),
        ({"subject": {}}, "U-ORDER-INVALID"),
        ({"subject": {"reference": "Group/g"}}, "U-ORDER-INVALID"),
        ({"subject": {"reference": "Patient/somebody-else"}}, "U-ORDER-INVALID"),
        ({"subject": {"reference": "http://169.254.169.254/latest"}}, "U-ORDER-INVALID"),
        ({"doNotPerform": True}, "U-ORDER-INVALID"),
        ({"modifierExtension": [{"url": "https://example.org/x", "valueBoolean": True}]}, "U-ORDER-ELEMENT"),
        ({"medicationCodeableConcept": {"text": "sertraline"}}, "U-ORDER-INVALID"),
        ({"medicationCodeableConcept": None}, "U-ORDER-INVALID"),
        ({"medicationReference": {"reference": "Medication/m"}}, "U-ORDER-INVALID"),
        ({"reasonReference": [{"reference": "javascript:alert(1)"}]}, "U-ORDER-INVALID"),
        ({"dosageInstruction": [dosage(text="50 mg\u202e daily")]}, "U-ORDER-INVALID"),
        ({"dosageInstruction": [dosage(text="  ")]}, "U-ORDER-INVALID"),
        ({"dosageInstruction": [dosage(text="50\x00")]}, "U-ORDER-INVALID"),
        ({"unknownElement": "x"}, "U-ORDER-ELEMENT"),
        ({"contained": [{"resourceType": "Patient"}]}, "U-ORDER-ELEMENT"),
    ],
)
def test_an_order_that_nobody_should_sign_is_refused_by_name(changes: dict[str, Any], code: str):
    """Incomplete, impossible and misleading orders are refused, whatever the models let through."""
    assert code_of(lambda: prepare(held_draft(**changes))) == code


def test_a_refusal_names_the_element_and_never_its_value():
    """The message of a refusal says where, not what."""
    with pytest.raises(Unprocessable) as caught:
        prepare(held_draft(reasonReference=[{"reference": "secret value"}]))
    assert "reasonReference.reference" in caught.value.message
    assert "secret" not in str(caught.value)


def test_a_model_fault_names_the_element_and_never_its_value():
    """What the R4B models refuse is told without the value either."""
    with pytest.raises(Unprocessable) as caught:
        prepare(held_draft(dispenseRequest={"validityPeriod": {"start": "secret value"}}))
    assert caught.value.code == "U-ORDER-INVALID"
    assert "dispenseRequest.validityPeriod.start" in caught.value.message
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("medicationCodeableConcept", {"text": "another"}),
        ("subject", {"reference": "Patient/other"}),
        ("requester", {"reference": "Practitioner/p9"}),
        ("status", "active"),
        ("intent", "order"),
        ("resourceType", "ServiceRequest"),
        ("id", "other"),
        ("reasonReference", []),
        ("priority", "stat"),
        ("identifier", [{"value": "mine"}]),
    ],
)
def test_a_signer_may_not_change_what_the_assessment_rests_on(name: str, value: object):
    """Any element but dosage, supply and notes is refused by its name."""
    draft = held_draft()
    with pytest.raises(Unprocessable) as caught:
        prepare(draft, edit_of(draft, **{name: value}))
    assert caught.value.code == "U-ORDER-FIELD"
    assert name in caught.value.message


def test_a_missing_element_is_a_change_too():
    """An edit that leaves the medication out does not pass."""
    draft = held_draft()
    edit = edit_of(draft)
    del edit["medicationCodeableConcept"]
    assert code_of(lambda: prepare(draft, edit)) == "U-ORDER-FIELD"


def test_an_edit_that_changes_nothing_is_no_new_version():
    """The draft sent back as it was, with a server's metadata and narrative, is not an edit."""
    draft = held_draft()
    edit = edit_of(draft, meta={"versionId": "1"}, text={"status": "empty", "div": "<div/>"})
    assert orders.edited(draft, dumps(edit), "Practitioner/p1") is None
    assert prepare(draft, edit).version == 1


def test_an_edited_dose_makes_the_next_version_with_a_text_that_says_it():
    """A text left from the old dose would contradict the new one: it is written anew."""
    draft = held_draft()
    edit = edit_of(draft)
    edit["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 75
    prepared = prepare(draft, edit)
    order = load_object(prepared.order)
    assert prepared.version == 2
    assert order["basedOn"][0]["reference"].endswith(f"{draft.id}/_history/2")
    assert order["dosageInstruction"][0]["text"] == "75 mg by mouth once every day"
    stored = orders.edited(draft, dumps(edit), "Practitioner/p1")
    assert stored is not None
    assert load_object(stored)["status"] == "draft"
    assert dosages.mg_per_day(load_object(stored)["dosageInstruction"]) == 75


@pytest.mark.parametrize(
    ("mg", "text", "written"),
    [
        (100, "50 mg by mouth once a day", "100 mg by mouth once every day"),
        (100, "400 mg three times a day", "100 mg by mouth once every day"),
        (50, "400 mg three times a day", "50 mg by mouth once a day"),
    ],
)
def test_the_text_of_a_dose_is_never_a_signers(mg: int, text: str, written: str):
    """Words that were sent with a dose, old or new, give way to those of its coded part."""
    draft = held_draft()
    order = load_object(prepare(draft, edit_of(draft, dosageInstruction=[dosage(mg, text=text)])).order)
    assert order["dosageInstruction"][0]["text"] == written


@pytest.mark.parametrize(
    "route", [None, {"text": "intravenous"}, {"text": "by mouth", "coding": [{"code": "47625008"}]}, "by mouth"]
)
def test_the_route_is_the_drafts(route: object):
    """Another route, with other words or another code, belongs to another product and is no edit."""
    draft, changed = held_draft(), dosage(100)
    changed |= {"route": route}
    given = {name: value for name, value in changed.items() if value is not None}
    with pytest.raises(Unprocessable) as caught:
        prepare(draft, edit_of(draft, dosageInstruction=[given]))
    assert caught.value.code == "U-ORDER-FIELD"
    assert "dosageInstruction.route" in caught.value.message


def test_a_taper_that_does_not_say_how_long_a_step_lasts_is_not_prepared():
    """Steps that follow each other are taken into an order only where each but the last says when it ends."""
    draft = held_draft()
    steps = [dosage(50, sequence=1), dosage(25, sequence=2)]
    assert code_of(lambda: prepare(draft, edit_of(draft, dosageInstruction=steps))) == "U-ORDER-INCOMPLETE"


def test_a_signers_note_goes_into_the_order_under_the_signers_name():
    """Only notes that a person wrote are ordered; whoever the edit claims, the signer is their author."""
    draft = held_draft()
    notes = [*load_object(draft.resource)["note"], {"text": "start low", "authorString": "somebody"}]
    order = load_object(prepare(draft, edit_of(draft, note=notes)).order)
    assert order["note"] == [{"text": "start low", "authorReference": {"reference": "Practitioner/p1"}}]


@pytest.mark.parametrize("note", ["text", [], {}, 1])
def test_notes_of_another_shape_are_refused(note: object):
    """A note that is no list of annotations is refused, not dropped."""
    draft = held_draft()
    assert code_of(lambda: prepare(draft, edit_of(draft, note=note))) == "U-ORDER-FIELD"


@pytest.mark.parametrize(
    ("raw", "code"), [(b"{", "U-JSON-SYNTAX"), (b"[]", "U-JSON-SYNTAX"), (b"\xff", "U-JSON-ENCODING")]
)
def test_an_edit_that_is_not_json_is_refused(raw: bytes, code: str):
    """Bytes that are no JSON object have the same codes as everywhere."""
    with pytest.raises(InputError) as caught:
        prepare(held_draft(), raw)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        (["sodium", "bleeding"], True),
        (["bleeding", "sodium"], True),
        (["sodium"], False),
        ([], False),
        (["sodium", "bleeding", "more"], False),
    ],
)
def test_exactly_what_was_shown_must_be_acknowledged(given: list[str], passes: bool):
    """Too few or unknown acknowledgements are refused, in any order the right ones pass."""
    prepared = prepare(held_draft(acknowledge=["sodium", "bleeding"]))
    if passes:
        orders.check_acknowledgements(prepared, given)
    else:
        assert code_of(lambda: orders.check_acknowledgements(prepared, given)) == "U-ACKNOWLEDGE"


@pytest.mark.parametrize("context", [b"{}", b'{"acknowledge":"x"}', b'{"acknowledge":[1]}', b'{"acknowledge":null}'])
def test_a_context_that_does_not_say_is_not_read_as_nothing_to_acknowledge(context: bytes):
    """A draft without its list of acknowledgements cannot be prepared."""
    with pytest.raises(ServiceError, match="U-DRAFT-CONTEXT"):
        prepare(replace(held_draft(), context=context))


def _timed(value: object, **repeat: object) -> dict[str, Any]:
    return dosage(value, timing={"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", **repeat}})


@pytest.mark.parametrize(
    ("instructions", "mg"),
    [
        ([dosage(50)], "50"),
        ([_timed(25, frequency=2)], "50"),
        ([_timed(25, frequency=1, frequencyMax=3)], "75"),
        ([_timed(10, period=8, periodUnit="h")], "30"),
        ([_timed(90, periodUnit="wk")], "90"),
        ([_timed(20, period=2)], "20"),
        ([_timed(25, when=["MORN", "EVE"])], "50"),
        ([dosage(25), dosage(50)], "75"),
        ([dosage(25, sequence=1), dosage(50, sequence=2)], "50"),
        ([dosage(25, sequence=1), dosage(50, sequence=1)], "75"),
        ([dosage(1, doseAndRate=[{"doseQuantity": {"value": 1, "system": UCUM, "code": "g"}}])], "1000"),
        (
            [
                dosage(
                    doseAndRate=[
                        {
                            "doseRange": {
                                "low": {"value": 25, "system": UCUM, "code": "mg"},
                                "high": {"value": 50, "system": UCUM, "code": "mg"},
                            }
                        }
                    ]
                )
            ],
            "50",
        ),
    ],
)
def test_highest_dose_of_a_day(instructions: list[dict[str, Any]], mg: str):
    """The dose for the rules is the most that the order allows on any one day."""
    assert dosages.mg_per_day(instructions) == Decimal(mg)


@pytest.fixture
def signer(tmp_path: Path) -> signing.Signer:
    """A signer with a key of its own."""
    return signing.load_or_create(tmp_path / "key.json")


def signed(signer: signing.Signer) -> Signature:
    """Return a finished signature."""
    return orders.sign(prepare(held_draft()), signer, practitioner(), PUBLIC_URL, START + timedelta(minutes=1))


def test_a_signature_and_its_provenance_verify(signer: signing.Signer):
    """What is signed passes every check of a stored signature."""
    assert verification.signature_faults(signed(signer), signer.public_jwks()) == []


def test_the_provenance_says_who_decided_on_which_draft(signer: signing.Signer):
    """Author, assembler, derivation, reason and signature are where R4 puts them."""
    signature = signed(signer)
    found = load_object(signature.provenance)
    order = load_object(signature.order)
    assert found["target"][0]["identifier"] == order["identifier"][0]
    assert [agent["type"]["coding"][0]["code"] for agent in found["agent"]] == ["author", "assembler"]
    assert found["agent"][0]["who"]["reference"] == "Practitioner/p1"
    assert found["agent"][1]["who"]["display"] == "Undersign"
    assert found["entity"][0] == {"role": "derivation", "what": order["basedOn"][0]}
    assert found["entity"][1]["what"]["identifier"]["value"] == signature.digest
    assert found["reason"][0]["coding"][0]["code"] == "AIAST"
    assert found["signature"][0]["type"][0]["code"] == "1.2.840.10065.1.12.1.1"
    assert base64.b64decode(found["signature"][0]["data"]).decode() == signature.jws
    assert found["recorded"] == "2026-11-22T10:01:00.000Z"


def test_the_provenance_follows_the_order_to_its_new_id(signer: signing.Signer):
    """Only the target's reference changes when the EHR has named the order."""
    signature = signed(signer)
    before = json.loads(signature.provenance)
    after = json.loads(orders.provenance_for(signature.provenance, "MedicationRequest/77"))
    assert after["target"][0].pop("reference") == "MedicationRequest/77"
    before["target"][0].pop("reference")
    assert after == before


def test_the_record_says_how_the_signer_was_authenticated():
    """Method, time and role of the signer are for the audit entry of the signature."""
    assert orders.assertion(practitioner()) == {
        "method": "smart-bearer",
        "authenticated": "2026-11-22T10:00:00.000000Z",
        "role": "PractitionerRole/r1",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"digest": "sha256-x"}, "U-SIG-DIGEST"),
        ({"order": b'{"status":"active"}'}, "U-SIG-FORMAT"),
        ({"order": b"not json"}, "U-SIG-FORMAT"),
        ({"jws": "a..b"}, "U-SIG-FORMAT"),
        ({"practitioner": "Practitioner/p2"}, "U-SIG-SIGNER"),
        ({"order_id": "other"}, "U-SIG-ORDER"),
        ({"draft": "other"}, "U-SIG-DRAFT"),
        ({"version": 2}, "U-SIG-DRAFT"),
        ({"provenance": b'{"signature":[{"data":"eA=="}]}'}, "U-SIG-PROVENANCE"),
        ({"provenance": b"{}"}, "U-SIG-FORMAT"),
    ],
)
def test_a_changed_signature_record_has_a_named_fault(signer: signing.Signer, changes: dict[str, Any], code: str):
    """Each part of a stored signature that does not fit the rest is named."""
    faults = verification.signature_faults(replace(signed(signer), **changes), signer.public_jwks())
    assert code in {fault.partition(":")[0] for fault in faults}


def test_another_dose_in_the_stored_order_is_found(signer: signing.Signer):
    """A dose changed in the stored bytes fails by digest and by signature."""
    signature = signed(signer)
    changed = replace(signature, order=signature.order.replace(b'"value":50', b'"value":90'))
    codes = {f.partition(":")[0] for f in verification.signature_faults(changed, signer.public_jwks())}
    assert codes == {"U-SIG-DIGEST", "U-SIG-VALUE"}
