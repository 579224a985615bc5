"""Waiting for the EHR's own signature, and an operator's word on what stopped: the same on every store."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from service.drafts.commit.settling import Read, Word
from service.drafts.records import Draft, State
from service.drafts.states import AWAITING
from service.drafts.store import Store
from service.errors import Conflict, NotFound, ServiceError
from tests.contract.samples import HOUR, Clock, hold_one, sign_one
from tests.contract.stores import Run

ACTOR, OPERATOR = "Device/undersign", "operator:On-call"
WHY = {"comment": "the EHR was put right"}


async def refused(act: Awaitable[object], kind: type[ServiceError] = Conflict) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(kind) as caught:
        await act
    return caught.value.code


async def accepted(store: Store) -> Draft:
    """Hold a draft that waits for the EHR's signature, without ours."""
    draft = await hold_one(store)
    await store.mark([draft.id], AWAITING, ACTOR, {"card": "c"})
    return await store.read(draft.id)


async def ended(store: Store, state: Any, *steps: dict[str, str], facts: str = "facts-1") -> Draft:
    """Sign a draft and end its write-back in ``state``."""
    draft = await hold_one(store, facts)
    await sign_one(store, draft)
    entry = await store.claim(60)
    assert entry is not None
    for step in steps:
        await store.progress(entry, step)
    await store.finish(entry, state, {"code": "U-EHR-MISMATCH"})
    return await store.read(draft.id)


async def events(store: Store, draft: Draft) -> list[str]:
    """Return the events of a draft's chain."""
    return [entry.event for entry in await store.history(draft.id)]


def test_to_wait_is_to_be_accepted_first(run: Run):
    """A draft that waits was accepted in the same step, has no signature, and waits once however often it is said."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await accepted(store)
        assert draft.state == AWAITING
        assert await events(store, draft) == ["held", "accepted", "awaited"]
        await store.mark([draft.id], AWAITING, ACTOR, {"card": "c"})
        assert await events(store, draft) == ["held", "accepted", "awaited", "accepted"]
        assert await store.signature(draft.id) is None
        assert await store.claim(60) is None

    run(story)


def test_what_is_over_does_not_wait(run: Run):
    """A card that is accepted after the draft's time leaves it expired."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        clock.forward(HOUR)
        await store.mark([draft.id], AWAITING, ACTOR, {})
        assert (await store.read(draft.id)).state == "expired"

    run(story)


def test_nothing_leaves_the_wait_by_itself(run: Run):
    """Neither time, nor other facts, nor feedback, nor a signature ends a wait."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await accepted(store)
        clock.forward(30 * 24 * HOUR)
        assert await store.expire() == 0
        await hold_one(store, "facts-2")
        for state in ("presented", "accepted", "overridden", "withdrawn"):
            await store.mark([draft.id], state, ACTOR, {})
        assert await refused(sign_one(store, draft)) == "U-DRAFT-STATE"
        assert (await store.read(draft.id)).state == AWAITING

    run(story)


@pytest.mark.parametrize("ending", ["confirmed", "superseded", "expired"])
def test_an_unsigned_wait_ends_as_it_was_read(run: Run, ending: Read):
    """What the EHR showed ends the wait in that state, once; the chain keeps what was found."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await accepted(store)
        found = await store.settle(draft.id, ending, ACTOR, {"by": "order-in-EHR", "fields": ["dose"]})
        assert (found.state, (await store.read(draft.id)).state) == (ending, ending)
        last = (await store.history(draft.id))[-1]
        assert (last.event, last.detail["given"]["fields"]) == (ending, ["dose"])
        assert await refused(store.settle(draft.id, ending, ACTOR, {})) == "U-DRAFT-STATE"

    run(story)


@pytest.mark.parametrize(
    ("ending", "state"), [("confirmed", "confirmed"), ("superseded", "mismatch"), ("expired", "parked")]
)
def test_a_signed_wait_never_ends_as_if_it_were_unsigned(run: Run, ending: Read, state: State):
    """An order with our signature is confirmed, or a person is told; its write-back is not tried again."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await ended(store, AWAITING, {"order": "MedicationRequest/1"})
        assert draft.state == AWAITING
        assert (await store.settle(draft.id, ending, ACTOR, {})).state == state
        assert await store.signature(draft.id) is not None
        clock.forward(HOUR)
        assert await store.claim(60) is None

    run(story)


@pytest.mark.parametrize("stopped", ["parked", "mismatch", "write-failed"])
def test_a_released_write_back_is_due_at_once_and_knows_what_was_done(run: Run, stopped: str):
    """A retry takes the same order with its steps and its count of attempts, so that it is looked for first."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await ended(store, stopped, {"order": "MedicationRequest/1"})
        assert (await store.settle(draft.id, "released", OPERATOR, WHY)).state == "signed"
        entry = await store.claim(60)
        assert entry is not None
        assert (entry.draft, entry.attempts, dict(entry.progress)) == (draft.id, 2, {"order": "MedicationRequest/1"})
        await store.finish(entry, "confirmed", {})
        last = (await store.history(draft.id))[-3]
        assert (last.event, last.actor) == ("released", OPERATOR)
        assert "put right" not in str(last.detail)

    run(story)


