"""What every store of drafts promises: one suite, run on each of them."""

import asyncio
import base64
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.drafts import operators
from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import Draft, OutboxEntry, Shown, State
from service.drafts.states import AWAITING, MARKS, SIGNED, STATES, UNSIGNED
from service.drafts.store import Store
from service.errors import Conflict, NotFound, ServiceError, Unavailable
from tests.contract.samples import (
    HOUR,
    START,
    Clock,
    hold_one,
    new_draft,
    prepared_bytes,
    resource,
    sign_one,
    signature_of,
)
from tests.contract.stores import Opened, Run

ACTOR = "Device/undersign"
PATIENT = "Patient/example"


async def refused(act: Awaitable[object], kind: type[ServiceError] = Conflict) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(kind) as caught:
        await act
    return caught.value.code


async def events(store: Store, draft: str) -> list[str]:
    """Return the events of a draft's chain."""
    return [entry.event for entry in await store.history(draft)]


async def three(store: Store, facts: str = "facts-1", patient: str = PATIENT) -> list[Draft]:
    """Hold the three drafts of one assessment."""
    new = [new_draft(rank) for rank in (3, 1, 2)]
    return list(await store.hold("north", patient, facts, new, HOUR, ACTOR))


# --- hold


def test_held_drafts_come_back_in_rank_order_with_their_id_inside(run: Run):
    """A held draft has an opaque id, which its resource carries, and the store's times."""

    async def story(store: Store, clock: Clock) -> None:
        drafts = await three(store)
        assert [draft.rank for draft in drafts] == [1, 2, 3]
        assert {draft.state for draft in drafts} == {"held"}
        for draft in drafts:
            assert load_object(draft.resource) == {**resource(), "id": draft.id}
            assert (draft.created, draft.expires) == (START, START + timedelta(seconds=HOUR))
            assert await store.read(draft.id) == draft
            assert await events(store, draft.id) == ["held"]

    run(story)


def test_the_same_facts_give_the_same_drafts(run: Run):
    """Opening the chart again with the same facts returns the drafts as they are, presented ones too."""

    async def story(store: Store, clock: Clock) -> None:
        first = await three(store)
        await store.mark([first[0].id], "presented", ACTOR, {})
        await store.mark([first[1].id], "accepted", ACTOR, {})
        clock.forward(60)
        again = await three(store)
        assert [draft.id for draft in again] == [draft.id for draft in first]
        assert [draft.state for draft in again] == ["presented", "accepted", "held"]
        assert await store.count(STATES) == 3

    run(story)


def test_concurrent_holds_of_the_same_facts_make_one_set(run: Run):
    """Twenty calls at once hold three drafts, not sixty."""

    async def story(store: Store, clock: Clock) -> None:
        sets = await asyncio.gather(*(three(store) for _ in range(20)))
        assert len({tuple(draft.id for draft in drafts) for drafts in sets}) == 1
        assert await store.count(STATES) == 3

    run(story)


def test_other_facts_supersede_that_patients_unsigned_drafts(run: Run):
    """New facts end the old drafts of the same patient at the same EHR, and nobody else's."""

    async def story(store: Store, clock: Clock) -> None:
        old = await three(store)
        other = await hold_one(store, patient="Patient/other")
        (away,) = await store.hold("south", PATIENT, "facts-1", [new_draft()], HOUR, ACTOR)
        new = await three(store, "facts-2")
        assert {(await store.read(draft.id)).state for draft in old} == {"superseded"}
        assert {draft.state for draft in new} == {"held"}
        assert (await store.read(other.id)).state == "held"
        assert (await store.read(away.id)).state == "held"

    run(story)


def test_an_assessment_without_drafts_ends_the_old_ones(run: Run):
    """When nothing may be drafted any more, what was held on other facts is superseded."""

    async def story(store: Store, clock: Clock) -> None:
        old = await hold_one(store)
        assert list(await store.hold("north", PATIENT, "facts-2", [], HOUR, ACTOR)) == []
        assert (await store.read(old.id)).state == "superseded"

    run(story)


