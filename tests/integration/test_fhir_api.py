"""The FHIR API over HTTP: reading, searching, preparing, signing, rejecting, and who may not."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from service.drafts.canonical_json import digest
from service.drafts.signature.signing import verify_detached
from service.fhir.capabilities import SEARCHES
from tests.contract.samples import DOSE, Clock, dosage
from tests.integration.fake_ehr import (
    BASE,
    PUBLIC_URL,
    SIGNER,
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


def play(
    path: Path,
    story: Callable[[World], Awaitable[T]],
    clock: Clock | None = None,
    **tenant: Any,
) -> T:
    """Run a story in a fresh world."""

    async def run() -> T:
        async with world(path, clock, **tenant) as scene:
            return await story(scene)

    return asyncio.run(run())


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Return status and stable code of an error answer, which must be an OperationOutcome."""
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return answer.status_code, body["issue"][0]["details"]["coding"][0]["code"]


def text(name: str, value: str) -> dict[str, Any]:
    """Return a string parameter."""
    return {"name": name, "valueString": value}


def test_a_draft_is_prepared_and_signed(tmp_path: Path) -> None:
    """What $prepare shows is what $sign signs: the same bytes, under a JWS that verifies."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        shown = (await scene.post(draft.id, "prepare")).json()["parameter"]
        found = {p["name"]: p for p in shown}
        raw = base64.b64decode(found["bytes"]["valueBase64Binary"])
        assert found["digest"]["valueString"] == digest(raw)
        assert found["order"]["resource"] == json.loads(raw)
        assert found["acknowledgement"]["valueString"] == "watch sodium"
        given = [found["version"], found["digest"], found["acknowledgement"]]
        answer = await scene.post(draft.id, "sign", *given, text("reason", "best option"))
        assert answer.status_code == 200
        bundle = answer.json()
        order, provenance = (entry["resource"] for entry in bundle["entry"])
        assert raw in answer.content
        assert (order["status"], order["intent"]) == ("active", "order")
        assert order["requester"]["reference"] == "Practitioner/p1"
        jws = base64.b64decode(provenance["signature"][0]["data"]).decode()
        verify_detached(jws, raw, SIGNER.public_jwks())
        order_id = order["identifier"][0]["value"]
        read = await scene.get(f"/fhir/MedicationRequest/{order_id}")
        assert read.content == raw
        assert (await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json()["status"] == "completed"
        carried = (await scene.get(f"/fhir/Provenance?target=MedicationRequest/{order_id}")).json()
        assert carried["entry"][0]["resource"] == provenance
        assert (await scene.get(f"/fhir/Provenance/{order_id}")).json() == provenance
        assert await scene.store.verify(SIGNER.public_jwks()) == ()

    play(tmp_path, story)


@pytest.mark.parametrize("words", ["best option", "psychotic"])
def test_the_words_of_a_signer_stand_beside_the_chain(tmp_path: Path, words: str) -> None:
    """A reason given with a signature is a comment, one that looks like a code too; the chain has its digest."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        assert (await scene.post(draft.id, "sign", *given, text("reason", words))).status_code == 200
        entry = next(one for one in await scene.store.history(draft.id) if one.event == "signed")
        assert words not in str(entry.detail)
        assert await scene.store.comments(draft.id) == {entry.seq: words}

    play(tmp_path, story)


@pytest.mark.parametrize(("name", "shown"), [("Dr Example", True), ("Dr \u202eelpmaxE", False), ("x" * 3000, False)])
def test_a_signer_has_one_name_in_order_and_provenance(tmp_path: Path, name: str, shown: bool) -> None:
    """A name that no page can show as it is written is in neither, and does not keep its bearer from signing."""

    async def story(scene: World) -> None:
        draft, token = await scene.hold(), user_token(name=name)
        given = await scene.prepared(draft.id, token)
        answer = await scene.post(draft.id, "sign", *given, token=token)
        assert answer.status_code == 200
        order, provenance = (entry["resource"] for entry in answer.json()["entry"])
        who = {"reference": "Practitioner/p1"} | ({"display": name} if shown else {})
        assert order["requester"] == provenance["agent"][0]["who"] == provenance["signature"][0]["who"] == who

    play(tmp_path, story)


