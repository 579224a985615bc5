"""The write-back to an EHR that fails in every known way: the order is written once, or a person is told."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import Draft
from service.ehr import writeback
from service.ehr.readback import differences
from tests.contract.samples import Clock, dosage
from tests.integration.fake_ehr import BASE, World, world

T = TypeVar("T")


def play(path: Path, story: Callable[[World, Clock], Awaitable[T]]) -> T:
    """Run a story in a fresh world with a clock that moves when told."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


async def work(scene: World, clock: Clock, rounds: int = 12) -> None:
    """Work on the outbox until nothing is due any more, whatever the pauses."""
    for _ in range(rounds):
        await writeback.once(scene.services)
        clock.forward(400)


async def last(scene: World, draft: Draft) -> tuple[str, dict[str, Any]]:
    """Return the draft's state and what the last audit entry was given."""
    history = await scene.store.history(draft.id)
    return (await scene.store.read(draft.id)).state, dict(history[-1].detail.get("given", {}))


def test_a_signed_order_is_written_read_back_and_confirmed(tmp_path: Path) -> None:
    """A signed order is created as signed, its Provenance targets the EHR's id, the draft is confirmed."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        (order,) = scene.ehr.of("MedicationRequest")
        held = {name: value for name, value in order.items() if name not in ("id", "meta")}
        signed = {name: value for name, value in load_object(signature.order).items() if name != "meta"}
        assert dumps(held) == dumps(signed)
        (provenance,) = scene.ehr.of("Provenance")
        assert provenance["target"][0]["reference"] == f"MedicationRequest/{order['id']}"
        creates = [r for r in scene.ehr.requests if r.method == "POST" and "token" not in r.url.path]
        sent = next(r for r in creates if r.url.path.endswith("MedicationRequest"))
        assert sent.content == signature.order
        assert signature.order_id in sent.headers["if-none-exist"]
        assert await scene.store.verify() == ()

    play(tmp_path, story)


PASSING = [
    "commit-then-drop",
    "drop",
    "503",
    "500",
    "429",
    "401",
    "no-location",
    "empty",
    "ignore-if-none-exist",
]


@pytest.mark.parametrize(
    "faults", [pair for pair in itertools.product(PASSING, [*PASSING, None]) if pair != ("401", "401")]
)
def test_passing_faults_end_in_one_order(tmp_path: Path, faults: tuple[str, str | None]) -> None:
    """After any two passing faults of the creates the EHR holds order and Provenance once, confirmed."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = list(faults)
        draft = await scene.signed()
        await work(scene, clock)
        assert len(scene.ehr.of("MedicationRequest")) == 1
        assert len(scene.ehr.of("Provenance")) == 1
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


@pytest.mark.parametrize("faults", list(itertools.product(["commit-then-drop", "503"], repeat=3)))
def test_a_create_that_keeps_failing_still_ends_in_one_order(tmp_path: Path, faults: tuple[str, ...]) -> None:
    """An EHR that ignores If-None-Exist and drops its answers still gets the order once."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = [fault for fault in faults for fault in (fault, "ignore-if-none-exist")]
        draft = await scene.signed()
        await work(scene, clock)
        assert len(scene.ehr.of("MedicationRequest")) == 1
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        ("drop:identifier", ["identifier"]),
        ("drop:requester", ["requester"]),
        ("drop:dosageInstruction", ["dose"]),
        ("drop:medicationCodeableConcept", ["medication"]),
        ("wrong-dose", ["dose"]),
        ("reported-only", ["reported"]),
        ("duplicate", ["two-matches"]),
        ("412", ["two-matches"]),
    ],
)
def test_an_order_that_is_not_what_was_signed_stops(tmp_path: Path, fault: str, fields: list[str]) -> None:
    """Dropped or changed fields and two matches end in mismatch, naming fields and no values."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = [fault]
        draft = await scene.signed()
        await work(scene, clock)
        state, given = await last(scene, draft)
        assert (state, given) == ("mismatch", {"code": "U-EHR-MISMATCH", "fields": fields})
        assert scene.ehr.of("Provenance") == []
        assert len(scene.ehr.of("MedicationRequest")) <= 2

    play(tmp_path, story)