def test_facts_that_come_back_after_others_are_held_anew(run: Run):
    """A superseded set does not come to life again; the facts get new drafts."""

    async def story(store: Store, clock: Clock) -> None:
        first = await hold_one(store, "facts-1")
        await hold_one(store, "facts-2")
        again = await hold_one(store, "facts-1")
        assert again.id != first.id

    run(story)


def test_what_a_card_shows_is_presented_in_the_commit_that_holds_it(run: Run):
    """Held drafts are presented on the card that was named, at first and when they stand already."""

    async def story(store: Store, clock: Clock) -> None:
        for card in ("card-1", "card-2"):
            shown = Shown(card, "Practitioner/p1", {"card": card})
            held = await store.hold("north", PATIENT, "facts-1", [new_draft()], HOUR, ACTOR, shown)
            assert [draft.state for draft in held] == ["presented"]
            assert list(await store.card_drafts(card) or ()) == [draft.id for draft in held]
        events = [entry.event for entry in await store.history(held[0].id)]
        assert (events.count("held"), events.count("presented"), events.count("shown")) == (1, 2, 2)

    run(story)


def test_no_card_is_recorded_where_no_draft_is_returned(run: Run):
    """Without a draft to show, the card of ``hold`` leaves no trace."""

    async def story(store: Store, clock: Clock) -> None:
        shown = Shown("card-1", "Practitioner/p1", {"card": "card-1"})
        assert list(await store.hold("north", PATIENT, "facts-1", [], HOUR, ACTOR, shown)) == []
        assert await store.card_drafts("card-1") is None

    run(story)


@pytest.mark.parametrize("answer", ["signed", "overridden"])
def test_facts_that_a_clinician_answered_give_no_new_drafts(run: Run, answer: str):
    """After a rejection the remaining drafts come back, after a signature none; no new ones until they expire."""

    async def story(store: Store, clock: Clock) -> None:
        drafts = await three(store)
        if answer == "signed":
            await sign_one(store, drafts[0])
        else:
            await store.reject(drafts[0].id, 1, "Practitioner/p1", {"reason": "preference"})
        left = drafts[1:] if answer == "overridden" else []
        assert [draft.id for draft in await three(store)] == [draft.id for draft in left]
        await store.mark([draft.id for draft in drafts[1:]], "overridden", ACTOR, {})
        assert await three(store) == []
        clock.forward(HOUR)
        assert len(await three(store)) == 3

    run(story)


def test_expired_facts_are_held_anew(run: Run):
    """Drafts past their time are ended by the next hold, and new ones made."""

    async def story(store: Store, clock: Clock) -> None:
        old = await hold_one(store)
        clock.forward(HOUR)
        new = await hold_one(store)
        assert new.id != old.id
        assert (await store.read(old.id)).state == "expired"

    run(story)


def test_two_drafts_of_one_rank_are_refused_and_nothing_is_held(run: Run):
    """A refused hold leaves nothing behind."""

    async def story(store: Store, clock: Clock) -> None:
        twice = store.hold("north", PATIENT, "facts-1", [new_draft(1), new_draft(1)], HOUR, ACTOR)
        assert await refused(twice) == "U-DRAFT-RANK"
        assert await store.count(STATES) == 0

    run(story)


# --- marks, cards, tokens


@pytest.mark.parametrize(
    ("first", "then", "state"),
    [
        ("presented", "presented", "presented"),
        ("presented", "accepted", "accepted"),
        ("accepted", "presented", "accepted"),
        ("accepted", "accepted", "accepted"),
        ("accepted", "overridden", "overridden"),
        ("overridden", "accepted", "overridden"),
        ("withdrawn", "presented", "withdrawn"),
    ],
)
def test_a_mark_never_goes_back_and_is_always_recorded(run: Run, first: State, then: State, state: State):
    """Feedback that comes late, twice or out of order is kept in the chain and moves nothing back."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        await store.mark([draft.id, draft.id], first, ACTOR, {})
        await store.mark([draft.id], then, ACTOR, {"card": "c"})
        assert (await store.read(draft.id)).state == state
        assert await events(store, draft.id) == ["held", first, then]

    run(story)


@pytest.mark.parametrize("state", sorted(set(STATES) - set(MARKS)))
def test_a_mark_cannot_lead_anywhere_else(run: Run, state: State):
    """No mark makes a draft signed, expired, superseded or held."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        assert await refused(store.mark([draft.id], state, ACTOR, {})) == "U-DRAFT-STATE"
        assert (await store.read(draft.id)).state == "held"

    run(story)


