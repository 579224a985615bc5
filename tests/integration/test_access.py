"""Who looked at a patient: each route that answers with a patient's data leaves an entry before it answers."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from fhir.resources.R4B.auditevent import AuditEvent

from service.drafts.audit import chain_faults
from service.drafts.canonical_json import dumps
from service.drafts.records import AuditEntry, Draft
from service.drafts.store import Store
from service.drafts.trail import access
from service.errors import Unavailable
from service.fhir import api
from service.fhir.audit_parts import PROFILES
from service.fhir.capabilities import SEARCHES
from service.web import crisis, page
from tests.integration.fake_ehr import BASE, World, user_token
from tests.integration.test_fhir_api import play, refusal
from tests.integration.test_fhir_reach import closed_to_nobody
from tests.integration.test_fhir_record import hold, resources

PATIENT, OTHER = "Patient/example", "Patient/other"
DRAFT = "MedicationRequest/{draft}"
# Route → what the entry says: the event, FHIR's interaction, and the reference or the search.
READS = {
    "MedicationRequest/{draft}": ("read", DRAFT),
    "MedicationRequest/{order}": ("read", "MedicationRequest/{order}"),
    "MedicationRequest/{draft}/_history": ("history-instance", DRAFT),
    "MedicationRequest/{draft}/_history/1": ("vread", DRAFT),
    "MedicationRequest/{draft}/$verify": ("operation", DRAFT),
    "Task/{draft}": ("read", "Task/{draft}"),
    "GuidanceResponse/{draft}": ("read", "GuidanceResponse/{draft}"),
    "Provenance/{draft}.created": ("read", "Provenance/{draft}.created"),
    "Procedure/{procedure}": ("read", "Procedure/{procedure}"),
    "Consent/{consent}": ("read", "Consent/{consent}"),
    "AuditEvent/{draft}.1": ("read", "AuditEvent/{draft}.1"),
}  # fmt: skip
SEARCHED = {
    "MedicationRequest": "MedicationRequest?_count=100&_offset=0",
    "MedicationRequest?patient=example&_count=1": "MedicationRequest?patient=example&_count=1&_offset=0",
    "MedicationRequest?_id={draft}": "MedicationRequest?_id={draft}&_count=100&_offset=0",
    "Task?patient=example&_summary=count": "Task?patient=example&_summary=count",
    "Task?focus=MedicationRequest/{draft}": "Task?focus=MedicationRequest/{draft}&_count=100&_offset=0",
    "GuidanceResponse?patient=Patient/example": "GuidanceResponse?patient=Patient/example&_count=100&_offset=0",
    "Provenance?target=MedicationRequest/{draft}":
        "Provenance?target=MedicationRequest/{draft}&_count=100&_offset=0",
    "Procedure?patient=example": "Procedure?patient=example&_count=100&_offset=0",
    "Consent?patient=example": "Consent?patient=example&_count=100&_offset=0",
    "AuditEvent?entity=MedicationRequest/{draft}":
        "AuditEvent?entity=MedicationRequest/{draft}&_count=100&_offset=0",
    "AuditEvent?patient=example": "AuditEvent?patient=example&_count=100&_offset=0",
}  # fmt: skip
OPERATIONS = ("prepare", "sign", "reject", "revoke", "refer")


async def looked(store: Store, patient: str = PATIENT, ehr: str = "north") -> list[AuditEntry]:
    """Return the entries of accesses to a patient, whose chain is whole."""
    found: list[AuditEntry] = []
    for register in await store.registered("access", ehr=ehr):
        if access.patient_of(register) == patient:
            chain = await store.entries(register.id)
            assert chain_faults(chain) == []
            found += chain
    return found


async def ids(scene: World) -> dict[str, str]:
    """Sign a draft, attest and record consent; return the ids that the routes take."""
    draft = await scene.signed()
    signature = await scene.store.signature(draft.id)
    assert signature is not None
    said = {"decision": "permit", "told_by": "patient"}
    consent = await scene.store.enter("consent", "north", PATIENT, "recorded", "Practitioner/p1", said)
    procedure = await attested(scene)
    return {"draft": draft.id, "order": signature.order_id, "consent": consent.id, "procedure": procedure}


async def attested(scene: World) -> str:
    """Attest that the patient's risk was assessed."""
    from tests.integration.test_attest_api import attest

    answer = await attest(scene)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def test_each_read_of_the_api_leaves_an_entry(tmp_path: Path) -> None:
    """Who, what, how and with which session, one entry a read, made by the store's clock, and no token in it."""

    async def story(scene: World) -> None:
        given = await ids(scene)
        token = user_token()
        for route, (interaction, what) in READS.items():
            before, now = await looked(scene.store), await scene.store.now()
            answer = await scene.get(f"/fhir/{route.format(**given)}", token)
            assert answer.status_code == 200, route
            (entry,) = (await looked(scene.store))[len(before) :]
            assert (entry.event, entry.actor) == ("read", "Practitioner/p1"), route
            assert (entry.detail["interaction"], entry.detail["what"]) == (interaction, what.format(**given)), route
            assert (entry.detail["way"], entry.detail["session"]) == ("api", access.session_of(token))
            assert entry.at >= now
            assert not any(part in dumps(entry.detail).decode() for part in token.split("."))

    play(tmp_path, story)


