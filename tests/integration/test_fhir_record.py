"""The record over HTTP: where drafts and orders come from, the work they ask for, their versions, who may see them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.documentreference import DocumentReference
from fhir.resources.R4B.guidanceresponse import GuidanceResponse
from fhir.resources.R4B.provenance import Provenance
from fhir.resources.R4B.task import Task

from service.drafts.canonical_json import dumps
from service.drafts.order.edits import EDITABLE
from service.drafts.records import Draft, NewDraft
from service.drafts.signature import rejections
from service.drafts.signature.signing import verify_detached
from service.drafts.states import ENDED, SIGNED, STATES, UNSIGNED
from service.ehr import writeback
from service.fhir import tasks
from service.fhir.audit_events import PROFILES
from tests.contract import samples
from tests.integration.fake_ehr import BASE, PUBLIC_URL, SIGNER, World, user_token
from tests.integration.test_fhir_api import play, refusal, text

PART2 = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}
OTHER = "Patient/other"
ORGANIZATION = "Organization/hospital"


async def resources(scene: World, query: str, token: str | None = None) -> list[dict[str, Any]]:
    """Return what a search answers."""
    answer = await scene.get(f"/fhir/{query}", token)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]


async def hold(scene: World, patient: str = "Patient/example", **context: Any) -> Draft:
    """Hold one labelled draft whose context says its versions."""
    known = samples.resource()
    labelled = {**known, "meta": {"security": [*known["meta"]["security"], PART2]}, "subject": {"reference": patient}}
    told = {
        "acknowledge": ["watch sodium"],
        "dose": samples.DOSE,
        "versions": {"model": "depression-1", "knowledge": scene.services.knowledge.version},
        "labels": [{**PART2, "references": ["Condition/c1"]}],
        **context,
    }
    draft = NewDraft("sertraline", 0, dumps(labelled), dumps(told))
    (held,) = await scene.store.hold("north", patient, f"f-{patient}", [draft], 3600, "Device/undersign")
    return held


def codes(resource: dict[str, Any]) -> list[str]:
    """Return the codes of a resource's security labels."""
    return [one["code"] for one in resource.get("meta", {}).get("security", [])]


def test_a_draft_says_that_an_ai_created_it_and_from_what(tmp_path: Path) -> None:
    """P1 names the Device as AI, the model card, the digest of the facts, the versions and what is under Part 2."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        (found,) = await resources(scene, f"Provenance?target=MedicationRequest/{draft.id}")
        Provenance.model_validate(found)
        assert found["target"][0]["reference"] == f"MedicationRequest/{draft.id}/_history/1"
        assert found["reason"][0]["coding"][0]["code"] == "AIAST"
        (agent,) = found["agent"]
        assert agent["who"]["reference"] == f"{PUBLIC_URL}/fhir/Device/undersign"
        assert agent["role"] == [
            {
                "coding": [
                    {
                        "system": "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS",
                        "code": "Artificial-Intelligence",
                    }
                ]
            }
        ]
        whats = [one["what"] for one in found["entity"]]
        assert whats[0]["reference"] == "DocumentReference/model-card"
        assert [one["identifier"]["value"] for one in whats[1:4]] == [
            draft.facts,
            scene.services.knowledge.version,
            "depression-1",
        ]
        assert whats[4] == {"reference": f"{BASE}/Condition/c1", "display": "42CFRPart2"}
        assert codes(found) == ["42CFRPart2"]
        card = (await scene.get(f"/fhir/{whats[0]['reference']}")).json()
        DocumentReference.model_validate(card)
        assert (await scene.get(f"/fhir/Provenance/{found['id']}")).json() == found

    play(tmp_path, story)


def test_a_signature_says_on_what_it_was_made(tmp_path: Path) -> None:
    """P2 has the practitioner for the hospital, what was shown, each acknowledgement and the labels."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        shown = {"name": "shown", "valueCode": "main-harms"}
        answer = await scene.post(draft.id, "sign", *await scene.prepared(draft.id), shown)
        assert answer.status_code == 200, answer.text
        order, found = (entry["resource"] for entry in answer.json()["entry"])
        Provenance.model_validate(found)
        assert [one["code"] for one in order["meta"]["security"]] == ["42CFRPart2", "AIAST", "CLINAST"]
        assert codes(found) == ["42CFRPart2"]
        assert found["agent"][0]["onBehalfOf"] == {"reference": ORGANIZATION}
        displays = [one["what"].get("display", "") for one in found["entity"]]
        assert {"acknowledged: watch sodium", "shown: main-harms"} <= set(displays)
        assert await resources(scene, f"Provenance?entity=MedicationRequest/{draft.id}") == [found]
        assert len(await resources(scene, f"Provenance?target=MedicationRequest/{draft.id}")) == 1

    play(tmp_path, story, organization=ORGANIZATION)


