"""What every store promises of registers: one chain a subject, its last entry in force, and consent that is kept to."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from service.drafts.audit import chain_faults
from service.drafts.records import Draft, Shown
from service.drafts.registers import Kind, Registered
from service.drafts.states import UNSIGNED
from service.drafts.store import Store
from service.errors import Conflict, NotFound, ServiceError
from tests.contract.samples import (
    HOUR,
    START,
    Clock,
    hold_one,
    new_draft,
    prepared_bytes,
    sign_one,
    signature_of,
)
from tests.contract.stores import Opened, Run
from tests.contract.test_flags import raised

PATIENT, ACTOR = "Patient/example", "Practitioner/p1"


async def entered(
    store: Store, kind: Kind = "switch", subject: str = "tenant", ehr: str = "north", **said: Any
) -> Registered:
    """Enter in a register."""
    return await store.enter(kind, ehr, subject, "entered", ACTOR, said)


async def consent(store: Store, decision: str, patient: str = PATIENT, ehr: str = "north") -> Registered:
    """Enter what a patient decided."""
    return await entered(store, "consent", patient, ehr, decision=decision)


async def refused(act: Awaitable[object], kind: type[ServiceError] = Conflict) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(kind) as caught:
        await act
    return caught.value.code


def test_the_last_entry_says_what_holds(run: Run) -> None:
    """A subject has one register: it comes back with what was entered last, by whom and when, and its whole chain."""

    async def story(store: Store, clock: Clock) -> None:
        first = await entered(store, state="off")
        clock.forward(5)
        last = await entered(store, state="on", until="2026-12-01")
        assert last.id == first.id
        assert list(await store.registered("switch")) == [last]
        assert (last.kind, last.ehr, last.subject) == ("switch", "north", "tenant")
        assert (last.entry.draft, last.entry.seq, last.entry.actor) == (last.id, 2, ACTOR)
        assert last.entry.at == START + timedelta(seconds=5)
        assert {"state": "on", "until": "2026-12-01"}.items() <= last.entry.detail.items()
        chain = list(await store.entries(first.id))
        assert chain == [first.entry, last.entry]
        assert chain_faults(chain) == []

    run(story)


def test_registers_are_apart_by_kind_tenant_and_subject(run: Run) -> None:
    """Each is found by its own kind, tenant and subject, the whole service's under no tenant, and by none of others."""

    async def story(store: Store, clock: Clock) -> None:
        for ehr, subject in (("north", "tenant"), ("north", "drug:sertraline"), ("south", "tenant"), ("", "model")):
            await entered(store, subject=subject, ehr=ehr)
        await entered(store, "checkpoint", "all", "")
        for ehr in ("north", "south"):
            await consent(store, "permit", ehr=ehr)
        await consent(store, "permit", "Patient/other")

        async def found(kind: Kind, **by: str) -> list[tuple[str, str]]:
            return [(one.ehr, one.subject) for one in await store.registered(kind, **by)]

        assert await found("switch") == [
            ("", "model"), ("north", "drug:sertraline"), ("north", "tenant"), ("south", "tenant"),
        ]  # fmt: skip
        assert await found("switch", ehr="north") == [("north", "drug:sertraline"), ("north", "tenant")]
        assert await found("switch", ehr="") == [("", "model")]
        assert await found("switch", subject="tenant") == [("north", "tenant"), ("south", "tenant")]
        assert await found("switch", ehr="south", subject="tenant") == [("south", "tenant")]
        assert await found("switch", ehr="south", subject="model") == []
        assert await found("checkpoint") == [("", "all")]
        assert await found("consent") == [("north", PATIENT), ("north", "Patient/other"), ("south", PATIENT)]
        assert await found("consent", subject=PATIENT) == [("north", PATIENT), ("south", PATIENT)]
        assert await found("consent", ehr="north", subject=PATIENT) == [("north", PATIENT)]

    run(story)


def test_whoever_saw_another_entry_is_told(run: Run) -> None:
    """With ``after`` an entry follows only the one that the caller saw; nothing is written otherwise."""

    async def story(store: Store, clock: Clock) -> None:
        async def enter(after: int) -> Registered:
            return await store.enter("switch", "north", "tenant", "entered", ACTOR, {}, after=after)

        assert await refused(enter(1)) == "U-REGISTER-MOVED"
        assert list(await store.registered("switch")) == []
        made = await enter(0)
        assert await refused(enter(0)) == "U-REGISTER-MOVED"
        assert (await enter(1)).entry.seq == 2
        assert len(await store.entries(made.id)) == 2

    run(story)


def test_of_many_at_once_each_entry_has_its_place(run: Run) -> None:
    """Twenty entries at once are twenty links of one chain; of twenty that saw the same entry, one is written."""

    async def story(store: Store, clock: Clock) -> None:
        made = await asyncio.gather(*(entered(store, number=n) for n in range(20)))
        assert sorted(one.entry.seq for one in made) == list(range(1, 21))
        same = [store.enter("switch", "north", "tenant", "entered", ACTOR, {}, after=20) for _ in range(20)]
        found = await asyncio.gather(*same, return_exceptions=True)
        assert sum(isinstance(one, Registered) for one in found) == 1
        assert {one.code for one in found if isinstance(one, Conflict)} == {"U-REGISTER-MOVED"}
        assert len(await store.entries(made[0].id)) == 21

    run(story)