def test_every_type_that_is_searched_is_in_the_tables() -> None:
    """No type of a patient is served that these tests do not ask for."""
    served = SEARCHES.keys() - {"Device", "DocumentReference"}
    assert {route.partition("/")[0] for route in READS} == served
    assert {query.partition("?")[0] for query in SEARCHED} == served


# Every route that a person can ask: what of a patient it answers with, if anything. A new one is decided on here.
ROUTES = {
    ("GET", "/fhir/{kind}"): "searched",
    ("GET", "/fhir/{kind}/{ident}"): "read",
    ("GET", "/fhir/MedicationRequest/{ident}/_history"): "read",
    ("GET", "/fhir/MedicationRequest/{ident}/_history/{number}"): "read",
    ("GET", "/fhir/MedicationRequest/{ident}/$verify"): "read",
    **{("POST", f"/fhir/MedicationRequest/{{ident}}/${name}"): "what was done" for name in OPERATIONS},
    ("POST", "/fhir/Patient/{ident}/$attest"): "what was done",
    ("POST", "/fhir/Patient/{ident}/$consent"): "what was done",
    ("GET", "/fhir/metadata"): "nothing of a patient",
    ("GET", "/fhir/Questionnaire/undersign-preferences"): "nothing of a patient",
    ("GET", "/review"): "searched",
    ("GET", "/review/{draft_id}"): "read",
    **{("GET", f"/review/{{draft_id}}/{name}"): "read" for name in ("order", "edit", "sheet", "consent", "fact")},
    ("GET", "/consent"): "read",
    ("GET", "/crisis/{flag_id}"): "read",
    **{
        ("POST", f"/review/{{draft_id}}/{name}"): "what was done"
        for name in (*OPERATIONS, "edit", "own", "consent")
    },
    ("POST", "/consent"): "what was done",
    ("POST", "/crisis/{flag_id}/attest"): "what was done",
    ("GET", "/review/{draft_id}/{step}"): "leads elsewhere",
    ("GET", "/crisis/{flag_id}/attest"): "leads elsewhere",
    ("POST", "/sign-out"): "nothing of a patient",
}  # fmt: skip


def test_every_route_that_a_person_can_ask_is_in_the_tables() -> None:
    """No page and no route of the API answers without somebody having decided what it leaves."""
    routers = (api.router, page.router, crisis.router)
    found = {
        (method, str(route.path))
        for router in routers
        for route in iter_route_contexts(router.routes)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }
    assert found == ROUTES.keys()


def test_each_search_of_the_api_leaves_an_entry_with_its_query(tmp_path: Path) -> None:
    """One entry for the patient that it told of, with the search as it was understood."""

    async def story(scene: World) -> None:
        given = await ids(scene)
        for query, text in SEARCHED.items():
            before = await looked(scene.store)
            answer = await scene.get(f"/fhir/{query.format(**given)}")
            assert answer.status_code == 200, query
            after = await looked(scene.store)
            (entry,) = after[len(before) :]
            assert (entry.event, entry.detail["interaction"]) == ("searched", "search-type"), query
            assert entry.detail["query"] == text.format(**given)

    play(tmp_path, story)


