"""What clients of one store were told, held against what it has: one winner, nothing lost, nothing that goes back."""

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as NotReached

from service.drafts.redis import server as redis_server
from service.drafts.redis.store import RedisStore
from service.drafts.sqlite.store import SqliteStore
from service.errors import Unavailable
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import hold_one, prepared_bytes, signature_of
from tests.integration.store_victim import store_at
from tests.property.history_clients import UNKNOWN, Log, alone, fits, together

CLIENTS, ACTS, ROUNDS = 5, 50, 3
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.property.history_clients"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    """A server of this test's own, since it is going to suffer."""
    with RedisProcess(tmp_path / "redis") as running:
        yield running


def on_redis(server: RedisProcess, folder: Path) -> list[Callable[[], Any]]:
    """Return what makes each client's store, as on hosts of their own."""
    return [lambda n=n: RedisStore(server.url, folder / f"receipts-{n}.db") for n in range(CLIENTS)]


def judged(make: Callable[[], Any], log: Log) -> None:
    """Open a store once more and hold the history against it."""

    async def whole() -> None:
        store = make()
        await store.open()
        try:
            await fits(store, log)
        finally:
            await store.close()

    asyncio.run(whole())


def _until(log: Log, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not holds():
        assert not log.over.is_set()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_history_on_one_file_has_one_order(tmp_path: Path) -> None:
    """Five clients on one SQLite file see one winner a draft, all that they were told, and no version go back."""
    stores = [lambda: SqliteStore(tmp_path / "store.db")] * CLIENTS
    log = together(stores, ACTS)
    assert log.told("ok") > CLIENTS * ACTS / 2
    assert log.told("refused")
    judged(stores[0], log)


def test_a_history_on_one_redis_has_one_order(server: RedisProcess, tmp_path: Path) -> None:
    """The same on one Redis, as from five hosts."""
    stores = on_redis(server, tmp_path)
    log = together(stores, ACTS)
    assert log.told("ok") > CLIENTS * ACTS / 2
    assert log.told("refused")
    judged(stores[0], log)


def test_a_history_with_a_server_that_pauses_and_dies_has_one_order(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paused and killed again and again, Redis has all that it acknowledged, and the unknown once or not at all."""
    monkeypatch.setattr(redis_server, "TIMEOUT_S", 0.3)

    def suffer(log: Log) -> None:
        for _ in range(ROUNDS):
            for stop, go_on in ((lambda: server.signal(signal.SIGSTOP), lambda: server.signal(signal.SIGCONT)),
                                (server.kill, server.start)):  # fmt: skip
                before, failed = log.told("ok"), sum(call.code.startswith("U-STORE") for call in log.calls)
                _until(log, lambda b=before: log.told("ok") > b + 20)
                stop()
                _until(log, lambda f=failed: sum(call.code.startswith("U-STORE") for call in log.calls) > f)
                go_on()
        last = log.told("ok")
        _until(log, lambda: log.told("ok") > last + 20)

    stores = on_redis(server, tmp_path)
    log = together(stores, 100_000, suffer)
    judged(stores[0], log)


def test_a_history_with_answers_that_are_lost_has_one_order(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What got no answer, before it was done, after it or while Redis starts again, is once there or not at all."""
    whole, chance, fates = redis_server.Server._commit, random.Random(20261122), dict[bytes, str]()

    async def unsure(self: redis_server.Server, shard: int, args: Any) -> bytes:
        plan = bytes(args[1])
        again, fate = plan in fates, fates.setdefault(plan, chance.choice(("cut", "lost", "restarts", *[""] * 12)))
        if fate == "cut":
            raise NotReached("it never came there")
        if fate == "restarts" and again:
            raise BusyLoadingError("Redis is loading the dataset in memory")
        answer = await whole(self, shard, args)
        if fate:
            raise NotReached("the answer was lost")
        return answer

    monkeypatch.setattr(redis_server.Server, "_commit", unsure)
    monkeypatch.setattr(redis_server, "PAUSES_S", (0.001, 0.002))
    stores = on_redis(server, tmp_path)
    log = together(stores, ACTS)
    monkeypatch.undo()
    assert {"cut", "lost", "restarts"} <= set(fates.values())
    assert log.told("unknown")
    judged(stores[0], log)


def test_a_commit_that_may_be_done_is_never_called_unrecorded(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer lost before Redis starts again is U-STORE-UNKNOWN, whatever Redis says when it is asked again."""
    whole, asked = redis_server.Server._commit, list[int]()

    async def restarting(self: redis_server.Server, shard: int, args: Any) -> bytes:
        asked.append(shard)
        if len(asked) > 1:
            raise BusyLoadingError("Redis is loading the dataset in memory")
        await whole(self, shard, args)
        raise NotReached("the answer was lost")

    async def story() -> None:
        store = RedisStore(server.url, tmp_path / "receipts.db")
        await store.open()
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        with monkeypatch.context() as broken:
            broken.setattr(redis_server.Server, "_commit", restarting)
            with pytest.raises(Unavailable) as caught:
                await store.sign(signature_of(shown), write_back=True, detail={})
        assert await store.signature(draft.id) is not None
        assert caught.value.code == UNKNOWN
        await store.close()

    asyncio.run(story())


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_history_of_processes_that_are_killed_has_one_order(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """Three processes on new drafts, killed in the midst of it: what each was answered is so, its last call either."""
    server: RedisProcess | None = request.getfixturevalue("server") if kind == "redis" else None
    log, chance = Log(), random.Random(20261122)
    for number in range(ROUNDS):
        log.drafts += (mine := asyncio.run(_held(_where(server, tmp_path, 9))))
        files = [tmp_path / f"calls-{number}-{n}" for n in range(3)]
        clients = [
            _forks.Process(target=alone, args=(_where(server, tmp_path, n), file, 3 * number + n, mine))
            for n, file in enumerate(files)
        ]
        for client in clients:
            client.start()
        _until(log, lambda files=files: all(file.exists() and file.stat().st_size > 10_000 for file in files))
        time.sleep(chance.uniform(0, 0.02))
        for client, file in zip(clients, files, strict=True):
            client.kill()
            client.join()
            assert client.exitcode == -signal.SIGKILL
            log.add_from(file)
    assert sum(call.event == "signed" and call.told == "ok" for call in log.calls) >= ROUNDS
    assert log.told("unknown")
    judged(lambda: store_at(_where(server, tmp_path, 9)), log)


def _where(server: RedisProcess | None, folder: Path, host: int) -> str:
    return f"{server.url},{folder / f'receipts-{host}.db'}" if server else str(folder / "store.db")


async def _held(where: str) -> list[str]:
    store = store_at(where)
    await store.open()
    try:
        return [(await hold_one(store, patient=f"Patient/{uuid4()}")).id for _ in range(6)]
    finally:
        await store.close()


def _spoilt(log: Log, **change: Any) -> Log:
    """Return a history in which the first acknowledged signature was told otherwise."""
    place = next(n for n, call in enumerate(log.calls) if call.event == "signed" and call.told == "ok")
    calls = list(log.calls)
    calls[place] = replace(calls[place], **change)
    return Log(calls, log.drafts)


@pytest.mark.parametrize(
    "change",
    [{"code": "U-DRAFT-SIGNED"}, {"mark": "another"}, {"begun": -2.0, "ended": -1.0}],
    ids=["refused and there", "ok and not there", "ended before what it follows"],
)
def test_the_checker_finds_a_history_that_does_not_fit(tmp_path: Path, change: dict[str, Any]) -> None:
    """One answer told otherwise than it was, and the history no longer fits."""
    make = lambda: SqliteStore(tmp_path / "store.db")  # noqa: E731
    log = together([make], ACTS)
    judged(make, log)
    with pytest.raises(AssertionError):
        judged(make, _spoilt(log, **change))
