"""Whoever can write to Redis cannot change one value of what is audited, nor an index of it, unseen."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import Shown
from service.drafts.redis.store import RedisStore
from service.drafts.signature import signing
from service.drafts.store import Store
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import START, Clock, hold_one, prepared_bytes, signature_of
from tests.contract.test_flags import WORD

# Kept for a while beside the audited records: tokens, sessions, commits of the last minutes; and what made the data.
NOT_AUDITED = ("k", "ends", "done", "meta")
Tamper = Callable[[], object]


async def live(store: Store, clock: Clock, signer: Any) -> None:
    """Leave records of every kind."""
    draft = await hold_one(store)
    await store.mark([draft.id], "presented", "Device/undersign", {"card": "card-1"})
    await store.card("card-1", "north", [draft.id], {"topic": "options"})
    shown = prepared_bytes(draft, version=2)
    await store.prepare(draft.id, 1, shown, dumps({**load_object(draft.resource), "priority": "routine"}))
    jws = signer.sign_detached(shown.order)
    await store.sign(signature_of(shown, jws), write_back=True, detail={"comment": "as agreed"})
    clock.forward(1)
    entry = await store.claim(60)
    assert entry is not None
    await store.progress(entry, {"order": "MedicationRequest/1"})
    other = await hold_one(store, patient="Patient/other")
    await store.prepare(other.id, 1, prepared_bytes(other), None)
    await store.raise_flag("north", "Patient/b", "facts", b'{"reasons":[]}', Shown("card-2", "Practitioner/p1", {}))
    await store.attest(WORD, {"assertion": {"method": "smart-session"}})
    await store.attest(replace(WORD, patient="Patient/b", display=None), {})
    for state in ("off", "on"):
        await store.enter("switch", "", "model", "entered", "Practitioner/p1", {"state": state})
    await store.enter(
        "consent", "north", "Patient/b", "entered", "Practitioner/p1", {"decision": "permit", "said": "in person"}
    )
    await store.seen("issuer", "jti", START)


class Rich:
    """An open store with records of every kind, and an intruder's connection to its server."""

    def __init__(self, server: RedisProcess, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._clock = Clock()
        self._store = RedisStore(server.url, folder / "receipts.db", clock=self._clock)
        signer = signing.load_or_create(folder / "key.json")
        self._jwks = signer.public_jwks()
        self.intruder = redis.Redis(port=server.port)
        self._runner.run(self._store.open())
        self._runner.run(live(self._store, self._clock, signer))
        self.keys: list[str] = sorted(key.decode() for key in self.intruder.keys("undersign:*"))  # type: ignore[union-attr]

    def faults(self) -> list[str]:
        """Return what verification finds."""
        return list(self._runner.run(self._store.verify(self._jwks)))

    def unseen(self, key: str, tampers: Iterator[tuple[str, Tamper]]) -> list[str]:
        """Return the changes of a key that verification does not find; each is undone before the next."""
        whole, missed = self.intruder.dump(key), list[str]()
        for name, tamper in tampers:
            tamper()
            if not self.faults():
                missed.append(f"{key}: {name}")
            self.intruder.restore(key, 0, whole, replace=True)  # type: ignore[arg-type]
        return missed

    def close(self) -> None:
        """Close both."""
        self._runner.run(self._store.close())
        self._runner.close()
        self.intruder.close()


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rich]:
    """One server whose records this module changes and puts right again."""
    folder = tmp_path_factory.mktemp("rich")
    with RedisProcess(folder / "redis") as server:
        found = Rich(server, folder)
        try:
            yield found
        finally:
            found.close()


def kind(key: str) -> str:
    """Return the kind of a key: what follows its shard."""
    return key.split("}:")[1].partition(":")[0]