def test_what_is_open_to_anybody_leaves_none(tmp_path: Path) -> None:
    """The Device, its card, the metadata and the bare count are nobody's; a refused token is nobody."""

    async def story(scene: World) -> list[AuditEntry]:
        await hold(scene)
        for path in ("metadata", "Device", "Device/undersign", "DocumentReference/model-card"):
            assert (await scene.http.get(f"/fhir/{path}")).status_code == 200
        assert (await scene.http.get("/fhir/MedicationRequest?status=draft&_summary=count")).json()["total"] == 1
        assert (await scene.http.get("/fhir/Task")).status_code == 401
        return await looked(scene.store)

    assert play(tmp_path, story) == []


def test_a_refusal_leaves_an_entry_with_its_code(tmp_path: Path) -> None:
    """Each read and operation that the EHR's no refuses is recorded as refused, in that patient's chain."""

    async def story(scene: World) -> None:
        given = await ids(scene)
        nobody = closed_to_nobody(scene)
        calls = [lambda path=path: scene.get(f"/fhir/{path.format(**given)}", nobody) for path in READS]
        calls += [lambda name=name: scene.post(given["draft"], name, token=nobody) for name in OPERATIONS]
        for act in calls:
            before = await looked(scene.store)
            assert refusal(await act()) == (403, "U-SESSION-PATIENT")
            (entry,) = (await looked(scene.store))[len(before) :]
            assert (entry.event, entry.detail["code"], entry.actor) == (
                "refused", "U-SESSION-PATIENT", "Practitioner/nobody",
            )  # fmt: skip
        named = [
            one.detail["name"] for one in await looked(scene.store) if one.event == "refused" and "name" in one.detail
        ]
        assert named == ["$verify", *(f"${name}" for name in OPERATIONS)]

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("query", "refused"),
    [("MedicationRequest?patient=example", 1), ("Task?_id={draft}", 1), ("Task", 0), ("Task?status=requested", 0)],
)
def test_a_search_is_refused_only_for_whom_it_asked(tmp_path: Path, query: str, refused: int) -> None:
    """Of a patient who is asked for a refusal is recorded; of one that a search passes over, nothing."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        nobody = closed_to_nobody(scene)
        assert await resources(scene, query.format(draft=draft.id), nobody) == []
        assert [one.event for one in await looked(scene.store)] == ["refused"] * refused

    play(tmp_path, story)


async def two(scene: World) -> tuple[Draft, Draft]:
    """Hold a draft for each of two patients."""
    scene.ehr.put({"resourceType": "Patient", "id": "other"})
    return await hold(scene), await hold(scene, OTHER)


def test_a_search_over_patients_tells_none_of_another(tmp_path: Path) -> None:
    """Each has an entry in the own chain, in which no id of another patient's record is."""

    async def story(scene: World) -> None:
        mine, theirs = await two(scene)
        assert len(await resources(scene, f"Task?_id={mine.id},{theirs.id}")) == 2
        for patient in (PATIENT, OTHER):
            (entry,) = await looked(scene.store, patient)
            assert entry.detail["query"] == "Task?_id=&_count=100&_offset=0"
        everything = dumps([one.detail for one in [*await looked(scene.store), *await looked(scene.store, OTHER)]])
        assert mine.id not in everything.decode()
        assert theirs.id not in everything.decode()

    play(tmp_path, story)


def test_only_those_on_the_page_of_a_search_were_told_of(tmp_path: Path) -> None:
    """A patient whose record comes on the next page is recorded when that is asked for; a bare count tells of none."""

    async def story(scene: World) -> list[tuple[int, int]]:
        await two(scene)
        seen: list[tuple[int, int]] = []
        for query in ("Task?_summary=count", "Task?_count=1", "Task?_count=1&_offset=1"):
            await scene.get(f"/fhir/{query}")
            seen.append((len(await looked(scene.store)), len(await looked(scene.store, OTHER))))
        return seen

    assert play(tmp_path, story) == [(0, 0), (0, 1), (1, 1)]


