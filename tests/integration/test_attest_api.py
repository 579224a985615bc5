"""``Patient/$attest`` over HTTP: what is recorded, found again and audited, and who may not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.procedure import Procedure

from service.drafts.canonical_json import dumps
from tests.integration.fake_ehr import (
    BASE,
    PUBLIC_URL,
    FakeEhr,
    World,
    application,
    bearer,
    ehr_settings,
    services_of,
    user_token,
    world,
)

T = TypeVar("T")
TODAY = datetime.now(UTC)
WORD: dict[str, Any] = {
    "assessed": ("valueDateTime", (TODAY - timedelta(minutes=5)).isoformat(timespec="seconds")),
    "result": ("valueCode", "may-open"),
    "reviewer": ("valueCode", "self"),
    "reviewOn": ("valueDate", f"{TODAY.astimezone() + timedelta(days=6):%Y-%m-%d}"),
}


def play(path: Path, story: Callable[[World], Awaitable[T]]) -> T:
    """Run a story in a fresh world, in which the EHR has the patient."""

    async def run() -> T:
        async with world(path) as scene:
            scene.ehr.put({"resourceType": "Patient", "id": "example"})
            return await story(scene)

    return asyncio.run(run())


async def attest(
    scene: World,
    change: Mapping[str, tuple[str, str] | None] | None = None,
    *,
    patient: str = "example",
    token: str | None = None,
) -> httpx.Response:
    """Call the operation as a practitioner; a change to None leaves a parameter out."""
    given = {name: pair for name, pair in {**WORD, **(change or {})}.items() if pair is not None}
    parameters = [{"name": name, element: value} for name, (element, value) in given.items()]
    body = {"resourceType": "Parameters", "parameter": parameters}
    return await scene.http.post(f"/fhir/Patient/{patient}/$attest", json=body, headers=bearer(token))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Return status and stable code of an OperationOutcome."""
    return answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]


def test_an_attestation_is_answered_as_procedure_and_found_again(tmp_path: Path) -> None:
    """201 with a valid R4 Procedure by the practitioner, the same by its address, by search and as AuditEvent."""

    async def story(scene: World) -> None:
        answer = await attest(scene)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        Procedure.model_validate(found)
        assert answer.headers["location"] == f"{PUBLIC_URL}/fhir/Procedure/{found['id']}"
        assert found["code"]["coding"][0]["code"] == "225337009"
        assert found["subject"]["reference"] == f"{BASE}/Patient/example"
        assert found["performer"][0]["actor"]["reference"] == f"{BASE}/Practitioner/p1"
        assert found["outcome"]["coding"][0]["code"] == "may-open"
        assert datetime.fromisoformat(found["performedDateTime"]) == datetime.fromisoformat(WORD["assessed"][1])
        assert (await scene.get(f"/fhir/Procedure/{found['id']}")).json() == found
        for query in ("patient=example", f"patient={BASE}/Patient/example", f"_id={found['id']}"):
            bundle = (await scene.get(f"/fhir/Procedure?{query}")).json()
            assert [entry["resource"] for entry in bundle["entry"]] == [found]
        assert (await scene.get("/fhir/Procedure?patient=other")).json()["total"] == 0
        trail = (await scene.get("/fhir/AuditEvent?entity=Patient/example")).json()
        event, *looked = [entry["resource"] for entry in trail["entry"]]
        assert [one["subtype"][0]["code"] for one in looked] == ["read", *["searched"] * 3]
        AuditEvent.model_validate(event)
        assert event["subtype"][0]["code"] == "attested"
        assert event["action"] == "C"
        assert event["agent"][0]["who"]["reference"] == f"{BASE}/Practitioner/p1"
        assert event["entity"][0]["what"]["reference"] == f"{BASE}/Patient/example"
        assert (await scene.get(f"/fhir/AuditEvent/{event['id']}")).json() == event

    play(tmp_path, story)


