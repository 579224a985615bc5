"""Orders that the EHR has to sign: followed until they are in force there, another one is, or the time is up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog

from service import telemetry
from service.drafts.records import Draft
from service.drafts.states import AWAITING
from service.ehr import awaiting, in_force, writeback
from tests.contract.samples import Clock, dosage, resource
from tests.integration.fake_ehr import World, world

T = TypeVar("T")
DRUG = resource()["medicationCodeableConcept"]
OTHER_DRUG = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "310384"}],
              "text": "fluoxetine 10 MG Oral Capsule"}  # fmt: skip


def play(path: Path, mode: str, story: Callable[[World, Clock], Awaitable[T]]) -> T:
    """Run a story in a fresh world whose tenant has this mode, with a clock that moves when told."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock, write_back=mode) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


async def accepted(scene: World, clock: Clock) -> Draft:
    """Hold a draft and accept its card in the EHR."""
    draft = await scene.hold()
    clock.forward(60)
    await scene.store.mark([draft.id], AWAITING, "ehr:north", {"card": "c"})
    return draft


async def follow(scene: World, clock: Clock, seconds: int = 60) -> None:
    """Let time pass, look once as one worker would, with nothing in its memory."""
    clock.forward(seconds)
    await awaiting.once(scene.services, {}, {})


async def told(scene: World, draft: Draft) -> tuple[str, dict[str, Any]]:
    """Return the draft's state and what the last audit entry was given."""
    history = await scene.store.history(draft.id)
    return (await scene.store.read(draft.id)).state, dict(history[-1].detail.get("given", {}))


def order(ident: str = "1", **changes: Any) -> dict[str, Any]:
    """Return an active order of the EHR's own, made after the draft; None takes an element away."""
    known: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": ident,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": DRUG,
        "subject": {"reference": "Patient/example"},
        "authoredOn": "2026-11-22T10:01:00Z",
        "dosageInstruction": [dosage(50)],
    }
    return {name: value for name, value in {**known, **changes}.items() if value is not None}


BY_EHR = {"by": "order-in-EHR"}
OTHER_DOSE = {**BY_EHR, "fields": ["dose"]}
TWICE_A_DAY = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
TWICE = dosage(25, text="25 mg by mouth twice a day", timing=TWICE_A_DAY)
SEEN: list[tuple[str, list[dict[str, Any]], tuple[str, dict[str, Any]] | None]] = [
    ("the order, signed there", [order()], ("confirmed", BY_EHR)),
    ("in words of the EHR's own", [order(medicationCodeableConcept={"text": "Sertraline 50 mg tablet"})],
     ("confirmed", BY_EHR)),
    ("twice 25 mg a day", [order(dosageInstruction=[TWICE])], ("confirmed", BY_EHR)),
    ("another dose", [order(dosageInstruction=[dosage(100)])], ("superseded", OTHER_DOSE)),
    ("another dose and the right one", [order(dosageInstruction=[dosage(100)]), order("2")], ("confirmed", BY_EHR)),
    ("another drug", [order(medicationCodeableConcept=OTHER_DRUG)], None),
    ("nothing", [], None),
    ("still a draft", [order(status="draft")], None),
    ("a proposal", [order(intent="proposal")], None),
    ("reported only", [order(reportedBoolean=True)], None),
    ("not to be given", [order(doNotPerform=True)], None),
    ("of another patient", [order(subject={"reference": "Patient/other"})], None),
    ("there before the draft", [order(authoredOn="2026-11-01T10:00:00Z")], None),
    ("another dose from before", [order(authoredOn="2026-11-01T10:00:00Z", dosageInstruction=[dosage(25)])], None),
    ("of an unknown day", [order(authoredOn=None)], None),
    ("of that day", [order(authoredOn="2026-11-22")], ("confirmed", BY_EHR)),
    ("another dose of that day", [order(authoredOn="2026-11-22", dosageInstruction=[dosage(25)])], None),
    ("a dose that nobody can read", [order(dosageInstruction=[{"text": "as told"}])], None),
    ("no dose", [order(dosageInstruction=None)], None),
]  # fmt: skip