@pytest.mark.parametrize("stopped", ["parked", "mismatch", "write-failed"])
def test_a_word_can_say_that_the_order_is_right(run: Run, stopped: str):
    """What an operator resolves is confirmed under the operator's name and never written again."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await ended(store, stopped)
        assert (await store.settle(draft.id, "resolved", OPERATOR, WHY)).state == "confirmed"
        clock.forward(HOUR)
        assert await store.claim(60) is None
        assert (await store.history(draft.id))[-1].actor == OPERATOR

    run(story)


@pytest.mark.parametrize("stopped", [None, "parked", "write-failed"])
def test_what_nothing_was_created_of_can_be_taken_back(run: Run, stopped: str | None):
    """A signed order that was not written is revoked, keeps its signature, and is never claimed."""

    async def story(store: Store, clock: Clock) -> None:
        if stopped is None:
            draft = await hold_one(store)
            await sign_one(store, draft)
        else:
            draft = await ended(store, stopped)
        detail = {**WHY, "attempts": 0 if stopped is None else 1}
        assert (await store.settle(draft.id, "revoked", OPERATOR, detail)).state == "revoked"
        clock.forward(HOUR)
        assert await store.claim(60) is None
        assert await store.signature(draft.id) is not None

    run(story)


def test_what_may_be_in_the_ehr_is_not_taken_back(run: Run):
    """With an order made, a differing one, or an attempt more than was looked at, there is no revoking."""

    async def story(store: Store, clock: Clock) -> None:
        made = await ended(store, "parked", {"order": "MedicationRequest/1"})
        detail = {**WHY, "attempts": 1}
        assert await refused(store.settle(made.id, "revoked", OPERATOR, detail)) == "U-RELEASE-WRITTEN"
        await store.settle(made.id, "resolved", OPERATOR, WHY)
        other = await ended(store, "mismatch", facts="facts-2")
        assert await refused(store.settle(other.id, "revoked", OPERATOR, detail)) == "U-DRAFT-STATE"
        await store.settle(other.id, "resolved", OPERATOR, WHY)
        tried = await ended(store, "parked", facts="facts-3")
        again = {**WHY, "attempts": 0}
        assert await refused(store.settle(tried.id, "revoked", OPERATOR, again)) == "U-ORDER-WRITING"

    run(story)


@pytest.mark.parametrize("word", ["released", "resolved", "revoked"])
def test_a_word_waits_for_the_attempt_that_is_under_way(run: Run, word: Word):
    """While an order is being written nobody can say what the EHR makes of it: each word is refused by that name."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        entry = await store.claim(60)
        assert entry is not None
        detail = {**WHY, "attempts": entry.attempts}
        assert await refused(store.settle(draft.id, word, OPERATOR, detail)) == "U-ORDER-WRITING"
        assert (await store.read(draft.id)).state == "writing"

    run(story)


@pytest.mark.parametrize("word", ["released", "resolved", "revoked"])
def test_a_word_moves_nothing_that_has_not_stopped(run: Run, word: Word):
    """Unsigned, waiting and confirmed drafts are not released."""

    async def story(store: Store, clock: Clock) -> None:
        waiting = await accepted(store)
        assert await refused(store.settle(waiting.id, word, OPERATOR, WHY), NotFound) == "U-OUTBOX-UNKNOWN"
        await store.settle(waiting.id, "confirmed", ACTOR, {})
        done = await ended(store, "confirmed", facts="facts-2")
        detail = {**WHY, "attempts": 1}
        assert await refused(store.settle(done.id, word, OPERATOR, detail)) == "U-DRAFT-STATE"

    run(story)


def test_one_of_many_who_saw_the_same_settles_it(run: Run):
    """Of eight workers that end one wait at once, one does and seven are told that it has moved."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await accepted(store)
        ends: list[Read] = ["confirmed", "superseded", "expired", "confirmed"] * 2
        told = await asyncio.gather(*(store.settle(draft.id, end, ACTOR, {}) for end in ends), return_exceptions=True)
        assert sum(isinstance(one, Draft) for one in told) == 1
        assert [one.code for one in told if isinstance(one, Conflict)] == ["U-DRAFT-STATE"] * 7

    run(story)
