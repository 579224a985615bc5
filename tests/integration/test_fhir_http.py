"""The FHIR API as HTTP and R4 ask for it: HEAD, formats, each declared parameter, paging, versions, other tenants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from service.drafts.records import Draft, Signature
from service.fhir.capabilities import OPERATIONS, SEARCHES
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
)
from tests.integration.test_attest_api import attest
from tests.integration.test_fhir_api import play, refusal
from tests.integration.test_fhir_record import hold

SOUTH = "https://ehr.south.example/fhir"


@dataclass(frozen=True)
class Life:
    """One patient's records of every type: a held draft, a signed one with its order, a consent, an assessment."""

    held: Draft
    signed: Draft
    signature: Signature
    consent: str
    procedure: str

    def ids(self) -> dict[str, str]:
        """Return an id of each type that is kept for a tenant."""
        return {
            "MedicationRequest": self.held.id,
            "Task": self.held.id,
            "GuidanceResponse": self.held.id,
            "Provenance": f"{self.held.id}.created",
            "Procedure": self.procedure,
            "Consent": self.consent,
            "AuditEvent": f"{self.held.id}.1",
        }


async def lived(scene: World) -> Life:
    """Let a practitioner sign a draft, record a consent and an assessment, and hold another draft."""
    signed = await scene.signed()
    said = [{"name": "decision", "valueCode": "permit"}, {"name": "toldBy", "valueCode": "patient"}]
    body = {"resourceType": "Parameters", "parameter": said}
    consent = await scene.http.post("/fhir/Patient/example/$consent", json=body, headers=bearer(None))
    assessed = await attest(scene)
    assert (consent.status_code, assessed.status_code) == (201, 201), assessed.text
    signature = await scene.store.signature(signed.id)
    assert signature is not None
    return Life(await hold(scene), signed, signature, consent.json()["id"], assessed.json()["id"])


async def total(scene: World, query: str) -> int:
    """Return how much a search finds."""
    answer = await scene.get(f"/fhir/{query}")
    assert answer.status_code == 200, f"{query}: {answer.text}"
    return int(answer.json()["total"])


def values(life: Life) -> Mapping[str, Sequence[tuple[str, int]]]:
    """Return for each declared parameter what it is asked with and how much that finds."""
    order = life.signature.order_id
    identifier = "identifier=urn:ietf:rfc:3986|"
    device = f"{PUBLIC_URL}/fhir/Device/undersign"
    return {
        "MedicationRequest._id": [(life.held.id, 1), (f"{life.signed.id},{order}", 2), ("nobody", 0)],
        "MedicationRequest.identifier": [("urn:nobody|1", 0)],
        "MedicationRequest.intent": [("proposal", 2), ("order", 1), ("plan", 0)],
        "MedicationRequest.patient": [("example", 3), (f"{BASE}/Patient/example", 3), ("other", 0)],
        "MedicationRequest.status": [("draft", 1), ("active", 1), ("completed", 1), ("cancelled", 0)],
        "Task._id": [(life.held.id, 1), ("nobody", 0)],
        "Task.focus": [
            (f"MedicationRequest/{life.signed.id}", 1),
            (f"MedicationRequest/{order}", 1),
            (f"{PUBLIC_URL}/fhir/MedicationRequest/{order}", 1),
            ("MedicationRequest/nobody", 0),
        ],
        "Task.patient": [("example", 2), ("other", 0)],
        "Task.status": [("requested", 1), ("completed", 1), ("cancelled", 0)],
        "GuidanceResponse._id": [(life.held.id, 1), ("nobody", 0)],
        "GuidanceResponse.patient": [("Patient/example", 2), ("other", 0)],
        "Provenance._id": [(f"{life.held.id}.created", 1), (order, 1), ("nobody", 0)],
        "Provenance.entity": [(f"MedicationRequest/{life.signed.id}", 1), ("MedicationRequest/nobody", 0)],
        "Provenance.target": [(f"MedicationRequest/{order}", 1), ("MedicationRequest/nobody", 0)],
        "Procedure._id": [(life.procedure, 1), ("nobody", 0)],
        "Procedure.patient": [("example", 1), ("other", 0)],
        "Consent._id": [(life.consent, 1), ("nobody", 0)],
        "Consent.patient": [("example", 1), ("other", 0)],
        "AuditEvent._id": [(f"{life.held.id}.1", 1), ("nobody.1", 0)],
        "AuditEvent.entity": [(f"MedicationRequest/{life.held.id}", 1), ("MedicationRequest/nobody", 0)],
        "AuditEvent.patient": [("other", 0)],
        "Device._id": [("undersign", 1), ("nobody", 0)],
        "Device.identifier": [(f"{identifier.partition('=')[2]}{device}", 1), ("urn:nobody|1", 0)],
        "DocumentReference._id": [("model-card", 1), ("nobody", 0)],
        "DocumentReference.identifier": [(f"{PUBLIC_URL}/model-card", 1), ("urn:nobody|1", 0)],
    }