def test_a_mark_of_an_overdue_draft_expires_it_first(run: Run):
    """A draft past its time is not accepted; the event is recorded after its expiry."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        clock.forward(HOUR)
        await store.mark([draft.id], "accepted", ACTOR, {})
        assert (await store.read(draft.id)).state == "expired"
        assert await events(store, draft.id) == ["held", "expired", "accepted"]

    run(story)


def test_a_mark_of_an_unknown_draft_marks_none(run: Run):
    """A list with one unknown draft is refused whole."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        marking = store.mark([draft.id, "unknown"], "presented", ACTOR, {})
        assert await refused(marking, NotFound) == "U-DRAFT-UNKNOWN"
        assert (await store.read(draft.id)).state == "held"

    run(story)


def test_a_comment_is_kept_beside_the_chain(run: Run):
    """What a person wrote freely is readable, and the chain holds only its digest."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await store.reject(draft.id, None, "Practitioner/p1", {"reason": "other", "comment": "lives alone"})
        last = (await store.history(draft.id))[-1]
        assert last.detail["given"]["reason"] == "other"
        assert "lives alone" not in str(last.detail)
        assert await store.comments(draft.id) == {last.seq: "lives alone"}

    run(story)


def test_a_card_remembers_its_drafts(run: Run):
    """Feedback finds a card's drafts; the same card again changes nothing, another content is refused."""

    async def story(store: Store, clock: Clock) -> None:
        ids = [draft.id for draft in await three(store)]
        await store.card("card-1", "north", ids, {"topic": "options"})
        await store.card("card-1", "north", ids, {"topic": "options"})
        assert list(await store.card_drafts("card-1") or ()) == ids
        assert await store.card_drafts("card-2") is None
        assert [await store.card_ehr(card) for card in ("card-1", "card-2")] == ["north", None]
        assert await events(store, ids[0]) == ["held", "shown"]
        assert await refused(store.card("card-1", "north", ids[:1], {})) == "U-CARD-CHANGED"
        await store.card("card-3", "north", [], {})
        assert list(await store.card_drafts("card-3") or ["?"]) == ["?"]

    run(story)


def test_a_token_is_new_once(run: Run):
    """Of many presentations of one token id exactly one is the first; another issuer's is its own."""

    async def story(store: Store, clock: Clock) -> None:
        until = START + timedelta(minutes=5)
        found = await asyncio.gather(*(store.seen("issuer", "jti", until) for _ in range(20)))
        assert sorted(found) == [False, *[True] * 19]
        assert not await store.seen("other", "jti", until)
        clock.forward(HOUR)
        assert not await store.seen("issuer", "next", clock.at)

    run(story)


def test_a_session_is_kept_until_it_expires_or_is_dropped_once(run: Run):
    """A kept record is replaced by a later one, ends at its time, and one of many callers drops it."""

    async def story(store: Store, clock: Clock) -> None:
        until = START + timedelta(minutes=5)
        await store.keep("session", "key", b"old", until)
        await store.keep("session", "key", b"sealed", until)
        await store.keep("launch", "key", b"other", until)
        assert await store.kept("session", "key") == b"sealed"
        assert await store.kept("session", "another") is None
        found = await asyncio.gather(*(store.drop("session", "key") for _ in range(10)))
        assert sorted(value or b"" for value in found) == [b""] * 9 + [b"sealed"]
        clock.forward(300)
        assert await store.kept("launch", "key") is None
        assert await store.drop("launch", "key") is None

    run(story)


# --- prepare, sign, reject


