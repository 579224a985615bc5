"""Who looked at what, on every store: a chain a patient and year, and how the old ones end."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.drafts.audit import chain_faults
from service.drafts.canonical_json import dumps
from service.drafts.registers import Registered
from service.drafts.signature.signing import Signer
from service.drafts.store import Store
from service.drafts.trail import access, checkpoints, forgetting
from service.drafts.trail.access import Asked
from service.drafts.trail.forgetting import Word
from service.errors import Conflict, ServiceError
from tests.contract.samples import Clock, hold_one, practitioner
from tests.contract.stores import Run

PATIENT, OTHER = "Patient/a", "Patient/b"
ASKED = Asked("MedicationRequest/d1")
TOKEN = "header.payload.signature"
WORD = Word("Privacy officer", "kept for six years")
SIX = 6


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """Return a signer of its own."""
    return Signer.load_or_create(tmp_path_factory.mktemp("key") / "key.json")


async def looked(store: Store, clock: Clock, patient: str = PATIENT, number: int = 1, **told: Any) -> None:
    """Record that somebody was given something of a patient."""
    services = cast(Any, SimpleNamespace(store=store, clock=clock))
    who = cast(Any, SimpleNamespace(practitioner=practitioner(number), token=TOKEN))
    await access.enter(services, who, patient, told.get("asked", ASKED), told.get("refused", ""))


async def years_of(store: Store) -> list[tuple[str, int]]:
    """Return whose accesses are on record, and of which years."""
    return [(access.patient_of(one), access.year_of(one)) for one in await store.registered("access")]


def at_year(clock: Clock, year: int) -> None:
    """Set the clock to a day of a year."""
    clock.at = datetime(year, 5, 1, tzinfo=UTC)


def test_an_access_says_who_what_and_when(run: Run) -> None:
    """The entry has the person, the reference, how it was asked, the token's digest, and is found by patient."""

    async def story(store: Store, clock: Clock) -> None:
        await looked(store, clock)
        clock.forward(5)
        await looked(store, clock, number=2, refused="U-SESSION-PATIENT", asked=Asked("", "search-type", query="Task?"))
        await looked(store, clock, OTHER)
        first, second = await access.of_patient(store, "north", PATIENT, clock(), SIX)
        assert (first.event, first.actor, first.detail["what"]) == ("read", "Practitioner/p1", "MedicationRequest/d1")
        assert (second.event, second.actor, second.detail["query"]) == ("refused", "Practitioner/p2", "Task?")
        assert (second.at - first.at).total_seconds() == 5
        assert second.detail["code"] == "U-SESSION-PATIENT"
        assert first.detail["session"] == access.session_of(TOKEN)
        assert TOKEN not in dumps([first.detail, second.detail]).decode()
        assert access.owner(first, "north") == PATIENT
        assert [access.owner(first, "south"), await access.of_patient(store, "south", PATIENT, clock(), SIX)] == [
            None,
            [],
        ]

    run(story)


def test_of_many_at_once_each_has_its_link(run: Run) -> None:
    """Twenty people who look at one patient while others look at another make two whole chains."""

    async def story(store: Store, clock: Clock) -> None:
        await asyncio.gather(*(looked(store, clock, (PATIENT, OTHER)[n % 2], n) for n in range(40)))
        for patient in (PATIENT, OTHER):
            chain = await access.of_patient(store, "north", patient, clock(), SIX)
            assert (len(chain), len({entry.actor for entry in chain}), chain_faults(chain)) == (20, 20, [])

    run(story)


def test_accesses_are_in_the_heads_and_so_in_the_checkpoints(run: Run, signer: Signer) -> None:
    """A checkpoint names the chain of a patient's accesses, and stands after the next access too."""

    async def story(store: Store, clock: Clock) -> None:
        await looked(store, clock)
        (register,) = await store.registered("access")
        assert (register.id, 1, register.entry.hash) in list(await store.heads())
        assert (await checkpoints.make(store, signer)).chains == 1
        await looked(store, clock)
        assert await checkpoints.faults(store, signer.public_jwks()) == []

    run(story)


