"""A failover of Redis that forgets who claimed an order: the EHR is not given it twice, whatever that EHR drops."""

import asyncio
from pathlib import Path

import pytest

from service.drafts.redis.store import RedisStore
from service.ehr import writeback
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import Clock, hold_one, sign_one
from tests.integration.fake_ehr import world
from tests.integration.test_store_redis_registers import copied, fail_over, on, server

__all__ = ["server"]


@pytest.mark.parametrize("drops", [True, False])
def test_an_order_whose_claim_was_forgotten_is_written_once(server: RedisProcess, tmp_path: Path, drops: bool) -> None:
    """Sent before a failover, and signed and unclaimed after it: found, or stopped where its identifier is gone."""

    async def story() -> None:
        clock = Clock()
        store = RedisStore(server.url, tmp_path / "receipts.db", clock=clock)
        async with world(tmp_path, clock, store) as scene:
            scene.ehr.faults = ["commit-then-drop"]
            draft = await scene.signed()
            kept = await asyncio.to_thread(copied, server)
            await writeback.once(scene.services)
            for order in scene.ehr.of("MedicationRequest") if drops else ():
                del order["identifier"]
            await asyncio.to_thread(fail_over, server, kept)
            for _ in range(5):
                await writeback.once(scene.services)
                clock.forward(400)
            assert (await store.read(draft.id)).state == ("mismatch" if drops else "confirmed")
            assert len(scene.ehr.of("MedicationRequest")) == 1
            assert await store.verify() == ()

    asyncio.run(story())


def test_an_order_is_doubted_once_and_only_by_who_knew_another_server(server: RedisProcess, tmp_path: Path) -> None:
    """A worker that starts doubts nothing; after a failover each order waits as tried, however many look."""

    async def attempts(store: RedisStore) -> list[str]:
        (draft,) = await store.find()
        return [entry.event for entry in await store.history(draft.id)]

    async def signed(store: RedisStore) -> None:
        await sign_one(store, await hold_one(store))

    here, there, new = tmp_path / "here", tmp_path / "there", tmp_path / "new"
    on(server, here, signed)
    assert on(server, there, attempts) == on(server, here, attempts) == ["held", "prepared", "signed"]
    fail_over(server, copied(server))
    assert on(server, new, attempts) == ["held", "prepared", "signed"]
    doubted = ["held", "prepared", "signed", "claimed", "write-failed"]
    assert on(server, here, attempts) == on(server, there, attempts) == on(server, here, attempts) == doubted
    # What was sent may not be found yet: it is not claimed again at once.
    assert on(server, new, lambda store: store.claim(60)) is None