def test_prepared_bytes_are_kept_for_the_practitioner_who_saw_them(run: Run):
    """Another practitioner or digest finds nothing; preparing the same again changes nothing."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        await store.prepare(draft.id, 1, shown, None)
        assert await store.prepared(draft.id, shown.digest, "Practitioner/p1") == shown
        assert await store.prepared(draft.id, shown.digest, "Practitioner/p2") is None
        assert await store.prepared(draft.id, "sha256-x", "Practitioner/p1") is None
        assert await events(store, draft.id) == ["held", "prepared"]

    run(story)


def test_an_edit_makes_a_version_and_ends_what_was_prepared_before(run: Run):
    """After an edit the old bytes can no longer be signed, by anyone."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        old = prepared_bytes(draft)
        await store.prepare(draft.id, 1, old, None)
        new = prepared_bytes(draft, "Practitioner/p2", version=2)
        changed = {**load_object(draft.resource), "dispenseRequest": {"numberOfRepeatsAllowed": 1}}
        await store.prepare(draft.id, 1, new, dumps(changed))
        now = await store.read(draft.id)
        assert (now.state, now.version, load_object(now.resource)) == ("modified", 2, changed)
        assert await refused(store.sign(signature_of(old), write_back=True, detail={})) == "U-DRAFT-VERSION"
        signed = await store.sign(signature_of(new), write_back=True, detail={})
        assert (signed.state, signed.version) == ("signed", 2)
        assert await events(store, draft.id) == ["held", "prepared", "modified", "prepared", "signed"]

    run(story)


@pytest.mark.parametrize(
    ("expected", "version", "edited", "code"),
    [
        (2, 2, False, "U-DRAFT-VERSION"),
        (1, 2, False, "U-DRAFT-VERSION"),
        (1, 1, True, "U-DRAFT-VERSION"),
        (0, 1, True, "U-DRAFT-VERSION"),
    ],
)
def test_bytes_of_another_version_are_not_kept(run: Run, expected: int, version: int, edited: bool, code: str):
    """The version of prepared bytes must be the draft's, or the next one with an edit."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft, version=version)
        change = draft.resource if edited else None
        assert await refused(store.prepare(draft.id, expected, shown, change)) == code
        assert (await store.read(draft.id)).version == 1

    run(story)


def test_bytes_under_a_wrong_digest_are_not_kept(run: Run):
    """A digest that is not that of the bytes is refused before anybody can sign it."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = replace(prepared_bytes(draft), digest="sha256-x")
        assert await refused(store.prepare(draft.id, 1, shown, None)) == "U-DIGEST"

    run(story)


def test_a_signature_is_recorded_with_its_write_back(run: Run):
    """Signing gives the state, the signature, the audit entry and the outbox entry at once."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        signature = await sign_one(store, draft)
        assert (await store.read(draft.id)).state == "signed"
        assert await store.signature(draft.id) == signature
        assert await store.prepared(draft.id, signature.digest, signature.practitioner) is None
        last = (await store.history(draft.id))[-1]
        assert (last.event, last.actor) == ("signed", "Practitioner/p1")
        assert last.detail["given"] == {"method": "smart-bearer"}
        entry = await store.claim(60)
        assert entry is not None
        assert (entry.draft, entry.order, entry.provenance) == (
            draft.id,
            signature.order,
            signature.provenance,
        )

    run(story)


def test_a_signature_without_write_back_queues_nothing(run: Run):
    """Where the EHR signs for itself there is nothing to write."""

    async def story(store: Store, clock: Clock) -> None:
        await sign_one(store, await hold_one(store), write_back=False)
        assert await store.claim(60) is None

    run(story)


def test_a_signature_ends_that_patients_other_drafts(run: Run):
    """The alternatives to a signed draft can no longer be signed; another patient's drafts can."""

    async def story(store: Store, clock: Clock) -> None:
        chosen, *others = await three(store)
        elsewhere = await hold_one(store, patient="Patient/other")
        shown = prepared_bytes(others[0])
        await store.prepare(others[0].id, 1, shown, None)
        await sign_one(store, chosen)
        assert {(await store.read(draft.id)).state for draft in others} == {"superseded"}
        assert await refused(store.sign(signature_of(shown), write_back=True, detail={})) == "U-DRAFT-STATE"
        assert (await store.read(elsewhere.id)).state == "held"

    run(story)


