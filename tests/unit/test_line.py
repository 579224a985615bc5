"""Hook calls in line before one EHR: read whole or told to come again, and no room is ever lost."""

import asyncio
from collections.abc import Mapping

import pytest

from service.ehr import prefetch
from service.ehr.line import Line
from service.errors import Busy, Precondition
from tests.unit.test_prefetch import ALL, BASE, WHOLE, Ehr

LONG_S = 60.0


def complete(line: Line, ehr: Ehr) -> asyncio.Task[Mapping[str, bytes]]:
    """Begin to complete a prefetch of which everything has to be read."""
    return asyncio.create_task(prefetch.complete({}, ALL, "p1", ehr, None, BASE, line))  # type: ignore[arg-type]


async def filled(line: Line, reads: int) -> None:
    """Take room that is there."""
    assert not await line.enter(reads, LONG_S)


async def room(line: Line) -> int:
    """Return how much room there is, which is taken for it."""
    found = 0
    while True:
        try:
            await line.enter(1, 0.001)
        except Busy:
            return found
        found += 1


def test_a_call_that_gets_no_room_is_busy_and_not_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is not read since others are says so, asks the EHR nothing, and loses no room."""
    monkeypatch.setattr(prefetch, "BUDGET_S", 0.02)

    async def use() -> None:
        line, ehr = Line(len(ALL)), Ehr(WHOLE)
        await filled(line, 1)
        with pytest.raises(Busy, match="U-EHR-QUEUE"):
            await complete(line, ehr)
        assert not ehr.asked
        assert await room(line) == len(ALL) - 1

    asyncio.run(use())


def test_a_call_in_line_is_read_when_there_is_room() -> None:
    """Whoever waits is read once the reads before it have ended, as if nobody had been there."""

    async def use() -> None:
        line, ehr = Line(len(ALL)), Ehr(WHOLE)
        await filled(line, 1)
        waiting = complete(line, ehr)
        await asyncio.sleep(0)
        line.leave()
        assert (await waiting).keys() == {"patient", "conditions", "consents"}
        assert await room(line) == len(ALL)

    asyncio.run(use())


def test_a_call_that_waited_and_then_lacked_the_time_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the line took of a call's time, what then was not read in it is not named as missing."""
    monkeypatch.setattr(prefetch, "BUDGET_S", 0.4)

    async def use(at_once: bool) -> None:
        line = Line(len(ALL))
        await filled(line, 1)
        if at_once:
            line.leave()
        waiting = complete(line, Ehr(WHOLE, delay_s=LONG_S))
        await asyncio.sleep(0)
        if not at_once:
            line.leave()
        await waiting

    with pytest.raises(Busy, match="U-EHR-QUEUE"):
        asyncio.run(use(at_once=False))
    with pytest.raises(Precondition, match="U-CDS-PREFETCH"):
        asyncio.run(use(at_once=True))


def test_a_call_that_is_given_up_in_line_or_under_way_leaves_its_room() -> None:
    """Callers who hang up, in line or while they are read, take nothing with them."""

    async def use() -> None:
        line, slow = Line(len(ALL)), Ehr(WHOLE, delay_s=LONG_S)
        calls = [complete(line, slow) for _ in range(3)]
        await slow.begun.wait()
        for one in reversed(calls):
            one.cancel()
        assert {type(one) for one in await asyncio.gather(*calls, return_exceptions=True)} == {asyncio.CancelledError}
        assert await room(line) == len(ALL)

    asyncio.run(use())


def test_who_brings_everything_stands_in_no_line() -> None:
    """A whole prefetch is answered while the EHR is taken up by others."""

    async def use() -> None:
        line = Line(1)
        await filled(line, 1)
        given = {one.key: b"null" for one in ALL} | {"patient": b"{}"}
        assert await prefetch.complete(given, ALL, "p1", Ehr(WHOLE), None, BASE, line) == given  # type: ignore[arg-type]

    asyncio.run(use())


def test_a_call_with_many_reads_is_not_overtaken_by_those_with_few() -> None:
    """First come, first served: a call that needs all the room gets it before a later one that needs little."""

    async def use() -> None:
        line, entered = Line(3), list[str]()

        async def come(name: str, reads: int) -> None:
            await line.enter(reads, LONG_S)
            entered.append(name)

        await filled(line, 2)
        many = asyncio.create_task(come("many", 3))
        await asyncio.sleep(0)
        few = asyncio.create_task(come("few", 1))
        await asyncio.sleep(0)
        line.leave()
        line.leave()
        await many
        assert entered == ["many"]
        line.leave()
        await few

    asyncio.run(use())
