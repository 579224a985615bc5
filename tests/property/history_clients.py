"""Clients of a store that write down what they called, when, and what they were told; and what all of it must fit.

A call is ``ok``, ``refused`` (then nothing of it is on record) or ``unknown`` (either, never both). Every change has
a mark of its own, by which its entry is found in the chain.
"""

import asyncio
import base64
import pickle
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import AuditEntry, Draft
from service.errors import Conflict, Unavailable
from tests.contract.samples import HOUR, new_draft, prepared_bytes, signature_of
from tests.integration.store_victim import store_at

UNKNOWN: Final = "U-STORE-UNKNOWN"
LEASE_S: Final = 1
NEVER: Final = float("inf")


@dataclass(frozen=True)
class Call:
    """One call of a client: what it would record of which draft under which mark, and what it was told.

    ``code`` is empty for ok; ``seen`` is what a read returned.
    """

    event: str
    draft: str
    mark: str
    begun: float
    ended: float
    code: str
    seen: Draft | None = None

    @property
    def told(self) -> str:
        return {"": "ok", UNKNOWN: "unknown"}.get(self.code, "refused")


@dataclass
class Log:
    """What all clients called, and the drafts that they know of.

    With a ``file`` each call is written there before it is made, as unknown, and again when it was answered.
    """

    calls: list[Call] = field(default_factory=list[Call])
    drafts: list[str] = field(default_factory=list[str])
    over: threading.Event = field(default_factory=threading.Event)
    file: Path | None = None

    def write(self, call: Call) -> None:
        """Write a call down where it outlives this process."""
        if self.file is not None:
            line = base64.b64encode(pickle.dumps(call)) + b"\n"
            with self.file.open("ab") as file:
                file.write(line)

    def add_from(self, file: Path) -> None:
        """Add the calls of a process that was killed: what it wrote last of each."""
        lines = file.read_bytes().rpartition(b"\n")[0].splitlines()  # one that was cut short is none
        written = [pickle.loads(base64.b64decode(line)) for line in lines]
        self.calls += {call.begun: call for call in written}.values()

    def told(self, *how: str) -> int:
        """Return how many calls were told one of these."""
        return sum(call.told in how for call in self.calls)


class Client:
    """One client with a store of its own; it acts at random until all is over or it has acted so often."""

    def __init__(self, number: int, store: Any, log: Log, most: int) -> None:
        self._store, self._log, self._most = store, log, most
        self._who, self._chance = f"Practitioner/p{number}", random.Random(20261122 + number)

    async def run(self) -> None:
        """Open the store, act, and close it."""
        await self._store.open()
        try:
            for _ in range(self._most):
                if self._log.over.is_set():
                    return
                await self._act()
        finally:
            await self._store.close()

    async def _act(self) -> None:
        if self._log.file is None and (len(self._log.drafts) < 3 or self._chance.random() < 0.1):
            await self._hold()
            return
        acts = (self._read, self._prepare, self._prepare, self._feed_back, self._reject, self._write, self._write)
        await self._chance.choice(acts)(self._chance.choice(self._log.drafts[-6:]))

    async def _hold(self) -> None:
        patient, new = f"Patient/{uuid4()}", [new_draft()]
        held = await self._call("held", "", "", self._store.hold("north", patient, "facts", new, HOUR, "Device/d"))
        self._log.drafts += [draft.id for draft in held or ()]

    async def _read(self, draft: str) -> Draft | None:
        return await self._call("", draft, "", self._store.read(draft))

    async def _prepare(self, draft: str) -> None:
        """Prepare, perhaps edited, and mostly sign it then."""
        present = await self._read(draft)
        if present is None:
            return
        edit = self._chance.random() < 0.4
        shown = prepared_bytes(present, self._who, version=present.version + edit)
        changed = dumps({**load_object(present.resource), "priority": str(uuid4())}) if edit else None
        preparing = self._store.prepare(draft, present.version, shown, changed)
        await self._call("prepared", draft, shown.digest, preparing)
        if self._chance.random() < 0.7:
            signing = self._store.sign(signature_of(shown), write_back=True, detail={})
            await self._call("signed", draft, shown.digest, signing)

    async def _feed_back(self, draft: str) -> None:
        mark = str(uuid4())
        await self._call("accepted", draft, mark, self._store.mark([draft], "accepted", "ehr", {"mark": mark}))

    async def _reject(self, draft: str) -> None:
        if self._chance.random() < 0.3:
            mark = str(uuid4())
            rejecting = self._store.reject(draft, None, self._who, {"mark": mark})
            await self._call("overridden", draft, mark, rejecting)

    async def _write(self, _draft: str) -> None:
        entry = await self._call("claimed", "", "", self._store.claim(LEASE_S))
        if entry is None:
            return
        mark = str(uuid4())
        await self._call("", entry.draft, "", self._store.progress(entry, {"order": f"MedicationRequest/{mark}"}))
        await self._call("confirmed", entry.draft, mark, self._store.finish(entry, "confirmed", {"mark": mark}))

    async def _call(self, event: str, draft: str, mark: str, act: Awaitable[Any]) -> Any:
        begun, found, code = time.monotonic(), None, ""
        self._log.write(Call(event, draft, mark, begun, NEVER, UNKNOWN))
        try:
            found = await act
        except (Conflict, Unavailable) as error:
            code = error.code
        ended = time.monotonic()
        named = draft or getattr(found, "draft", "") or (found[0].id if event == "held" and found else "")
        mark = mark or getattr(found, "lease", "")
        call = Call(event, named, mark, begun, ended, code, found if isinstance(found, Draft) else None)
        self._log.calls.append(call)
        self._log.write(call)
        if code.startswith("U-STORE"):
            await asyncio.sleep(0.01)
        return found