def test_what_is_older_than_it_has_to_be_kept_goes_and_nothing_else(run: Run, signer: Signer) -> None:
    """Years that ended longer ago go, the others and every draft stay, and neither chains nor checkpoints miss them."""

    async def story(store: Store, clock: Clock) -> None:
        for year in (2026, 2027, 2028):
            at_year(clock, year)
            await looked(store, clock)
            await looked(store, clock, OTHER)
        draft = await hold_one(store)
        await checkpoints.make(store, signer)
        at_year(clock, 2034)
        await looked(store, clock)
        assert await forgetting.forget(store, signer, SIX, WORD) == 4
        assert await years_of(store) == [(PATIENT, 2028), (PATIENT, 2034), (OTHER, 2028)]
        assert (await store.read(draft.id)).state == "held"
        assert await checkpoints.faults(store, signer.public_jwks()) == []
        assert (await checkpoints.make(store, signer)).lost == ()
        (word,) = await store.registered("forgotten")
        assert (word.ehr, word.entry.actor, word.entry.detail["reason"]) == (
            "north", "operator:Privacy officer", "kept for six years",
        )  # fmt: skip
        assert len(word.entry.detail["chains"]) == 4
        assert await forgetting.forget(store, signer, SIX, WORD) == 0

    run(story)


def test_what_goes_does_not_come_in_the_way_of_what_comes(run: Run, signer: Signer) -> None:
    """After a year's chain is gone the patient's next access begins where it should."""

    async def story(store: Store, clock: Clock) -> None:
        at_year(clock, 2020)
        await looked(store, clock)
        at_year(clock, 2034)
        await forgetting.forget(store, signer, SIX, WORD)
        at_year(clock, 2020)
        await looked(store, clock)
        (register,) = await store.registered("access")
        assert register.entry.seq == 1

    run(story)


def test_a_chain_that_moved_is_not_forgotten(run: Run) -> None:
    """What was not seen as it is stays: U-REGISTER-MOVED, and the entries are there."""

    async def story(store: Store, clock: Clock) -> None:
        await looked(store, clock)
        (seen,) = await store.registered("access")
        await looked(store, clock)
        with pytest.raises(Conflict) as caught:
            await store.forget([seen], "north", "operator:x", {"chains": []})
        assert caught.value.code == "U-REGISTER-MOVED"
        assert len(await store.entries(seen.id)) == 2

    run(story)


def test_no_other_register_can_be_forgotten(run: Run) -> None:
    """A consent is refused by the store itself, whoever asks."""

    async def story(store: Store, clock: Clock) -> None:
        made: Registered = await store.enter(
            "consent", "north", PATIENT, "recorded", "Practitioner/p1", {"decision": "deny"}
        )
        with pytest.raises(ServiceError) as caught:
            await store.forget([made], "north", "operator:x", {"chains": []})
        assert caught.value.code in ("U-STORE-CONSTRAINT", "U-REGISTER-MOVED")
        assert len(await store.entries(made.id)) == 1

    run(story)


def test_an_unsigned_word_covers_no_loss(run: Run, signer: Signer) -> None:
    """A chain that is called forgotten without the service's signature is missed by the checkpoints all the same."""

    async def story(store: Store, clock: Clock) -> None:
        await looked(store, clock)
        await checkpoints.make(store, signer)
        (one,) = await store.registered("access")
        detail = {"chains": [[one.id, one.entry.seq, one.entry.hash]], "reason": "none", "jws": "a..b"}
        await store.forget([one], "north", "operator:x", detail)
        (fault,) = await checkpoints.faults(store, signer.public_jwks())
        assert "U-CHECKPOINT-GONE" in fault

    run(story)
