"""A signature beside a bare durable commit of the same bytes, on each store, in one interleaved run.

The bare commit is what the store's own engine does with as many bytes and nothing else: on SQLite one row in one
transaction of a file with the same pragmas, on Redis one SET on the same server over the same connections. It writes
no receipt; the signature on Redis does, flushed to this host's disk while the server flushes its own. So beside the
bar, which is over the bare commit alone, stands the bare commit with as much flushed to a file at the same time
(``twice``): as durable as the signature is. They take turns in an order of chance. The audit is of whole
lives: held, presented, shown, prepared, signed, claimed, written and confirmed.
"""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from service.drafts.records import Shown, Signature
from service.drafts.redis.plan import packed
from service.drafts.redis.rows import of_signature
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.sqlite.store import SqliteStore
from service.drafts.store import Store
from tests.bench.rounds import Times, median
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import HOUR, new_draft, prepared_bytes, signature_of

SIGN, BARE, TWICE = "sign", "bare commit", "bare commit, twice durable"
# Of the draft's row and the entry that a signature writes beside its own bytes: its rows' values on SQLite, on Redis
# what the append-only file grows by.
BESIDE: Final = {SqliteStore: 1_500, RedisStore: 2_340}
# Of a signature's receipt.
RECEIPT: Final = 2_900
BAR: Final = 2.0
Commit = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True)
class Measured:
    """Milliseconds of each signature and bare commit, and how fast the audit of all of it was."""

    times: Times
    entries: int
    audit_s: float
    audit_cpu_s: float


def measure(folder: Path, rounds: int) -> Mapping[str, Measured]:
    """Return what each store took; Redis is left out where there is none."""
    found = {"SQLite": asyncio.run(_sqlite(folder, rounds))}
    with RedisProcess(folder / "redis") as server:
        found["Redis"] = asyncio.run(_redis(server, folder, rounds))
    return found


def table(found: Mapping[str, Measured]) -> Table:
    """Return the table of what was measured."""
    shown = Table(
        title="A signature beside a bare durable commit of the same bytes; audit verify", title_justify="left"
    )
    bar, rates = (f"bar {BAR:.1f}", "bare twice", "ratio"), ("entries/s", "entries/s of CPU")
    for column in ("store", "sign p50", "bare p50", "ratio", *bar, *rates):
        shown.add_column(column, justify="left" if column == "store" else "right")
    for name, one in found.items():
        sign, bare = median(one.times[SIGN]), median(one.times[BARE])
        met = "met" if sign <= BAR * bare else "missed"
        twice = median(one.times[TWICE]) if one.times[TWICE] else None
        beside = (f"{twice:.2f}", f"{sign / twice:.2f}") if twice else ("", "")
        rates = (f"{one.entries / one.audit_s:,.0f}", f"{one.entries / one.audit_cpu_s:,.0f}")
        shown.add_row(name, f"{sign:.2f}", f"{bare:.2f}", f"{sign / bare:.2f}", met, *beside, *rates)
    return shown


async def _sqlite(folder: Path, rounds: int) -> Measured:
    store, beside = SqliteStore(folder / "store.db"), folder / "bare.db"
    sqlite_schema.prepare(beside)
    with closing(sqlite_schema.connect(beside)) as connection:
        connection.execute("CREATE TABLE bare (value BLOB)")

        async def commit(value: bytes) -> object:
            return await asyncio.to_thread(_insert, connection, value)

        return await _measured(store, {BARE: commit}, rounds)


def _insert(connection: sqlite3.Connection, value: bytes) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO bare VALUES (?)", (value,))
    connection.execute("COMMIT")


async def _redis(server: RedisProcess, folder: Path, rounds: int) -> Measured:
    store = RedisStore(server.url, folder / "receipts.db")

    def commit(value: bytes) -> Awaitable[object]:
        return store._server._client.set("bare", value)

    with (folder / "beside").open("wb", buffering=0) as file:

        async def both(value: bytes) -> None:
            await asyncio.gather(commit(value), asyncio.to_thread(_flushed, file, value[:RECEIPT]))

        return await _measured(store, {BARE: commit, TWICE: both}, rounds)


def _flushed(file: FileIO, value: bytes) -> None:
    file.write(value)
    os.fsync(file.fileno())


async def _measured(store: Any, bare: Mapping[str, Commit], rounds: int) -> Measured:
    times: dict[str, list[float]] = {SIGN: [], BARE: [], TWICE: []}
    chance = random.Random(20261122)
    await store.open()
    try:
        for number in range(rounds):
            signature = await _prepared(store, number)
            value = os.urandom(len(packed(of_signature(signature))) + BESIDE[type(store)])
            acts: list[tuple[str, Callable[[], Awaitable[object]]]] = [
                (SIGN, lambda s=signature: store.sign(s, write_back=True, detail={"method": "x"})),
                *((name, lambda v=value, c=commit: c(v)) for name, commit in bare.items()),
            ]
            chance.shuffle(acts)  # each comes as often after each other, and after what prepared the signature
            for name, act in acts:
                times[name].append(await _timed(act))
        while entry := await store.claim(60):
            await store.progress(entry, {"order": "MedicationRequest/1"})
            await store.finish(entry, "confirmed", {})
        began, cpu = time.perf_counter(), time.process_time()
        report = await store.audit()
        return Measured(times, report.entries, time.perf_counter() - began, time.process_time() - cpu)
    finally:
        await store.close()


async def _prepared(store: Store, number: int) -> Signature:
    card = Shown(f"card-{number}", "Practitioner/p1", {"card": f"card-{number}"})
    patient, drafts = f"Patient/{number}", [new_draft()]
    (draft,) = await store.hold("north", patient, "facts-1", drafts, HOUR, "Device/undersign", card)
    shown = prepared_bytes(draft)
    await store.prepare(draft.id, 1, shown, None)
    return signature_of(shown, "e" * 400)


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await act()
    return (time.perf_counter() - began) * 1000
