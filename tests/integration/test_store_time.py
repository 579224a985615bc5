"""The SQLite store's time never falls, whatever the host's clock does; a chain whose time falls is named."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from service.drafts.audit import GENESIS, chain_faults, seal
from service.drafts.records import AuditEntry, Prepared
from service.drafts.sqlite.store import SqliteStore
from service.errors import Conflict
from tests.contract.samples import START, Clock, hold_one, prepared_bytes, signature_of

DAY = 86_400
Story = Callable[[SqliteStore, Clock], Awaitable[None]]


def play(path: Path, story: Story, clock: Clock | None = None) -> None:
    """Run a story on a store of this file, with a clock that moves when told."""

    async def run() -> None:
        told = clock or Clock()
        store = SqliteStore(path / "store.db", clock=told)
        await store.open()
        try:
            await story(store, told)
        finally:
            await store.close()

    asyncio.run(run())


async def sign(store: SqliteStore, shown: Prepared) -> None:
    """Sign what was prepared."""
    await store.sign(signature_of(shown), write_back=True, detail={})


async def prepared(store: SqliteStore) -> Prepared:
    """Hold a draft and prepare it."""
    draft = await hold_one(store)
    shown = prepared_bytes(draft)
    await store.prepare(draft.id, 1, shown, None)
    return shown


def test_what_has_expired_stays_expired(tmp_path: Path) -> None:
    """A draft that was refused as expired is refused again after the clock was set back."""

    async def story(store: SqliteStore, clock: Clock) -> None:
        shown = await prepared(store)
        clock.forward(DAY)
        for seconds in (0, -DAY):
            clock.forward(seconds)
            with pytest.raises(Conflict) as refused:
                await sign(store, shown)
            assert refused.value.code == "U-DRAFT-EXPIRED"

    play(tmp_path, story)


def test_a_restarted_store_goes_on_from_its_last_entry(tmp_path: Path) -> None:
    """With the clock a day back an entry is still dated after those before it, in another process too."""

    made: list[Prepared] = []

    async def before(store: SqliteStore, clock: Clock) -> None:
        made.append(await prepared(store))

    async def after(store: SqliteStore, clock: Clock) -> None:
        await sign(store, made[0])
        times = [entry.at for entry in await store.history(made[0].draft)]
        assert times == sorted(times)
        assert times[0] == START
        assert await store.verify() == ()

    play(tmp_path, before)
    play(tmp_path, after, Clock(START - timedelta(days=1)))


def test_the_outbox_does_not_sleep_for_a_day(tmp_path: Path) -> None:
    """What is due is claimed though the clock was set back, and a new claim may follow when its lease runs out."""

    async def story(store: SqliteStore, clock: Clock) -> None:
        await sign(store, await prepared(store))
        clock.forward(-DAY)
        assert await store.claim(0) is not None
        assert await store.claim(0) is not None

    play(tmp_path, story)


def test_time_that_has_caught_up_is_the_clocks(tmp_path: Path) -> None:
    """Once the clock is past what was told before, it is the store's time again, to the microsecond."""

    async def story(store: SqliteStore, clock: Clock) -> None:
        await prepared(store)
        clock.forward(-DAY)
        assert await store.now() >= START
        clock.forward(2 * DAY)
        assert await store.now() == START + timedelta(days=1)

    play(tmp_path, story)


def chain(*seconds: int) -> list[AuditEntry]:
    """Return a chain whose entries are made at these times."""
    made: list[AuditEntry] = []
    for at in seconds:
        last = (made[-1].seq, made[-1].hash) if made else None
        made.append(seal(last, "a", START + timedelta(seconds=at), "held", "Device/undersign", {}))
    return made


@pytest.mark.parametrize(
    ("seconds", "faults"),
    [
        ((0, 0, 60), []),
        ((0, -1), []),
        ((0, 60, 30), ["U-AUDIT-TIME: entry 3 is dated before the one before it"]),
        ((0, -DAY, 0), ["U-AUDIT-TIME: entry 2 is dated before the one before it"]),
    ],
)
def test_a_chain_whose_time_falls_is_named(seconds: tuple[int, ...], faults: list[str]) -> None:
    """Verification names each entry that is dated before the one before it, by more than a clock's correction."""
    made = chain(*seconds)
    assert made[0].previous == GENESIS
    assert chain_faults(made) == faults