def test_what_a_person_writes_into_a_search_is_not_kept(tmp_path: Path) -> None:
    """Only codes and ids of a search are in the entry: a name that somebody typed into it is not."""

    async def story(scene: World) -> str:
        await hold(scene)
        await scene.get("/fhir/MedicationRequest?patient=example&status=draft,John Doe born 1980")
        (entry,) = await looked(scene.store)
        return entry.detail["query"]

    assert play(tmp_path, story) == "MedicationRequest?patient=example&_count=100&_offset=0"


def test_a_search_that_names_a_patient_is_recorded_though_it_finds_nothing(tmp_path: Path) -> None:
    """That nothing is held of somebody is something too."""

    async def story(scene: World) -> list[str]:
        assert await resources(scene, "Task?patient=other") == []
        return [one.event for one in await looked(scene.store, OTHER)]

    assert play(tmp_path, story) == ["searched"]


def test_nothing_is_answered_that_could_not_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store cannot keep the entry each read and search is 503 with the store's code, and holds no record."""

    async def story(scene: World) -> None:
        given = await ids(scene)

        async def full(*_: Any, **__: Any) -> None:
            raise Unavailable("U-STORE-FULL", "the store's disk is full; free space, nothing was recorded")

        monkeypatch.setattr(scene.store, "enter", full)
        for path in [*READS, *SEARCHED]:
            answer = await scene.get(f"/fhir/{path.format(**given)}")
            assert refusal(answer) == (503, "U-STORE-FULL"), path
            assert given["draft"] not in answer.text
        nobody = closed_to_nobody(scene)
        assert (await scene.get(f"/fhir/MedicationRequest/{given['draft']}", nobody)).status_code == 503

    play(tmp_path, story)


def profile_of(event: dict[str, Any]) -> str:
    """Return the BALP profile that an event claims, empty for none."""
    return "".join(event.get("meta", {}).get("profile", [])).removeprefix(PROFILES)


def test_accesses_are_audit_events_by_the_profiles_that_they_keep(tmp_path: Path) -> None:
    """A read or vread is a PatientRead, a search a PatientQuery; a history, an operation and a refusal claim none."""

    async def story(scene: World) -> None:
        given = await ids(scene)
        for path in [*READS, *SEARCHED]:
            await scene.get(f"/fhir/{path.format(**given)}")
        nobody = closed_to_nobody(scene)
        await scene.get(f"/fhir/MedicationRequest/{given['draft']}", nobody)
        found = await resources(scene, "AuditEvent?patient=example&_count=1000")
        claimed: dict[tuple[str, str], set[str]] = {}
        for one in found:
            AuditEvent.model_validate(one)
            code, interaction = (sub["code"] for sub in one["subtype"])
            if code in access.EVENTS:
                claimed.setdefault((code, interaction), set()).add(profile_of(one))
        assert claimed == {
            ("read", "read"): {"PatientRead"},
            ("read", "vread"): {"PatientRead"},
            ("read", "history-instance"): {""},
            ("read", "operation"): {""},
            ("searched", "search-type"): {"PatientQuery"},
            ("refused", "read"): {""},
        }
        times = [one["recorded"] for one in found]
        assert times == sorted(times)

    play(tmp_path, story)