def test_the_same_call_again_records_nothing_new(tmp_path: Path) -> None:
    """A call that is repeated after a lost answer gives the same Procedure."""

    async def story(scene: World) -> None:
        first, again = await attest(scene), await attest(scene)
        assert first.json() == again.json()
        assert len(await scene.store.attestations("north", "Patient/example")) == 1

    play(tmp_path, story)


def test_keeping_closed_ends_drafts_and_signs_none(tmp_path: Path) -> None:
    """After stays-closed a draft that was prepared before is withdrawn, and a new one cannot be signed."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        assert (await attest(scene, {"result": ("valueCode", "stays-closed")})).status_code == 201
        assert refusal(await scene.post(draft.id, "sign", *given)) == (409, "U-DRAFT-STATE")
        other = await scene.hold()
        given = await scene.prepared(other.id)
        assert refusal(await scene.post(other.id, "sign", *given)) == (409, "U-ATTEST-CLOSED")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        *(({name: None}, (400, "U-FHIR-PARAMETERS")) for name in WORD),
        ({"result": ("valueString", "may-open")}, (400, "U-FHIR-PARAMETERS")),
        ({"result": ("valueCode", "low-risk")}, (400, "U-FHIR-PARAMETERS")),
        ({"reviewer": ("valueCode", "somebody")}, (400, "U-FHIR-PARAMETERS")),
        ({"score": ("valueInteger", "3")}, (400, "U-FHIR-PARAMETERS")),
        ({"comment": ("valueString", "looks fine")}, (400, "U-FHIR-PARAMETERS")),
        ({"assessed": ("valueDateTime", "2026-11-22")}, (400, "U-FHIR-PARAMETERS")),
        ({"assessed": ("valueDateTime", "2026-11-22T10:00:00")}, (400, "U-FHIR-PARAMETERS")),
        ({"assessed": ("valueDateTime", "yesterday")}, (400, "U-FHIR-PARAMETERS")),
        ({"assessed": ("valueDateTime", "2099-01-01T00:00:00Z")}, (422, "U-ATTEST-TIME")),
        ({"assessed": ("valueDateTime", "2020-01-01T00:00:00Z")}, (422, "U-ATTEST-TIME")),
        ({"reviewOn": ("valueDate", "next week")}, (400, "U-FHIR-PARAMETERS")),
        ({"reviewOn": ("valueDate", "2020-01-01")}, (422, "U-ATTEST-REVIEW")),
        ({"reviewOn": ("valueDate", "2099-01-01")}, (422, "U-ATTEST-REVIEW")),
    ],
)
def test_what_is_not_a_whole_word_is_refused(
    tmp_path: Path, change: dict[str, tuple[str, str] | None], expected: tuple[int, str]
) -> None:
    """A missing, unknown, free-text or impossible parameter is refused by name, and nothing is recorded."""

    async def story(scene: World) -> None:
        assert refusal(await attest(scene, change)) == expected
        assert list(await scene.store.attestations("north", "Patient/example")) == []

    play(tmp_path, story)


@pytest.mark.parametrize("state", ["inactive", "nurse", "no-role", "down", "no-patient", "other-patient", "nobody"])
def test_whoever_may_not_sign_or_see_may_not_attest(tmp_path: Path, state: str) -> None:
    """The checks are those of signing, live, and the EHR must open the patient to this user."""
    expected = {
        "inactive": (403, "U-SIGNER-INACTIVE"),
        "nurse": (403, "U-SIGNER-ROLE"),
        "no-role": (403, "U-SIGNER-ROLE"),
        "down": (502, "U-EHR-UNREACHABLE"),
        "no-patient": (403, "U-SESSION-PATIENT"),
        "other-patient": (403, "U-SESSION-PATIENT"),
        "nobody": (401, "U-AUTH"),
    }

    async def story(scene: World) -> None:
        token = user_token(patient="other") if state == "other-patient" else user_token()
        await scene.get("/fhir/MedicationRequest", token)  # the EHR's keys are known from here on
        if state == "inactive":
            scene.ehr.prescriber("p1", active=False)
        if state == "nurse":
            scene.ehr.prescriber("p1", code={"system": "http://example.org", "code": "nurse"})
        if state == "no-role":
            scene.ehr.held.pop("PractitionerRole/role-p1")
        if state == "no-patient":
            scene.ehr.held.pop("Patient/example")
        scene.ehr.down = state == "down"
        answer = await attest(scene, token="x.y.z" if state == "nobody" else token)
        assert refusal(answer) == expected[state]
        assert list(await scene.store.attestations("north", "Patient/example")) == []

    play(tmp_path, story)


@pytest.mark.parametrize("who", ["Device/1", "Patient/1", None])
def test_only_a_practitioner_attests(tmp_path: Path, who: str | None) -> None:
    """A device, a patient and a system token attest nothing."""

    async def story(scene: World) -> None:
        assert refusal(await attest(scene, token=user_token(who))) == (403, "U-SIGNER-NOT-PRACTITIONER")

    play(tmp_path, story)


@pytest.mark.parametrize("patient", ["a b", "a%2Fb", "..", "x" * 65])
def test_a_patient_that_is_no_id_is_refused(tmp_path: Path, patient: str) -> None:
    """What is not a FHIR id never becomes part of an address at the EHR."""

    async def story(scene: World) -> None:
        asked = len(scene.ehr.requests)
        answer = await attest(scene, patient=patient)
        assert answer.status_code in (400, 404, 405)
        assert not [r for r in scene.ehr.requests[asked:] if "Patient" in r.url.path]

    play(tmp_path, story)


def test_another_tenants_attestations_do_not_exist(tmp_path: Path) -> None:
    """A practitioner of another tenant finds neither Procedure nor trail of ours."""

    async def story(scene: World) -> None:
        found = (await attest(scene)).json()
        flag = (await scene.store.attestations("north", "Patient/example"))[0].flag
        base = "https://ehr.south.example/fhir"
        fake = FakeEhr()
        fake.prescriber("p1")
        services = services_of(scene.store, (ehr_settings(id="south", fhir_base=base), fake))
        token = user_token(iss=base, aud=base)
        asgi = httpx.ASGITransport(app=application(services))
        async with httpx.AsyncClient(transport=asgi, base_url=PUBLIC_URL, headers=bearer(token)) as http:
            for path in (f"Procedure/{found['id']}", f"AuditEvent/{flag}.1"):
                assert (await http.get(f"/fhir/{path}")).status_code == 404
            for query in (
                "Procedure?patient=example",
                f"Procedure?_id={found['id']}",
                "AuditEvent?entity=Patient/example",
            ):
                assert (await http.get(f"/fhir/{query}")).json()["total"] == 0

    play(tmp_path, story)


def test_the_trail_holds_no_value_of_a_patient(tmp_path: Path) -> None:
    """Entries of a flag hold digests, codes and references; what was answered stays in the alarm beside them."""
    from service.drafts.records import Shown

    async def story(scene: World) -> None:
        context = dumps({"reasons": ["PHQ-9 item 9 answered 2"]})
        shown = Shown("card-1", "Practitioner/p1", {"card": "card-1", "topic": "crisis"})
        flag = await scene.store.raise_flag("north", "Patient/example", "facts", context, shown)
        await attest(scene)
        details = str([entry.detail for entry in await scene.store.flag_history(flag.id)])
        assert "answered" not in details
        assert "Patient/example" not in details
        trail = await scene.get("/fhir/AuditEvent?entity=Patient/example")
        codes = [entry["resource"]["subtype"][0]["code"] for entry in trail.json()["entry"]]
        assert codes == ["raised", "shown", "attested"]
        assert "answered" not in trail.text

    play(tmp_path, story)
