"""What a failover of Redis forgot of consents and switches comes back, and never over what was said later."""

import asyncio
import inspect
import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from service.drafts.flags import NewAttestation
from service.drafts.records import AuditEntry
from service.drafts.redis.receipts import Receipts
from service.drafts.redis.server import Server
from service.drafts.redis.store import RedisStore
from service.drafts.registers import Registered
from service.drafts.states import SIGNED
from service.drafts.vault import Vault
from service.errors import Conflict, ServiceError, Unavailable
from service.switches import in_force, records
from tests.contract import samples
from tests.contract.redis_process import RedisProcess
from tests.contract.samples import HOUR, hold_one, new_draft, prepared_bytes, sign_one, signature_of
from tests.contract.stores import vault as keys

PATIENT, ACTOR = "Patient/example", "Practitioner/p1"
Act = Callable[[RedisStore], Coroutine[Any, Any, Any]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    """A server of this test's own."""
    with RedisProcess(tmp_path / "redis") as running:
        yield running


def on(server: RedisProcess, host: Path, act: Act, vault: Vault | None = None) -> Any:
    """Do something on a host, whose receipts are in a folder, with the store open."""

    host.mkdir(exist_ok=True)

    async def whole() -> Any:
        store = RedisStore(server.url, host / "receipts.db", vault=vault)
        await store.open()
        try:
            return await act(store)
        finally:
            await store.close()

    return asyncio.run(whole())


def copied(server: RedisProcess, name: str = "before") -> Path:
    """Return a copy of what the server has on its disk now."""
    kept = server.folder.parent / name
    shutil.copytree(server.folder, kept)
    return kept


def fail_over(server: RedisProcess, before: Path) -> None:
    """Let a server take over that has only what was copied before."""
    server.kill()
    shutil.rmtree(server.folder)
    shutil.copytree(before, server.folder)
    server.start()


def word(decision: str) -> Act:
    """Return the entry of what the patient says."""
    detail = {"decision": decision, "told_by": "patient"}
    return lambda store: store.enter("consent", "north", PATIENT, "recorded", ACTOR, detail)


def switch(subject: str, *, pulled: bool, ehr: str = "north") -> Act:
    """Return the pulling of a switch, or its putting back."""
    return lambda store: records.pull(store, subject, ehr, ACTOR, "reviewed", pulled=pulled)


def attestation() -> NewAttestation:
    """Return a practitioner's word that the patient's risk was assessed."""
    return NewAttestation(
        ehr="north",
        patient=PATIENT,
        practitioner=ACTOR,
        display="Dr Example",
        role="PractitionerRole/r1",
        assessed=samples.START,
        result="may-open",
        review_by="Dr Example",
        review_on=date(2026, 11, 29),
    )


async def elsewhere(server: RedisProcess, folder: Path, act: Act) -> Any:
    """Do something on another host, which has no receipts, while this one goes on."""
    store = RedisStore(server.url, folder / "elsewhere.db")
    await store.open()
    try:
        return await act(store)
    finally:
        await store.close()


def both(*acts: Act) -> Act:
    """Return one act after another."""

    async def done(store: RedisStore) -> None:
        for act in acts:
            await act(store)

    return done


async def chains(store: RedisStore) -> Sequence[Sequence[AuditEntry]]:
    """Return the chains of all consents and switches."""
    found: list[Registered] = [*await store.registered("consent"), *await store.registered("switch")]
    return [await store.entries(one.id) for one in found]


async def decision(store: RedisStore) -> str | None:
    """Return the patient's word that stands."""
    found = await store.registered("consent", ehr="north", subject=PATIENT)
    return found[0].entry.detail["decision"] if found else None


async def faults(store: RedisStore) -> Sequence[str]:
    """Return what verification finds."""
    return await store.verify()


DENY, PERMIT = word("deny"), word("permit")
STOP, START = switch("tenant", pulled=True), switch("tenant", pulled=False)
EVERYWHERE = switch("drug:citalopram", pulled=True, ehr="")


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(
    ("before", "lost"),
    [
        ((), (DENY,)),
        ((), (STOP, EVERYWHERE)),
        ((PERMIT,), (DENY,)),
        ((DENY,), (PERMIT,)),
        ((PERMIT, DENY), (PERMIT, DENY)),
        ((STOP,), (START, STOP)),
        ((DENY, STOP), (START,)),
    ],
)
def test_an_acknowledged_entry_that_a_failover_forgot_comes_back_as_it_was(
    server: RedisProcess, tmp_path: Path, before: Sequence[Act], lost: Sequence[Act], sealed: bool
) -> None:
    """The lost tail of a chain is entered again with its times and hashes, once, before anything is read."""
    host, vault = tmp_path / "host", keys() if sealed else None

    async def story(store: RedisStore) -> Sequence[Sequence[AuditEntry]]:
        await both(*before)(store)
        kept = copied(server)
        await both(*lost)(store)
        whole = await chains(store)
        fail_over(server, kept)
        for _ in range(2):
            assert await chains(store) == whole
            await store.expire()
        assert await store.verify() == ()
        return whole

    whole = on(server, host, story, vault)
    assert on(server, host, chains, vault) == whole
    fail_over(server, tmp_path / "before")
    assert on(server, host, chains, vault) == whole


def test_a_denial_that_comes_back_withdraws_what_came_back_with_the_failover(
    server: RedisProcess, tmp_path: Path
) -> None:
    """The drafts that the denial had withdrawn are withdrawn again, and none is held until the patient permits it."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        kept = copied(server)
        await DENY(store)
        fail_over(server, kept)
        assert (await store.read(draft.id)).state == "withdrawn"
        with pytest.raises(IndexError):
            await hold_one(store, "facts-2")
        assert await store.verify() == ()

    on(server, tmp_path / "host", story)


def test_a_signature_before_a_denial_comes_back_with_it(server: RedisProcess, tmp_path: Path) -> None:
    """What was signed before the patient denied stays signed when both were forgotten: the denial ends what is not."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        kept = copied(server)
        signature = await sign_one(store, draft)
        await DENY(store)
        fail_over(server, kept)
        await store.expire()
        assert await store.signature(draft.id) == signature
        assert await decision(store) == "deny"
        assert await store.verify() == ()

    on(server, tmp_path / "host", story)


@pytest.mark.parametrize(("lost", "later"), [(DENY, PERMIT), (PERMIT, DENY), (DENY, DENY), (PERMIT, PERMIT)])
@pytest.mark.parametrize("first", [(), (PERMIT,)])
def test_what_was_said_after_the_failover_stands(
    server: RedisProcess, tmp_path: Path, lost: Act, later: Act, first: Sequence[Act]
) -> None:
    """An entry from before the failover is not put over one from after it, whatever the two say: it is named."""

    async def story(store: RedisStore) -> None:
        await both(*first)(store)
        kept = copied(server)
        gone = await lost(store)
        fail_over(server, kept)
        newer = await elsewhere(server, tmp_path, later)
        assert await store.registered("consent") == [newer]
        assert await store.entries(newer.id) == (await chains(store))[0]
        assert [one.hash for one in (await chains(store))[0]].count(gone.entry.hash) == 0
        assert await store.verify() == (
            f"register {gone.id}: U-RECEIPT-LOST: its acknowledged entry {gone.entry.seq} is not in the store",
        )

    on(server, tmp_path / "host", story)


def test_a_denial_after_entries_that_only_another_host_knows_is_entered_anew(
    server: RedisProcess, tmp_path: Path
) -> None:
    """Its predecessor is lost too: the denial stands at once, under a new number, and says which one it was."""
    here, there = tmp_path / "here", tmp_path / "there"
    on(server, there, word("permit"))
    kept = copied(server)
    on(server, there, word("permit"))
    lost = on(server, here, DENY)
    fail_over(server, kept)
    for _ in range(2):
        assert on(server, here, decision) == "deny"
        assert on(server, here, faults) == ()
    (chain,) = on(server, here, chains)
    assert [one.seq for one in chain] == [1, 2]
    assert chain[-1].detail["replayed"] == lost.entry.hash
    # The other host's permission is older: it does not undo the denial, and is named there.
    assert on(server, there, decision) == "deny"
    (named,) = on(server, there, faults)
    assert "U-RECEIPT-LOST: its acknowledged entry 2" in named


def test_a_stop_whose_register_was_made_anew_is_entered_in_the_new_one(server: RedisProcess, tmp_path: Path) -> None:
    """A register that the failover forgot as a whole, with entries of another host, is stopped again at once."""
    here, there = tmp_path / "here", tmp_path / "there"
    kept = copied(server)
    on(server, there, both(STOP, START))
    on(server, here, STOP)
    fail_over(server, kept)
    found = on(server, here, lambda store: in_force.of(store, "north"))
    assert found.tenant is not None
    assert on(server, here, faults) == ()


@pytest.mark.parametrize("lost", [PERMIT, START])
def test_a_permission_after_entries_that_only_another_host_knows_is_not_entered(
    server: RedisProcess, tmp_path: Path, lost: Act
) -> None:
    """What lets something be done is never entered anew, since what it followed is not known: it is named."""
    here, there = tmp_path / "here", tmp_path / "there"
    on(server, there, both(PERMIT, STOP, START))
    kept = copied(server)
    on(server, there, both(DENY, STOP))
    on(server, here, lost)
    fail_over(server, kept)
    assert len(on(server, here, faults)) == 1
    assert [len(chain) for chain in on(server, here, chains)] == [1, 2]
    assert on(server, there, decision) == "deny"
    assert on(server, there, faults) == ()


def test_only_the_last_word_that_a_host_knows_is_entered_anew(server: RedisProcess, tmp_path: Path) -> None:
    """A denial that the patient took back later on the same host does not come back without what took it back."""
    here, there = tmp_path / "here", tmp_path / "there"
    on(server, there, PERMIT)
    kept = copied(server)
    on(server, there, PERMIT)
    on(server, here, both(DENY, PERMIT))
    fail_over(server, kept)
    assert on(server, here, decision) == "permit"
    assert len(on(server, here, faults)) == 2
    (chain,) = on(server, there, chains)
    assert len(chain) == 2


def test_both_hosts_bring_back_what_each_acknowledged(server: RedisProcess, tmp_path: Path) -> None:
    """Host by host, in the order of the chain, the lost tail is whole again."""
    here, there = tmp_path / "here", tmp_path / "there"
    kept = copied(server)
    on(server, there, PERMIT)
    on(server, here, DENY)
    (whole,) = on(server, here, chains)
    fail_over(server, kept)
    on(server, there, chains)
    assert on(server, here, chains) == [whole]
    assert (on(server, here, faults), on(server, there, faults)) == ((), ())


def test_workers_that_bring_back_the_same_entries_at_once_do_it_once(server: RedisProcess, tmp_path: Path) -> None:
    """Two workers of a host, with one file of receipts, find the failover at the same moment: the chain is whole."""
    host = tmp_path / "host"

    async def story(store: RedisStore) -> None:
        kept = copied(server)
        await both(DENY, PERMIT, DENY, STOP, START, STOP)(store)
        whole = await chains(store)
        other = RedisStore(server.url, host / "receipts.db")
        await other.open()
        fail_over(server, kept)
        await asyncio.gather(store.expire(), other.expire())
        assert await chains(store) == whole
        assert await other.verify() == ()
        await other.close()

    on(server, host, story)


@pytest.mark.parametrize("what", ["sign", "hold", "switches", "verify", "read", "new connection"])
def test_nothing_is_decided_on_the_server_that_took_over_before_it_knows(
    server: RedisProcess, tmp_path: Path, what: str
) -> None:
    """The first thing that is asked after a failover meets the denial and the stop that were acknowledged before."""

    async def story(store: RedisStore) -> None:
        draft = await hold_one(store)
        prepared = prepared_bytes(draft)
        await store.prepare(draft.id, draft.version, prepared, None)
        kept = copied(server)
        await both(DENY, STOP)(store)
        fail_over(server, kept)
        if what == "sign":
            with pytest.raises(Conflict):
                await store.sign(signature_of(prepared), write_back=True, detail={})
        elif what == "hold":
            holding = store.hold("north", PATIENT, "facts-2", [new_draft()], HOUR, ACTOR)
            assert await holding == []
        elif what == "read":
            assert (await store.read(draft.id)).state == "withdrawn"
        elif what == "new connection":
            # As where all connections were closed for being idle, before the failover.
            await store._server._client.connection_pool.disconnect()
            assert (await store.read(draft.id)).state == "withdrawn"
        elif what == "switches":
            assert (await in_force.of(store, "north")).tenant is not None
        assert await store.count(SIGNED) == 0
        assert await store.verify() == ()

    on(server, tmp_path / "host", story)


@pytest.mark.parametrize("sealed", [False, True])
def test_what_cannot_be_read_does_not_keep_the_store_from_being_opened_and_verified(
    server: RedisProcess, tmp_path: Path, sealed: bool
) -> None:
    """Nonsense in a signed draft and in a register stops no start: verification names both, and their receipts."""
    host, vault = tmp_path / "host", keys() if sealed else None

    async def story(store: RedisStore) -> tuple[str, str]:
        signed = await sign_one(store, await hold_one(store, patient="Patient/other"))
        await STOP(store)
        return signed.draft, (await DENY(store)).id

    draft, register = on(server, host, story, vault)
    signature, chain = f"undersign:{{s{draft[0]}}}:g:{draft}", f"undersign:{{s{register[0]}}}:e:{register}"
    server.ask("HSET", signature, "provenance", b"\x01us1?", "version", "?")
    server.ask("LSET", chain, "-1", server.ask("LINDEX", chain, "-1")[:-20])
    found = on(server, host, faults, vault)
    assert {fault.split(": ")[0] for fault in found} == {f"draft {draft}", f"register {register}"}
    assert sum("U-RECEIPT-LOST" in fault for fault in found) == 2


class Died(Exception):
    """The process ends here."""


def dying(function: Callable[..., Any], when: str) -> Callable[..., Any]:
    """Return a function that ends the process before it does anything, or when it has done it."""

    def done(*args: Any, **more: Any) -> Any:
        if inspect.iscoroutinefunction(function):
            return then(function, *args, **more)
        if when == "after":
            function(*args, **more)
        raise Died

    async def then(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **more: Any) -> None:
        if when == "after":
            await function(*args, **more)
        raise Died

    return done


@pytest.mark.parametrize("what", ["sign", "reject", "deny", "stop", "attest"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "point"), [(Receipts, "keep"), (Server, "commit"), (Receipts, "tell_now")])
def test_wherever_a_worker_dies_only_what_was_told_comes_back_after_a_failover(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, point: str, when: str, what: str
) -> None:
    """Receipt and commit go side by side: before both are done and marked, nothing is recorded again by itself."""
    host = tmp_path / "host"
    kept: list[Any] = []

    async def killed(store: RedisStore) -> None:
        draft = await hold_one(store, patient="Patient/other")
        kept.append(copied(server))
        prepared = prepared_bytes(draft)
        await store.prepare(draft.id, draft.version, prepared, None)
        acts: dict[str, Act] = {
            "sign": lambda store: store.sign(signature_of(prepared), write_back=True, detail={}),
            "reject": lambda store: store.reject(draft.id, None, ACTOR, {"reason": "preference"}),
            "deny": DENY,
            "stop": STOP,
            "attest": lambda store: store.attest(attestation(), {"assertion": {}}),
        }
        with monkeypatch.context() as broken:
            broken.setattr(owner, point, dying(getattr(owner, point), when))
            with pytest.raises((Died, Unavailable)):
                await acts[what](store)
        kept.append(await is_there(store))

    async def is_there(store: RedisStore) -> bool:
        found = (
            await store.registered("consent"),
            await store.registered("switch"),
            await store.count(SIGNED),
            await store.count(["overridden"]),
            await store.attestations("north", PATIENT),
        )
        assert sum(bool(one) for one in found) <= 1
        return any(found)

    on(server, host, killed)
    assert kept[1] == (point != "commit" or when == "after")
    assert on(server, host, is_there) == kept[1]
    fail_over(server, kept[0])
    assert on(server, host, is_there) == (point == "tell_now" and when == "after")
    assert on(server, host, faults) == ()


def test_an_entry_that_nobody_was_told_of_is_not_entered_again(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt whose commit got no answer is neither replayed nor called lost; so is one that was refused."""

    async def story(store: RedisStore) -> None:
        await PERMIT(store)
        kept = copied(server)
        refusing = store.enter("consent", "north", PATIENT, "recorded", ACTOR, {"decision": "deny"}, after=0)
        with pytest.raises(Conflict):
            await refusing
        with monkeypatch.context() as broken:
            broken.setattr(Receipts, "tell_now", _gone)
            with pytest.raises(Unavailable):
                await DENY(store)
        fail_over(server, kept)
        await store.expire()
        assert await decision(store) == "permit"
        assert await store.verify() == ()

    on(server, tmp_path / "host", story)


def _gone(_receipts: Receipts, _identity: str) -> bool:
    raise Unavailable("U-STORE-UNKNOWN", "nobody is told")


def test_nobody_is_told_of_an_entry_whose_receipt_cannot_be_written(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host whose disk takes no receipt answers U-STORE-UNKNOWN, though the entry is in the store."""

    async def story(store: RedisStore) -> None:
        monkeypatch.setattr(Receipts, "keep", _full)
        with pytest.raises(ServiceError) as told:
            await DENY(store)
        assert told.value.code == "U-STORE-UNKNOWN"
        assert await decision(store) == "deny"

    on(server, tmp_path / "host", story)


async def _full(_receipts: Receipts, _identity: str, _ehr: str, _receipt: object) -> None:
    raise Unavailable("U-STORE-FULL", "the disk is full")


def test_what_only_counts_has_no_receipt(server: RedisProcess, tmp_path: Path) -> None:
    """Evaluations in the shadow and checkpoints are entered without one: nothing that holds is lost with them."""

    async def story(store: RedisStore) -> None:
        subject = f"{in_force.COUNTED}psychotropic-options"
        await store.enter("switch", "north", subject, "evaluated", ACTOR, {"outcome": "cards"})
        await store.enter("checkpoint", "", "all", "checkpoint", ACTOR, {"changed": []})
        await STOP(store)

    on(server, tmp_path / "host", story)
    with sqlite3.connect(tmp_path / "host" / "receipts.db") as file:
        assert file.execute("SELECT count(*) FROM entered").fetchall() == [(1,)]
