"""Many write-backs against an EHR that fails in every known way at once: no order is written twice.

``UNDERSIGN_WRITE_RUNS`` (60 by default) is how many there are on each store.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.drafts.canonical_json import dumps, load_object
from service.drafts.redis.store import RedisStore
from service.drafts.states import AWAITING
from service.drafts.stores import AnyStore
from service.ehr import writeback
from service.ehr.readback import differences
from service.settings import Ehr
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import Clock
from tests.integration.fake_ehr import BASE, World, world

RUNS = int(os.environ.get("UNDERSIGN_WRITE_RUNS", "60"))
WRITES = [
    *(None, "commit-then-drop", "commit-then-drop", "drop", "duplicate", "ignore-if-none-exist", "412", "429", "503"),
    *("500", "slow", "empty", "no-location", "reported-only", "wrong-dose", "400", "401"),
    *("drop:identifier", "drop:requester", "drop:dosageInstruction", "drop:subject"),
]
READS = [None, None, None, "503", "429", "drop", "slow", "empty"]
MODES = ["sign-and-write", "sign-and-write", "sign-and-write", "unsigned-order", "document-only"]
DONE = {
    "sign-and-write": "confirmed",
    "unsigned-order": "awaiting-ehr-signature",
    "document-only": "awaiting-ehr-signature",
}
ROUNDS = 40


async def one(scene: World, clock: Clock, dice: random.Random) -> str:
    """Sign one order, work on it until it ends, and check what the EHR holds of it; returns how it ended."""
    ehr, mode = scene.ehr, dice.choice(MODES)
    client = scene.services.clients["north"]
    client.ehr = Ehr.model_validate({**client.ehr.model_dump(), "write_back": mode})
    ehr.undeclared = dice.choice([set(), {"MedicationRequest: conditionalCreate"}, {"Provenance: ?target"}])
    client._capabilities = None
    draft = await scene.signed()
    planned = [dice.choice(WRITES) for _ in range(dice.randint(0, 6))]
    ehr.faults, ehr.reads = list(planned), [dice.choice(READS) for _ in range(dice.randint(0, 6))]
    for _ in range(ROUNDS):
        ehr.dies_after = dice.choice([None, None, dice.randint(1, 8)])
        workers = [writeback.once(scene.services) for _ in range(dice.choice([1, 1, 2]))]
        await asyncio.gather(*workers, return_exceptions=True)
        clock.forward(400)
    ehr.dies_after = None
    state = (await scene.store.read(draft.id)).state
    kind = "DocumentReference" if mode == "document-only" else "MedicationRequest"
    written, provenances = ([r for r in ehr.of(one) if "by-itself" not in r["id"]] for one in (kind, "Provenance"))
    story = (mode, state, planned, [resource["id"] for resource in ehr.of(kind)])
    assert len(written) <= 1, story
    assert len(provenances) <= 1, story
    if state == DONE[mode]:
        assert len(ehr.of(kind)) == 1, story
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        if kind == "MedicationRequest":
            assert differences(signature.order, dumps(written[0]), BASE) == (), story
            assert written[0]["status"] == load_object(signature.order)["status"], story
    else:
        assert state in ("mismatch", "parked"), story
    for resource in [*ehr.of(kind), *ehr.of("Provenance")]:
        ehr.held.pop(f"{resource['resourceType']}/{resource['id']}", None)
    ehr.faults, ehr.reads = [], []
    if state != "confirmed":  # the next order of this patient is signed only once this one is seen to
        ending: Any = "confirmed" if state == AWAITING else "resolved"
        await scene.store.settle(draft.id, ending, "operator:next", {})
    return state


async def runs(scene: World, clock: Clock, seed: str) -> Counter[str]:
    """Tell ``RUNS`` stories and verify every chain at the end."""
    ends: Counter[str] = Counter()
    for number in range(RUNS):
        ends[await one(scene, clock, random.Random(f"{seed}-{number}"))] += 1
        scene.ehr.requests.clear()
    assert await scene.store.verify() == ()
    return ends


def play(path: Path, kept: Callable[[Clock], AnyStore] | None, seed: str) -> Counter[str]:
    """Tell the stories in a world of their own."""
    clock = Clock()

    async def whole() -> Counter[str]:
        async with world(path, clock, kept(clock) if kept else None) as scene:
            return await runs(scene, clock, seed)

    return asyncio.run(whole())


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_no_order_is_written_twice_whatever_fails(tmp_path: Path, kind: str) -> None:
    """Under random faults, dying and rival workers each order is in the EHR once as signed, or a person is told."""
    if kind == "sqlite":
        ends = play(tmp_path, None, kind)
    else:
        with RedisProcess(tmp_path / "redis") as server:
            ends = play(tmp_path, lambda clock: RedisStore(server.url, tmp_path / "receipts.db", clock=clock), kind)
    assert ends.total() == RUNS
    assert ends["confirmed"] > 0
    if figures := os.environ.get("UNDERSIGN_WRITE_FIGURES"):
        with Path(figures).open("a") as file:
            file.write(f"{kind}: {dict(ends)}\n")
