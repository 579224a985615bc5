"""What the Redis store promises beyond the contract: what it refuses at start, and how it lives with failures."""

import asyncio
import shutil
import signal
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as NotReached
from redis.exceptions import ResponseError

from service.drafts import operators
from service.drafts.audit import seal
from service.drafts.records import OutboxEntry
from service.drafts.redis import replay as redis_replay
from service.drafts.redis import server as redis_server
from service.drafts.redis.errors import store_error
from service.drafts.redis.keys import META, shard_of_id
from service.drafts.redis.receipt import Revoked, Signed
from service.drafts.redis.receipts import Receipts
from service.drafts.redis.server import FORMAT
from service.drafts.redis.steps import Scope
from service.drafts.redis.store import RedisStore
from service.drafts.redis.transaction import RedisTransaction
from service.errors import ConfigError, Conflict, NotFound, ServiceError, Unavailable
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import hold_one, prepared_bytes, sign_one, signature_of

ACTOR = "Device/undersign"
Story = Callable[[RedisStore], Coroutine[Any, Any, Any]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    """A server of this test's own, since it is going to suffer."""
    with RedisProcess(tmp_path / "redis") as running:
        yield running


def told(url: str, folder: Path, story: Story, replicas: int = 0) -> Any:
    """Tell a story to an open store and close it."""

    async def whole() -> Any:
        store = RedisStore(url, folder / "receipts.db", replicas)
        await store.open()
        try:
            return await story(store)
        finally:
            await store.close()

    return asyncio.run(whole())


async def nothing(store: RedisStore) -> None:
    """Open and close."""


async def refused(act: Any, kind: type[ServiceError] = Unavailable) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(kind) as caught:
        await act
    return caught.value.code


# --- what is refused at start


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("appendonly", "no", "U-STORE-AOF"),
        ("appendfsync", "everysec", "U-STORE-AOF"),
        ("appendfsync", "no", "U-STORE-AOF"),
        ("no-appendfsync-on-rewrite", "yes", "U-STORE-AOF"),
        ("maxmemory-policy", "allkeys-lru", "U-STORE-EVICTION"),
        ("maxmemory-policy", "volatile-ttl", "U-STORE-EVICTION"),
    ],
)
def test_a_server_that_could_forget_is_refused(
    server: RedisProcess, tmp_path: Path, setting: str, value: str, code: str
) -> None:
    """Without an append-only file flushed at every commit, or with eviction, the store does not open and says what."""
    server.ask("CONFIG", "SET", setting, value)
    with pytest.raises(ConfigError) as caught:
        told(server.url, tmp_path, nothing)
    assert caught.value.code == code
    assert setting in caught.value.message


def test_replicas_are_wanted_by_name_or_not_at_all(server: RedisProcess, tmp_path: Path) -> None:
    """store.replicas without min-replicas-to-write is refused, and so are replicas that nobody counts."""
    with pytest.raises(ConfigError, match="min-replicas-to-write"):
        told(server.url, tmp_path, nothing, replicas=1)
    with RedisProcess(tmp_path / "replica", replicaof=f"127.0.0.1 {server.port}") as replica:
        replica.waits_for("master_link_status:up")
        with pytest.raises(ConfigError, match=r"store\.replicas"):
            told(server.url, tmp_path, nothing)
        server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
        server.waits_for("min_slaves_good_slaves:1")  # a replica knows earlier that it follows than its primary does
        told(server.url, tmp_path, hold_one, replicas=1)
        with pytest.raises(Unavailable, match="U-STORE-READONLY"):
            told(replica.url, tmp_path, nothing)


def test_a_user_without_rights_is_named(server: RedisProcess, tmp_path: Path) -> None:
    """A wrong password, and a user who may not read the settings, are refused with what to do."""
    server.ask("ACL", "SETUSER", "half", "on", ">secret", "~undersign:*", "+@all", "-config")
    for user in ("half:wrong", "half:secret"):
        with pytest.raises(ServiceError) as caught:
            told(server.url.replace("//", f"//{user}@"), tmp_path, nothing)
        assert caught.value.code == "U-STORE-RIGHTS"


