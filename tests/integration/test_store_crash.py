"""A process that is killed at any moment loses nothing that it acknowledged, whichever store it used."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest

from service.drafts.records import State
from service.drafts.redis import reads as redis_reads
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite.store import SqliteStore
from service.drafts.states import SIGNED, STATES
from tests.contract.redis_process import RedisProcess
from tests.contract.stores import redis_process
from tests.integration.store_victim import POINTS, store_at

__all__ = ["redis_process"]
RUNS = int(os.environ.get("UNDERSIGN_CRASH_RUNS", "5"))
# What a draft may be after each acknowledgement: it can have gone on, never back.
FOLLOWS: dict[str, tuple[State, ...]] = {"held": STATES, "signed": SIGNED, "finished": ("confirmed",)}
CHECKOUT = Path(__file__).parents[2]
OF_SQLITE = ("before-begin", "in-transaction", "after-commit")
posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Say where an empty store of each kind is, as the victim takes it."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    server: RedisProcess = request.getfixturevalue("redis_process")
    server.flush()
    return f"{server.url},{tmp_path / 'receipts.db'}"


def _until_signed(said: IO[str]) -> Iterator[str]:
    for line in said:
        yield line
        if line.startswith("signed "):
            return


def killed(where: str, name: str, seconds: float | None, *point: str, signs: bool = False) -> list[list[str]]:
    """Start the victim; kill it (SIGKILL) so long after its first acknowledgement, or let it die; return its lines.

    With ``signs`` the time runs from its first signature.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.store_victim", where, name, *point],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as victim:
        assert victim.stdout is not None
        first = "".join(_until_signed(victim.stdout) if signs else [victim.stdout.readline()])
        if seconds is not None:
            time.sleep(seconds)
            victim.kill()
        rest = victim.stdout.read()
    assert victim.returncode == -9
    whole = (first + rest).rpartition("\n")[0]  # a line cut short is no acknowledgement
    return [line.split() for line in whole.splitlines()]


async def look(where: str, acknowledged: Iterable[list[str]]) -> tuple[int, int]:
    """Reopen the store and hold it against what was acknowledged; return how many drafts and signatures."""
    store: Any = store_at(where)
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


async def _queued(store: SqliteStore | RedisStore, signed: Iterable[str]) -> Mapping[str, str | None]:
    """Return when each row of the outbox is due."""
    if isinstance(store, SqliteStore):
        with store._reading() as connection:
            return {row[0]: row[1] for row in connection.execute("SELECT draft, due FROM outbox")}
    found: dict[str, str | None] = {}
    for draft in signed:
        row = redis_rows.outbox(redis_rows.fields((await redis_reads.record(store._server, "draft", draft))[5]))
        if row is not None:
            found[draft] = row.due
    return found


async def _outbox_is_whole(store: Any, signed: list[str]) -> None:
    """Check that each signed draft that is not confirmed can still be claimed, now or when its lease ends."""
    queued = await _queued(store, signed)
    assert set(queued) == set(signed)
    for draft in signed:
        assert (queued[draft] is None) == ((await store.read(draft)).state == "confirmed")


@posix
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(where: str):
    """After SIGKILL at random times every acknowledged draft, signature and write-back is there, chained."""
    chance = random.Random(20261122)
    acknowledged: list[list[str]] = []
    for run in range(RUNS):
        acknowledged += killed(where, str(run), chance.uniform(0.0, 0.35), signs=run == 0)
    drafts, signatures = asyncio.run(look(where, acknowledged))
    assert drafts >= RUNS
    assert signatures


@posix
@pytest.mark.parametrize("point", POINTS)
def test_nothing_acknowledged_is_lost_at_any_edge_of_a_step(point: str, request: pytest.FixtureRequest, tmp_path: Path):
    """A process that dies right there, early and later in its work, leaves all that it acknowledged, and no half."""
    if point in OF_SQLITE:
        where = str(tmp_path / "store.db")
    else:
        server: RedisProcess = request.getfixturevalue("redis_process")
        server.flush()
        where = f"{server.url},{tmp_path / 'receipts.db'}"
    acknowledged: list[list[str]] = []
    for run, passage in enumerate((1, 7) if point.endswith(("receipt", "told")) else (9, 40)):
        acknowledged += killed(where, str(run), None, point, str(passage))
    asyncio.run(look(where, acknowledged))