async def _beside(store: Store, taken: str) -> Draft:
    """Return an unsigned draft of a patient whose other draft is accepted, signed, or confirmed."""
    if taken == "confirmed":
        await sign_one(store, await hold_one(store))
        entry = await store.claim(60)
        assert entry is not None
        await store.finish(entry, "confirmed", {})
        return await hold_one(store, "facts-2")
    if taken == "signed":
        await sign_one(store, await hold_one(store))
        return await hold_one(store, "facts-2")
    draft, other, _ = await three(store)
    if taken == "accepted":
        await store.mark([other.id], AWAITING, "ehr:north", {})
    return draft


@pytest.mark.parametrize("taken", ["accepted", "signed"])
def test_nothing_is_signed_beside_what_may_be_ordered_already(run: Run, taken: str):
    """A draft of a patient whose other draft is accepted or signed and not confirmed is refused, and stays."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await _beside(store, taken)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        assert await refused(store.sign(signature_of(shown), write_back=True, detail={})) == "U-ORDER-PENDING"
        assert (await store.read(draft.id)).state == "held"
        assert await store.signature(draft.id) is None

    run(story)


@pytest.mark.parametrize("taken", ["confirmed", "nothing"])
def test_what_is_confirmed_or_open_does_not_keep_a_draft_from_being_signed(run: Run, taken: str):
    """A patient's confirmed order, and drafts that nobody took, leave a draft to be signed."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await _beside(store, taken)
        await sign_one(store, draft)
        assert (await store.read(draft.id)).state == "signed"

    run(story)


def test_of_a_signature_and_an_acceptance_at_once_one_wins(run: Run):
    """On each of ten patients, a draft is signed or its sibling is accepted, never both."""

    async def story(store: Store, clock: Clock) -> None:
        for number in range(10):
            draft, other, _ = await three(store, patient=f"Patient/p{number}")
            shown = prepared_bytes(draft)
            await store.prepare(draft.id, 1, shown, None)
            acts = [
                store.mark([other.id], AWAITING, "ehr:north", {}),
                store.sign(signature_of(shown), write_back=True, detail={}),
            ]
            await asyncio.gather(*(acts if number % 2 else acts[::-1]), return_exceptions=True)
            states = [(await store.read(one.id)).state for one in (draft, other)]
            assert states in (["signed", "superseded"], ["held", AWAITING])

    run(story)


