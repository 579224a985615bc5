"""The journal that a receipt is written to first: what is in it survives, once, whatever ends its worker."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.drafts.redis import journal as redis_journal
from service.drafts.redis.journal import DROPPED, TOLD, UNTOLD, Journal, records
from service.drafts.redis.receipt import Rejected, Revoked
from service.drafts.redis.receipts import Receipts
from tests.contract.samples import START

posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
CONTENTS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6)


class Died(Exception):
    """The process ends here."""


def rejection(name: str) -> Rejected:
    """Return a receipt, told from others by its draft."""
    return Rejected(name, 1, "Practitioner/p1", START, {"reason": "preference"})


def written(path: Path, contents: Sequence[bytes]) -> bytes:
    """Return the bytes of a journal with these records, as they are on the disk."""
    journal = Journal(path, lambda _: None)
    assert journal.open()
    journal.start()

    async def append() -> None:
        for number, content in enumerate(contents):
            await journal.append(str(number), content)

    asyncio.run(append())
    raw = path.read_bytes()
    journal.close()
    return raw


def opened(folder: Path) -> Receipts:
    """Return the receipts of a worker that has just started."""
    receipts = Receipts(folder / "receipts.db")
    receipts.open()
    return receipts


def die(receipts: Receipts) -> None:
    """End a worker as a kill does: its files are closed, and nothing is moved any more."""
    assert receipts._journal is not None
    receipts._journal._map.close()
    os.close(receipts._journal._file)
    assert receipts._connection is not None
    receipts._connection.close()


async def keep(receipts: Receipts, *names: str) -> None:
    """Write receipts and mark them as told."""
    for name in names:
        await receipts.keep(name, "north", rejection(name))
        assert receipts.tell_now(name)


def told(receipts: Receipts) -> list[str]:
    """Return which receipts somebody was told of."""
    return [one.draft for one in receipts.told(Rejected)]


def untold(receipts: Receipts) -> list[str]:
    """Return which receipts nobody was told of."""
    return [one.draft for one in receipts.untold(Rejected, START.replace(year=2999))]


@settings(deadline=None, max_examples=50)
@given(CONTENTS, st.data())
def test_what_was_not_wholly_written_ends_the_records_before_it(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], data: st.DataObject
) -> None:
    """Of a journal cut short, or with another byte in it, the records before that place are read, and no others."""
    raw = written(tmp_path_factory.mktemp("journal") / "last", contents)
    assert [content for _, content in records(raw)] == contents
    end = redis_journal._HEADER.size + sum(redis_journal._RECORD.size + len(content) for content in contents)
    place = data.draw(st.integers(0, end - 1))
    assert [content for _, content in records(raw[:place])] == contents[: _whole(contents, place)]
    torn = raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :]
    assert [content for _, content in records(torn)] == contents[: _whole(contents, place)]


def _whole(contents: Sequence[bytes], place: int) -> int:
    """Return how many records end before a place."""
    at, number = redis_journal._HEADER.size, 0
    for content in contents:
        at += redis_journal._RECORD.size + len(content)
        if at > place:
            return number
        number += 1
    return number


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([UNTOLD, TOLD, DROPPED]), min_size=1, max_size=5))
def test_an_emptied_journal_shows_nothing_of_its_earlier_rounds(
    tmp_path_factory: pytest.TempPathFactory, marks: list[int]
) -> None:
    """Records of the same size that an earlier round left behind a new one are not read as its next ones."""
    moved: list[Any] = []
    path = tmp_path_factory.mktemp("journal") / "last"
    journal = Journal(path, moved.extend)
    assert journal.open()
    journal.start()

    async def story() -> None:
        for number, mark in enumerate(marks):
            await journal.append(str(number), b"old")
            if mark == TOLD:
                assert journal.tell(str(number))
            if mark == DROPPED:
                journal.drop(str(number))
        journal.empty()
        assert [mark for mark, _ in moved] == marks
        assert not journal.tell("0")
        await journal.append("new", b"new")
        assert list(records(path.read_bytes())) == [(UNTOLD, b"new")]

    asyncio.run(story())
    journal.close()
    assert moved[len(marks) :] == [(UNTOLD, b"new")]


@pytest.mark.parametrize("point", ["before the move", "after the move", "after the new round"])
def test_a_worker_that_dies_while_it_moves_receipts_leaves_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Told, untold and dropped receipts are what they were, for the next worker and for the one after it."""
    receipts = opened(tmp_path)

    async def story() -> None:
        await keep(receipts, "a", "b")
        await receipts.keep("c", "north", rejection("c"))
        await receipts.keep("d", "north", rejection("d"))
        receipts.drop("d")

    asyncio.run(story())
    whole = {"after the new round": Journal._next_round, "after the move": Receipts._move}.get(point)

    def dying(*args: Any) -> None:
        if whole is not None:
            whole(*args)
        raise Died

    with monkeypatch.context() as broken:
        if point == "after the new round":
            broken.setattr(Journal, "_next_round", dying)
        else:
            assert receipts._journal is not None
            broken.setattr(receipts._journal, "_move", lambda found: dying(receipts, found) if whole else dying())
        with pytest.raises(Died):
            receipts.told(Rejected)
    die(receipts)
    for _ in range(2):
        receipts = opened(tmp_path)
        assert (told(receipts), untold(receipts)) == (["a", "b"], ["c"])
        receipts.close()


