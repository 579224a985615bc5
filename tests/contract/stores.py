"""Every kind of store, empty, for a story: what the contract suites run on."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.drafts.redis.store import RedisStore
from service.drafts.sqlite.store import SqliteStore
from service.drafts.store import Store
from service.drafts.vault import Vault
from tests.contract.redis_process import ClusterProcess, RedisProcess
from tests.contract.samples import Clock

Story = Callable[[Any, Clock], Coroutine[Any, Any, Any]]
Run = Callable[[Story], Any]
Opened = Callable[[Story], Any]
KINDS = ("sqlite", "sqlite-sealed", "redis", "redis-sealed", "redis-cluster")


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """One server for all tests of this process, which empty it."""
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    """One Cluster for all tests of this process, which empty it."""
    cluster = ClusterProcess(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Open an empty store of each kind for a story; for a second story, as the first left it."""
    if request.param.startswith("sqlite"):
        sealed = request.param == "sqlite-sealed"
        return lambda story: tell(
            lambda clock: SqliteStore(tmp_path / "store.db", clock, vault() if sealed else None), story
        )
    name = "redis_cluster" if request.param == "redis-cluster" else "redis_process"
    server: RedisProcess | ClusterProcess = request.getfixturevalue(name)
    server.flush()
    sealing = vault() if request.param == "redis-sealed" else None
    return lambda story: tell(
        lambda clock: RedisStore(server.url, tmp_path / "receipts.db", clock=clock, vault=sealing), story
    )


@pytest.fixture
def run(opened: Opened) -> Run:
    """Run a story against an empty store of each kind, and verify what it leaves behind."""

    def runner(story: Story) -> Any:
        async def whole(store: Store, clock: Clock) -> Any:
            result = await story(store, clock)
            assert list(await store.verify()) == []
            return result

        return opened(whole)

    return runner


def vault(*names: str) -> Vault:
    """Return a vault of the tenants that the samples are of, under keys that are made from their names."""
    wrapping = {name: hashlib.sha256(name.encode()).digest() for name in names or ("first",)}
    return Vault(wrapping, ["north", "south"])


def tell(make: Callable[[Clock], Store], story: Story) -> Any:
    """Tell a story to an open store and close it."""

    async def whole() -> Any:
        clock = Clock()
        store = make(clock)
        await store.open()
        try:
            return await story(store, clock)
        finally:
            await store.close()

    return asyncio.run(whole())