def test_an_acceptance_after_the_bytes_were_shown_keeps_them_from_being_signed(run: Run):
    """What a worker remembers of a patient from showing the bytes is not what it signs by."""

    async def story(store: Store, clock: Clock) -> None:
        draft, other, _ = await three(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        await store.mark([other.id], AWAITING, "ehr:north", {})
        assert await refused(store.sign(signature_of(shown), write_back=True, detail={})) == "U-ORDER-PENDING"

    run(story)


def test_a_signature_is_found_by_its_order(run: Run):
    """The id of an order leads to its signature; that of a draft, or of nothing, to none."""

    async def story(store: Store, clock: Clock) -> None:
        drafts = [await hold_one(store, patient=f"Patient/p{number}") for number in range(4)]
        signatures = [await sign_one(store, draft) for draft in drafts]
        assert [await store.signature_of_order(one.order_id) for one in signatures] == signatures
        assert [await store.signature_of_order(one) for one in (drafts[0].id, "nothing")] == [None, None]

    run(story)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": 2}, "U-DRAFT-VERSION"),
        ({"digest": "sha256-x"}, "U-DIGEST"),
        ({"practitioner": "Practitioner/p2"}, "U-DIGEST"),
        ({"order": b"{}"}, "U-DIGEST"),
        ({"order_id": "other"}, "U-DIGEST"),
    ],
)
def test_only_what_this_practitioner_was_shown_can_be_signed(run: Run, changes: dict[str, Any], code: str):
    """A signature over other bytes, another version or by another person is refused and changes nothing."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        signature = replace(signature_of(shown), **changes)
        assert await refused(store.sign(signature, write_back=True, detail={})) == code
        assert (await store.read(draft.id)).state == "held"
        assert await store.signature(draft.id) is None
        assert await store.claim(60) is None

    run(story)


async def _end(store: Any, clock: Clock, draft: Draft, how: str) -> None:
    if how == "signed":
        await sign_one(store, draft)
    elif how == "expired":
        clock.forward(HOUR)
        await store.expire()
    elif how == "overdue":
        clock.forward(HOUR)
    elif how == "superseded":
        await hold_one(store, "facts-2")
    else:
        await store.mark([draft.id], how, ACTOR, {})


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("signed", "U-DRAFT-SIGNED"),
        ("expired", "U-DRAFT-EXPIRED"),
        ("overdue", "U-DRAFT-EXPIRED"),
        ("superseded", "U-DRAFT-STATE"),
        ("overridden", "U-DRAFT-STATE"),
        ("withdrawn", "U-DRAFT-STATE"),
    ],
)
def test_an_ended_draft_is_neither_prepared_signed_nor_rejected(run: Run, how: str, code: str):
    """Each step names why the draft is no longer open, and leaves it as it is."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown, fresh = prepared_bytes(draft), prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        await _end(store, clock, draft, how)
        state = (await store.read(draft.id)).state
        assert await refused(store.prepare(draft.id, 1, fresh, None)) == code
        assert await refused(store.sign(signature_of(shown), write_back=True, detail={})) == code
        assert await refused(store.reject(draft.id, None, "Practitioner/p1", {})) == code
        assert (await store.read(draft.id)).state == state

    run(story)


def test_exactly_one_of_many_signers_wins(run: Run):
    """Of eight signers at once, on each of ten drafts, one signs and the others are told so."""

    async def story(store: Store, clock: Clock) -> None:
        for number in range(10):
            draft = await hold_one(store, patient=f"Patient/p{number}")
            shown = [prepared_bytes(draft, f"Practitioner/p{n}") for n in range(8)]
            await asyncio.gather(*(store.prepare(draft.id, 1, one, None) for one in shown))
            signing = [store.sign(signature_of(one), write_back=True, detail={}) for one in shown]
            found = await asyncio.gather(*signing, return_exceptions=True)
            won = [one for one in found if isinstance(one, Draft)]
            lost = [one.code for one in found if isinstance(one, Conflict)]
            assert (len(won), lost) == (1, ["U-DRAFT-SIGNED"] * 7)

    run(story)


def test_signing_and_rejecting_at_once_has_one_outcome(run: Run):
    """A rejection and a signature of the same draft never both succeed."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        found = await asyncio.gather(
            store.reject(draft.id, 1, "Practitioner/p2", {"reason": "preference"}),
            store.sign(signature_of(shown), write_back=True, detail={}),
            return_exceptions=True,
        )
        assert len([one for one in found if isinstance(one, Draft)]) == 1

    run(story)


def test_a_rejection_may_name_the_version_it_is_of(run: Run):
    """A rejection of another version than the present one is refused; without one it stands."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        assert await refused(store.reject(draft.id, 2, "Practitioner/p1", {})) == "U-DRAFT-VERSION"
        ended = await store.reject(draft.id, None, "Practitioner/p1", {"reason": "preference"})
        assert ended.state == "overridden"

    run(story)


def test_an_unknown_draft_is_not_found_anywhere(run: Run):
    """Every step on an unknown id is U-DRAFT-UNKNOWN; questions about it are answered with nothing."""

    async def story(store: Store, clock: Clock) -> None:
        shown = replace(prepared_bytes(await hold_one(store)), draft="unknown")
        steps = [
            store.read("unknown"),
            store.prepare("unknown", 1, shown, None),
            store.sign(signature_of(shown), write_back=True, detail={}),
            store.reject("unknown", None, ACTOR, {}),
        ]
        for step in steps:
            assert await refused(step, NotFound) == "U-DRAFT-UNKNOWN"
        assert await store.signature("unknown") is None
        assert list(await store.history("unknown")) == []

    run(story)


