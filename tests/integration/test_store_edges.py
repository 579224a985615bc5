"""Killed at any edge of any step, on each store: nothing acknowledged is lost or half done, and one order is written.

Every named edge of every step; ``test_store_crash.py`` has many clients at random, ``tests/e2e/test_kill.py`` the whole
service at each request to the EHR.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from service.drafts.states import SIGNED
from tests.contract.redis_process import RedisProcess
from tests.contract.stores import redis_process
from tests.integration import store_edges
from tests.integration.store_edges import OF_EHR, OF_RECEIPTS, OF_REDIS, OF_SQLITE, STEPS

__all__ = ["redis_process"]
posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
LATER_S = 120  # the lease of a dead writer is over
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.integration.store_edges"])

ON_SQLITE = [*((edge, step) for step in STEPS for edge in OF_SQLITE), *((edge, "") for edge in OF_EHR)]
ON_REDIS = [
    *((edge, step) for step in STEPS for edge in OF_REDIS),
    *((edge, step) for step in ("enter", "sign") for edge in OF_RECEIPTS),
    *((edge, "") for edge in OF_EHR),
]


def _named(edges: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{edge} {step}".strip() for edge, step in edges]


def killed(where: str, folder: Path, edge: str, step: str) -> None:
    """Let a process live until it dies at an edge."""
    process = _forks.Process(target=store_edges.victim, args=(where, folder, edge, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


async def survived(where: str, folder: Path) -> None:
    """Hold the store against what was acknowledged, live on, and look at the end of it."""
    store = store_edges.store_at(where)
    await store.open()
    try:
        assert list(await store.verify()) == []
        await _is_there(store, store_edges.acknowledged(folder))
        await _nothing_is_half(store)
    finally:
        await store.close()
    await store_edges.whole(where, folder, store_edges.Edge(), LATER_S)
    await _came_to_its_end(where, folder)


async def _is_there(store: Any, acknowledged: list[list[str]]) -> None:
    for event, *words in acknowledged:
        if event == "denied":
            (said,) = await store.registered("consent")
            assert said.entry.detail["decision"] == "deny"
        elif event == "held":
            await store.read(words[0])
        elif event == "edited":
            assert (await store.read(words[0])).version == int(words[1])
        elif event == "signed":
            assert (await store.signature(words[0])).digest == words[1]
        else:
            assert await store.count(["confirmed"]) == 1


async def _nothing_is_half(store: Any) -> None:
    denied = bool(await store.registered("consent"))
    for draft in await store.find():
        signed = await store.signature(draft.id) is not None
        assert signed == (draft.state in SIGNED)
        if draft.patient == store_edges.REFUSING:
            assert (draft.state == "withdrawn") == denied


async def _came_to_its_end(where: str, folder: Path) -> None:
    store = store_edges.store_at(where, 2 * LATER_S)
    await store.open()
    try:
        assert list(await store.verify()) == []
        assert await store.claim(1) is None
        (draft,) = await store.find(patient=store_edges.SIGNED_FOR)
        signed = await store.signature(draft.id)
        events = [entry.event for entry in await store.history(draft.id)]
    finally:
        await store.close()
    assert (draft.state, draft.version, events.count("signed"), events.count("modified")) == ("confirmed", 2, 1, 1)
    ehr = store_edges.FileEhr(folder / "ehr", store_edges.Edge())
    (order,), (provenance,) = ehr.all("MedicationRequest"), ehr.all("Provenance")
    assert order["identifier"][0]["value"] == signed.order_id
    assert provenance["target"] == [{"reference": f"MedicationRequest/{order['id']}"}]


@posix
@pytest.mark.parametrize(("edge", "step"), ON_SQLITE, ids=_named(ON_SQLITE))
def test_a_kill_at_any_edge_of_a_step_on_sqlite(tmp_path: Path, edge: str, step: str) -> None:
    """What was acknowledged is there, no step is half done, and whoever goes on writes one order and one Provenance."""
    where = str(tmp_path / "store.db")
    killed(where, tmp_path, edge, step)
    asyncio.run(survived(where, tmp_path))


@posix
@pytest.mark.parametrize(("edge", "step"), ON_REDIS, ids=_named(ON_REDIS))
def test_a_kill_at_any_edge_of_a_step_on_redis(
    tmp_path: Path, redis_process: RedisProcess, edge: str, step: str
) -> None:
    """The same on Redis, where a signature has a receipt too."""
    redis_process.flush()
    where = f"{redis_process.url},{tmp_path / 'receipts.db'}"
    killed(where, tmp_path, edge, step)
    asyncio.run(survived(where, tmp_path))