@pytest.mark.parametrize(("fault", "status"), [("400", 400)])
def test_a_refusal_is_parked_with_its_code(tmp_path: Path, fault: str, status: int) -> None:
    """A 4xx that will not pass by itself is parked with the code and tried no more."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = [fault]
        draft = await scene.signed()
        await work(scene, clock)
        assert await last(scene, draft) == ("parked", {"code": "U-EHR-REFUSED", "status": status})
        assert scene.ehr.of("MedicationRequest") == []

    play(tmp_path, story)


def test_a_token_that_is_no_longer_taken_is_renewed_once(tmp_path: Path) -> None:
    """One 401 gets a new token within the same attempt; two in a row are parked."""

    async def story(scene: World, clock: Clock) -> tuple[int, str]:
        scene.ehr.faults = ["401", None]
        first = await scene.signed()
        await writeback.once(scene.services)
        assert (await scene.store.read(first.id)).state == "confirmed"
        tokens = scene.ehr.tokens
        scene.ehr.of("MedicationRequest")[0]["status"] = "completed"
        second = await scene.signed()
        scene.ehr.faults = ["401", "401"]
        await writeback.once(scene.services)
        return tokens, (await scene.store.read(second.id)).state

    # One more than the write-back's own two: signing asks what the EHR has, with a narrower scope.
    assert play(tmp_path, story) == (3, "parked")


def test_a_registration_that_is_put_right_later_loses_no_order(tmp_path: Path) -> None:
    """While the EHR refuses our client the write-back is tried again, not parked."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.ehr.refuse_tokens = True
        await work(scene, clock, 2)
        assert await last(scene, draft) == ("write-failed", {"code": "U-EHR-TOKEN"})
        scene.ehr.refuse_tokens = False
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


def test_an_ehr_that_is_down_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    """While the EHR is down the write-back waits 1, 2, 4 … seconds; it is written when the EHR is back."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        scene.ehr.down = True
        for attempt in range(1, 5):
            assert await writeback.once(scene.services)
            assert await last(scene, draft) == ("write-failed", {"code": "U-EHR-UNREACHABLE"})
            clock.forward(writeback.backoff_s(attempt) - 0.5)
            assert not await writeback.once(scene.services)
            clock.forward(0.5)
        scene.ehr.down = False
        assert await writeback.once(scene.services)
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    """After 429 with Retry-After: 7 nothing is tried before seven seconds have passed."""

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.faults = ["429"]
        await scene.signed()
        await writeback.once(scene.services)
        clock.forward(6.9)
        assert not await writeback.once(scene.services)
        clock.forward(0.1)
        assert await writeback.once(scene.services)

    play(tmp_path, story)


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (1000, 300)])
def test_pauses_double_up_to_five_minutes(attempts: int, seconds: int) -> None:
    """The pause after the n-th attempt is 2^(n-1) seconds, at most 300."""
    assert writeback.backoff_s(attempts) == seconds


def test_a_server_that_ignores_the_search_is_looked_through(tmp_path: Path) -> None:
    """A search answer with other people's orders neither stops the write-back nor is taken for ours."""

    async def story(scene: World, clock: Clock) -> None:
        for number in range(3):
            scene.ehr.put({"resourceType": "MedicationRequest", "id": f"other-{number}"})
        scene.ehr.put({"resourceType": "Provenance", "id": "other", "signature": [{"data": "eA=="}]})
        scene.ehr.faults = ["503"]
        draft = await scene.signed()
        scene.ehr.ignore_search = True
        await work(scene, clock)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert len(scene.ehr.of("MedicationRequest")) == 4

    play(tmp_path, story)


def test_a_worker_that_died_after_the_create_is_followed_by_one_that_finds_it(tmp_path: Path) -> None:
    """When a worker dies between the create and its record, the next one writes no second order."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        entry = await scene.store.claim(60)
        assert entry is not None
        client = scene.services.clients["north"]
        await client.create("MedicationRequest", entry.order, token="any")
        clock.forward(61)
        await work(scene, clock)
        assert len(scene.ehr.of("MedicationRequest")) == 1
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


def test_a_worker_whose_lease_was_taken_over_records_nothing(tmp_path: Path) -> None:
    """A worker that lost its lease stops at its next record; whoever holds the lease ends the write-back."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        handle = scene.ehr.__class__.__call__
        taken: list[str] = []

        async def slow(request: httpx.Request) -> httpx.Response:
            answer = await handle(scene.ehr, request)
            if request.method == "POST" and request.url.path.endswith("MedicationRequest") and not taken:
                clock.forward(61)
                other = await scene.store.claim(60)
                assert other is not None
                taken.append(other.lease)
            return answer

        transport = scene.services.clients["north"]._transport
        transport._http = httpx.AsyncClient(transport=httpx.MockTransport(slow))
        assert await writeback.once(scene.services)
        assert (await scene.store.read(draft.id)).state == "writing"
        await work(scene, clock)
        assert len(scene.ehr.of("MedicationRequest")) == 1
        assert (await scene.store.read(draft.id)).state == "confirmed"

    play(tmp_path, story)