# --- expiry, reading


def test_expiry_ends_what_is_overdue_and_nothing_else(run: Run):
    """Unsigned drafts end at their time to the second, signed ones never."""

    async def story(store: Store, clock: Clock) -> None:
        signed = await hold_one(store, patient="Patient/a")
        await sign_one(store, signed)
        overdue = await hold_one(store, patient="Patient/b")
        clock.forward(1)
        later = await hold_one(store, patient="Patient/c")
        clock.forward(HOUR - 1)
        assert await store.expire() == 1
        assert await store.expire() == 0
        states = [(await store.read(draft.id)).state for draft in (signed, overdue, later)]
        assert states == ["signed", "expired", "held"]

    run(story)


def test_expiry_of_many_is_complete(run: Run):
    """More drafts than one sweep takes are all ended by one call."""

    async def story(store: Store, clock: Clock) -> None:
        new = [new_draft(rank) for rank in range(600)]
        await store.hold("north", PATIENT, "facts-1", new, HOUR, ACTOR)
        clock.forward(HOUR)
        assert await store.expire() == 600

    run(story)


def test_drafts_are_found_newest_first(run: Run):
    """Find filters by EHR, patient and state, and stops at its limit."""

    async def story(store: Store, clock: Clock) -> None:
        old = await three(store)
        clock.forward(1)
        (new,) = await store.hold("south", "Patient/b", "facts-1", [new_draft()], HOUR, ACTOR)
        await store.mark([old[0].id], "presented", ACTOR, {})
        assert [draft.id for draft in await store.find()] == [new.id, *(draft.id for draft in old)]
        assert [draft.id for draft in await store.find(ehr="south")] == [new.id]
        assert len(await store.find(patient=PATIENT)) == 3
        assert [draft.id for draft in await store.find(states=["presented"])] == [old[0].id]
        assert await store.find(states=[]) == []
        assert len(await store.find(limit=2)) == 2
        assert await store.count(UNSIGNED) == 4
        assert await store.count(["held"], "north") == 2

    run(story)


def test_operators_see_ended_drafts_too(run: Run):
    """The rows for the command line have the contract's keys and the whole history."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        (row,) = await operators.list_drafts(store)
        assert list(row) == ["id", "state", "version", "ehr", "created", "expires", "updated", "ingredient"]
        assert (row["state"], row["created"]) == ("signed", "2026-11-22T10:00:00.000000Z")
        shown = await operators.show_draft(store, draft.id)
        assert [entry["event"] for entry in shown["history"]] == ["held", "prepared", "signed"]
        report = await operators.verify(store)
        assert (report.faults, report.drafts, report.entries, report.signatures) == ((), 1, 3, 1)
        assert await operators.expire_drafts(store) == 0

    run(story)


# --- write-back


async def _claimed(store: Any, lease_s: int = 60) -> OutboxEntry:
    entry = await store.claim(lease_s)
    assert entry is not None
    return entry


def test_a_write_back_goes_to_one_worker_at_a_time(run: Run):
    """Of ten workers one gets the entry; the others get nothing until the lease runs out."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        found = await asyncio.gather(*(store.claim(60) for _ in range(10)))
        (first,) = [entry for entry in found if entry is not None]
        assert (await store.read(draft.id)).state == "writing"
        clock.forward(59)
        assert await store.claim(60) is None
        clock.forward(1)
        second = await _claimed(store)
        assert (second.attempts, second.lease != first.lease) == (2, True)

    run(story)