def together(stores: Iterable[Callable[[], Any]], most: int, meanwhile: Callable[[Log], None] | None = None) -> Log:
    """Let a client on each store act, each in a thread of its own, and return what they wrote down."""
    log, made = Log(), list(stores)

    def act(number: int, make: Callable[[], Any]) -> None:
        asyncio.run(Client(number, make(), log, most).run())

    def stop_where_failed(future: Future[None]) -> None:
        if future.exception() is not None:
            log.over.set()

    with ThreadPoolExecutor(len(made)) as pool:
        acting = [pool.submit(act, *one) for one in enumerate(made)]
        for future in acting:
            future.add_done_callback(stop_where_failed)
        if meanwhile is not None:
            try:
                meanwhile(log)
            finally:
                log.over.set()
    for future in acting:
        future.result()
    return log


def alone(where: str, file: Path, number: int, drafts: list[str]) -> None:
    """Act on these drafts until killed; the whole of a process."""
    log = Log(drafts=drafts, file=file)
    asyncio.run(Client(number, store_at(where), log, 10**9).run())


# --- what a history must fit


@dataclass(frozen=True)
class Point:
    """A draft after one entry of its chain."""

    state: str
    version: int
    at: datetime


async def fits(store: Any, log: Log) -> None:
    """Hold what the store has at the end against all that was called and told."""
    assert list(await store.verify()) == []
    assert {call.draft for call in log.calls if call.event == "held" and call.told == "ok"} <= set(log.drafts)
    for draft in log.drafts:
        chain = list(await store.history(draft))
        calls = [call for call in log.calls if call.draft == draft]
        signature = await store.signature(draft)
        _one_winner(calls, chain, signature.digest if signature else None)
        placed = _placed(calls, chain)
        _in_real_time(placed)
        _reads_fit(calls, chain, placed)


def _one_winner(calls: Sequence[Call], chain: Sequence[AuditEntry], signed: str | None) -> None:
    events = [entry.event for entry in chain]
    assert events.count("signed") == int(signed is not None)
    assert events.count("signed") + events.count("overridden") <= 1
    assert events.count("confirmed") <= 1
    told = [call.mark for call in calls if call.event == "signed" and call.told == "ok"]
    assert told in ([], [signed])


def _placed(calls: Sequence[Call], chain: Sequence[AuditEntry]) -> list[tuple[float, float, int]]:
    """Return begin, end and number of the entry of each call that is on record: all that were ok, none refused."""
    placed: list[tuple[float, float, int]] = []
    for call in calls:
        if not call.event or not call.mark:
            continue
        found = [entry.seq for entry in chain if entry.event == call.event and _mark(entry) == call.mark]
        wanted = {"ok": (1,), "refused": (0,), "unknown": (0, 1)}[call.told]
        assert len(found) in wanted, f"{call.event} was told {call.code or 'ok'} and is there {len(found)} times"
        placed += [(call.begun, call.ended if call.told == "ok" else NEVER, seq) for seq in found]
    return placed


def _mark(entry: AuditEntry) -> str:
    said: dict[str, Any] = {**entry.detail, **entry.detail.get("given", {})}
    return said[{"prepared": "digest", "signed": "digest", "claimed": "lease"}.get(entry.event, "mark")]


def _in_real_time(placed: Sequence[tuple[float, float, int]]) -> None:
    """What ended before another thing began stands before it."""
    for _, ended, seq in placed:
        for begun, _, other in placed:
            assert not (ended < begun and seq > other)


def _reads_fit(calls: Sequence[Call], chain: Sequence[AuditEntry], placed: Sequence[tuple[float, float, int]]) -> None:
    """Each read is the draft after an entry that was not too late and none that was not yet begun; none goes back."""
    points, version = list[Point](), 1
    for entry in chain:
        version = entry.detail["version"] if entry.event == "modified" else version
        points.append(Point(entry.detail["state"], version, entry.at))
    reads = sorted((call for call in calls if not call.event and call.seen), key=lambda call: call.begun)
    least: list[tuple[float, int]] = []  # when a read had ended, and the least entry that it can have been after
    for read in reads:
        assert read.seen is not None
        low = max([1, *(seq for _, ended, seq in placed if ended < read.begun)])
        low = max([low, *(seq for ended, seq in least if ended < read.begun)])
        high = min([len(points), *(seq - 1 for begun, _, seq in placed if begun > read.ended)])
        seen = Point(read.seen.state, read.seen.version, read.seen.updated)
        could = [seq for seq in range(low, high + 1) if points[seq - 1] == seen]
        assert could, f"{seen} was read, and the draft was not so between entries {low} and {high}"
        least.append((read.ended, could[0]))