def test_a_draft_is_read_with_its_version_and_its_decimals(tmp_path: Path) -> None:
    """A read draft has id, version, time and status draft, and a dose of 0.50 stays 0.50."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        answer = await scene.get(f"/fhir/MedicationRequest/{draft.id}")
        body = answer.json()
        assert (body["id"], body["status"], body["intent"]) == (draft.id, "draft", "proposal")
        assert body["meta"]["versionId"] == "1"
        assert body["meta"]["security"][0]["code"] == "AIAST"
        assert answer.headers["etag"] == 'W/"1"'
        assert answer.headers["content-type"] == "application/fhir+json"

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 3),
        ("status=draft", 1),
        ("status=completed", 1),
        ("status=active", 1),
        ("status=draft,active", 2),
        ("status=cancelled", 0),
        ("status=banana", 0),
        ("intent=proposal", 2),
        ("intent=order", 1),
        ("patient=example", 3),
        ("patient=Patient/example", 3),
        (f"patient={BASE}/Patient/example", 3),
        ("patient=Patient/other", 0),
        ("patient=Patient/example&status=draft&intent=proposal", 1),
        ("_id=none", 0),
        ("_count=1", 3),
        ("_summary=count", 3),
    ],
)
def test_drafts_and_orders_are_searched(tmp_path: Path, query: str, total: int) -> None:
    """A search counts the drafts and signed orders of the tenant that match each parameter."""

    async def story(scene: World) -> dict[str, Any]:
        await scene.signed()
        await scene.hold()
        return (await scene.get(f"/fhir/MedicationRequest?{query}")).json()

    bundle = play(tmp_path, story)
    assert (bundle["type"], bundle["total"]) == ("searchset", total)
    assert len(bundle.get("entry", [])) == (0 if "_summary" in query else 1 if "_count" in query else total)


def test_pages_of_a_search_hold_every_match_once(tmp_path: Path) -> None:
    """Following next from the first page meets every match exactly once."""

    async def story(scene: World) -> tuple[list[str], int]:
        await scene.signed()
        await scene.hold()
        found: list[str] = []
        url, total = "/fhir/MedicationRequest?_count=2", -1
        while url:
            page = (await scene.get(url)).json()
            total = page["total"]
            found += [entry["fullUrl"] for entry in page["entry"]]
            url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        return found, total

    found, total = play(tmp_path, story)
    assert len(found) == len(set(found)) == total


def test_an_order_is_found_by_its_identifier(tmp_path: Path) -> None:
    """identifier=system|value finds the one order, and with another system or value nothing."""

    async def story(scene: World) -> list[int]:
        draft = await scene.signed()
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        system = f"{PUBLIC_URL}/fhir/NamingSystem/order/north"
        value = signature.order_id
        wanted = [f"{system}|{value}", value, f"x|{value}", f"|{value}", f"{system}|x"]
        found = [await scene.get(f"/fhir/MedicationRequest?identifier={token}") for token in wanted]
        return [answer.json()["total"] for answer in found]

    assert play(tmp_path, story) == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    "path",
    [
        "MedicationRequest?code=1",
        "MedicationRequest?status:not=draft",
        "MedicationRequest?patient.name=x",
        "MedicationRequest?status=draft&status=active",
        "MedicationRequest?_count=many",
        "MedicationRequest?_summary=text",
        "MedicationRequest?_include=*",
        "MedicationRequest?patient=Practitioner/1",
        "Provenance",
        "Provenance?target=Patient/1",
        "AuditEvent",
        "AuditEvent?date=2026",
        "AuditEvent?entity=Device/undersign",
        "Procedure",
        "Procedure?patient=Practitioner/1",
        "Device?_sort=x",
    ],
)
def test_a_search_that_would_be_misread_is_refused(tmp_path: Path, path: str) -> None:
    """An unknown, repeated or unreadable parameter is 400 U-FHIR-SEARCH, never ignored."""
    answer = play(tmp_path, lambda scene: scene.get(f"/fhir/{path}"))
    assert refusal(answer) == (400, "U-FHIR-SEARCH")


@pytest.mark.parametrize("kind", ["Patient", "Encounter", "Observation", "banana"])
def test_other_types_are_not_served(tmp_path: Path, kind: str) -> None:
    """A type that is not served is 404 U-FHIR-TYPE-UNSUPPORTED, read or searched."""

    async def story(scene: World) -> list[tuple[int, str]]:
        return [refusal(await scene.get(f"/fhir/{kind}{rest}")) for rest in ("", "/1")]

    assert play(tmp_path, story) == [(404, "U-FHIR-TYPE-UNSUPPORTED")] * 2


@pytest.mark.parametrize("path", [f"{kind}/nope" for kind in SEARCHES])
def test_what_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    """A read of an unknown id is 404 as an OperationOutcome."""
    assert play(tmp_path, lambda scene: scene.get(f"/fhir/{path}")).status_code == 404


def test_metadata_device_and_the_count_are_open(tmp_path: Path) -> None:
    """Without credentials only metadata, the Device and the count of held drafts answer."""

    async def story(scene: World) -> None:
        await scene.hold()
        metadata = (await scene.http.get("/fhir/metadata")).json()
        operations = {o["name"] for r in metadata["rest"][0]["resource"] for o in r.get("operation", [])}
        assert operations == {"prepare", "sign", "verify", "reject", "revoke", "refer", "attest", "consent"}
        assert (await scene.http.get("/fhir/Device/undersign")).json()["resourceType"] == "Device"
        assert (await scene.http.get("/fhir/Device?_id=undersign")).json()["total"] == 1
        count = await scene.http.get("/fhir/MedicationRequest?status=draft&_summary=count")
        assert count.json()["total"] == 1
        assert "entry" not in count.json()

    play(tmp_path, story)


@pytest.mark.parametrize(
    "path",
    [
        "MedicationRequest",
        "MedicationRequest?status=draft",
        "MedicationRequest?status=draft&_summary=count&patient=Patient/example",
        "MedicationRequest?status=active&_summary=count",
        "MedicationRequest/x",
        "Provenance?target=MedicationRequest/x",
        "AuditEvent?entity=MedicationRequest/x",
        "AuditEvent?entity=Patient/x",
        "Procedure?patient=x",
        "Procedure/x",
    ],
)
def test_everything_else_needs_a_practitioner(tmp_path: Path, path: str) -> None:
    """Any other read without credentials is 401 U-AUTH with a Bearer challenge."""
    answer = play(tmp_path, lambda scene: scene.http.get(f"/fhir/{path}"))
    assert refusal(answer) == (401, "U-AUTH")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_the_audit_trail_of_a_draft_is_answered_in_order(tmp_path: Path) -> None:
    """Each link of a draft's chain is an AuditEvent with who did it, readable alone, oldest first."""

    async def story(scene: World) -> None:
        draft = await scene.signed()
        bundle = (await scene.get(f"/fhir/AuditEvent?entity=MedicationRequest/{draft.id}")).json()
        events = [entry["resource"] for entry in bundle["entry"]]
        codes = [event["subtype"][0]["code"] for event in events]
        assert codes == ["held", "prepared", "signed"]
        assert [event["agent"][0]["requestor"] for event in events] == [False, True, True]
        assert events[2]["agent"][0]["who"]["reference"] == f"{BASE}/Practitioner/p1"
        one = await scene.get(f"/fhir/AuditEvent/{events[1]['id']}")
        assert one.json() == events[1]
        listed = await scene.get(f"/fhir/AuditEvent?_id={events[1]['id']}")
        assert listed.json()["total"] == 1

    play(tmp_path, story)