@pytest.mark.parametrize(("orders", "found"), [row[1:] for row in SEEN], ids=[row[0] for row in SEEN])
def test_what_the_ehr_shows_settles_an_accepted_card(
    tmp_path: Path, orders: list[dict[str, Any]], found: tuple[str, dict[str, Any]] | None
) -> None:
    """The same drug at the same daily dose confirms, at another one supersedes; all else leaves it waiting."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await accepted(scene, clock)
        for one in orders:
            scene.ehr.put(one)
        await follow(scene, clock)
        state, given = await told(scene, draft)
        assert (state, given) == found if found else state == AWAITING
        assert await scene.store.signature(draft.id) is None
        assert await scene.store.verify() == ()

    play(tmp_path, "card", story)


def test_a_drug_that_is_named_by_reference_is_read(tmp_path: Path) -> None:
    """An order whose Medication is a resource of its own is recognised by it."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await accepted(scene, clock)
        scene.ehr.put({"resourceType": "Medication", "id": "m1", "code": DRUG})
        scene.ehr.put(order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"}))
        await follow(scene, clock)
        assert await told(scene, draft) == ("confirmed", BY_EHR)

    play(tmp_path, "card", story)


def test_the_search_is_narrow(tmp_path: Path) -> None:
    """What is asked is the active orders of one patient, with the service's own token and a scope for reading."""

    async def story(scene: World, clock: Clock) -> None:
        await accepted(scene, clock)
        await follow(scene, clock)
        (asked,) = [r for r in scene.ehr.requests if r.url.path.endswith("/MedicationRequest")]
        assert dict(asked.url.params) == {"patient": "example", "status": "active", "_count": "100"}
        (token,) = [r for r in scene.ehr.requests if r.url.path.endswith("/token")]
        assert "system%2FMedicationRequest.rs" in token.content.decode()

    play(tmp_path, "card", story)


def test_time_ends_an_unsigned_wait_after_a_last_look(tmp_path: Path) -> None:
    """Before hold.follow_up_s it waits, after it it is expired; an order seen at the last look still counts."""

    async def story(scene: World, clock: Clock) -> None:
        limit = scene.services.settings.hold.follow_up_s
        draft = await accepted(scene, clock)
        await follow(scene, clock, limit - 60)
        assert (await told(scene, draft))[0] == AWAITING
        await follow(scene, clock, 700)
        state, given = await told(scene, draft)
        assert (state, given["by"], given["after_s"]) == ("expired", "time", limit)
        late = await accepted(scene, clock)
        scene.ehr.put(order(authoredOn=clock().isoformat()))
        await follow(scene, clock, limit + 700)
        assert await told(scene, late) == ("confirmed", BY_EHR)

    play(tmp_path, "card", story)


def test_an_ehr_that_cannot_be_read_never_means_that_nobody_signed(tmp_path: Path) -> None:
    """While the EHR is down or refuses our token the draft waits, past its time too; what it then shows settles it."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await accepted(scene, clock)
        scene.ehr.down = True
        await follow(scene, clock)
        scene.ehr.down, scene.ehr.refuse_tokens = False, True
        await follow(scene, clock, 600)
        assert (await told(scene, draft))[0] == AWAITING
        await follow(scene, clock, scene.services.settings.hold.follow_up_s)
        assert (await told(scene, draft))[0] == AWAITING
        scene.ehr.put(order())
        scene.ehr.refuse_tokens = False
        await follow(scene, clock, 600)
        assert await told(scene, draft) == ("confirmed", BY_EHR)

    play(tmp_path, "card", story)


@pytest.mark.parametrize(
    ("waited", "looks"),
    [(0, 0), (14, 0), (15, 1), (44, 1), (45, 2), (105, 3), (945, 6), (1544, 6), (1545, 7), (2145, 8)],
)
def test_the_pauses_grow_to_ten_minutes(waited: int, looks: int) -> None:
    """After 15 seconds the first look, then pauses that double, then one every 600 seconds."""
    assert awaiting.look_number(timedelta(seconds=waited)) == looks


def test_of_many_workers_one_takes_each_look(tmp_path: Path) -> None:
    """Eight workers that look at once read the EHR once, and again only when the next look is due."""

    async def story(scene: World, clock: Clock) -> None:
        await accepted(scene, clock)
        for seconds, looks in ((20, 1), (5, 1), (30, 2)):
            clock.forward(seconds)
            await asyncio.gather(*(awaiting.once(scene.services, {}, {}) for _ in range(8)))
            assert len([r for r in scene.ehr.requests if r.url.path.endswith("/MedicationRequest")]) == looks

    play(tmp_path, "card", story)


async def approved(scene: World) -> tuple[Draft, dict[str, Any]]:
    """Approve an order here that the EHR has to sign; returns the draft and the order as the EHR holds it."""
    draft = await scene.signed()
    await writeback.once(scene.services)
    (held,) = scene.ehr.of("MedicationRequest")
    assert (await told(scene, draft))[0] == AWAITING
    return draft, held


SIGNED_THERE: list[tuple[dict[str, Any], tuple[str, dict[str, Any]] | None]] = [
    ({"status": "active"}, ("confirmed", BY_EHR)),
    ({"status": "active", "requester": {"reference": "Practitioner/other"}}, ("confirmed", BY_EHR)),
    ({}, None),
    ({"status": "on-hold"}, None),
    ({"status": "active", "dosageInstruction": [dosage(100)]}, ("mismatch", OTHER_DOSE)),
    ({"status": "active", "medicationCodeableConcept": OTHER_DRUG}, ("mismatch", {**BY_EHR, "fields": ["medication"]})),
    ({"status": "cancelled"}, ("mismatch", {**BY_EHR, "fields": ["status"]})),
    ({"status": "active", "reportedBoolean": True}, ("mismatch", {**BY_EHR, "fields": ["reported"]})),
]


@pytest.mark.parametrize(("changes", "found"), SIGNED_THERE)
def test_an_order_that_was_approved_here_is_followed_by_its_id(
    tmp_path: Path, changes: dict[str, Any], found: tuple[str, dict[str, Any]] | None
) -> None:
    """Signed in the EHR as approved it is confirmed; changed or ended there a person is told, and it never expires."""

    async def story(scene: World, clock: Clock) -> None:
        draft, held = await approved(scene)
        held.update(changes)
        await follow(scene, clock)
        state, given = await told(scene, draft)
        assert (state, given) == found if found else state == AWAITING
        assert await scene.store.verify() == ()

    play(tmp_path, "unsigned-order", story)


def test_an_approved_order_that_nobody_signs_is_parked(tmp_path: Path) -> None:
    """When the time is up a person is told, with U-EHR-UNSIGNED: what has our signature does not just end."""

    async def story(scene: World, clock: Clock) -> None:
        draft, _ = await approved(scene)
        await follow(scene, clock, scene.services.settings.hold.follow_up_s + 700)
        state, given = await told(scene, draft)
        assert (state, given["code"]) == ("parked", "U-EHR-UNSIGNED")

    play(tmp_path, "unsigned-order", story)


@pytest.mark.parametrize(
    ("put", "change", "found"),
    [
        (order(), "", ("confirmed", None)),
        (order(dosageInstruction=[dosage(100)]), "", ("mismatch", None)),
        (None, "", ("parked", "U-EHR-NOT-ENTERED")),
        (order(authoredOn="2026-11-01T10:00:00Z"), "", ("parked", "U-EHR-NOT-ENTERED")),
        (order(), "down", ("parked", "U-EHR-UNCLEAR")),
        (order(), "withheld", ("parked", "U-EHR-UNCLEAR")),
        (order(dosageInstruction=[{"text": "as told"}]), "", ("parked", "U-EHR-UNCLEAR")),
    ],
)
def test_a_document_is_followed_until_a_person_has_entered_it(
    tmp_path: Path, put: dict[str, Any] | None, change: str, found: tuple[str, str | None]
) -> None:
    """What is entered as signed confirms, as another dose is a mismatch; what is not seen in time is a person's."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        await writeback.once(scene.services)
        assert (await told(scene, draft))[0] == AWAITING
        await follow(scene, clock)
        assert (await told(scene, draft))[0] == AWAITING
        if put:
            scene.ehr.put(put)
        scene.ehr.down = change == "down"
        scene.services.clients["north"]._tokens.forget(in_force.SCOPE)
        scene.ehr.withheld = {"system/MedicationRequest.rs"} if change == "withheld" else set()
        await follow(scene, clock, scene.services.settings.hold.follow_up_s + 700)
        state, given = await told(scene, draft)
        assert (state, given.get("code")) == found
        assert await scene.store.verify() == ()

    play(tmp_path, "document-only", story)


def test_an_approved_order_that_the_ehr_wrote_anew_is_found(tmp_path: Path) -> None:
    """Where signing in the EHR makes another resource of it, that one is found by drug, dose and time."""

    async def story(scene: World, clock: Clock) -> None:
        draft, held = await approved(scene)
        del scene.ehr.held[f"MedicationRequest/{held['id']}"]
        scene.ehr.put(order("anew"))
        await follow(scene, clock)
        assert await told(scene, draft) == ("confirmed", BY_EHR)

    play(tmp_path, "unsigned-order", story)


def test_no_log_line_of_the_following_holds_a_patients_value(tmp_path: Path) -> None:
    """What is logged names draft, tenant, state and code only."""

    async def story(scene: World, clock: Clock) -> None:
        await accepted(scene, clock)
        scene.ehr.down = True
        await follow(scene, clock)
        scene.ehr.down = False
        scene.ehr.put(order())
        await follow(scene, clock)

    telemetry.configure("info")  # a command that an earlier test ran may have let it say errors only
    with structlog.testing.capture_logs() as lines:
        play(tmp_path, "card", story)
    followed = [line for line in lines if line["event"] in ("EHR not followed", "order followed")]
    assert len(followed) == 2
    for value in ("sertraline", "example", "50 mg"):
        assert value not in str(followed)
