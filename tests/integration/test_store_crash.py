"""A process that is killed at any moment loses nothing that it acknowledged."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from service.drafts.sqlite import SqliteStore
from service.drafts.states import SIGNED, STATES
from service.drafts.store import State

RUNS = int(os.environ.get("UNDERSIGN_CRASH_RUNS", "5"))
# What a draft may be after each acknowledgement: it can have gone on, never back.
FOLLOWS: dict[str, tuple[State, ...]] = {"held": STATES, "signed": SIGNED, "finished": ("confirmed",)}
CHECKOUT = Path(__file__).parents[2]


def kill_after(path: Path, name: str, seconds: float) -> list[list[str]]:
    """Start the victim, kill it (SIGKILL) so long after its first acknowledgement; return all it printed."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.store_victim", str(path), name],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as victim:
        assert victim.stdout is not None
        first = victim.stdout.readline()
        time.sleep(seconds)
        victim.kill()
        rest = victim.stdout.read()
    whole = (first + rest).rpartition("\n")[0]  # a line cut short is no acknowledgement
    return [line.split() for line in whole.splitlines()]


async def look(path: Path, acknowledged: Iterable[list[str]]) -> tuple[int, int]:
    """Reopen the store and hold it against what was acknowledged; return how many drafts and signatures."""
    store = SqliteStore(path)
    await store.open()
    try:
        assert list(await store.verify()) == []
        drafts = {draft.id: draft for draft in await store.find(limit=10**9)}
        signatures = 0
        for event, draft, *more in acknowledged:
            assert draft in drafts
            assert drafts[draft].state in FOLLOWS[event]
            if more:
                signature = await store.signature(draft)
                assert signature is not None
                assert signature.digest == more[0]
                signatures += 1
        await _outbox_is_whole(store, [draft.id for draft in drafts.values() if draft.state in SIGNED])
        return len(drafts), signatures
    finally:
        await store.close()


async def _outbox_is_whole(store: SqliteStore, signed: list[str]) -> None:
    """Check that each signed draft that is not confirmed can still be claimed, now or when its lease ends."""
    with store._reading() as connection:
        queued = {row[0]: row[1] for row in connection.execute("SELECT draft, due FROM outbox")}
    assert set(queued) == set(signed)
    for draft in signed:
        assert (queued[draft] is None) == ((await store.read(draft)).state == "confirmed")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path):
    """After SIGKILL at random times every acknowledged draft, signature and write-back is there, chained."""
    path = tmp_path / "store.db"
    chance = random.Random(20261122)
    acknowledged: list[list[str]] = []
    for run in range(RUNS):
        acknowledged += kill_after(path, str(run), chance.uniform(0.0, 0.35))
    drafts, signatures = asyncio.run(look(path, acknowledged))
    assert drafts >= RUNS
    assert signatures
