"""Write-backs of several hospitals at a time: an EHR that hangs holds up the orders of its own hospital alone."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.bootstrap import Services
from service.drafts.canonical_json import dumps
from service.drafts.records import Draft, NewDraft, OutboxEntry
from service.drafts.redis.store import RedisStore
from service.drafts.signature import orders
from service.drafts.sqlite.store import SqliteStore
from service.drafts.stores import AnyStore
from service.ehr import transport, writeback
from tests.contract import samples
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import Clock
from tests.integration.fake_ehr import BASE, PUBLIC_URL, SIGNER, FakeEhr, ehr_settings, services_of

MORE = 3
GUARD_S = 60


class Hanging(FakeEhr):
    """An EHR that takes requests and answers none of them until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.taken = 0
        self.at_once = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Wait, then answer."""
        self.taken += 1
        self.at_once = max(self.at_once, self.taken)
        try:
            await self.open.wait()
        finally:
            self.taken -= 1
        return await super().__call__(request)


async def signed(store: AnyStore, ehr: str, number: int, clock: Clock) -> Draft:
    """Sign a draft of a patient of their own, due at once."""
    patient, who = f"Patient/{ehr}-{number}", samples.practitioner()
    new = NewDraft("sertraline", 0, dumps(samples.resource(subject={"reference": patient})), dumps({"acknowledge": []}))
    (draft,) = await store.hold(ehr, patient, "facts", [new], 3600, "Device/undersign")
    prepared = orders.prepare(draft, None, who, ehr_settings(id=ehr), PUBLIC_URL, clock())
    await store.prepare(draft.id, draft.version, prepared, None)
    await store.sign(orders.sign(prepared, SIGNER, who, PUBLIC_URL, clock()), write_back=True, detail={})
    return draft


def world(store: Any, hanging: FakeEhr, *others: FakeEhr) -> Services:
    """Return the service of south, whose EHR hangs, and of others."""
    south = ehr_settings(id="south", name="South", fhir_base=BASE)
    more = [(ehr_settings(id=f"north-{n}", name="North", fhir_base=BASE), one) for n, one in enumerate(others)]
    return services_of(store, (south, hanging), *more)


def ends(store: AnyStore) -> asyncio.Queue[tuple[str, str]]:
    """Return the queue of the tenants and states that write-backs end with from now on."""
    queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    real = store.finish

    async def finish(entry: OutboxEntry, state: Any, detail: Mapping[str, Any], retry_s: int = 0) -> None:
        await real(entry, state, detail, retry_s)
        queue.put_nowait((entry.ehr, state))

    store.finish = finish  # type: ignore[method-assign]
    return queue


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hanging EHR hang for as long as the test takes."""
    for name in ("LEASE_S", "DELIVERY_S"):
        monkeypatch.setattr(writeback, name, 600)
    monkeypatch.setattr(transport, "EXCHANGE_S", 600.0)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_hanging_ehr_holds_up_no_other_hospitals_orders(tmp_path: Path, kind: str) -> None:
    """With more orders due at a hanging EHR than it has places, each other hospital's later order is confirmed."""
    if kind == "sqlite":
        asyncio.run(story(SqliteStore(tmp_path / "drafts.db", clock := Clock()), clock))
        return
    with RedisProcess(tmp_path / "redis") as server:
        clock = Clock()
        asyncio.run(story(RedisStore(server.url, tmp_path / "receipts.db", clock=clock), clock))


async def story(store: Any, clock: Clock) -> None:
    """Sign the orders of the EHR that hangs first, then two of others, and work."""
    south, others = Hanging(), (FakeEhr(), FakeEhr())
    await store.open()
    services, queue = world(store, south, *others), ends(store)
    stuck = []
    for number in range(writeback.AT_ONCE + MORE):
        stuck.append(await signed(store, "south", number, clock))
        clock.forward(1)
    later = [await signed(store, f"north-{n}", 0, clock) for n in range(len(others))]
    working = asyncio.create_task(writeback.run(services))
    try:
        async with asyncio.timeout(GUARD_S):
            found = sorted([await queue.get() for _ in later])
            assert found == [("north-0", "confirmed"), ("north-1", "confirmed")]
            states = [(await store.read(one.id)).state for one in stuck]
            assert states == ["writing"] * writeback.AT_ONCE + ["signed"] * MORE
            assert south.at_once <= writeback.AT_ONCE
            south.open.set()
            assert [await queue.get() for _ in stuck] == [("south", "confirmed")] * len(stuck)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        for client in services.clients.values():
            await client.close()
        await store.close()
