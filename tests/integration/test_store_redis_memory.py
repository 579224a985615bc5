"""A worker signs on what it last saw of a draft: never on what is not so any more."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.drafts.records import Signature
from service.drafts.redis.receipt import Signed
from service.drafts.redis.steps import REMEMBERED, Steps
from service.drafts.redis.store import RedisStore
from service.errors import Conflict
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import HOUR, START, Clock, hold_one, new_draft, prepared_bytes, sign_one, signature_of
from tests.contract.stores import redis_process
from tests.contract.test_flags import WORD

__all__ = ["redis_process"]
Meanwhile = Callable[[RedisStore, Signature, Clock], Coroutine[Any, Any, object]]


def told(server: RedisProcess, folder: Path, story: Callable[[RedisStore, RedisStore, Clock], Any]) -> None:
    """Tell a story to two workers of one host."""

    async def whole() -> None:
        clock = Clock()
        server.flush()
        workers = [RedisStore(server.url, folder / "receipts.db", clock=clock) for _ in range(2)]
        try:
            for worker in workers:
                await worker.open()
            await story(workers[0], workers[1], clock)
            assert await workers[0].verify() == ()
        finally:
            for worker in workers:
                await worker.close()

    asyncio.run(whole())


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the first id of each snapshot that is read from the server."""
    found: list[str] = []
    whole = Steps.load

    async def load(self: Steps, scope: Any) -> Any:
        found.extend(scope.ids[:1])
        return await whole(self, scope)

    monkeypatch.setattr(Steps, "load", load)
    return found


async def prepared(store: RedisStore) -> Signature:
    """Hold and prepare a draft; returns the signature that is to come."""
    draft = await hold_one(store)
    shown = prepared_bytes(draft)
    await store.prepare(draft.id, 1, shown, None)
    return signature_of(shown)


def test_a_signature_reads_nothing_again_that_its_worker_has_just_written(
    redis_process: RedisProcess, tmp_path: Path, loads: list[str]
) -> None:
    """From prepared bytes to the signature there is no reading, and the entry's time is the store's at the signing."""

    async def story(store: RedisStore, _other: RedisStore, clock: Clock) -> None:
        signature = await prepared(store)
        loads.clear()
        clock.forward(600)
        await store.sign(signature, write_back=True, detail={})
        assert loads == []
        assert (await store.history(signature.draft))[-1].at == START + timedelta(seconds=600)

    told(redis_process, tmp_path, story)


async def _rejected(other: RedisStore, signature: Signature, _clock: Clock) -> None:
    await other.reject(signature.draft, 1, "Practitioner/p2", {})


async def _signed(other: RedisStore, signature: Signature, _clock: Clock) -> None:
    await sign_one(other, await other.read(signature.draft))


async def _denied(other: RedisStore, _signature: Signature, _clock: Clock) -> None:
    await other.enter("consent", "north", "Patient/example", "entered", "Practitioner/p2", {"decision": "deny"})


async def _closed(other: RedisStore, _signature: Signature, _clock: Clock) -> None:
    await other.attest(replace(WORD, result="stays-closed"), {})


async def _edited(other: RedisStore, signature: Signature, _clock: Clock) -> None:
    draft = await other.read(signature.draft)
    await other.prepare(draft.id, 1, prepared_bytes(draft, version=2), new_draft().resource)


async def _late(_other: RedisStore, _signature: Signature, clock: Clock) -> None:
    clock.forward(HOUR)


@pytest.mark.parametrize(
    ("meanwhile", "code"),
    [
        (_rejected, "U-DRAFT-STATE"),
        (_signed, "U-DRAFT-SIGNED"),
        (_denied, "U-CONSENT-WITHHELD"),
        (_closed, "U-DRAFT-STATE"),
        (_edited, "U-DRAFT-VERSION"),
        (_late, "U-DRAFT-EXPIRED"),
    ],
)
def test_what_another_worker_did_meanwhile_is_seen(
    redis_process: RedisProcess, tmp_path: Path, meanwhile: Meanwhile, code: str
) -> None:
    """What a worker remembers is compared when it signs: it refuses as a worker would that had just read the draft."""

    async def story(store: RedisStore, other: RedisStore, clock: Clock) -> None:
        signature = await prepared(store)
        await meanwhile(other, signature, clock)
        with pytest.raises(Conflict) as refused:
            await store.sign(signature, write_back=True, detail={})
        assert refused.value.code == code
        assert await other.signature(signature.draft) != signature
        assert [one.signature for one in store._receipts.untold(Signed, START + timedelta(days=9))] == []

    told(redis_process, tmp_path, story)


def test_a_refusal_is_not_remembered(redis_process: RedisProcess, tmp_path: Path) -> None:
    """A worker that saw the draft before another prepared it signs what the other prepared."""

    async def story(store: RedisStore, other: RedisStore, _clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        assert await store.prepared(draft.id, shown.digest, shown.practitioner) is None
        await other.prepare(draft.id, 1, shown, None)
        assert (await store.sign(signature_of(shown), write_back=True, detail={})).state == "signed"

    told(redis_process, tmp_path, story)


def test_a_new_draft_of_another_worker_ends_with_the_signature(redis_process: RedisProcess, tmp_path: Path) -> None:
    """A draft of the patient that came after the worker last looked is superseded like those it had seen."""

    async def story(store: RedisStore, other: RedisStore, _clock: Clock) -> None:
        first, second = await store.hold(
            "north", "Patient/example", "f", [new_draft(1), new_draft(2)], HOUR, "Device/x"
        )
        shown = prepared_bytes(first)
        await store.prepare(first.id, 1, shown, None)
        await other.reject(second.id, 1, "Practitioner/p2", {})
        await store.sign(signature_of(shown), write_back=True, detail={})
        assert (await store.read(second.id)).state == "overridden"

    told(redis_process, tmp_path, story)


def test_what_is_remembered_is_bounded(redis_process: RedisProcess, tmp_path: Path) -> None:
    """However many drafts are prepared, a worker keeps a set number of them in mind, and forgets those it signed."""

    async def story(store: RedisStore, _other: RedisStore, _clock: Clock) -> None:
        for number in range(REMEMBERED + 6):
            draft = await hold_one(store, patient=f"Patient/{number}")
            await store.prepare(draft.id, 1, prepared_bytes(draft), None)
        assert len(store._steps._known) == REMEMBERED
        await sign_one(store, await hold_one(store))
        assert len(store._steps._known) == REMEMBERED - 1

    told(redis_process, tmp_path, story)