def test_an_unknown_register_is_not_found(run: Run) -> None:
    """The chain of an id that no register has is U-REGISTER-UNKNOWN, a draft's id too."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        for unknown in ("unknown", draft.id):
            assert await refused(store.entries(unknown), NotFound) == "U-REGISTER-UNKNOWN"

    run(story)


def test_a_register_outlives_the_process(opened: Opened) -> None:
    """What was entered is there, chained, when the store is opened again."""

    async def first(store: Store, clock: Clock) -> Registered:
        return await consent(store, "deny")

    async def then(store: Store, clock: Clock) -> None:
        assert list(await store.registered("consent")) == [made]
        assert (await entered(store, "consent", PATIENT)).entry.previous == made.entry.hash
        assert list(await store.verify()) == []

    made = opened(first)
    opened(then)


# --- consent


def test_withheld_consent_withdraws_what_is_unsigned(run: Run) -> None:
    """The same commit ends the patient's unsigned drafts at this tenant, in its own name, and no other's."""

    async def story(store: Store, clock: Clock) -> None:
        drafts = await store.hold("north", PATIENT, "facts-1", [new_draft(1), new_draft(2)], HOUR, ACTOR)
        other = await hold_one(store, patient="Patient/other")
        (south,) = await store.hold("south", PATIENT, "facts-1", [new_draft()], HOUR, ACTOR)
        said = await consent(store, "deny")
        for draft in drafts:
            assert (await store.read(draft.id)).state == "withdrawn"
            last = (await store.history(draft.id))[-1]
            assert (last.event, last.actor, last.detail["by"]) == ("withdrawn", ACTOR, said.id)
        assert [(await store.read(one.id)).state for one in (other, south)] == ["held", "held"]

    run(story)


def test_a_signed_draft_stays_signed_when_consent_is_withheld(run: Run) -> None:
    """What a practitioner has signed is an order: the patient's word about AI does not take it back."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        await sign_one(store, draft)
        await consent(store, "deny")
        assert (await store.read(draft.id)).state == "signed"
        assert await store.claim(60) is not None

    run(story)


def test_nothing_is_held_or_shown_while_consent_is_withheld(run: Run) -> None:
    """Holding returns no draft and records no card, until another decision is entered."""

    async def story(store: Store, clock: Clock) -> None:
        async def held(card: str) -> list[Draft]:
            shown = Shown(card, ACTOR, {"topic": "options"})
            return list(await store.hold("north", PATIENT, "facts-1", [new_draft()], HOUR, ACTOR, shown))

        await consent(store, "deny")
        assert await held("card-1") == []
        assert await store.card_drafts("card-1") is None
        assert await store.find() == []
        await consent(store, "permit")
        assert [draft.state for draft in await held("card-2")] == ["presented"]

    run(story)


def test_nothing_is_signed_while_consent_is_withheld(run: Run) -> None:
    """A draft that was shown before is refused by U-CONSENT-WITHHELD, and afterwards it has its own end."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        await consent(store, "deny")
        signing = signature_of(shown)
        assert await refused(store.sign(signing, write_back=True, detail={})) == "U-CONSENT-WITHHELD"
        await consent(store, "permit")
        assert await refused(store.sign(signing, write_back=True, detail={})) == "U-DRAFT-STATE"
        assert await store.signature(draft.id) is None

    run(story)


def test_consent_and_signature_at_once_have_one_order(run: Run) -> None:
    """Whichever comes first, no draft is unsigned and open once the refusal is entered, and none is signed after it."""

    async def story(store: Store, clock: Clock) -> None:
        for number in range(8):
            patient = f"Patient/{number}"
            draft = await hold_one(store, patient=patient)
            shown = prepared_bytes(draft)
            await store.prepare(draft.id, 1, shown, None)
            signed, _, _ = await asyncio.gather(
                store.sign(signature_of(shown), write_back=True, detail={}),
                consent(store, "deny", patient),
                store.hold("north", patient, "facts-2", [new_draft()], HOUR, ACTOR),
                return_exceptions=True,
            )
            states = [one.state for one in await store.find(patient=patient)]
            assert not set(states) & set(UNSIGNED)
            assert ("signed" in states) == isinstance(signed, Draft)

    run(story)


# --- heads


def test_the_heads_are_those_of_every_chain_but_the_checkpoints(run: Run) -> None:
    """Drafts, flags, switches and consents each give the number and hash of their last entry, and of nothing else."""

    async def story(store: Store, clock: Clock) -> None:
        draft, flag = await hold_one(store, patient="Patient/a"), await raised(store, patient="Patient/b")
        registers = [await entered(store), await consent(store, "permit")]
        await entered(store, "checkpoint", "all", "")
        chains = [await store.history(draft.id), await store.flag_history(flag)]
        chains += [await store.entries(one.id) for one in registers]
        last = [chain[-1] for chain in chains]
        assert list(await store.heads()) == sorted((entry.draft, entry.seq, entry.hash) for entry in last)

    run(story)


def test_verification_counts_registers_and_their_entries(run: Run) -> None:
    """An audit walks each register and says how many there are."""

    async def story(store: Any, clock: Clock) -> None:
        await entered(store)
        await entered(store)
        await consent(store, "permit")
        report = await store.audit()
        assert (report.faults, report.registers, report.entries) == ((), 2, 3)

    run(story)