def test_an_edit_is_in_the_provenance(tmp_path: Path) -> None:
    """P2 says of each changed element what was drafted and what was signed."""

    async def story(scene: World) -> None:
        drafted = {name: value for name, value in samples.resource().items() if name in EDITABLE}
        draft = await hold(scene, drafted=drafted)
        read = (await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json()
        edit = {"name": "order", "resource": {**read, "dosageInstruction": [samples.dosage(100)]}}
        shown = (await scene.post(draft.id, "prepare", edit)).json()["parameter"]
        given = [one for one in shown if one["name"] in ("version", "digest", "acknowledgement")]
        found = (await scene.post(draft.id, "sign", *given)).json()["entry"][1]["resource"]
        (revised,) = [one["what"] for one in found["entity"] if one["role"] == "revision"]
        assert revised["identifier"]["value"] == "dosageInstruction"
        assert revised["display"].startswith("dosageInstruction: 50 mg")
        assert "-> 100 mg" in revised["display"]

    play(tmp_path, story)


def test_a_rejection_has_its_provenance_with_the_signature(tmp_path: Path) -> None:
    """P2 of a rejection names the practitioner, the reason's code and no comment; its signature verifies."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        comment = text("comment", "prefers to wait")
        assert (await scene.post(draft.id, "reject", text("reason", "patient-preference"), comment)).status_code == 200
        found = (await resources(scene, f"Provenance?target=MedicationRequest/{draft.id}"))[1]
        Provenance.model_validate(found)
        assert found["agent"][0]["who"]["reference"] == f"{BASE}/Practitioner/p1"
        assert found["reason"][1]["coding"][0]["code"] == "patient-preference"
        assert "prefers" not in json.dumps(found)
        jws = base64.b64decode(found["signature"][0]["data"]).decode()
        entry = rejections.of(await scene.store.history(draft.id))
        assert entry is not None
        ended = await scene.store.read(draft.id)
        payload = rejections.payload(ended, entry.actor, entry.detail["given"])
        verify_detached(jws, payload, SIGNER.public_jwks())

    play(tmp_path, story)


def test_a_revoked_order_says_who_took_it_back(tmp_path: Path) -> None:
    """The revocation's Provenance has the order as target, and stands after the signature's."""

    async def story(scene: World) -> None:
        draft = await scene.signed()
        answer = await scene.post(draft.id, "revoke", text("reason", "wrong-dose"))
        assert answer.status_code == 200, answer.text
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        order = f"MedicationRequest/{signature.order_id}"
        signed, revoked = await resources(scene, f"Provenance?target={order}")
        Provenance.model_validate(revoked)
        assert (signed.get("id", ""), revoked["id"]) == ("", f"{draft.id}.revoked")
        assert revoked["target"] == [{"reference": order}]
        assert revoked["reason"][1]["coding"][0]["code"] == "wrong-dose"
        assert revoked["signature"][0]["sigFormat"] == "application/jose"

    play(tmp_path, story)


def test_a_written_order_says_who_transmitted_it_and_which_version_the_ehr_made(tmp_path: Path) -> None:
    """P3 has the Device as transmitter, and the EHR's id and version as target."""

    async def story(scene: World) -> None:
        draft = await scene.signed()
        assert await writeback.once(scene.services)
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        found = (await resources(scene, f"Provenance?target=MedicationRequest/{signature.order_id}"))[1]
        Provenance.model_validate(found)
        assert found["target"][0]["reference"].startswith(f"{BASE}/MedicationRequest/")
        assert found["target"][0]["reference"].endswith("/_history/1")
        assert found["agent"][0]["type"]["coding"][0]["code"] == "transmitter"
        assert (await scene.get(f"/fhir/Provenance/{draft.id}.written")).json() == found

    play(tmp_path, story)


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_task_status(state: Any) -> None:
    """A Task is open while the draft is unsigned, completed once a person signed or rejected it, else cancelled."""
    ended = {"completed"} if state in (*SIGNED, "overridden", "revoked") else {"cancelled"}
    expected = {"requested", "received", "accepted", "in-progress"} if state in UNSIGNED else ended
    assert state in (*UNSIGNED, *SIGNED, *ENDED)
    assert tasks.status(state) in expected


def test_a_draft_is_work_to_do_until_its_deadline(tmp_path: Path) -> None:
    """The Task's focus is the draft, its period ends when the draft expires, its owner is who looked at it last."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        (found,) = await resources(scene, "Task?status=requested")
        Task.model_validate(found)
        assert found["focus"]["reference"] == f"MedicationRequest/{draft.id}"
        assert found["restriction"]["period"]["end"][:19] == draft.expires.isoformat()[:19]
        assert found["for"]["reference"] == f"{BASE}/Patient/example"
        assert "owner" not in found
        await scene.prepared(draft.id)
        (owned,) = await resources(scene, f"Task?focus=MedicationRequest/{draft.id}")
        assert owned["owner"]["reference"] == f"{BASE}/Practitioner/p1"
        assert (await scene.get(f"/fhir/Task/{draft.id}")).json() == owned
        assert await resources(scene, "Task?status=completed") == []
        assert await resources(scene, "Task?focus=MedicationRequest/none") == []

    play(tmp_path, story)


@pytest.mark.parametrize(("unknowns", "status"), [([], "success"), (["QTc is not on file"], "data-requested")])
def test_an_assessment_is_a_guidance_response(tmp_path: Path, unknowns: list[str], status: str) -> None:
    """It names module and version, and holds the options, of which at most one is chosen, and what no change keeps."""

    async def story(scene: World) -> None:
        draft = await hold(scene, unknowns=unknowns, option="Start sertraline 50 mg a day", kept="No drug")
        (found,) = await resources(scene, "GuidanceResponse?patient=example")
        GuidanceResponse.model_validate(found)
        assert found["status"] == status
        assert found["moduleUri"] == f"{PUBLIC_URL}/model-card|depression-1"
        (group,) = found["contained"][0]["action"]
        assert group["description"] == "Or no change: No drug"
        assert [one["title"] for one in group["action"]] == ["Start sertraline 50 mg a day"]
        assert group["action"][0]["resource"]["reference"] == f"MedicationRequest/{draft.id}"
        assert [one["text"] for one in found["note"]][2:] == unknowns
        assert (await scene.get(f"/fhir/GuidanceResponse/{found['id']}")).json() == found

    play(tmp_path, story)


def test_versions_are_read_one_by_one_and_as_history(tmp_path: Path) -> None:
    """_history has each version newest first, and _history/n answers the bytes of that version."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        first = (await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json()
        edit = {"name": "order", "resource": {**first, "dosageInstruction": [samples.dosage(100)]}}
        assert (await scene.post(draft.id, "prepare", edit)).status_code == 200
        now = (await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json()
        bundle = (await scene.get(f"/fhir/MedicationRequest/{draft.id}/_history")).json()
        assert (bundle["type"], bundle["total"]) == ("history", 2)
        assert [entry["resource"] for entry in bundle["entry"]] == [now, first]
        for number, expected in (("1", first), ("2", now)):
            answer = await scene.get(f"/fhir/MedicationRequest/{draft.id}/_history/{number}")
            assert answer.json() == expected
            assert answer.headers["etag"] == f'W/"{number}"'
        unknown = await scene.get(f"/fhir/MedicationRequest/{draft.id}/_history/3")
        assert refusal(unknown) == (404, "U-FHIR-UNKNOWN")

    play(tmp_path, story)


def test_an_order_that_was_taken_back_has_two_versions_and_is_found_as_cancelled(tmp_path: Path) -> None:
    """Version 1 is the order as it was signed, version 2 is cancelled; a search for active ones leaves it out."""

    async def story(scene: World) -> None:
        draft = await scene.signed()
        assert (await scene.post(draft.id, "revoke", text("reason", "wrong-context"))).status_code == 200
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        path = f"/fhir/MedicationRequest/{signature.order_id}"
        signed, cancelled = json.loads(signature.order), {**json.loads(signature.order), "status": "cancelled"}
        bundle = (await scene.get(f"{path}/_history")).json()
        told = [(one["resource"], one["response"]["etag"], one["request"]["method"]) for one in bundle["entry"]]
        assert told == [(cancelled, 'W/"2"', "PUT"), (signed, 'W/"1"', "POST")]
        assert (await scene.get(f"{path}/_history/1")).content == signature.order
        assert (await scene.get(path)).json() == (await scene.get(f"{path}/_history/2")).json() == cancelled
        for query, found in (("cancelled", [cancelled]), ("active", []), ("completed", [])):
            orders = await resources(scene, f"MedicationRequest?intent=order&status={query}")
            assert orders == found, query
        (task,) = await resources(scene, "Task?status=completed")
        assert task["businessStatus"]["coding"][0]["code"] == "revoked"

    play(tmp_path, story)


def test_a_session_for_one_patient_sees_that_patient_alone(tmp_path: Path) -> None:
    """No read and no search answers another patient's record to a token that was made for one patient."""

    async def story(scene: World) -> None:
        ours, theirs = await hold(scene), await hold(scene, OTHER)
        scene.ehr.put({"resourceType": "Patient", "id": "other"})
        token = user_token(patient="example")
        parts = (
            "MedicationRequest/{}", "MedicationRequest/{}/_history", "MedicationRequest/{}/_history/1", "Task/{}",
            "GuidanceResponse/{}", "Provenance/{}.created", "AuditEvent/{}.1",
        )  # fmt: skip
        for part in parts:
            assert (await scene.get(f"/fhir/{part.format(ours.id)}", token)).status_code == 200, part
            answer = await scene.get(f"/fhir/{part.format(theirs.id)}", token)
            assert refusal(answer) == (403, "U-SESSION-PATIENT"), part
        for query in ("MedicationRequest", "Task", "GuidanceResponse"):
            assert len(await resources(scene, query, token)) == 1, query
            assert len(await resources(scene, query)) == 2, query
        for query in ("Provenance?target=MedicationRequest/", "AuditEvent?entity=MedicationRequest/", "Task?_id="):
            assert await resources(scene, query + theirs.id, token) == [], query
            assert await resources(scene, query + ours.id, token) != [], query

    play(tmp_path, story)


def test_the_device_is_an_ai_with_a_model_card(tmp_path: Path) -> None:
    """Anybody may read who proposes: an AI by the guide's code, with its model card."""

    async def story(scene: World) -> None:
        found = (await scene.http.get("/fhir/Device/undersign")).json()
        Device.model_validate(found)
        assert found["type"]["coding"][0]["code"] == "Artificial-Intelligence"
        assert found["extension"][-1]["valueReference"]["reference"] == "DocumentReference/model-card"

    play(tmp_path, story)


def test_every_link_of_a_life_is_an_audit_event_by_a_balp_profile(tmp_path: Path) -> None:
    """Each has its profile with the patient, client and server on a network, the data entity, and the labels."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        await scene.post(draft.id, "sign", *await scene.prepared(draft.id))
        assert await writeback.once(scene.services)
        found = await resources(scene, f"AuditEvent?entity=MedicationRequest/{draft.id}")
        profiles = {one["subtype"][0]["code"]: one["meta"]["profile"] for one in found}
        for event, kind in {"held": "Create", "prepared": "Read", "signed": "Update", "written": "Create"}.items():
            assert profiles[event] == [f"{PROFILES}Patient{kind}"], event
        for one in found:
            AuditEvent.model_validate(one)
            types = [agent["type"]["coding"][0]["code"] for agent in one["agent"]]
            assert {"110152", "110153"} <= set(types)
            assert all("network" in agent for agent in one["agent"] if not agent["requestor"])
            data, patient = one["entity"]
            assert (data["type"]["code"], patient["type"]["code"], patient["role"]["code"]) == ("2", "1", "1")
            assert patient["what"]["reference"] == f"{BASE}/Patient/example"
            assert data["securityLabel"][0]["code"] == "42CFRPart2"
        (written,) = [one for one in found if one["subtype"][0]["code"] == "written"]
        assert written["entity"][0]["what"]["reference"].startswith(f"{BASE}/MedicationRequest/")
        (signed,) = [one for one in found if one["subtype"][0]["code"] == "signed"]
        details = {one["type"]: one["valueString"] for one in signed["entity"][0]["detail"]}
        assert details["authentication-method"] == "smart-bearer"

    play(tmp_path, story)