def test_the_rights_that_the_manual_names_are_enough(server: RedisProcess, tmp_path: Path) -> None:
    """A user with the rights of docs/operations.md holds, signs, claims, expires and verifies."""
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    (line,) = [line for line in manual.splitlines() if line.startswith("ACL SETUSER undersign ")]
    server.ask(*line.replace("<password>", "secret").split())

    async def story(store: RedisStore) -> None:
        await sign_one(store, await hold_one(store))
        assert await store.claim(60) is not None
        assert (await store.expire(), await store.verify()) == (0, ())

    told(server.url.replace("//", "//undersign:secret@"), tmp_path, story)


def test_nobody_there_is_named(tmp_path: Path, server: RedisProcess) -> None:
    """An address at which no Redis answers is U-STORE-UNREACHABLE, at start and later."""

    async def story(store: RedisStore) -> None:
        server.stop()
        assert await refused(hold_one(store)) == "U-STORE-UNREACHABLE"

    told(server.url, tmp_path, story)
    with pytest.raises(Unavailable, match="U-STORE-UNREACHABLE"):
        told(server.url, tmp_path, nothing)


def test_data_of_a_newer_version_is_refused(server: RedisProcess, tmp_path: Path) -> None:
    """A store that a newer version wrote is left alone."""
    server.ask("HSET", META, "format", "99")
    with pytest.raises(ConfigError, match="U-STORE-VERSION"):
        told(server.url, tmp_path, nothing)


def test_data_of_an_older_version_is_brought_up_to_date(server: RedisProcess, tmp_path: Path) -> None:
    """A store from before there were registers opens with its drafts whole, takes an entry, and is of the new form."""
    draft = told(server.url, tmp_path, hold_one)
    server.ask("HSET", META, "format", "1")

    async def story(store: Any) -> None:
        assert await store.read(draft.id) == draft
        await store.enter("consent", draft.ehr, draft.patient, "entered", "Practitioner/p1", {"decision": "deny"})
        assert (await store.read(draft.id)).state == "withdrawn"
        assert list(await store.verify()) == []

    told(server.url, tmp_path, story)
    assert server.ask("HGET", META, "format") == FORMAT.encode()


def test_a_file_that_is_not_for_receipts_is_refused(server: RedisProcess, tmp_path: Path) -> None:
    """store.receipts must be a file that we can make and keep."""
    (tmp_path / "receipts.db").write_text("this is a text and no database at all" * 100)
    with pytest.raises(ConfigError, match="U-STORE-RECEIPTS"):
        told(server.url, tmp_path, nothing)


# --- a failing server


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("LOADING Redis is loading the dataset in memory", "U-STORE-LOADING"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "U-STORE-FULL"),
        ("NOREPLICAS Not enough good replicas to write.", "U-STORE-REPLICAS"),
        ("CLUSTERDOWN The cluster is down", "U-STORE-UNREACHABLE"),
        ("ERR user_script:12: -OOM command not allowed when used memory > 'maxmemory'.", "U-STORE-MEMORY"),
        ("ERR something else", "U-STORE-FAILED"),
    ],
)
def test_what_redis_answers_has_a_code(answer: str, code: str) -> None:
    """Each answer by which Redis refuses a commit is a 503 of its own, without Redis's words."""
    error = store_error(ResponseError(answer), writing=True)
    assert (error.code, error.status) == (code, 503)
    assert "maxmemory" not in error.message


