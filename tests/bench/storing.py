"""A signature beside a bare durable commit of the same bytes, on each store, in one interleaved run.

The bare commit is what the store's own engine does with these bytes and nothing else: on SQLite one row in one
transaction of a file with the same pragmas, on Redis one SET on the same server over the same connections. It writes
no receipt; the signature on Redis does, flushed to this host's disk while the server flushes its own. The audit is of
whole lives: held, presented, shown, prepared, signed, claimed, written and confirmed.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from service.drafts.canonical_json import dumps
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

SIGN, BARE = "sign", "bare commit"
# Of the draft's row and the entry that a signature writes beside its own bytes.
BESIDE: Final = 1_500
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
    for column in ("store", "sign p50", "bare p50", "ratio", f"bar {BAR:.1f}", "entries/s", "entries/s of CPU"):
        shown.add_column(column, justify="left" if column == "store" else "right")
    for name, one in found.items():
        sign, bare = median(one.times[SIGN]), median(one.times[BARE])
        met = "met" if sign <= BAR * bare else "missed"
        rates = (f"{one.entries / one.audit_s:,.0f}", f"{one.entries / one.audit_cpu_s:,.0f}")
        shown.add_row(name, f"{sign:.2f}", f"{bare:.2f}", f"{sign / bare:.2f}", met, *rates)
    return shown


async def _sqlite(folder: Path, rounds: int) -> Measured:
    store, beside = SqliteStore(folder / "store.db"), folder / "bare.db"
    sqlite_schema.prepare(beside)
    with closing(sqlite_schema.connect(beside)) as connection:
        connection.execute("CREATE TABLE bare (value BLOB)")

        async def commit(value: bytes) -> object:
            return await asyncio.to_thread(_insert, connection, value)

        return await _measured(store, commit, rounds)


def _insert(connection: sqlite3.Connection, value: bytes) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO bare VALUES (?)", (value,))
    connection.execute("COMMIT")


async def _redis(server: RedisProcess, folder: Path, rounds: int) -> Measured:
    store = RedisStore(server.url, folder / "receipts.db")
    return await _measured(store, lambda value: store._server._client.set("bare", value), rounds)


async def _measured(store: Any, commit: Commit, rounds: int) -> Measured:
    times: dict[str, list[float]] = {SIGN: [], BARE: []}
    await store.open()
    try:
        for number in range(rounds):
            signature = await _prepared(store, number)
            value = os.urandom(len(_written(signature)))
            times[SIGN].append(await _timed(lambda s=signature: store.sign(s, write_back=True, detail={"method": "x"})))
            times[BARE].append(await _timed(lambda v=value: commit(v)))
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


def _written(signature: Signature) -> bytes:
    return packed(of_signature(signature)) + dumps({"beside": "x" * BESIDE})


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await act()
    return (time.perf_counter() - began) * 1000
