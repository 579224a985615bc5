"""What every store promises of flags: alarms, the cards that showed them, and what practitioners attest."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from service.drafts.canonical_json import dumps
from service.drafts.flags import NewAttestation
from service.drafts.records import Shown
from service.drafts.store import Store
from service.errors import Conflict, NotFound
from tests.contract.samples import START, Clock, hold_one, new_draft, prepared_bytes, signature_of
from tests.contract.stores import Opened, Run

PATIENT = "Patient/example"
WORD = NewAttestation(
    ehr="north",
    patient=PATIENT,
    practitioner="Practitioner/p1",
    display="Dr Example",
    role="PractitionerRole/r1",
    assessed=START,
    result="may-open",
    review_by="Dr Example",
    review_on=date(2026, 11, 29),
)


def shown(card: str, who: str = "Practitioner/p2") -> Shown:
    """Return a card that is about to show an alarm."""
    return Shown(card, who, {"card": card, "topic": "crisis"})


async def raised(store: Store, card: str = "card-1", facts: str = "facts-1", patient: str = PATIENT) -> str:
    """Raise a flag and return its id."""
    return (await store.raise_flag("north", patient, facts, dumps({"reasons": [facts]}), shown(card))).id


async def events(store: Store, flag: str) -> list[str]:
    """Return the events of a flag's chain."""
    return [entry.event for entry in await store.flag_history(flag)]


def test_a_patient_has_one_flag_and_each_card_is_told_of(run: Run) -> None:
    """The same facts again raise no second alarm, but the card that shows them is in the chain, with who saw it."""

    async def story(store: Store, clock: Clock) -> None:
        first, again = await raised(store), await raised(store, "card-2")
        assert first == again
        assert await events(store, first) == ["raised", "shown", "shown"]
        assert (await store.flag_history(first))[-1].actor == "Practitioner/p2"
        assert await store.card_drafts("card-2") == ()
        assert await raised(store, "card-3", "facts-2") == first
        alarm = await store.alarm(first)
        assert alarm is not None
        assert alarm.facts == "facts-2"
        assert await raised(store, "card-4", patient="Patient/other") != first

    run(story)


def test_an_alarm_withdraws_what_is_held(run: Run) -> None:
    """Whichever hook meets a crisis, what is held unsigned for the patient is withdrawn in the alarm's commit."""

    async def story(store: Store, clock: Clock) -> None:
        held = await store.hold("north", PATIENT, "facts-0", [new_draft(0), new_draft(1)], 600, "Device/undersign")
        other = await store.hold("north", "Patient/other", "facts-0", [new_draft(0)], 600, "Device/undersign")
        await raised(store)
        assert {(await store.read(one.id)).state for one in held} == {"withdrawn"}
        assert (await store.read(other[0].id)).state == "held"
        assert list(await store.verify()) == []

    run(story)


def test_twenty_calls_at_once_raise_one_alarm(run: Run) -> None:
    """However many charts are opened at once, a patient has one flag and one alarm of the same facts."""

    async def story(store: Store, clock: Clock) -> None:
        flags = await asyncio.gather(*(raised(store, f"card-{n}") for n in range(20)))
        assert len(set(flags)) == 1
        assert (await events(store, flags[0])).count("raised") == 1

    run(story)


def test_an_attestation_is_kept_with_who_when_and_what(run: Run) -> None:
    """What was attested comes back as given, the oldest assessment first, and for this patient and EHR alone."""

    async def story(store: Store, clock: Clock) -> None:
        clock.forward(60)
        late = await store.attest(replace(WORD, assessed=START + timedelta(seconds=30)), {"assertion": {}})
        early = await store.attest(WORD, {})
        found = await store.attestations("north", PATIENT)
        assert [one.id for one in found] == [early.id, late.id]
        kept = found[0]
        assert (kept.practitioner, kept.by, kept.role) == ("Practitioner/p1", "Dr Example", "PractitionerRole/r1")
        assert (kept.assessed, kept.result, kept.review_by, kept.review_on) == (
            START,
            "may-open",
            "Dr Example",
            date(2026, 11, 29),
        )
        assert kept.recorded == clock.at
        assert await store.attestations("south", PATIENT) == []
        assert await store.attestations("north", "Patient/other") == []
        assert await store.alarm(kept.flag) is None

    run(story)


def test_the_same_word_twice_is_recorded_once(run: Run) -> None:
    """A form sent twice changes nothing; another result is a word of its own."""

    async def story(store: Store, clock: Clock) -> None:
        first, again = await store.attest(WORD, {}), await store.attest(WORD, {})
        assert first.id == again.id
        await store.attest(replace(WORD, result="stays-closed"), {})
        assert await events(store, first.flag) == ["attested", "attested"]

    run(story)


@pytest.mark.parametrize(("result", "state"), [("may-open", "held"), ("stays-closed", "withdrawn")])
def test_keeping_closed_withdraws_what_is_held(run: Run, result: Any, state: str) -> None:
    """In the commit that keeps drafting closed the patient's unsigned drafts end; others' stay."""

    async def story(store: Store, clock: Clock) -> None:
        draft, other = await hold_one(store), await hold_one(store, patient="Patient/other")
        await store.attest(replace(WORD, result=result), {})
        assert (await store.read(draft.id)).state == state
        assert (await store.read(other.id)).state == "held"

    run(story)


def test_nothing_is_signed_after_drafting_was_kept_closed(run: Run) -> None:
    """A draft that slips in beside the attestation is not signed until a later word opens drafting."""

    async def story(store: Store, clock: Clock) -> None:
        await store.attest(replace(WORD, result="stays-closed"), {})
        draft = await hold_one(store)
        prepared = prepared_bytes(draft)
        await store.prepare(draft.id, 1, prepared, None)
        with pytest.raises(Conflict) as caught:
            await store.sign(signature_of(prepared), write_back=False, detail={})
        assert caught.value.code == "U-ATTEST-CLOSED"
        await store.attest(replace(WORD, assessed=START + timedelta(minutes=1)), {})
        assert (await store.sign(signature_of(prepared), write_back=False, detail={})).state == "signed"

    run(story)


def test_what_is_not_there_is_named_so(run: Run) -> None:
    """An unknown flag or attestation is U-FLAG-UNKNOWN, and a patient without one has none."""

    async def story(store: Store, clock: Clock) -> None:
        for act in (store.flag("x"), store.attestation("x")):
            with pytest.raises(NotFound) as caught:
                await act
            assert caught.value.code == "U-FLAG-UNKNOWN"
        assert await store.flag_of("north", PATIENT) is None

    run(story)


def test_flags_survive_a_restart(opened: Opened) -> None:
    """What was raised and attested is there, whole, after the store was closed and opened."""

    async def first(store: Store, clock: Clock) -> str:
        flag = await raised(store)
        return (await store.attest(WORD, {})).id if flag else ""

    async def second(store: Store, clock: Clock) -> str:
        assert list(await store.verify()) == []
        return (await store.attestations("north", PATIENT))[0].id

    assert opened(first) == opened(second)
