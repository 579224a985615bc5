"""What a sealed store keeps cannot be read at rest, on either kind of store, and its keys can be changed."""

import asyncio
import base64
import os
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from service.drafts import vault
from service.drafts.records import Draft
from service.drafts.redis.keys import DATA_KEYS
from service.drafts.redis.store import RedisStore
from service.drafts.signature import signing
from service.drafts.sqlite.store import SqliteStore
from service.drafts.store import Store
from service.drafts.vault import KEYS_VARIABLE, Vault
from service.errors import ConfigError, ServiceError
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import Clock, hold_one, sign_one
from tests.contract.stores import vault as keys
from tests.integration.test_store_redis_tampering import live

Make = Callable[[Vault | None], SqliteStore | RedisStore]
# Of the resource, the context, an ingredient, an order, a comment, references, an alarm, and what a patient said.
VALUES = (
    b"sertraline",
    b'"acknowledge":',
    b"drug-1",
    b"requester",
    b"as agreed",
    b"Patient/b",
    b"Patient/example",
    b"reasons",
    b"in person",
)


class Place:
    """Where a store of one kind is: how to open it, and all bytes of it at rest."""

    def __init__(self, folder: Path, server: RedisProcess | None) -> None:
        self._folder, self.server = folder, server

    def store(self, sealing: Vault | None) -> SqliteStore | RedisStore:
        """Return a store on what is there."""
        if self.server is None:
            return SqliteStore(self._folder / "store.db", Clock(), sealing)
        return RedisStore(self.server.url, self._folder / "receipts.db", clock=Clock(), vault=sealing)

    def at_rest(self) -> bytes:
        """Return the bytes of every file of the store."""
        if self.server is not None:
            self.server.ask("BGREWRITEAOF")
        files = [file for file in self._folder.rglob("*") if file.is_file() and file.suffix != ".json"]
        return b"".join(file.read_bytes() for file in files)


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Give an empty place of each kind."""
    if request.param == "sqlite":
        yield Place(tmp_path, None)
        return
    with RedisProcess(tmp_path / "redis") as server:
        yield Place(tmp_path, server)


def told(place: Place, story: Callable[[Any], Coroutine[Any, Any, Any]], sealing: Vault | None) -> Any:
    """Tell a story to an open store and close it."""

    async def whole() -> Any:
        store = place.store(sealing)
        await store.open()
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


async def nothing(store: Store) -> None:
    """Open and close."""


@pytest.mark.parametrize("sealed", [True, False])
def test_nothing_of_a_patient_can_be_read_at_rest(place: Place, tmp_path: Path, sealed: bool) -> None:
    """No value of a chart, a comment or a reference is in any file of a sealed store; all are in one that is not."""
    signer = signing.load_or_create(tmp_path / "key.json")

    async def story(store: Store) -> None:
        await live(store, Clock(), signer)
        assert await store.verify(signer.public_jwks()) == ()
        assert len(await store.find(patient="Patient/example")) == 1

    told(place, story, keys() if sealed else None)
    raw = place.at_rest()
    readable = [value for value in VALUES if value in raw or base64.b64encode(value)[:-4] in raw]
    assert readable == ([] if sealed else list(VALUES))


def test_a_sealed_store_needs_its_own_keys(place: Place) -> None:
    """Without keys, or with others under the same name, it does not open; with them it does."""
    told(place, hold_one, keys("first"))
    others = Vault({"first": os.urandom(32)}, ["north"])
    for wrong in (None, keys("second"), others):
        with pytest.raises(ConfigError) as caught:
            told(place, nothing, wrong)
        assert caught.value.code == "U-STORE-KEY"
    told(place, nothing, keys("second", "first"))


def test_keys_come_before_the_first_record(place: Place) -> None:
    """A store that has records in the clear does not pass for a sealed one."""
    told(place, hold_one, None)
    with pytest.raises(ConfigError, match="U-STORE-KEY"):
        told(place, nothing, keys())


def test_a_tenant_without_a_key_is_not_written_in_the_clear(place: Place) -> None:
    """Drafts of an EHR that the settings do not name are refused, and nothing of them is kept."""

    async def story(store: Store) -> None:
        with pytest.raises(ServiceError, match=r"U-STORE-(KEY|SEAL)"):
            await hold_one(store)
        assert await store.find() == []

    told(place, story, Vault({"first": bytes(32)}, ["south"]))


def test_keys_are_changed_without_losing_a_record(place: Place) -> None:
    """After rekey the old key is not needed: what was sealed before and after opens with the new one alone."""

    async def before(store: Store) -> Draft:
        return await hold_one(store, patient="Patient/a")

    async def change(store: Any) -> Sequence[Draft]:
        running = place.store(keys("second", "first"))
        await running.open()
        try:
            assert await store.rekey() == 7  # to find by, and two of each tenant and of the whole service
            held = await hold_one(store, patient="Patient/b")
            assert await running.read(held.id) == held  # a worker that knew nothing of it
            await sign_one(running, held)
            return [held]
        finally:
            await running.close()

    async def after(store: Store) -> None:
        assert await store.read(first.id) == first
        assert (await store.read(second.id)).resource == second.resource
        assert [draft.id for draft in await store.find(patient="Patient/a")] == [first.id]
        assert await store.verify() == ()

    first = told(place, before, keys("first"))
    (second,) = told(place, change, keys("second", "first"))
    told(place, after, keys("second"))
    with pytest.raises(ConfigError, match="U-STORE-KEY"):
        told(place, nothing, keys("first"))


def test_what_was_sealed_before_is_sealed_anew(place: Place, tmp_path: Path) -> None:
    """After reseal no record needs a data key from before, all of them say what they said, and none can be changed."""
    signer = signing.load_or_create(tmp_path / "key.json")

    async def before(store: Any) -> Sequence[Draft]:
        await live(store, Clock(), signer)
        assert await store.reseal() == 0
        return await store.find()

    async def change(store: Any) -> None:
        await store.rekey()
        assert await store.reseal() > 10
        assert await store.reseal() == 0
        assert await store.verify(signer.public_jwks()) == ()

    async def after(store: Any) -> None:
        assert await store.find() == drafts
        assert [fault for fault in await store.verify(signer.public_jwks()) if "U-RECEIPT" not in fault] == []

    drafts = told(place, before, keys())
    told(place, change, keys())
    assert _forget_old_keys(place) == 3  # of two tenants and of the whole service
    told(place, after, keys())
    if place.server is None:
        connection = sqlite3.connect(place._folder / "store.db", isolation_level=None)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute("UPDATE revision SET resource = x'00'")
        connection.close()


def _forget_old_keys(place: Place) -> int:
    """Take away every data key that was replaced, and the receipts, which stay under theirs; return how many keys."""
    if place.server is not None:
        for file in place._folder.glob("receipts.db*"):
            file.unlink()
        with redis.Redis(port=place.server.port) as client:
            old = [field for field in client.hkeys(DATA_KEYS) if field.endswith(b":1") and field != b"*:1"]  # type: ignore[union-attr]
            return client.hdel(DATA_KEYS, *old)  # type: ignore[return-value]
    connection = sqlite3.connect(place._folder / "store.db", isolation_level=None)
    gone = connection.execute("DELETE FROM data_key WHERE serial = 1 AND tenant <> '*'").rowcount
    connection.close()
    return gone


def test_a_sealed_value_fits_one_place_only(tmp_path: Path) -> None:
    """A value that was sealed for one record and field opens nowhere else, and no byte of it can be changed."""
    sealing = keys()
    sealing.load(sealing.missing())
    sealed = sealing.seal("north", "draft-1:context", b"text")
    assert sealing.unseal("draft-1:context", sealed) == b"text"
    for place, value in [("draft-2:context", sealed), ("draft-1:resource", sealed)] + [
        ("draft-1:context", sealed[:n] + bytes([sealed[n] ^ 1]) + sealed[n + 1 :]) for n in range(4, len(sealed))
    ]:
        with pytest.raises(ServiceError, match="U-STORE-SEAL"):
            sealing.unseal(place, value)
    assert sealing.fixed("Patient/a") == sealing.fixed("Patient/a") != sealing.fixed("Patient/b")
    assert sealing.seal("north", "p", b"text") != sealing.seal("north", "p", b"text")


def test_a_sealed_value_that_was_moved_is_found(place: Place) -> None:
    """An intruder who gives one draft the sealed resource of another is found by verification."""

    async def story(store: Any) -> None:
        one, other = await hold_one(store, patient="Patient/a"), await hold_one(store, patient="Patient/b")
        _move(place, one.id, other.id)
        assert [fault for fault in await store.verify() if one.id in fault]

    told(place, story, keys())


def _move(place: Place, one: str, other: str) -> None:
    if place.server is not None:
        with redis.Redis(port=place.server.port) as client:
            value = client.hget(f"undersign:{{s{other[0]}}}:v:{other}", "1")
            client.hset(f"undersign:{{s{one[0]}}}:v:{one}", "1", value)  # type: ignore[arg-type]
        return
    connection = sqlite3.connect(place._folder / "store.db", isolation_level=None)
    connection.execute("DROP TRIGGER revision_no_update")
    moved = "UPDATE revision SET resource = (SELECT resource FROM revision WHERE draft = ?) WHERE draft = ?"
    connection.execute(moved, (other, one))
    connection.close()


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("first " + base64.b64encode(bytes(31)).decode(), 0o600),
        ("first not-base64!", 0o600),
        ("", 0o600),
        ("first", 0o600),
        ("first " + base64.b64encode(bytes(32)).decode(), 0o644),
    ],
)
def test_a_key_file_that_is_no_good_is_refused(tmp_path: Path, text: str, mode: int) -> None:
    """Keys of another length, none at all, or open to others, are refused by name of the setting."""
    file = tmp_path / "keys"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=r"U-STORE-KEY: store\.key_file"):
        vault.masters(file)


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line is the key in use; the file wins over the variable; without either nothing is sealed."""
    lines = [f"{name} {base64.b64encode(bytes([n]) * 32).decode()}" for n, name in enumerate(("new", "old"))]
    monkeypatch.delenv(KEYS_VARIABLE, raising=False)
    assert vault.masters(None) is None
    monkeypatch.setenv(KEYS_VARIABLE, lines[1])
    assert list(vault.masters(None) or ()) == ["old"]
    file = tmp_path / "keys"
    file.write_text("\n".join(lines))
    file.chmod(0o600)
    assert list(vault.masters(file) or ()) == ["new", "old"]