def test_each_parameter_that_is_declared_finds_what_it_says(tmp_path: Path) -> None:
    """Every searchParam of the CapabilityStatement finds the records that have its value, and none that have not."""

    async def story(scene: World) -> None:
        life = await lived(scene)
        stated = (await scene.http.get("/fhir/metadata")).json()["rest"][0]["resource"]
        declared = {f"{one['type']}.{p['name']}" for one in stated for p in one.get("searchParam", [])}
        asked = values(life)
        assert asked.keys() == declared
        for name, pairs in asked.items():
            kind, _, parameter = name.partition(".")
            for value, found in pairs:
                if name != "AuditEvent.entity" or found == 0:
                    assert await total(scene, f"{kind}?{parameter}={value}") == found, (name, value)
                else:  # the search before it has left its own entries
                    assert await total(scene, f"{kind}?{parameter}={value}") >= found, (name, value)
        assert await total(scene, "AuditEvent?patient=example") > 0
        system, value = (
            (await scene.get(f"/fhir/MedicationRequest/{life.signature.order_id}")).json()["identifier"][0].values()
        )
        assert await total(scene, f"MedicationRequest?identifier={system}|{value}") == 1

    play(tmp_path, story)


def test_an_order_that_the_ehr_has_to_sign_is_found_as_the_draft_that_it_is(tmp_path: Path) -> None:
    """A signed order of status draft is among the drafts of a patient, and only by that status."""

    async def story(scene: World) -> None:
        signed = await scene.signed()
        signature = await scene.store.signature(signed.id)
        assert signature is not None
        own = f"MedicationRequest?_id={signature.order_id}"
        drafts = (await scene.get("/fhir/MedicationRequest?patient=example&status=draft")).json()
        assert [one["fullUrl"].rpartition("/")[2] for one in drafts["entry"]] == [signature.order_id]
        assert [await total(scene, f"{own}&status={one}") for one in ("draft", "active", "completed")] == [1, 0, 0]

    play(tmp_path, story, write_back="unsigned-order")


def test_the_task_of_a_signed_draft_leads_to_its_order(tmp_path: Path) -> None:
    """The Task that an order's reference finds names the order as what came of it."""

    async def story(scene: World) -> None:
        signed = await scene.signed()
        signature = await scene.store.signature(signed.id)
        assert signature is not None
        found = (await scene.get(f"/fhir/Task?focus=MedicationRequest/{signature.order_id}")).json()
        (task,) = [one["resource"] for one in found["entry"]]
        assert task["focus"]["reference"] == f"MedicationRequest/{signed.id}"
        assert task["output"][0]["valueReference"]["reference"] == f"MedicationRequest/{signature.order_id}"

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        (None, 400),
        ("handling=strict", 400),
        ("handling=lenient", 200),
        ("return=minimal, Handling = Lenient", 200),
        ("return=minimal", 400),
    ],
)
def test_an_unknown_parameter_is_refused_or_passed_over_as_the_caller_prefers(
    tmp_path: Path, prefer: str | None, status: int
) -> None:
    """Only ``handling=lenient`` lets a parameter be ignored; then the self link is without it and an entry says so."""

    async def story(scene: World) -> None:
        await scene.hold()
        headers = bearer(None) | ({"Prefer": prefer} if prefer else {})
        answer = await scene.http.get("/fhir/MedicationRequest?status=draft&code=1", headers=headers)
        assert answer.status_code == status
        if status == 400:
            assert refusal(answer) == (400, "U-FHIR-SEARCH")
            return
        bundle = answer.json()
        assert bundle["total"] == 1
        assert "code=" not in bundle["link"][0]["url"]
        assert [one["search"]["mode"] for one in bundle["entry"]] == ["match", "outcome"]

    play(tmp_path, story)