def flipped(value: bytes) -> Iterator[bytes]:
    """Yield the value with one byte changed: the first, one in the middle, the last."""
    for place in sorted({0, len(value) // 2, max(len(value) - 1, 0)}):
        yield value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :] if value else b"1"


def of_hash(client: Any, key: str) -> Iterator[tuple[str, Tamper]]:
    """Yield the changes of a hash: each value, each field gone or renamed, one more field."""
    for name, value in client.hgetall(key).items():
        if (kind(key), name) == ("patient", b"tick"):
            continue
        for changed in flipped(value):
            yield f"{name} changed", lambda n=name, v=changed: client.hset(key, n, v)
        if kind(key) != "p":
            yield f"{name} gone", lambda n=name: client.hdel(key, n)
        yield f"{name} renamed", lambda n=name, v=value: (client.hdel(key, n), client.hset(key, n + b"1", v))
    if kind(key) != "patient":
        yield "one more", lambda: client.hset(key, "9", "9")


def of_list(client: Any, key: str) -> Iterator[tuple[str, Tamper]]:
    """Yield the changes of a list: each item changed, gone or twice."""
    for place, value in enumerate(client.lrange(key, 0, -1)):
        for changed in flipped(value):
            yield f"{place} changed", lambda p=place, v=changed: client.lset(key, p, v)
        yield f"{place} gone", lambda v=value: client.lrem(key, 1, v)
        yield f"{place} twice", lambda v=value: client.rpush(key, v)


def of_index(client: Any, key: str, sort: str) -> Iterator[tuple[str, Tamper]]:
    """Yield the changes of a set or sorted set: each member gone, another there, another score."""
    members = client.smembers(key) if sort == "set" else client.zrange(key, 0, -1)
    for member in members:
        if sort == "set":
            yield f"{member} gone", lambda m=member: client.srem(key, m)
        else:
            yield f"{member} gone", lambda m=member: client.zrem(key, m)
            yield f"{member} moved", lambda m=member: client.zincrby(key, 1, m)
    if kind(key) != "ehrs":
        add = (lambda: client.sadd(key, "f" * 36)) if sort == "set" else (lambda: client.zadd(key, {"f" * 36: 1}))
        yield "one more", add


def of_stream(client: Any, key: str) -> Iterator[tuple[str, Tamper]]:
    """Yield the changes of a stream: each entry gone or for another draft, one more entry."""
    for identity, _ in client.xrange(key):
        yield "gone", lambda i=identity: client.xdel(key, i)
        yield (
            "another",
            lambda i=identity: (
                client.xdel(key, i),
                client.delete(key),
                client.xadd(key, {"draft": "f" * 36}, id=i),
            ),
        )
    yield "one more", lambda: client.xadd(key, {"draft": "f" * 36})


def changes(client: Any, key: str) -> Iterator[tuple[str, Tamper]]:
    """Yield all changes of a key, and its end."""
    sort = client.type(key).decode()
    if sort == "hash":
        yield from of_hash(client, key)
    elif sort == "list":
        yield from of_list(client, key)
    elif sort == "stream":
        yield from of_stream(client, key)
    else:
        yield from of_index(client, key, sort)
    # What nobody signed may be forgotten; a patient without a flag has but a counter that keeps steps apart.
    if kind(key) != "p" and (sort != "hash" or client.hkeys(key) != [b"tick"]):
        yield "gone", lambda: client.delete(key)
        yield "of another type", lambda: (client.delete(key), client.set(key, "1"))


def test_the_untouched_store_is_whole_and_has_everything(rich: Rich) -> None:
    """Nothing is found where nothing was changed, and no kind of key is missing from this test."""
    assert rich.faults() == []
    wanted = "d v a p g o t f b l w r e c k"
    wanted += " in of open facts patient ehrs deadline due orders words named ends outbox done meta"
    assert {kind(key) for key in rich.keys} == set(wanted.split())


@pytest.mark.parametrize("sort", ["hash", "list", "set", "zset", "stream"])
def test_no_change_of_any_value_or_index_goes_unseen(rich: Rich, sort: str) -> None:
    """Each value with a byte changed, each field, item, member and entry gone, moved, doubled or added, is found."""
    missed: list[str] = []
    for key in rich.keys:
        if kind(key) not in NOT_AUDITED and rich.intruder.type(key) == sort.encode():
            missed += rich.unseen(key, changes(rich.intruder, key))
    assert missed == []
    assert rich.faults() == []


@pytest.mark.parametrize(
    "name", ["undersign:{s0}:x", "undersign:{s0}:in2:held:north", "undersign:other", "undersign:{sg}:d:1"]
)
def test_a_key_that_nothing_speaks_of_is_found(rich: Rich, name: str) -> None:
    """A key of ours by its name, and of no record, is named."""
    rich.intruder.set(name, "1")
    assert any(name in fault for fault in rich.faults())
    rich.intruder.delete(name)
    assert rich.faults() == []


def test_a_draft_taken_away_with_all_its_keys_is_found(rich: Rich) -> None:
    """Whoever removes every key of a signed draft leaves an index, or a receipt, that speaks of it."""
    (draft,) = {key.rpartition(":")[2] for key in rich.keys if kind(key) == "g"}
    kept = {key: rich.intruder.dump(key) for key in rich.keys if key.endswith(draft)}
    rich.intruder.delete(*kept)
    assert any(draft in fault for fault in rich.faults())
    for key, whole in kept.items():
        rich.intruder.restore(key, 0, whole)  # type: ignore[arg-type]
    assert rich.faults() == []
