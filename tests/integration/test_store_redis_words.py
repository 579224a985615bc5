"""What a failover of Redis forgot of rejections and attestations comes back, and never over what was said later."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from service.drafts.canonical_json import dumps, load_object
from service.drafts.flags import NewAttestation
from service.drafts.records import Draft
from service.drafts.redis.receipt import Rejected
from service.drafts.redis.store import RedisStore
from service.errors import Conflict
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import HOUR, START, hold_one, new_draft, prepared_bytes, sign_one
from tests.contract.stores import vault as keys
from tests.integration.test_store_redis_registers import (
    ACTOR,
    PATIENT,
    attestation,
    copied,
    elsewhere,
    fail_over,
    faults,
    on,
    server,
)

__all__ = ["server"]
WHY = {"reason": "preference", "comment": "the patient wants to wait"}
OPENS = attestation()
CLOSED = replace(OPENS, result="stays-closed")


async def edited(store: RedisStore, draft: Draft) -> Draft:
    """Edit a draft, which makes it the next version."""
    changed = dumps({**load_object(draft.resource), "priority": "routine"})
    await store.prepare(draft.id, draft.version, prepared_bytes(draft, version=draft.version + 1), changed)
    return await store.read(draft.id)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_rejection_that_a_failover_forgot_is_recorded_again(
    server: RedisProcess, tmp_path: Path, sealed: bool
) -> None:
    """An acknowledged rejection comes back with its reason and comment, and the same facts are not drafted again."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        kept = copied(server)
        await store.reject(draft.id, 1, ACTOR, WHY)
        fail_over(server, kept)
        assert (await store.read(draft.id)).state == "overridden"
        assert list((await store.comments(draft.id)).values()) == [WHY["comment"]]
        given = (await store.history(draft.id))[-1].detail["given"]
        assert (given["reason"], given["replayed"]) == ("preference", True)
        assert await store.hold("north", draft.patient, draft.facts, [new_draft()], HOUR, ACTOR) == []
        await store.expire()
        assert [entry.event for entry in await store.history(draft.id)] == ["held", "overridden"]
        assert await store.verify() == ()

    on(server, tmp_path / "host", story, keys() if sealed else None)


def test_what_was_rejected_before_another_was_signed_comes_back_as_rejected(
    server: RedisProcess, tmp_path: Path
) -> None:
    """Of two drafts, one rejected and one signed, each has its own end after both were forgotten."""

    async def story(store: RedisStore) -> None:
        drafts = [new_draft(1), new_draft(2)]
        first, second = await store.hold("north", PATIENT, "facts-1", drafts, HOUR, ACTOR)
        kept = copied(server)
        await store.reject(first.id, 1, ACTOR, WHY)
        signature = await sign_one(store, second)
        fail_over(server, kept)
        assert (await store.read(first.id)).state == "overridden"
        assert await store.signature(second.id) == signature
        assert await store.verify() == ()

    on(server, tmp_path / "host", story)


@pytest.mark.parametrize("meanwhile", ["its version is lost", "it was signed", "never held"])
def test_a_rejection_that_cannot_be_recorded_again_is_named(
    server: RedisProcess, tmp_path: Path, meanwhile: str
) -> None:
    """Of another version than what was rejected, of what was signed since, of nothing: verification names it."""

    async def story(store: RedisStore) -> None:
        kept = copied(server) if meanwhile == "never held" else None
        draft = await hold_one(store)
        kept = kept or copied(server)
        await store.reject((await edited(store, draft) if "version" in meanwhile else draft).id, None, ACTOR, WHY)
        fail_over(server, kept)
        if meanwhile == "it was signed":
            await elsewhere(server, tmp_path, lambda other: sign_one(other, draft))
        assert await store.verify() == (
            f"draft {draft.id}: U-RECEIPT-LOST: its acknowledged rejection is not in the store",
        )
        assert await store.count(["overridden"]) == 0

    on(server, tmp_path / "host", story)


def test_a_refused_rejection_leaves_no_receipt(server: RedisProcess, tmp_path: Path) -> None:
    """Of a rejection that the store refused nothing is replayed."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        with pytest.raises(Conflict):
            await store.reject(draft.id, 7, ACTOR, WHY)
        assert store._receipts.told(Rejected) == []
        assert store._receipts.untold(Rejected, START + timedelta(days=99)) == []

    on(server, tmp_path / "host", story)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("new", [OPENS, CLOSED])
@pytest.mark.parametrize("first", [(), (OPENS,), (CLOSED,)])
def test_an_attestation_that_a_failover_forgot_is_recorded_again(
    server: RedisProcess, tmp_path: Path, first: tuple[NewAttestation, ...], new: NewAttestation, sealed: bool
) -> None:
    """An acknowledged word comes back under its id and is the last one; a closing one withdraws what came back."""

    async def story(store: RedisStore) -> None:
        for one in first:
            await store.attest(replace(one, assessed=START - timedelta(hours=1)), {"assertion": {}})
        draft = await hold_one(store)
        kept = copied(server)
        made = await store.attest(new, {"assertion": {}})
        fail_over(server, kept)
        again = (await store.attestations("north", PATIENT))[-1]
        assert (again.id, again.result, again.assessed) == (made.id, new.result, START)
        assert (await store.attestation(made.id))[1] == again
        assert ((await store.read(draft.id)).state == "withdrawn") == (new.result == "stays-closed")
        await store.expire()
        assert len(await store.attestations("north", PATIENT)) == len(first) + 1
        assert await store.verify() == ()

    on(server, tmp_path / "host", story, keys() if sealed else None)


def test_an_assessment_after_the_failover_counts_more_than_one_that_comes_back(
    server: RedisProcess, tmp_path: Path
) -> None:
    """The word that was lost is on record again, and the later assessment is still the last."""
    kept = copied(server)

    async def story(store: RedisStore) -> None:
        await store.attest(CLOSED, {"assertion": {}})
        fail_over(server, kept)
        later = replace(OPENS, assessed=START + timedelta(hours=1))
        await elsewhere(server, tmp_path, lambda other: other.attest(later, {"assertion": {}}))
        found = await store.attestations("north", PATIENT)
        assert [one.result for one in found] == ["stays-closed", "may-open"]
        assert await store.verify() == ()

    on(server, tmp_path / "host", story)


def test_a_word_that_was_given_again_is_not_recorded_twice(server: RedisProcess, tmp_path: Path) -> None:
    """Who noticed the loss and attested once more has one attestation, and nothing counts as lost."""
    kept = copied(server)

    async def story(store: RedisStore) -> None:
        await store.attest(OPENS, {"assertion": {}})
        fail_over(server, kept)
        again = await elsewhere(server, tmp_path, lambda other: other.attest(OPENS, {"assertion": {}}))
        assert list(await store.attestations("north", PATIENT)) == [again]
        assert await store.verify() == ()

    on(server, tmp_path / "host", story)
    assert on(server, tmp_path / "host", faults) == ()