def test_a_full_memory_refuses_and_loses_nothing(server: RedisProcess, tmp_path: Path) -> None:
    """Out of memory nothing is recorded, not half of it either, and what was there stays; with room it goes on."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        prepared = prepared_bytes(draft)
        await store.prepare(draft.id, 1, prepared, None)
        server.ask("CONFIG", "SET", "maxmemory", "1")
        signing = signature_of(prepared)
        assert await refused(store.sign(signing, write_back=True, detail={})) == "U-STORE-MEMORY"
        assert (await store.read(draft.id)).state == "held"
        assert await store.verify() == ()
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert (await store.sign(signing, write_back=True, detail={})).state == "signed"

    told(server.url, tmp_path, story)


def test_a_server_that_turned_replica_refuses(server: RedisProcess, tmp_path: Path) -> None:
    """Read-only, nothing is recorded; promoted again, the store goes on without being opened again."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        server.ask("REPLICAOF", "127.0.0.1", "1")
        assert await refused(store.reject(draft.id, 1, "Practitioner/p1", {})) == "U-STORE-READONLY"
        server.ask("REPLICAOF", "NO", "ONE")
        assert (await store.reject(draft.id, 1, "Practitioner/p1", {})).state == "overridden"

    told(server.url, tmp_path, story)


def test_too_few_replicas_refuse(server: RedisProcess, tmp_path: Path) -> None:
    """Where a commit must reach a replica and there is none, nothing is recorded."""

    async def story(store: RedisStore) -> None:
        server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
        assert await refused(hold_one(store)) == "U-STORE-REPLICAS"
        server.ask("CONFIG", "SET", "min-replicas-to-write", "0")
        assert await store.count(["held"]) == 0

    told(server.url, tmp_path, story)