def test_pages_meet_every_record_once_though_others_come_meanwhile(tmp_path: Path) -> None:
    """Following next skips nothing and repeats nothing where a draft is held, or one is decided, between two pages."""

    async def story(scene: World) -> None:
        before = [await hold(scene, f"Patient/p{number}") for number in range(6)]
        for draft in before:
            scene.ehr.put({"resourceType": "Patient", "id": draft.patient.removeprefix("Patient/")})
        url, met = "/fhir/MedicationRequest?status=draft&_count=2", list[str]()
        while url:
            page = (await scene.get(url)).json()
            met += [one["resource"]["id"] for one in page.get("entry", [])]
            if len(met) == 2:
                await scene.hold()
            if len(met) == 4:
                assert (await scene.post(met[0], "reject")).status_code == 200
            url = next((one["url"] for one in page["link"] if one["relation"] == "next"), "")
        assert met == [one.id for one in reversed(before)]

    play(tmp_path, story)


def test_a_summary_counts_and_shows_nothing(tmp_path: Path) -> None:
    """``_summary=count`` and ``_count=0`` answer the total of the whole search without an entry."""

    async def story(scene: World) -> None:
        await lived(scene)
        for kind in ("MedicationRequest", "Task", "GuidanceResponse"):
            whole = await total(scene, kind)
            for ask in ("_summary=count", "_count=0"):
                bundle = (await scene.get(f"/fhir/{kind}?{ask}")).json()
                assert (bundle["total"], "entry" in bundle) == (whole, False)

    play(tmp_path, story)


def test_a_version_that_is_known_says_nothing_of_the_state(tmp_path: Path) -> None:
    """A draft keeps its ETag when it is rejected, so If-None-Match is answered with the draft as it stands."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        first = await scene.get(f"/fhir/MedicationRequest/{draft.id}")
        assert (await scene.post(draft.id, "reject")).status_code == 200
        headers = bearer(None) | {"If-None-Match": first.headers["etag"]}
        again = await scene.http.get(f"/fhir/MedicationRequest/{draft.id}", headers=headers)
        assert (again.status_code, again.headers["etag"]) == (200, first.headers["etag"])
        assert (first.json()["status"], again.json()["status"]) == ("draft", "cancelled")
        stated = (await scene.http.get("/fhir/metadata")).json()["rest"][0]["resource"]
        assert {one["conditionalRead"] for one in stated if one["type"] in SEARCHES} == {"not-supported"}

    play(tmp_path, story)


PATHS = ("metadata", "Device/undersign", "Device", "MedicationRequest", "MedicationRequest/{}", "Task/{}", "Patient/x")


def test_head_is_get_without_its_body(tmp_path: Path) -> None:
    """HEAD has the status and headers of GET, found or not, and never a body."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        for one in PATHS:
            path = f"/fhir/{one.format(draft.id)}"
            got, head = await scene.get(path), await scene.http.head(path, headers=bearer(None))
            assert (head.status_code, head.content) == (got.status_code, b""), path
            told = {name: value for name, value in head.headers.items() if name != "date"}
            assert told == {name: value for name, value in got.headers.items() if name != "date"}, path
        assert (await scene.http.head(f"/fhir/MedicationRequest/{draft.id}")).status_code == 401
        assert (await scene.http.head(f"/fhir/MedicationRequest/{draft.id}/$sign")).status_code == 405

    play(tmp_path, story)


ACCEPTS: Sequence[tuple[str, str, int]] = [
    ("application/fhir+json", "", 200),
    ("application/json; charset=utf-8", "", 200),
    ("text/html, application/fhir+xml;q=0.9, */*;q=0.8", "", 200),
    ("application/fhir+json; fhirVersion=4.0", "", 200),
    ("", "", 200),
    ("application/fhir+xml", "?_format=json", 200),
    ("application/fhir+xml", "", 406),
    ("application/fhir+xml, text/turtle", "", 406),
    ("application/fhir+xml, application/fhir+json;q=0", "", 406),
    ("application/fhir+json; fhirVersion=3.0", "", 406),
    ("text/html", "", 406),
    ("*/*", "?_format=xml", 406),
]


