"""How the Redis store takes a step: read what it decides on, decide, write if that still stands, else again."""

import asyncio
import random
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar
from uuid import uuid4

from service.drafts.redis.keys import person, shard_of_id, shard_of_register
from service.drafts.redis.plan import Plan, packed
from service.drafts.redis.scripts import LOAD
from service.drafts.redis.server import Server
from service.drafts.redis.snapshot import Snapshot, snapshot
from service.drafts.redis.transaction import RedisTransaction
from service.drafts.registers import Kind
from service.errors import Conflict, NotFound, ServiceError, Unavailable

T = TypeVar("T")
TRIES: Final = 200
PAUSE_S: Final = 0.004
# How old a snapshot may be when its plan is written: the time in the audit entry is that of the snapshot.
WINDOW_US: Final = 5_000_000
# How many drafts a process remembers, with what else it saw of their patients.
REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step decides on, all of one shard.

    ``ids`` are drafts read whole; ``patient`` (as indexed) adds their open drafts and flag, ``facts`` all drafts of
    these facts; ``follow`` takes the patient of the first id, and adds the unconfirmed drafts too. ``due`` is the draft
    whose write-back is to be claimed.
    ``register`` is the kind and name of the register to enter in; with a patient, the consent is read without it.
    ``remember``: what is found, and left, is kept for a ``recall`` of the first id.
    """

    shard: int
    ids: tuple[str, ...] = ()
    patient: str = ""
    facts: str = ""
    follow: bool = False
    card: str = ""
    due: str | None = None
    register: tuple[str, str] = ("", "")
    remember: bool = False


def of_draft(draft: str) -> Scope:
    """Return a draft by itself."""
    return Scope(shard_of_id(draft), (draft,))


def of_signing(draft: str) -> Scope:
    """Return all that a signature is decided on; seen while it is prepared, it need not be read again to sign."""
    return Scope(shard_of_id(draft), (draft,), follow=True, remember=True)


def of_register(kind: Kind, ehr: str, subject: str) -> Scope:
    """Return a register, with a consent the patient's open drafts too."""
    name = person(ehr, subject)
    patient = name if kind == "consent" else ""
    return Scope(shard_of_register(kind, subject), patient=patient, register=(kind, name))


class Steps:
    """Takes steps on a server; ``worker`` is this process's name in the outbox's consumer group."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._worker = f"worker-{uuid4()}"
        # Steps of one process on one shard queue here instead of meeting, and being sent back, at the server.
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._known: OrderedDict[str, tuple[Snapshot, float]] = OrderedDict()

    async def load(self, scope: Scope) -> Snapshot:
        """Return what a step decides on, as it is now."""
        follow = "1" if scope.follow else ""
        sealing = self._server.sealing
        patient = sealing.find(scope.patient) if scope.patient else ""
        kind, name = scope.register
        register = (kind, sealing.find(name) if name else "")
        found = await self._server.run(
            LOAD, scope.shard, self._server.given(), patient, scope.facts, follow, scope.card, *register, *scope.ids
        )
        loaded = snapshot(await self._server.opened(lambda: sealing.loaded(found)), scope.card)
        self._remember(scope, loaded)
        return loaded

    async def take(
        self,
        scope: Scope,
        step: Callable[[RedisTransaction], T],
        beside: Callable[[T], Awaitable[None]] | None = None,
    ) -> T:
        """Take a step and return its result once it is durable; raises what the step raised.

        ``beside`` is begun with each attempt to write, and done before a result is returned. Unavailable: U-STORE-BUSY
        when others were faster every time, U-STORE-* when the server fails.
        """
        async with self._turns[scope.shard]:
            for attempt in range(TRIES):
                done = await self._attempt(scope, await self.load(scope), step, beside)
                if done is not None:
                    return done[0]
                await asyncio.sleep(random.uniform(0, PAUSE_S * min(attempt + 1, 5)))  # noqa: S311
        raise Unavailable("U-STORE-BUSY", "too many write to the same records; try again")

    async def recall(
        self, scope: Scope, step: Callable[[RedisTransaction], T], beside: Callable[[T], Awaitable[None]]
    ) -> T:
        """Take a step that always writes, first on what this process last saw of the draft; as ``take`` else.

        What was seen is compared, all of it, when it is written; a refusal on it is never told, only asked again.
        """
        async with self._turns[scope.shard]:
            known = self._known.pop(scope.ids[0], None)
            if known is not None:
                found = replace(known[0], now=self._server.moved_on(known[0].now, known[1]))
                with suppress(Conflict, NotFound):
                    done = await self._attempt(scope, found, step, beside)
                    if done is not None:
                        return done[0]
        return await self.take(scope, step, beside)

    def _remember(self, scope: Scope, found: Snapshot | None) -> None:
        if not scope.remember:
            return
        self._known.pop(scope.ids[0], None)
        if found is not None:
            self._known[scope.ids[0]] = found, time.monotonic()
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _attempt(
        self,
        scope: Scope,
        found: Snapshot,
        step: Callable[[RedisTransaction], T],
        beside: Callable[[T], Awaitable[None]] | None,
    ) -> tuple[T] | None:
        """Take a step on a snapshot; None where that no longer stands."""
        tx = RedisTransaction(found, scope.due)
        result = step(tx)
        plan = tx.plan()
        if plan is not None:
            if not await self._both(scope.shard, plan, partial(beside, result) if beside else None):
                return None
            self._remember(scope, tx.after())
        return (result,)

    async def _both(self, shard: int, plan: Plan, beside: Callable[[], Awaitable[None]] | None) -> bool:
        if beside is None:
            return await self._written(shard, plan)
        other = asyncio.ensure_future(beside())
        try:
            done = await self._written(shard, plan)
        finally:
            if not other.done():
                await asyncio.wait([other])
        if done and other.exception() is not None:
            msg = "it is recorded, and its receipt could not be written; read it again, and see this host's disk"
            raise Unavailable("U-STORE-UNKNOWN", msg) from other.exception()
        return done

    async def _written(self, shard: int, plan: Plan) -> bool:
        token = uuid4()
        stride = str(1 + token.int % 2**31)
        plan |= {"token": str(token), "stride": stride, "worker": self._worker, "window": str(WINDOW_US)}
        answer = await self._server.commit(shard, packed(self._server.sealing.plan(plan)))
        if answer in ("moved", "late"):
            return False
        if answer != "done":
            raise ServiceError("U-STORE-CONSTRAINT", f"the store refused a record ({answer}); report this")
        return True