def test_a_paused_server_leaves_it_open_and_then_tells(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that got no answer is not known; once Redis goes on, it is there whole or not at all."""

    monkeypatch.setattr(redis_server, "TIMEOUT_S", 1.0)

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        prepared = prepared_bytes(draft)
        await store.prepare(draft.id, 1, prepared, None)
        server.signal(signal.SIGSTOP)
        code = await refused(store.sign(signature_of(prepared), write_back=True, detail={}))
        assert code in ("U-STORE-UNKNOWN", "U-STORE-UNREACHABLE")
        server.signal(signal.SIGCONT)
        server.waits_for("loading:0")
        signed = await store.signature(draft.id) is not None
        assert ((await store.read(draft.id)).state == "signed") is signed
        assert await store.verify() == ()

    told(server.url, tmp_path, story)


def test_a_killed_server_comes_back_with_all_that_it_acknowledged(server: RedisProcess, tmp_path: Path) -> None:
    """After SIGKILL and a new start everything is there, and the open store goes on by itself."""

    async def story(store: RedisStore) -> None:
        signed = [await sign_one(store, await hold_one(store, patient=f"Patient/{n}")) for n in range(10)]
        server.kill()
        server.start()
        for one in signed:
            assert await store.signature(one.draft) == one
        assert await store.verify() == ()
        await hold_one(store, patient="Patient/next")

    told(server.url, tmp_path, story)


def test_a_commit_whose_answer_was_lost_is_done_once(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is sent again and recognised: one signature, one entry, and the signer is told of success."""
    lost: list[bytes] = []
    whole = redis_server.Server._commit

    async def breaking(self: redis_server.Server, shard: int, args: Any) -> bytes:
        answer = await whole(self, shard, args)
        if not lost:
            lost.append(answer)
            raise NotReached("the answer was lost")
        return answer

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        prepared = prepared_bytes(draft)
        await store.prepare(draft.id, 1, prepared, None)
        monkeypatch.setattr(redis_server.Server, "_commit", breaking)
        assert (await store.sign(signature_of(prepared), write_back=True, detail={})).state == "signed"
        assert lost == [b"done"]
        assert [entry.event for entry in await store.history(draft.id)] == ["held", "prepared", "signed"]

    told(server.url, tmp_path, story)


def test_scripts_that_the_server_forgot_are_given_again(server: RedisProcess, tmp_path: Path) -> None:
    """SCRIPT FLUSH, as after a failover, is not noticed by anybody."""

    async def story(store: RedisStore) -> None:
        await hold_one(store)
        server.ask("SCRIPT", "FLUSH")
        await hold_one(store, patient="Patient/b")
        server.ask("SCRIPT", "FLUSH")
        assert await store.count(["held"]) == 2

    told(server.url, tmp_path, story)


# --- what the server itself refuses


def _sign_without_signature(tx: RedisTransaction, draft: str) -> None:
    _moved(tx, draft, "signed", "signed")


def _confirm_what_is_held(tx: RedisTransaction, draft: str) -> None:
    _moved(tx, draft, "confirmed", "confirmed")


def _call_it_by_another_state(tx: RedisTransaction, draft: str) -> None:
    _moved(tx, draft, "presented", "accepted")


def _go_back_a_version(tx: RedisTransaction, draft: str) -> None:
    _moved(tx, draft, "presented", "presented", version=0)


def _sign_what_nobody_was_shown(tx: RedisTransaction, draft: str) -> None:
    tx.add_signature(signature_of(prepared_bytes(tx.draft(draft).draft)))
    _moved(tx, draft, "signed", "signed")


def _leave_out_an_entry(tx: RedisTransaction, draft: str) -> None:
    held = tx.draft(draft)
    entry = seal((held.seq + 1, held.head), draft, tx.now, "presented", ACTOR, {"state": "presented"})
    tx.advance(held, replace(held.draft, state="presented"), entry, None)


def _moved(tx: RedisTransaction, draft: str, event: Any, state: Any, **more: Any) -> None:
    """Write what no step would: an event and a state as given."""
    held = tx.draft(draft)
    entry = seal((held.seq, held.head), draft, tx.now, event, ACTOR, {"state": state})
    tx.advance(held, replace(held.draft, state=state, **more), entry, None)


@pytest.mark.parametrize(
    "wrong",
    [
        _sign_without_signature,
        _confirm_what_is_held,
        _call_it_by_another_state,
        _go_back_a_version,
        _sign_what_nobody_was_shown,
        _leave_out_an_entry,
    ],
)
def test_the_server_itself_refuses_what_no_step_may_do(
    server: RedisProcess, tmp_path: Path, wrong: Callable[[RedisTransaction, str], None]
) -> None:
    """A fault of ours that skips the table of states, the signature or an entry writes nothing at all."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        taking = store._steps.take(Scope(shard_of_id(draft.id), (draft.id,)), lambda tx: wrong(tx, draft.id))
        assert await refused(taking, ServiceError) == "U-STORE-CONSTRAINT"
        assert await store.read(draft.id) == draft
        assert await store.verify() == ()

    told(server.url, tmp_path, story)


# --- a failover that forgets


def _fail_over(server: RedisProcess, before: Path) -> None:
    """Let a server take over that has only what was copied before."""
    server.kill()
    shutil.rmtree(server.folder)
    shutil.copytree(before, server.folder)
    server.start()


def _copy(server: RedisProcess) -> Path:
    kept = server.folder.parent / "before"
    shutil.copytree(server.folder, kept)
    return kept


def test_a_signature_that_a_failover_forgot_is_recorded_again(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lost tail had an acknowledged signature: it comes back, chained, and the EHR is searched before a write."""
    monkeypatch.setattr(redis_replay, "SETTLE_S", 0)

    async def story(store: RedisStore) -> None:
        chosen, other = await hold_one(store, patient="Patient/a"), await hold_one(store, patient="Patient/b")
        before = _copy(server)
        signature = await sign_one(store, chosen)
        await sign_one(store, other, write_back=False)
        _fail_over(server, before)
        assert await store.signature(chosen.id) == signature
        assert await store.verify() == ()
        entry = await store.claim(60)
        assert isinstance(entry, OutboxEntry)
        assert (entry.order, entry.attempts) == (signature.order, 2)
        assert await store.claim(60) is None
        events = [one.event for one in await store.history(chosen.id)]
        assert events == ["held", "prepared", "signed", "claimed", "write-failed", "claimed"]

    told(server.url, tmp_path, story)


def test_what_else_a_failover_forgot_does_not_keep_a_signature_from_being_recorded_again(
    server: RedisProcess, tmp_path: Path
) -> None:
    """An acknowledged signature comes back beside an order whose confirmation was forgotten with it."""

    async def story(store: RedisStore) -> None:
        await sign_one(store, await hold_one(store))
        entry = await store.claim(60)
        assert isinstance(entry, OutboxEntry)
        later = await hold_one(store, "facts-2")
        before = _copy(server)
        await store.finish(entry, "confirmed", {})
        signature = await sign_one(store, later)
        _fail_over(server, before)
        await store.expire()
        assert await store.signature(later.id) == signature
        assert await store.verify() == ()

    told(server.url, tmp_path, story)


@pytest.mark.parametrize("copied", ["signed", "held"])
def test_a_revocation_that_a_failover_forgot_is_recorded_again(
    server: RedisProcess, tmp_path: Path, copied: str
) -> None:
    """An acknowledged revocation comes back, with its signature where both were lost, and nothing is written."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        before = _copy(server) if copied == "held" else None
        signature = await sign_one(store, draft)
        before = before or _copy(server)
        await store.settle(draft.id, "revoked", "Practitioner/p1", {"attempts": 0, "comment": "not now"})
        _fail_over(server, before)
        assert await store.claim(60) is None
        assert (await store.read(draft.id)).state == "revoked"
        assert await store.signature(draft.id) == signature
        last = (await store.history(draft.id))[-1]
        assert (last.event, last.actor, last.detail["given"]["replayed"]) == ("revoked", "Practitioner/p1", True)
        assert await store.verify() == ()

    told(server.url, tmp_path, story)


def test_what_was_tried_again_after_its_revocation_was_lost_is_parked(server: RedisProcess, tmp_path: Path) -> None:
    """An order that another host took up meanwhile is not called revoked: a person looks, and verification names it."""

    async def story(store: RedisStore) -> None:
        signature = await sign_one(store, await hold_one(store))
        before = _copy(server)
        await store.settle(signature.draft, "revoked", "Practitioner/p1", {"attempts": 0})
        _fail_over(server, before)
        other = RedisStore(server.url, tmp_path / "of-another-host.db")
        await other.open()
        entry = await other.claim(60)
        assert isinstance(entry, OutboxEntry)
        await other.finish(entry, "write-failed", {"code": "U-EHR-UNREACHABLE"})
        await other.close()
        assert await store.claim(60) is None
        assert (await store.read(signature.draft)).state == "parked"
        (row,) = await operators.list_drafts(store, states=("parked",))
        assert "taken back" in row["to_do"][0]
        assert not any("--retry" in step for step in row["to_do"])
        assert [fault.split(": ")[1] for fault in await store.verify()] == ["U-RECEIPT-LOST"]

    told(server.url, tmp_path, story)


def test_what_was_revoked_and_comes_back_as_being_written_is_parked(server: RedisProcess, tmp_path: Path) -> None:
    """A failover that forgot how the attempt before the revocation ended lets nobody go on with it: a person looks."""

    async def story(store: RedisStore) -> None:
        signature = await sign_one(store, await hold_one(store))
        entry = await store.claim(60)
        assert isinstance(entry, OutboxEntry)
        before = _copy(server)
        await store.finish(entry, "write-failed", {"code": "U-EHR-UNREACHABLE"})
        await store.settle(signature.draft, "revoked", "Practitioner/p1", {"attempts": 1})
        _fail_over(server, before)
        assert (await store.read(signature.draft)).state == "parked"
        assert await store.claim(60) is None
        assert [fault.split(": ")[1] for fault in await store.verify()] == ["U-RECEIPT-LOST"]

    told(server.url, tmp_path, story)


def test_a_refused_revocation_leaves_no_receipt(server: RedisProcess, tmp_path: Path) -> None:
    """Of a revocation that the store refused nothing is replayed."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        assert await refused(store.settle(draft.id, "revoked", "Practitioner/p1", {"attempts": 0}), NotFound)
        assert store._receipts.told(Revoked) == []
        assert store._receipts.untold(Revoked, datetime.max.replace(tzinfo=UTC)) == []

    told(server.url, tmp_path, story)


@pytest.mark.parametrize("meanwhile", ["rejected", "never held"])
def test_a_signature_that_cannot_be_recorded_again_is_named(
    server: RedisProcess, tmp_path: Path, meanwhile: str
) -> None:
    """Where the draft has another end by then, or is not there at all, verification names what was lost."""

    async def story(store: RedisStore) -> None:
        before = _copy(server) if meanwhile == "never held" else None
        draft = await hold_one(store)
        before = before or _copy(server)
        await sign_one(store, draft)
        _fail_over(server, before)
        if meanwhile == "rejected":
            elsewhere = RedisStore(server.url, tmp_path / "elsewhere.db")
            await elsewhere.open()
            await elsewhere.reject(draft.id, 1, "Practitioner/p2", {"reason": "preference"})
            await elsewhere.close()
        assert await store.verify() == (
            f"draft {draft.id}: U-RECEIPT-LOST: its acknowledged signature is not in the store",
        )

    told(server.url, tmp_path, story)


def test_receipts_are_held_against_the_store_at_start(server: RedisProcess, tmp_path: Path) -> None:
    """A worker that starts after the failover records again what it acknowledged before."""
    kept: list[Any] = []

    async def first(store: RedisStore) -> None:
        draft = await hold_one(store)
        kept.append(_copy(server))
        kept.append(await sign_one(store, draft))

    async def second(store: RedisStore) -> None:
        assert await store.signature(kept[1].draft) == kept[1]
        assert await refused(store.sign(kept[1], write_back=True, detail={}), Conflict) == "U-DRAFT-SIGNED"
        assert await store.verify() == ()

    told(server.url, tmp_path, first)
    _fail_over(server, kept[0])
    told(server.url, tmp_path, second)


def test_what_nobody_was_told_of_is_not_recorded_again(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt whose commit got no answer, and that a failover forgot, is neither signed again nor called lost."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        before = _copy(server)
        with monkeypatch.context() as broken:
            broken.setattr(Receipts, "tell_now", _gone)
            with pytest.raises(Unavailable):
                await sign_one(store, draft)
        _fail_over(server, before)
        await store.expire()
        assert (await store.read(draft.id)).state == "held"
        assert await store.verify() == ()

    told(server.url, tmp_path, story)


def _gone(_receipts: Receipts, _identity: str) -> bool:
    raise Unavailable("U-STORE-UNKNOWN", "nobody is told")


def test_receipts_of_the_former_version_are_kept(server: RedisProcess, tmp_path: Path) -> None:
    """A file of receipts from before they were marked counts all of them as told: written only after the commit."""
    kept: list[Any] = []

    async def first(store: RedisStore) -> None:
        draft = await hold_one(store)
        kept.append(_copy(server))
        kept.append(await sign_one(store, draft))

    async def second(store: RedisStore) -> None:
        assert await store.signature(kept[1].draft) == kept[1]
        assert await store.verify() == ()

    told(server.url, tmp_path, first)
    connection = sqlite3.connect(tmp_path / "receipts.db", isolation_level=None)
    connection.execute("CREATE TABLE receipt (draft TEXT PRIMARY KEY, signed TEXT NOT NULL, body BLOB NOT NULL)")
    connection.execute("INSERT INTO receipt SELECT draft, signed, body FROM attempt")
    connection.execute("DROP TABLE attempt")
    connection.close()
    _fail_over(server, kept[0])
    told(server.url, tmp_path, second)


def test_a_receipt_that_another_worker_keeps_from_being_marked_is_marked_in_time(
    server: RedisProcess, tmp_path: Path
) -> None:
    """Where the file is locked just then the signer waits for the mark, and the receipt counts as told."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        other = sqlite3.connect(tmp_path / "receipts.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
        await sign_one(store, draft)
        other.close()
        assert [one.signature.draft for one in store._receipts.told(Signed)] == [draft.id]

    told(server.url, tmp_path, story)