@pytest.mark.parametrize(("accept", "query", "status"), ACCEPTS)
def test_what_is_not_answered_in_is_406(tmp_path: Path, accept: str, query: str, status: int) -> None:
    """Who takes FHIR R4 as JSON gets it, and who takes only something else is told so, as an OperationOutcome."""

    async def story(scene: World) -> None:
        draft = await scene.hold()
        for path in ("metadata", "Device", f"MedicationRequest/{draft.id}"):
            answer = await scene.http.get(f"/fhir/{path}{query}", headers=bearer(None) | {"Accept": accept})
            assert answer.status_code == status, path
            if status == 406:
                assert refusal(answer) == (406, "U-FHIR-ACCEPT")

    play(tmp_path, story)


def test_another_tenants_records_answer_as_those_that_never_were(tmp_path: Path) -> None:
    """By every route a practitioner of another hospital gets for our ids the very answer of ids that nobody has."""

    async def story(scene: World) -> None:
        life = await lived(scene)
        fake = FakeEhr()
        fake.prescriber("p1")
        fake.put({"resourceType": "Patient", "id": "example"})
        south = ehr_settings(id="south", fhir_base=SOUTH)
        asgi = httpx.ASGITransport(
            app=application(services_of(scene.store, (ehr_settings(), scene.ehr), (south, fake)))
        )
        headers = bearer(user_token(iss=SOUTH, aud=SOUTH))
        async with httpx.AsyncClient(transport=asgi, base_url=PUBLIC_URL, headers=headers) as http:
            for ours, theirs in routes(life):
                method = "POST" if "$" in ours and "$verify" not in ours else "GET"
                one, other = await http.request(method, ours), await http.request(method, theirs)
                assert one.status_code == other.status_code, ours
                if "?" in ours:
                    assert (one.status_code, one.json()["total"]) == (200, 0), ours
                else:
                    assert one.status_code == 404, ours
                    assert one.content == other.content, ours
            for kind in ("MedicationRequest", "Task", "GuidanceResponse"):
                assert (await http.get(f"/fhir/{kind}")).json()["total"] == 0
                assert (await http.get(f"/fhir/{kind}?patient=example")).json()["total"] == 0
            for kind in ("Procedure", "Consent"):
                assert (await http.get(f"/fhir/{kind}?patient=example")).json()["total"] == 0
        assert (await scene.store.read(life.held.id)).state == "held"

    play(tmp_path, story)


def routes(life: Life) -> list[tuple[str, str]]:
    """Return every route to a record of ours, each with the same for an id that nobody has."""
    none, order = "00000000-0000-4000-8000-000000000000", life.signature.order_id
    found = [(f"/fhir/{kind}/{ident}", f"/fhir/{kind}/{_like(ident, none)}") for kind, ident in life.ids().items()]
    found += [(f"/fhir/{kind}?_id={ident}", f"/fhir/{kind}?_id={none}") for kind, ident in life.ids().items()]
    for ident in (life.held.id, life.signed.id, order):
        for end in ("", "/_history", "/_history/1", *(f"/${name}" for name in OPERATIONS)):
            found.append((f"/fhir/MedicationRequest/{ident}{end}", f"/fhir/MedicationRequest/{none}{end}"))
        for query in ("Provenance?target=", "Provenance?entity=", "AuditEvent?entity=", "Task?focus="):
            found.append(
                (f"/fhir/{query}MedicationRequest/{ident}", f"/fhir/{query}MedicationRequest/{none}"),
            )
    return found


def _like(ident: str, none: str) -> str:
    """Return an id of the same form that nobody has."""
    return none + ident[len(none) :] if len(ident) >= len(none) else none


def test_the_links_of_a_page_lead_to_this_service_only(tmp_path: Path) -> None:
    """What a caller writes into Host leads no link elsewhere."""

    async def story(scene: World) -> None:
        await scene.signed()
        await scene.hold()
        headers = bearer(None) | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        bundle = (await scene.http.get("/fhir/MedicationRequest?_count=1", headers=headers)).json()
        addresses = [one["url"] for one in bundle["link"]] + [one["fullUrl"] for one in bundle["entry"]]
        assert {urlsplit(one).netloc for one in addresses} == {urlsplit(PUBLIC_URL).netloc}

    play(tmp_path, story)