def test_workers_of_a_host_know_what_each_other_told(tmp_path: Path) -> None:
    """Each has a journal of its own; what one told another one reads, also of a worker that died, and once."""
    first, second = opened(tmp_path), opened(tmp_path)
    asyncio.run(keep(first, "a"))
    asyncio.run(keep(second, "b"))
    asyncio.run(first.keep("c", "north", rejection("c")))
    assert told(first) == told(second) == ["a", "b"]
    asyncio.run(keep(first, "d"))
    die(first)
    assert (told(second), untold(second)) == (["a", "b", "d"], ["c"])
    third = opened(tmp_path)
    assert told(third) == ["a", "b", "d"]
    assert sorted(path.name for path in tmp_path.glob("*-last-*")) == ["receipts.db-last-0", "receipts.db-last-1"]
    third.close()
    second.close()


def test_a_full_journal_is_moved_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many more receipts than it holds, many at once, and one larger than all of it: each is kept."""
    monkeypatch.setattr(redis_journal, "SIZE", 2_000)
    receipts = opened(tmp_path)
    names = [f"n{number:03}" for number in range(60)]

    async def one(name: str) -> None:
        await receipts.keep(name, "north", rejection(name))
        if not receipts.tell_now(name):
            receipts.keep_told(name, "north", rejection(name))

    async def story() -> None:
        await asyncio.gather(*map(one, names))
        await receipts.keep("large", "north", Revoked("large", "Practitioner/p1", START, {"comment": "x" * 3_000}))

    asyncio.run(story())
    assert told(receipts) == names
    assert [one.draft for one in receipts.untold(Revoked, START.replace(year=2999))] == ["large"]
    receipts.close()


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("ending", ["told", "dropped", "unknown"])
def test_of_an_attempt_that_is_tried_again_the_last_receipt_counts(tmp_path: Path, moved: bool, ending: str) -> None:
    """Each try writes its receipt under the same id: told, dropped or left, there is the last one, or none."""
    receipts = opened(tmp_path)

    async def story() -> None:
        await receipts.keep("id", "north", rejection("first"))
        if moved:
            assert await asyncio.to_thread(untold, receipts) == ["first"]
        await receipts.keep("id", "north", rejection("second"))
        if ending == "told":
            assert receipts.tell_now("id")
        if ending == "dropped":
            receipts.drop("id")

    asyncio.run(story())
    expected: dict[str, tuple[list[str], list[str]]] = {"told": (["second"], []), "unknown": ([], ["second"])}
    assert (told(receipts), untold(receipts)) == expected.get(ending, ([], []))
    receipts.close()


def test_a_receipt_that_is_moved_just_now_is_not_marked_where_nobody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While records are moved, marking says no at once; kept as told instead, it is told."""
    receipts = opened(tmp_path)
    asyncio.run(receipts.keep("a", "north", rejection("a")))
    assert receipts._journal is not None
    begun, go_on, move = threading.Event(), threading.Event(), receipts._journal._move

    def slowly(found: Any) -> None:
        begun.set()
        go_on.wait()
        move(found)

    monkeypatch.setattr(receipts._journal, "_move", slowly)
    reader = threading.Thread(target=told, args=(receipts,))
    reader.start()
    begun.wait()
    assert not receipts.tell_now("a")
    go_on.set()
    reader.join()
    assert not receipts.tell_now("a")
    receipts.keep_told("a", "north", rejection("a"))
    assert (told(receipts), untold(receipts)) == (["a"], [])
    receipts.close()


def test_receipts_of_a_write_that_failed_are_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot flush gives an error and no receipt; the next one is read, and only it."""
    receipts = opened(tmp_path)

    def failing(_file: int) -> None:
        raise OSError(5, "Input/output error")

    async def story() -> None:
        with monkeypatch.context() as broken:
            broken.setattr(redis_journal, "_flush", failing)
            with pytest.raises(Exception, match="U-STORE-FAILED"):
                await receipts.keep("a", "north", rejection("a"))
        assert not receipts.tell_now("a")
        await keep(receipts, "b")

    asyncio.run(story())
    assert (told(receipts), untold(receipts)) == (["b"], [])
    receipts.close()


def _victim(folder: Path) -> None:
    receipts = opened(folder)
    asyncio.run(keep(receipts, "a", "b"))
    asyncio.run(receipts.keep("c", "north", rejection("c")))
    os.kill(os.getpid(), signal.SIGKILL)


@posix
def test_marks_survive_the_process_that_made_them(tmp_path: Path) -> None:
    """After SIGKILL right behind a mark, the next worker finds it as told."""
    process = multiprocessing.get_context("forkserver").Process(target=_victim, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    receipts = opened(tmp_path)
    assert (told(receipts), untold(receipts)) == (["a", "b"], ["c"])
    receipts.close()