def test_audit_events_are_found_by_several_ids(tmp_path: Path) -> None:
    """A comma joins ids of one chain or of several; those that are not there are passed over."""

    async def story(scene: World) -> None:
        first, second = await scene.hold(), await scene.signed()
        wanted = [f"{first.id}.1", f"{second.id}.3"]
        found = (await scene.get(f"/fhir/AuditEvent?_id={','.join([*wanted, 'nobody.1', 'nonsense'])}")).json()
        assert [entry["resource"]["id"] for entry in found["entry"]] == wanted
        assert (await scene.get("/fhir/AuditEvent?_id=nobody.1,nonsense")).json()["total"] == 0

    play(tmp_path, story)


def test_another_tenants_drafts_do_not_exist(tmp_path: Path) -> None:
    """A practitioner of another tenant finds, reads, prepares, signs and rejects nothing of ours: 404."""

    async def story(scene: World) -> None:
        south = ehr_settings(id="south", fhir_base="https://ehr.south.example/fhir")
        fake = FakeEhr()
        fake.prescriber("p1")
        services = services_of(scene.store, (ehr_settings(), scene.ehr), (south, fake))
        draft = await scene.signed()
        base = "https://ehr.south.example/fhir"
        token = user_token(iss=base, aud=base)
        asgi = httpx.ASGITransport(app=application(services))
        async with httpx.AsyncClient(transport=asgi, base_url=PUBLIC_URL, headers=bearer(token)) as http:
            for path in ("MedicationRequest/{}", "Provenance/{}", "AuditEvent/{}.1"):
                assert (await http.get(f"/fhir/{path.format(draft.id)}")).status_code == 404
            for query in ("MedicationRequest?_id=", "Provenance?target=", "AuditEvent?entity="):
                assert (await http.get(f"/fhir/{query}{draft.id}")).json()["total"] == 0
            assert (await http.get("/fhir/MedicationRequest")).json()["total"] == 0
            for operation in ("prepare", "reject"):
                answer = await http.post(f"/fhir/MedicationRequest/{draft.id}/${operation}")
                assert refusal(answer) == (404, "U-DRAFT-UNKNOWN")

    play(tmp_path, story)


