"""The connection to Redis, single or Cluster: scripts by shard, asked again where that is safe, errors by code.

Every script may be run again: the reading ones change nothing, and ``commit.lua`` knows a plan that it has done.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
import redis.asyncio as asyncio_redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from service.drafts.redis import checks as redis_checks
from service.drafts.redis.answering import Answering
from service.drafts.redis.errors import PASSING, store_error, unanswered
from service.drafts.redis.keys import DATA_KEYS, META, PREFIX, SHARDS, microseconds, shard_key
from service.drafts.redis.scripts import COMMIT, NAMES, Script
from service.drafts.redis.sealing import Sealing, data_key, of_data_key
from service.drafts.vault import DataKey, Vault
from service.errors import ConfigError, ServiceError, Unavailable

T = TypeVar("T")
CONNECTIONS: Final = 32
TIMEOUT_S: Final = 2.0
WAIT_MS: Final = 1_000
# A failover takes seconds; a request does not wait for it, it is told to come again.
PAUSES_S: Final = (0.05, 0.2)
FORMAT: Final = "2"
# What an older version wrote and this one reads as it is.
FORMERLY: Final = ("1",)
_CHAINS: Final = ("a:", "b:", "e:")


class Server:
    """One Redis or Redis Cluster. ``clock`` is a test's, in place of the server's TIME."""

    def __init__(
        self, url: str, replicas: int = 0, clock: Callable[[], datetime] | None = None, vault: Vault | None = None
    ) -> None:
        self.sealing = Sealing(vault)
        self._url = url
        self._replicas = replicas
        self._clock = clock
        self._client: Any = None
        self._cluster = False
        self.answering = Answering()

    async def open(self) -> None:
        """Connect, check what the promises rest on, and mark the data as ours; ConfigError or Unavailable U-STORE-*."""
        try:
            self._client = asyncio_redis.Redis(connection_pool=self._pool())
            about = await self._client.execute_command("INFO")
            if about.get("cluster_enabled"):
                await self.close()
                self._client, self._cluster = await self._connect_cluster(), True
            for node in self._nodes():
                await redis_checks.check(node, self._replicas)
            await self._mark()
            await self._open_vault()
        except ValueError as error:
            raise ConfigError("U-CONFIG-VALUE", "store.url: not an address of Redis") from error
        except (RedisError, OSError) as error:
            raise store_error(error) from error

    async def close(self) -> None:
        """Close all connections; closing twice is fine."""
        client, self._client = self._client, None
        cluster, self._cluster = self._cluster, False
        if client is not None:
            await client.aclose()
            if not cluster:  # a pool that we made is ours to close
                await client.connection_pool.aclose()

    async def identity(self) -> str:
        """Return what changes when another server answers, or this one was started again."""
        found = [await self._ask(lambda node=node: node.execute_command("INFO")) for node in self._nodes()]
        return " ".join(sorted(f"{one['run_id']}:{one['master_replid']}" for one in found))

    def moved_on(self, at: datetime, since: float) -> datetime:
        """Return the server's time ``at``, which came at ``since`` (monotonic seconds), as far on as it is by now.

        It is never ahead but where clocks run apart; then, and where it is far behind, ``commit.lua`` says late.
        """
        return at + timedelta(seconds=time.monotonic() - since) if self._clock is None else self._clock()

    def given(self) -> str:
        """Return a test's time for a script; empty, and the script asks the server for its TIME."""
        return "" if self._clock is None else str(microseconds(self._clock()))

    async def run(self, script: Script, shard: int, *args: str | bytes) -> Any:
        """Run a script that only reads, or may be run twice, on a shard."""
        answer = await self._ask(lambda: self._evaluate(self._open_client(), script, shard, args))
        return msgspec.msgpack.decode(answer) if script.packed else answer

    async def commit(self, shard: int, plan: bytes) -> str:
        """Run ``commit.lua``, where replicas are wanted until they have it; returns its answer."""
        args = (self.given(), plan)
        answer = await self._ask(lambda: self._commit(shard, args), writing=True)
        return answer.decode()

    async def each(self, script: Script, *args: str | bytes) -> Sequence[Any]:
        """Run a reading script on every shard; returns the answers in the order of the shards."""
        if self._cluster:
            return await asyncio.gather(*(self.run(script, shard, *args) for shard in range(SHARDS)))
        return await self._ask(lambda: self._pipeline(script, args))

    async def load_data_keys(self) -> None:
        """Read the data keys again: another worker may have made new ones."""
        if self.sealing.vault is not None:
            self.sealing.vault.load(await self._data_keys())

    async def opened(self, opening: Callable[[], T]) -> T:
        """Return what opening an answer gives; where a key is not known, with those that are there now."""
        try:
            return opening()
        except ServiceError as error:
            if error.code != "U-STORE-SEAL":
                raise
        await self.load_data_keys()
        return opening()

    async def rekey(self, vault: Vault) -> int:
        """Wrap every data key anew and give each tenant a new one; returns how many keys there are."""
        await self.load_data_keys()
        keys = dict(of_data_key(one) for one in vault.renewed())
        await self._ask(lambda: self._open_client().hset(DATA_KEYS, mapping=keys), writing=True)
        await self.load_data_keys()
        return len(keys)

    async def keys(self) -> Sequence[str]:
        """Return the names of all keys of ours, and of none that others may have."""
        found: list[str] = []
        for node in self._nodes():
            cursor = b"0"
            while True:
                answer = await self._ask(lambda c=cursor, n=node: _scanned(n, c))
                cursor, names = msgspec.msgpack.decode(answer)
                found += [name.decode(errors="replace") for name in names]
                if int(cursor) == 0:
                    break
        return found

    def _pool(self) -> Any:
        make: Any = asyncio_redis.BlockingConnectionPool
        return make.from_url(
            self._url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=self.answering.connected,
        )

    async def _connect_cluster(self) -> Any:
        client = asyncio_redis.RedisCluster.from_url(
            self._url,
            max_connections=CONNECTIONS,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            protocol=2,
        )
        return await client.initialize()

    def _open_client(self) -> Any:
        if self._client is None:
            raise Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
        return self._client

    def _nodes(self) -> Sequence[Any]:
        client = self._open_client()
        return client.get_primaries() if self._cluster else [client]

    async def _mark(self) -> None:
        for name, value in (("format", FORMAT), ("shards", str(SHARDS))):
            await self._client.hsetnx(META, name, value)
        if (await self._client.hget(META, "format")).decode() in FORMERLY:
            await self._client.hset(META, "format", FORMAT)
        found = await self._client.hgetall(META)
        if found != {b"format": FORMAT.encode(), b"shards": str(SHARDS).encode()}:
            raise ConfigError("U-STORE-VERSION", "the store was made by a newer version; use that one")

    async def _open_vault(self) -> None:
        """Load the data keys and make those that are missing: of two who do so at once, one's are taken by both."""
        vault, kept = self.sealing.vault, await self._data_keys()
        if vault is None and kept:
            raise ConfigError("U-STORE-KEY", "the store is sealed; give the keys in store.key_file")
        if vault is not None:
            if not kept and any(name.partition("}:")[2][:2] in _CHAINS for name in await self.keys()):
                raise ConfigError("U-STORE-KEY", "the store has records that are not sealed; give keys to a new one")
            vault.load(kept)
            for one in vault.missing():
                await self._client.hsetnx(DATA_KEYS, *of_data_key(one))
            vault.load(await self._data_keys())

    async def _data_keys(self) -> list[DataKey]:
        found = await self._ask(lambda: self._open_client().hgetall(DATA_KEYS))
        return [data_key(field, value) for field, value in found.items()]

    async def _ask(self, question: Callable[[], Any], *, writing: bool = False) -> Any:
        lost: Exception | None = None  # what was asked then may be done, whatever the server says later
        for pause in (*PAUSES_S, None):
            try:
                await self._settled(lost)
                return await question()
            except PASSING as error:
                lost = error if writing and unanswered(error) else lost
                if pause is None:
                    raise store_error(lost or error, writing=writing) from error
                await self._reconnect()
                await asyncio.sleep(pause)
            except RedisError as error:
                raise store_error(lost or error, writing=writing) from error
        raise AssertionError

    async def _settled(self, lost: Exception | None) -> None:
        try:
            await self.answering.settled()
        except ServiceError as error:
            if lost is not None:
                raise store_error(lost, writing=True) from error
            raise

    async def _reconnect(self) -> None:
        """Let go of idle connections: behind the same name there may be another server by now."""
        self.answering.doubt()
        if self._client is not None and not self._cluster:
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def _evaluate(self, client: Any, script: Script, shard: int, args: Sequence[str | bytes]) -> Any:
        try:
            return await client.evalsha(script.sha, 1, shard_key(shard), *args)
        except NoScriptError:
            return await client.eval(script.source, 1, shard_key(shard), *args)

    async def _commit(self, shard: int, args: Sequence[str | bytes]) -> bytes:
        client = self._open_client()
        # On a Cluster a pool's next connection is not the one that wrote, so WAIT would wait for nothing.
        if self._cluster or not self._replicas:
            return await self._evaluate(client, COMMIT, shard, args)
        async with client.client() as alone:
            answer = await self._evaluate(alone, COMMIT, shard, args)
            reached = await alone.execute_command("WAIT", self._replicas, WAIT_MS)
        if reached < self._replicas:
            raise Unavailable("U-STORE-REPLICAS", "no replica has this yet; look at them, then read it again")
        return answer

    async def _pipeline(self, script: Script, args: Sequence[str | bytes]) -> Sequence[Any]:
        client = self._open_client()
        for last in (False, True):
            async with client.pipeline(transaction=False) as pipe:
                for shard in range(SHARDS):
                    pipe.evalsha(script.sha, 1, shard_key(shard), *args)
                try:
                    return await pipe.execute()
                except NoScriptError:
                    if last:
                        raise
            await client.script_load(script.source)
        raise AssertionError


async def _scanned(node: Any, cursor: bytes) -> bytes:
    """Return the next names of a node's keys: as one string, which is read many times faster than as many."""
    try:
        return await node.execute_command("EVALSHA", NAMES.sha, 0, cursor, f"{PREFIX}:*")
    except NoScriptError:
        return await node.execute_command("EVAL", NAMES.source, 0, cursor, f"{PREFIX}:*")