def agents(event: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the agents of an event by their type's code."""
    return {one["type"]["coding"][0]["code"]: one for one in event["agent"]}


def test_a_read_and_a_search_as_balp_has_them(tmp_path: Path) -> None:
    """Roles of client and server as the profiles fix them, the reader as recipient, the search in base64."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        await scene.get(f"/fhir/MedicationRequest/{draft.id}")
        await scene.get("/fhir/MedicationRequest?patient=example")
        found = await resources(scene, "AuditEvent?patient=example")
        read, searched = (one for one in found if one["subtype"][0]["code"] in access.EVENTS)
        for one, action, client, server in ((read, "R", "110152", "110153"), (searched, "E", "110153", "110152")):
            assert (one["action"], one["outcome"]) == (action, "0")
            by_type = agents(one)
            assert by_type.keys() == {"IRCP", client, server}
            assert by_type["IRCP"]["who"]["reference"] == f"{BASE}/Practitioner/p1"
            assert by_type[client]["network"]["address"] == BASE
            assert by_type[server]["who"]["reference"] == "Device/undersign"
            patient = one["entity"][1]
            assert patient["what"]["reference"] == f"{BASE}/Patient/example"
        assert read["entity"][0]["what"]["reference"] == f"MedicationRequest/{draft.id}"
        query = searched["entity"][0]
        assert query.keys() == {"type", "role", "query"}
        assert base64.b64decode(query["query"]) == b"MedicationRequest?patient=example&_count=100&_offset=0"
        names = {detail["type"] for detail in searched["entity"][1]["detail"]}
        assert names == {"sha256", "previous-sha256", "way", "session"}

    play(tmp_path, story)


def test_a_refusal_as_audit_event(tmp_path: Path) -> None:
    """It failed, its code says why, and whose reading was refused is there."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        await scene.get(f"/fhir/MedicationRequest/{draft.id}", closed_to_nobody(scene))
        found = await resources(scene, "AuditEvent?patient=example")
        (refused,) = [one for one in found if one["subtype"][0]["code"] == "refused"]
        assert (refused["outcome"], refused["outcomeDesc"], refused["action"]) == ("8", "U-SESSION-PATIENT", "R")
        assert agents(refused)["IRCP"]["who"]["reference"] == f"{BASE}/Practitioner/nobody"

    play(tmp_path, story)


def test_reading_the_trail_is_recorded_once_and_not_of_itself(tmp_path: Path) -> None:
    """Each look at the trail is one entry, which the next look shows and its own does not."""

    async def story(scene: World) -> list[int]:
        await hold(scene)
        return [len(await resources(scene, "AuditEvent?patient=example")) for _ in range(3)]

    assert play(tmp_path, story) == [1, 2, 3]


def test_the_trail_of_a_draft_has_who_looked_at_it_and_at_no_other(tmp_path: Path) -> None:
    """Searched by entity, a draft's own links and the reads of it come in the order of time."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        other = await scene.hold_drug("fluoxetine")
        for one in (draft, other):
            await scene.get(f"/fhir/MedicationRequest/{one.id}")
        found = await resources(scene, f"AuditEvent?entity=MedicationRequest/{draft.id}")
        codes = [one["subtype"][0]["code"] for one in found]
        assert (codes[0], codes[-1], codes.count("read")) == ("held", "read", 1)
        read = found[-1]
        assert (await scene.get(f"/fhir/AuditEvent/{read['id']}")).json() == read
        assert await resources(scene, f"AuditEvent?_id={read['id']}") == [read]
        assert await resources(scene, f"AuditEvent?_id={read['id']}&patient=other") == []

    play(tmp_path, story)


def test_another_tenant_reads_no_access_of_this_one(tmp_path: Path) -> None:
    """The id of an entry leads nowhere for a practitioner of another tenant; whose it is stands in its digest."""

    async def story(scene: World) -> None:
        draft = await hold(scene)
        await scene.get(f"/fhir/MedicationRequest/{draft.id}")
        (entry,) = await looked(scene.store)
        assert access.owner(entry, "north") == PATIENT
        assert access.owner(entry, "south") is None
        consent = await scene.store.enter(
            "consent", "north", PATIENT, "recorded", "Practitioner/p1", {"decision": "permit"}
        )
        assert access.owner(consent.entry, "north") is None

    play(tmp_path, story)


def test_many_readers_at_once_are_all_in_the_chain(tmp_path: Path) -> None:
    """Of thirty reads at once each has its entry, in one whole chain."""

    async def story(scene: World) -> tuple[int, list[str]]:
        draft = await hold(scene)
        token = user_token()
        path = f"/fhir/MedicationRequest/{draft.id}"
        answers: list[httpx.Response] = await asyncio.gather(*(scene.get(path, token) for _ in range(30)))
        assert {one.status_code for one in answers} == {200}
        return len(await looked(scene.store)), list(await scene.store.verify())

    assert play(tmp_path, story) == (30, [])
