"""A process that holds and signs until it is killed, and prints each acknowledgement it got.

Lines: ``held <draft>``, ``signed <draft> <digest>``, ``finished <draft>``.
"""

import asyncio
import sys
from pathlib import Path

from service.drafts.sqlite import SqliteStore
from service.drafts.store import Store
from tests.contract.samples import hold_one, sign_one


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


async def main(path: Path, name: str) -> None:
    """Run four clients and a worker."""
    store = SqliteStore(path)
    await store.open()
    await asyncio.gather(worker(store), *(client(store, f"{name}-{n}") for n in range(4)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
