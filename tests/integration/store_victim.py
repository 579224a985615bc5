"""A process that holds and signs until it is killed, and prints each acknowledgement it got.

Lines: ``held <draft>``, ``signed <draft> <digest>``, ``finished <draft>``. Arguments: where the store is (a file, or
an address of Redis and a file for receipts), a name for its patients and, to die by itself, a crash point and at
which of its passages.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from service.drafts.redis.receipts import Receipts
from service.drafts.redis.server import Server
from service.drafts.redis.steps import Steps
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite import writer as sqlite_writer
from service.drafts.sqlite.store import SqliteStore
from service.drafts.store import Store
from tests.contract.samples import hold_one, sign_one

# Each edge of a step: the function that ends or begins there, and whether death comes before or after it.
POINTS: dict[str, tuple[Any, str, str]] = {
    "before-begin": (sqlite_writer.Writer, "_commit", "before"),
    "in-transaction": (sqlite_writer.Writer, "_attempt", "after"),
    "after-commit": (sqlite_writer.Writer, "_commit", "after"),
    "before-load": (Steps, "load", "before"),
    "after-load": (Steps, "load", "after"),
    "before-plan-sent": (Server, "commit", "before"),
    "after-plan-done": (Server, "commit", "after"),
    "before-receipt": (Receipts, "keep", "before"),
    "after-receipt": (Receipts, "keep", "after"),
    "before-told": (Receipts, "tell_now", "before"),
    "after-told": (Receipts, "tell_now", "after"),
}


def store_at(where: str) -> Store:
    """Return the store of an argument: a file, or ``redis://…`` and a file after a comma."""
    address, _, receipts = where.partition(",")
    return RedisStore(address, Path(receipts)) if receipts else SqliteStore(Path(address))


def die_at(point: str, passage: int) -> None:
    """Let this process be killed at a passage of a crash point."""
    owner, name, when = POINTS[point]
    whole: Callable[..., Any] = getattr(owner, name)
    left = [passage]

    def pass_by() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(*args: Any) -> Any:
        if when == "before":
            pass_by()
        result = whole(*args)
        if when == "after" and not asyncio.iscoroutine(result):
            pass_by()
        return _then(result) if asyncio.iscoroutine(result) and when == "after" else result

    async def _then(result: Any) -> Any:
        found = await result
        pass_by()
        return found

    setattr(owner, name, dying)


def say(line: str) -> None:
    """Print one acknowledgement at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def client(store: Store, name: str) -> None:
    """Hold and sign for one patient after another."""
    for number in range(1_000_000):
        draft = await hold_one(store, patient=f"Patient/{name}-{number}")
        say(f"held {draft.id}")
        if number % 4:
            signature = await sign_one(store, draft)
            say(f"signed {draft.id} {signature.digest}")


async def worker(store: Store) -> None:
    """Write back what was signed."""
    while True:
        entry = await store.claim(60)
        if entry is None:
            await asyncio.sleep(0.001)
            continue
        await store.progress(entry, {"order": "MedicationRequest/1"})
        await store.finish(entry, "confirmed", {})
        say(f"finished {entry.draft}")


async def main(where: str, name: str) -> None:
    """Run four clients and a worker."""
    store = store_at(where)
    await store.open()
    await asyncio.gather(worker(store), *(client(store, f"{name}-{n}") for n in range(4)))


if __name__ == "__main__":
    # What is logged is no acknowledgement.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if len(sys.argv) > 3:
        die_at(sys.argv[3], int(sys.argv[4]))
    asyncio.run(main(sys.argv[1], sys.argv[2]))
