"""Many signers at once on several open stores: one winner a draft, and one history that all of them fit."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import AuditEntry, Draft
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.sqlite.store import SqliteStore
from service.errors import Conflict
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import hold_one, prepared_bytes, signature_of
from tests.contract.stores import redis_process

__all__ = ["redis_process"]
SIGNERS = 8
ROUNDS = int(os.environ.get("UNDERSIGN_SIGNER_ROUNDS", "200"))


@dataclass(frozen=True)
class Call:
    """What a client did of one draft, as it saw it: begun, ended, what it was told last, the versions that it saw and
    those that it made."""

    signer: int
    begun: float
    ended: float
    result: Draft | str
    seen: tuple[int, ...]
    made: tuple[int, ...]


async def signing(store: Any, signer: int, draft: Draft) -> Call:
    """Prepare and sign, every second signer with an edit of its own; where another's edit came first, read again."""
    await asyncio.sleep(random.uniform(0, 0.002))
    begun, seen, made = time.monotonic(), list[int](), list[int]()
    while True:
        present = await store.read(draft.id)
        seen.append(present.version)
        edit = bool(signer % 2) and not made
        shown = prepared_bytes(present, f"Practitioner/p{signer}", version=present.version + edit)
        try:
            await store.prepare(draft.id, present.version, shown, _edited(present, signer) if edit else None)
            made += [shown.version] * edit
            result = await store.sign(signature_of(shown), write_back=True, detail={})
        except Conflict as error:
            result = error.code
        if result != "U-DRAFT-VERSION":
            return Call(signer, begun, time.monotonic(), result, tuple(seen), tuple(made))


def _edited(draft: Draft, signer: int) -> bytes:
    return dumps({**load_object(draft.resource), "priority": f"p{signer}"})


async def _round(stores: list[Any], number: int) -> int:
    draft = await hold_one(stores[0], patient=f"Patient/{number}")
    calls = await asyncio.gather(*(signing(store, n, draft) for n, store in enumerate(stores)))
    won = [call for call in calls if isinstance(call.result, Draft)]
    assert len(won) == 1
    (winner,) = won
    assert {call.result for call in calls if call is not winner} <= {"U-DRAFT-SIGNED"}
    # Whoever began after the winner was told cannot have been first; who was refused, was so after the winner began.
    assert all(call.ended >= winner.begun for call in calls)
    found = await stores[number % len(stores)].signature(draft.id)
    assert found is not None
    assert found.practitioner == f"Practitioner/p{winner.signer}"
    history = await stores[0].history(draft.id)
    assert [entry.event for entry in history].count("signed") == 1
    assert [entry.seq for entry in history] == list(range(1, len(history) + 1))
    assert [entry.at for entry in history] == sorted(entry.at for entry in history)
    await _check_versions(stores[-1], calls, history, found.version)
    return sum(len(call.made) for call in calls)


async def _check_versions(store: Any, calls: list[Call], history: Sequence[AuditEntry], signed: int) -> None:
    """Every acknowledged edit is a version of its own, none goes back, and the last is what was signed."""
    versions = [1, *(entry.detail["version"] for entry in history if entry.event == "modified")]
    assert versions == list(range(1, signed + 1))
    assert sorted(version for call in calls for version in call.made) == versions[1:]
    revisions = await store.revisions(history[0].draft)
    assert sorted(revisions) == versions
    for call in calls:
        assert list(call.seen) == sorted(call.seen)
        assert all(load_object(revisions[version])["priority"] == f"p{call.signer}" for version in call.made)


async def _all(make: Callable[[int], Any]) -> None:
    stores = [make(n) for n in range(SIGNERS)]
    for store in stores:
        await store.open()
    try:
        edits = [await _round(stores, number) for number in range(ROUNDS)]
        assert sum(edits)
        assert list(await stores[0].verify()) == []
        written = 0
        while await stores[written % SIGNERS].claim(600) is not None:
            written += 1
        assert written == ROUNDS
    finally:
        for store in stores:
            await store.close()


def test_eight_signers_on_one_file_have_one_winner_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over eight stores on one SQLite file, of 200 drafts each is signed once and queued once."""
    monkeypatch.setattr(sqlite_schema, "BUSY_TIMEOUT_MS", 60_000)  # eight at a time may keep one waiting
    asyncio.run(_all(lambda _: SqliteStore(tmp_path / "store.db")))


def test_eight_signers_on_one_redis_have_one_winner_a_draft(redis_process: RedisProcess, tmp_path: Path) -> None:
    """Over eight stores on one Redis, as on eight hosts, of 200 drafts each is signed once and queued once."""
    redis_process.flush()
    asyncio.run(_all(lambda n: RedisStore(redis_process.url, tmp_path / f"receipts-{n}.db")))