def test_a_second_signature_is_refused(tmp_path: Path) -> None:
    """A draft is signed once: the same and any further $sign, $prepare and $reject are 409 U-DRAFT-SIGNED."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        assert (await scene.post(draft.id, "sign", *given)).status_code == 200
        for operation, parameters in (("sign", given), ("prepare", []), ("reject", [])):
            answer = await scene.post(draft.id, operation, *parameters)
            assert refusal(answer) == (409, "U-DRAFT-SIGNED")

    play(tmp_path, story)


def test_a_stale_or_foreign_digest_is_refused(tmp_path: Path) -> None:
    """A digest that was not shown, was shown to somebody else, or is of an earlier version signs nothing."""

    async def story(scene: World) -> None:
        scene.ehr.prescriber("p2")
        second = user_token("Practitioner/p2", sub="user-2")
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        wrong = [p if p["name"] != "digest" else text("digest", "sha256-x") for p in given]
        assert refusal(await scene.post(draft.id, "sign", *wrong)) == (409, "U-DIGEST")
        assert refusal(await scene.post(draft.id, "sign", *given, token=second)) == (409, "U-DIGEST")
        version = [p if p["name"] != "version" else {"name": "version", "valueInteger": 2} for p in given]
        assert refusal(await scene.post(draft.id, "sign", *version)) == (409, "U-DRAFT-VERSION")
        edited = (await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json()
        edited["dosageInstruction"] = [dosage(100)]
        order = {"name": "order", "resource": edited}
        assert (await scene.post(draft.id, "prepare", order)).status_code == 200
        assert refusal(await scene.post(draft.id, "sign", *given))[0] == 409
        assert (await scene.store.read(draft.id)).state == "modified"

    play(tmp_path, story)


def test_every_acknowledgement_is_asked_for(tmp_path: Path) -> None:
    """A signature without, or with other, acknowledgements than shown is 422 U-ACKNOWLEDGE."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = [p for p in await scene.prepared(draft.id) if p["name"] != "acknowledgement"]
        assert refusal(await scene.post(draft.id, "sign", *given)) == (422, "U-ACKNOWLEDGE")
        other = [*given, text("acknowledgement", "something else")]
        assert refusal(await scene.post(draft.id, "sign", *other)) == (422, "U-ACKNOWLEDGE")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("change", "context", "found"),
    [
        ({"dosageInstruction": [dosage(100)]}, {}, (200, "")),
        ({"dosageInstruction": [dosage(100.5)]}, {}, (422, "U-ORDER-DOSE-CEILING")),
        ({"dosageInstruction": [dosage(50), dosage(51)]}, {}, (422, "U-ORDER-DOSE-CEILING")),
        ({"dosageInstruction": [dosage(25)]}, {"dose": None}, (422, "U-ORDER-DOSE-CEILING")),
        ({"dosageInstruction": [{"text": "as before"}]}, {}, (422, "U-ORDER-INCOMPLETE")),
        ({"dosageInstruction": [dosage(-5)]}, {}, (422, "U-ORDER-DOSE")),
        ({"subject": {"reference": "Patient/other"}}, {}, (422, "U-ORDER-FIELD")),
        ({"medicationCodeableConcept": {"text": "x"}}, {}, (422, "U-ORDER-FIELD")),
        ({"note": [{"text": "take with food"}]}, {"dose": None}, (200, "")),
    ],
)
def test_an_edited_order_meets_the_rules_again(
    tmp_path: Path, change: dict[str, Any], context: dict[str, Any], found: tuple[int, str]
) -> None:
    """Dose and notes may be edited up to the patient's ceiling; drug and patient may not."""

    async def story(scene: World) -> tuple[int, str]:
        draft = await scene.hold(**context)
        edited = {**(await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json(), **change}
        answer = await scene.post(draft.id, "prepare", {"name": "order", "resource": edited})
        if answer.status_code != 200:
            assert (await scene.store.read(draft.id)).version == 1
            return refusal(answer)
        assert answer.json()["parameter"][0]["valueInteger"] == 2
        return 200, ""

    assert play(tmp_path, story) == found


LIMITED = {"supply_days": 7, "dose": DOSE, "acknowledge": ["ask again"]}
WEEK = {"value": 7, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}


@pytest.mark.parametrize(
    ("supply", "raised"),
    [
        ({"numberOfRepeatsAllowed": 0, "expectedSupplyDuration": WEEK}, False),
        ({"numberOfRepeatsAllowed": 0, "expectedSupplyDuration": {**WEEK, "value": 28}}, True),
        ({"numberOfRepeatsAllowed": 3, "expectedSupplyDuration": WEEK}, True),
        (None, True),
    ],
)
def test_a_raised_supply_is_signed_only_when_acknowledged(
    tmp_path: Path, supply: dict[str, Any] | None, raised: bool
) -> None:
    """Where a gate limits the supply, a signer who asks for more must acknowledge that point by its words."""

    async def story(scene: World) -> None:
        draft = await scene.hold(**LIMITED)
        edited = (await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json()
        edited |= {"dispenseRequest": supply} if supply else {}
        answer = await scene.post(draft.id, "prepare", {"name": "order", "resource": edited})
        given = [p for p in answer.json()["parameter"] if p["name"] in ("version", "digest", "acknowledgement")]
        points = [p["valueString"] for p in given if p["name"] == "acknowledgement"]
        assert points[0] == "ask again"
        assert (len(points) == 2) is raised
        if raised:
            assert "at most 7 days at a time" in points[1]
            without = [p for p in given if p.get("valueString") != points[1]]
            assert refusal(await scene.post(draft.id, "sign", *without)) == (422, "U-ACKNOWLEDGE")
        assert (await scene.post(draft.id, "sign", *given)).status_code == 200

    play(tmp_path, story)


@pytest.mark.parametrize("ingredient", ["clozapine", "lithium", "phenelzine"])
def test_a_drug_that_a_person_begins_is_not_signed_here(tmp_path: Path, ingredient: str) -> None:
    """A draft of a drug with a human route is refused by name when it is prepared, and when it is signed."""

    async def story(scene: World) -> None:
        draft = await scene.hold_drug(ingredient)
        answer = await scene.post(draft.id, "prepare")
        assert refusal(answer) == (422, "U-ORDER-ROUTE")
        assert "for the psychiatrist" in answer.json()["issue"][0]["details"]["text"]
        assert (await scene.store.read(draft.id)).state == "held"
        given = [{"name": "version", "valueInteger": 1}, text("digest", await scene.slip_in(draft))]
        assert refusal(await scene.post(draft.id, "sign", *given)) == (422, "U-ORDER-ROUTE")
        assert await scene.store.signature(draft.id) is None

    play(tmp_path, story)


def test_an_expired_draft_is_not_prepared_or_signed(tmp_path: Path) -> None:
    """Past its time by the store's clock, a draft is neither prepared nor signed, swept or not."""
    clock = Clock()

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        clock.at += timedelta(seconds=3600)
        for _ in range(2):
            assert refusal(await scene.post(draft.id, "sign", *given)) == (409, "U-DRAFT-EXPIRED")
            assert refusal(await scene.post(draft.id, "prepare")) == (409, "U-DRAFT-EXPIRED")
            await scene.store.expire()
        body = (await scene.get(f"/fhir/MedicationRequest/{draft.id}")).json()
        assert (body["status"], body["statusReason"]["coding"][0]["code"]) == ("cancelled", "expired")

    play(tmp_path, story, clock)


@pytest.mark.parametrize("state", ["inactive", "nurse", "no-role", "unknown", "down"])
def test_whoever_may_not_prescribe_now_signs_nothing(tmp_path: Path, state: str) -> None:
    """When the right to prescribe ends after $prepare, or the EHR is down, nothing is signed."""
    expected = {
        "inactive": (403, "U-SIGNER-INACTIVE"),
        "nurse": (403, "U-SIGNER-ROLE"),
        "no-role": (403, "U-SIGNER-ROLE"),
        "unknown": (403, "U-SIGNER-UNKNOWN"),
        "down": (502, "U-EHR-UNREACHABLE"),
    }

    async def story(scene: World) -> tuple[int, str]:
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        if state == "inactive":
            scene.ehr.prescriber("p1", active=False)
        if state == "nurse":
            scene.ehr.prescriber("p1", code={"system": "http://example.org", "code": "nurse"})
        if state in ("no-role", "unknown"):
            scene.ehr.held.pop("PractitionerRole/role-p1")
        if state == "unknown":
            scene.ehr.held.pop("Practitioner/p1")
        scene.ehr.down = state == "down"
        answer = await scene.post(draft.id, "sign", *given)
        assert (await scene.store.read(draft.id)).state == "held"
        assert await scene.store.signature(draft.id) is None
        assert refusal(await scene.post(draft.id, "prepare")) == expected[state]
        return refusal(answer)

    assert play(tmp_path, story) == expected[state]


def test_the_right_to_prescribe_is_asked_with_the_users_own_token(tmp_path: Path) -> None:
    """The live check of Practitioner and role carries the signer's token, not the service's."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        token = user_token()
        await scene.prepared(draft.id, token)
        asked = [r for r in scene.ehr.requests if "Practitioner" in r.url.path]
        assert len(asked) == 2
        assert {r.headers["authorization"] for r in asked} == {f"Bearer {token}"}

    play(tmp_path, story)


def test_where_the_ehr_signs_we_do_not(tmp_path: Path) -> None:
    """In card mode $sign is 422 U-SIGN-MODE and nothing is signed."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        given = await scene.prepared(draft.id)
        assert refusal(await scene.post(draft.id, "sign", *given)) == (422, "U-SIGN-MODE")
        assert await scene.store.signature(draft.id) is None

    play(tmp_path, story, write_back="card")


@pytest.mark.parametrize(
    ("parameters", "reason", "comment"),
    [
        ([], None, None),
        ([{"name": "reason", "valueCode": "prefers-alternative"}], "prefers-alternative", None),
        (
            [text("reason", "prefers-alternative"), text("comment", "said so")],
            "prefers-alternative",
            "said so",
        ),
        ([text("reason", "Patient declined today")], None, "Patient declined today"),
    ],
)
def test_a_draft_is_rejected_with_its_reason(
    tmp_path: Path, parameters: list[dict[str, Any]], reason: str | None, comment: str | None
) -> None:
    """A rejection ends the draft; a code stands in the chain, free text beside it."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        answer = await scene.post(draft.id, "reject", *parameters)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["statusReason"]["coding"][0]["code"] == "overridden"
        last = (await scene.store.history(draft.id))[-1]
        given = last.detail.get("given", {})
        assert (last.actor, given.get("reason")) == ("Practitioner/p1", reason)
        assert list((await scene.store.comments(draft.id)).values()) == ([comment] if comment else [])
        assert comment is None or comment not in json.dumps(dict(last.detail))
        assert refusal(await scene.post(draft.id, "prepare")) == (409, "U-DRAFT-STATE")

    play(tmp_path, story)


def test_a_rejection_of_another_version_is_refused(tmp_path: Path) -> None:
    """$reject with a version that is not the draft's is 409 and changes nothing."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        wrong = {"name": "version", "valueInteger": 9}
        assert refusal(await scene.post(draft.id, "reject", wrong)) == (409, "U-DRAFT-VERSION")
        assert (await scene.store.read(draft.id)).state == "held"

    play(tmp_path, story)


def test_a_launch_for_another_patient_does_not_reach_the_draft(tmp_path: Path) -> None:
    """A token with another patient in context prepares, signs and rejects nothing of this patient."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        other, same = user_token(patient="other"), user_token(patient="example")
        for operation in ("prepare", "sign", "reject"):
            answer = await scene.post(draft.id, operation, token=other)
            assert refusal(answer) == (403, "U-SESSION-PATIENT")
        assert (await scene.post(draft.id, "prepare", token=same)).status_code == 200

    play(tmp_path, story)


def parameters_of(*listed: str) -> bytes:
    """Return a Parameters body."""
    return f'{{"resourceType":"Parameters","parameter":[{",".join(listed)}]}}'.encode()


REASON = '{"name":"reason","valueString":"a"}'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "U-JSON-SYNTAX"),
        (b'{"resourceType":"Parameters","resourceType":"Parameters"}', "U-JSON-DUPLICATE-KEY"),
        (b"[" * 100 + b"]" * 100, "U-JSON-DEPTH"),
        (b"\xff", "U-JSON-ENCODING"),
        (b"null", "U-FHIR-PARAMETERS"),
        (b"[]", "U-FHIR-PARAMETERS"),
        (b'{"resourceType":"Patient"}', "U-FHIR-PARAMETERS"),
        (b'{"resourceType":"Parameters","parameter":{}}', "U-FHIR-PARAMETERS"),
        (parameters_of('{"name":"banana","valueString":"x"}'), "U-FHIR-PARAMETERS"),
        (parameters_of('{"name":"version","valueString":"1"}'), "U-FHIR-PARAMETERS"),
        (parameters_of('{"name":"version"}'), "U-FHIR-PARAMETERS"),
        (parameters_of('{"name":"version","valueInteger":1.5}'), "U-FHIR-PARAMETERS"),
        (parameters_of('{"name":"version","valueInteger":1}'), "U-FHIR-PARAMETERS"),
        (parameters_of(REASON, REASON), "U-FHIR-PARAMETERS"),
        (b"", "U-FHIR-PARAMETERS"),
    ],
)
def test_a_body_that_is_not_the_operations_is_refused(tmp_path: Path, body: bytes, code: str) -> None:
    """A body that is not JSON, not Parameters or not the operation's own is 400, and nothing changes."""

    async def story(scene: World) -> tuple[int, str]:
        draft = await scene.hold()
        headers = {**bearer(None), "Content-Type": "application/fhir+json"}
        url = f"/fhir/MedicationRequest/{draft.id}/$sign"
        answer = await scene.http.post(url, content=body, headers=headers)
        assert (await scene.store.read(draft.id)).version == 1
        return refusal(answer)

    assert play(tmp_path, story) == (400, code)