def test_a_tenant_that_is_no_longer_configured_is_parked(tmp_path: Path) -> None:
    """A write-back for a tenant that is gone from the settings is parked and says so."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        clients = scene.services.clients
        kept = dict(clients)
        clients.clear()  # pyright: ignore[reportAttributeAccessIssue]
        await work(scene, clock, 1)
        clients.update(kept)  # pyright: ignore[reportAttributeAccessIssue]
        assert await last(scene, draft) == ("parked", {"code": "U-EHR-UNKNOWN"})

    play(tmp_path, story)


def test_a_signature_wakes_the_worker_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running worker writes right after a signature, without waiting for its next look."""
    monkeypatch.setattr(writeback, "POLL_S", 3600.0)

    async def story() -> None:
        async with world(tmp_path) as scene:
            worker = asyncio.create_task(writeback.run(scene.services))
            await asyncio.sleep(0)
            draft = await scene.signed()
            async with asyncio.timeout(60):
                while (await scene.store.read(draft.id)).state != "confirmed":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            worker.cancel()

    asyncio.run(story())


def order(**changes: Any) -> dict[str, Any]:
    """Return a signed order."""
    known: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "identifier": [{"system": "s", "value": "1"}],
        "medicationCodeableConcept": {"coding": [{"system": "rx", "code": "312941"}], "text": "sertraline"},
        "subject": {"reference": "Patient/example"},
        "requester": {"reference": "Practitioner/p1", "display": "Dr Example"},
        "dosageInstruction": [dosage(50)],
    }
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


MORE_CODES = {"coding": [{"system": "local", "code": "9"}, {"system": "rx", "code": "312941", "display": "x"}]}
OTHER_DRUG = {"coding": [{"system": "rx", "code": "1"}]}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, ()),
        ({"id": "1", "meta": {"versionId": "1"}, "text": {"status": "generated"}}, ()),
        ({"subject": {"reference": f"{BASE}/Patient/example", "display": "x"}}, ()),
        ({"requester": {"reference": "Practitioner/p1/_history/4"}}, ()),
        ({"medicationCodeableConcept": MORE_CODES}, ()),
        ({"dosageInstruction": [{**dosage(50), "text": "1 tablet daily"}]}, ()),
        ({"dosageInstruction": [dosage(50.0)]}, ()),
        (
            {"identifier": [{"system": "own", "value": "7"}, {"system": "s", "value": "1", "use": "usual"}]},
            (),
        ),
        ({"medicationCodeableConcept": OTHER_DRUG}, ("medication",)),
        ({"medicationCodeableConcept": {"text": "sertraline"}}, ("medication",)),
        ({"medicationReference": {"reference": "Medication/1"}}, ("medication",)),
        ({"dosageInstruction": [dosage(500)]}, ("dose",)),
        ({"dosageInstruction": [dosage(50), dosage(50)]}, ("dose",)),
        ({"dosageInstruction": [{**dosage(50), "asNeededBoolean": True}]}, ("dose",)),
        ({"dosageInstruction": [{**dosage(50), "timing": {"repeat": {"frequency": 2}}}]}, ("dose",)),
        ({"dosageInstruction": None}, ("dose",)),
        ({"dispenseRequest": {"numberOfRepeatsAllowed": 12}}, ("dispenseRequest",)),
        ({"subject": {"reference": "Patient/other"}}, ("subject",)),
        ({"subject": {"reference": "https://other.example/fhir/Patient/example"}}, ("subject",)),
        ({"subject": {"display": "example"}}, ("subject",)),
        ({"requester": None}, ("requester",)),
        ({"status": "draft"}, ("status",)),
        ({"intent": "plan"}, ("intent",)),
        ({"identifier": None}, ("identifier",)),
        ({"doNotPerform": True}, ("doNotPerform",)),
        ({"doNotPerform": False, "reportedBoolean": False}, ()),
        ({"reportedBoolean": True}, ("reported",)),
        ({"modifierExtension": [{"url": "x"}]}, ("modifierExtension",)),
        ({"resourceType": "MedicationStatement"}, ("resourceType",)),
        ({"status": "draft", "intent": "plan"}, ("intent", "status")),
    ],
)
def test_the_read_back_names_what_differs(changes: dict[str, Any], fields: tuple[str, ...]) -> None:
    """The comparison passes what says the same and names each field that does not."""
    assert differences(dumps(order()), dumps(order(**changes)), BASE) == fields


@pytest.mark.parametrize(
    ("held", "fields"),
    [("panic", ()), ("any time", ("dose",)), (None, ("dose",))],
    ids=["the same words", "other words", "none"],
)
def test_what_a_dose_is_needed_for_is_words_and_is_compared(held: str | None, fields: tuple[str, ...]) -> None:
    """Words that say again what is coded may differ; these say it alone."""

    def needed(text: str | None) -> bytes:
        return dumps(order(dosageInstruction=[dosage(50, asNeededCodeableConcept={"text": text} if text else {})]))

    assert differences(needed("panic"), needed(held), BASE) == fields