def test_the_worker_whose_lease_was_taken_over_can_do_nothing(run: Run):
    """Progress and finish under an old lease are refused; the new holder is not disturbed."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        first = await _claimed(store)
        clock.forward(60)
        second = await _claimed(store)
        assert await refused(store.progress(first, {"order": "MedicationRequest/1"})) == "U-LEASE-LOST"
        assert await refused(store.finish(first, "confirmed", {})) == "U-LEASE-LOST"
        await store.progress(second, {"order": "MedicationRequest/2"})
        assert (await store.read(draft.id)).state == "written"
        await store.finish(second, "confirmed", {})
        assert (await store.read(draft.id)).state == "confirmed"
        assert await refused(store.finish(second, "confirmed", {})) == "U-LEASE-LOST"
        clock.forward(HOUR)
        assert await store.claim(60) is None

    run(story)


def test_progress_survives_a_failed_write(run: Run):
    """A retry comes after its pause, with the steps that were done; a step told twice is recorded once."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        entry = await _claimed(store)
        await store.progress(entry, {"order": "MedicationRequest/1"})
        await store.progress(entry, {"order": "MedicationRequest/1"})
        await store.finish(entry, "write-failed", {"code": "U-EHR-UNREACHABLE"}, retry_s=30)
        assert (await store.read(draft.id)).state == "write-failed"
        clock.forward(29)
        assert await store.claim(60) is None
        clock.forward(1)
        again = await _claimed(store)
        assert again.progress == {"order": "MedicationRequest/1"}
        await store.progress(again, {"provenance": "Provenance/1"})
        assert (await events(store, draft.id))[3:] == [
            "claimed",
            "written",
            "write-failed",
            "claimed",
            "progressed",
        ]

    run(story)


@pytest.mark.parametrize("ending", ["confirmed", "mismatch", "parked"])
def test_an_ended_write_back_is_not_taken_again(run: Run, ending: Any):
    """What is confirmed or waits for a human is never retried by itself."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        await store.finish(await _claimed(store), ending, {})
        clock.forward(30 * 24 * HOUR)
        assert await store.claim(60) is None
        assert (await store.read(draft.id)).state == ending

    run(story)


def test_the_oldest_write_back_comes_first(run: Run):
    """Write-backs are taken in the order in which they became due."""

    async def story(store: Any, clock: Clock) -> None:
        drafts: list[Draft] = []
        for number in range(3):
            drafts.append(await hold_one(store, patient=f"Patient/p{number}"))
            await sign_one(store, drafts[-1])
            clock.forward(1)
        assert [(await _claimed(store)).draft for _ in drafts] == [draft.id for draft in drafts]

    run(story)


def test_signed_states_survive_every_mark(run: Run):
    """Late feedback on a signed draft is recorded and leaves state and queue alone."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        for state in ("presented", "accepted", "overridden", "withdrawn"):
            await store.mark([draft.id], state, ACTOR, {})
        await hold_one(store, "facts-2")
        assert (await store.read(draft.id)).state in SIGNED
        assert (await _claimed(store)).draft == draft.id

    run(story)


# --- the chain


def test_no_audit_entry_holds_a_value_of_the_patient(run: Run):
    """The chain has ids, digests and states: neither drug, nor note, nor name, nor patient."""

    async def story(store: Any, clock: Clock) -> None:
        new = new_draft(note=[{"text": "PHQ-9 17"}])
        (draft,) = await store.hold("north", PATIENT, "facts-1", [new], HOUR, ACTOR)
        await store.card("card-1", "north", [draft.id], {})
        await sign_one(store, draft)
        await store.finish(await _claimed(store), "parked", {"code": "U-EHR-REFUSED"})
        text = str([entry.detail for entry in await store.history(draft.id)])
        encoded = base64.b64encode(b"PHQ-9").decode()
        for value in ("sertraline", "drug-1", "PHQ-9", encoded, PATIENT, "Dr Example"):
            assert value not in text

    run(story)


def test_a_closed_store_says_so(opened: Opened):
    """Every step on a closed store is U-STORE-CLOSED, and closing twice is fine."""

    async def story(store: Any, clock: Clock) -> None:
        draft = await hold_one(store)
        await store.close()
        await store.close()
        for step in (store.read(draft.id), store.expire(), store.claim(60), store.find()):
            assert await refused(step, Unavailable) == "U-STORE-CLOSED"

    opened(story)
