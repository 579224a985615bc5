"""Many signers at once on several open stores: one winner a draft, and one history that all of them fit."""

import asyncio
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.drafts.redis_store import RedisStore
from service.drafts.sqlite import SqliteStore
from service.drafts.store import Draft
from service.errors import Conflict
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import hold_one, prepared_bytes, signature_of
from tests.contract.stores import redis_process

__all__ = ["redis_process"]
SIGNERS = 8
ROUNDS = int(os.environ.get("UNDERSIGN_SIGNER_ROUNDS", "200"))


@dataclass(frozen=True)
class Call:
    """One call of a client, as it saw it: begun, ended, and what it was told."""

    signer: int
    begun: float
    ended: float
    result: Draft | str


async def signing(store: Any, signer: int, draft: Draft) -> Call:
    """Prepare and sign; a version that another signer's edit has taken is prepared again."""
    await asyncio.sleep(random.uniform(0, 0.002))
    begun = time.monotonic()
    try:
        shown = prepared_bytes(draft, f"Practitioner/p{signer}")
        await store.prepare(draft.id, draft.version, shown, None)
        result = await store.sign(signature_of(shown), write_back=True, detail={})
    except Conflict as error:
        return Call(signer, begun, time.monotonic(), error.code)
    return Call(signer, begun, time.monotonic(), result)


async def _round(stores: list[Any], number: int) -> None:
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


async def _all(make: Callable[[int], Any]) -> None:
    stores = [make(n) for n in range(SIGNERS)]
    for store in stores:
        await store.open()
    try:
        for number in range(ROUNDS):
            await _round(stores, number)
        assert list(await stores[0].verify()) == []
        written = 0
        while await stores[written % SIGNERS].claim(600) is not None:
            written += 1
        assert written == ROUNDS
    finally:
        for store in stores:
            await store.close()


def test_eight_signers_on_one_file_have_one_winner_a_draft(tmp_path: Path) -> None:
    """Over eight stores on one SQLite file, of 200 drafts each is signed once and queued once."""
    asyncio.run(_all(lambda _: SqliteStore(tmp_path / "store.db")))


def test_eight_signers_on_one_redis_have_one_winner_a_draft(redis_process: RedisProcess, tmp_path: Path) -> None:
    """Over eight stores on one Redis, as on eight hosts, of 200 drafts each is signed once and queued once."""
    redis_process.flush()
    asyncio.run(_all(lambda n: RedisStore(redis_process.url, tmp_path / f"receipts-{n}.db")))
