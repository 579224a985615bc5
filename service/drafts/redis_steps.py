"""How the Redis store takes a step: read what it decides on, decide, write if that still stands, else again."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import uuid4

from service.drafts.redis_plan import Plan, packed
from service.drafts.redis_server import LOAD, Server
from service.drafts.redis_snapshot import Snapshot, snapshot
from service.drafts.redis_transaction import RedisTransaction
from service.errors import ServiceError, Unavailable

T = TypeVar("T")
TRIES: Final = 200
PAUSE_S: Final = 0.004
# How old a snapshot may be when its plan is written: the time in the audit entry is that of the snapshot.
WINDOW_US: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step decides on, all of one shard.

    ``ids`` are drafts read whole; ``patient`` (as indexed) adds their open drafts and flag, ``facts`` all drafts of
    these facts; ``follow`` takes the patient of the first id. ``due`` is the draft whose write-back is to be claimed.
    """

    shard: int
    ids: tuple[str, ...] = ()
    patient: str = ""
    facts: str = ""
    follow: bool = False
    card: str = ""
    due: str | None = None


class Steps:
    """Takes steps on a server; ``worker`` is this process's name in the outbox's consumer group."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._worker = f"worker-{uuid4()}"
        # Steps of one process on one shard queue here instead of meeting, and being sent back, at the server.
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def load(self, scope: Scope) -> Snapshot:
        """Return what a step decides on, as it is now."""
        follow = "1" if scope.follow else ""
        sealing = self._server.sealing
        patient = sealing.find(scope.patient) if scope.patient else ""
        found = await self._server.run(
            LOAD, scope.shard, self._server.given(), patient, scope.facts, follow, scope.card, *scope.ids
        )
        return snapshot(await self._server.opened(lambda: sealing.loaded(found)), scope.card)

    async def take(self, scope: Scope, step: Callable[[RedisTransaction], T]) -> T:
        """Take a step and return its result once it is durable; raises what the step raised.

        Unavailable: U-STORE-BUSY when others were faster every time, U-STORE-* when the server fails.
        """
        async with self._turns[scope.shard]:
            for attempt in range(TRIES):
                tx = RedisTransaction(await self.load(scope), scope.due)
                result = step(tx)
                plan = tx.plan()
                if plan is None or await self._written(scope.shard, plan):
                    return result
                await asyncio.sleep(random.uniform(0, PAUSE_S * min(attempt + 1, 5)))  # noqa: S311
        raise Unavailable("U-STORE-BUSY", "too many write to the same records; try again")

    async def _written(self, shard: int, plan: Plan) -> bool:
        plan |= {"token": str(uuid4()), "worker": self._worker, "window": str(WINDOW_US)}
        answer = await self._server.commit(shard, packed(self._server.sealing.plan(plan)))
        if answer in ("moved", "late"):
            return False
        if answer != "done":
            raise ServiceError("U-STORE-CONSTRAINT", f"the store refused a record ({answer}); report this")
        return True
