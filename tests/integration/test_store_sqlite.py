"""What the SQLite store promises beyond the contract: its file, its writer, and that tampering is found."""

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from service.drafts import claims
from service.drafts.audit import seal
from service.drafts.canonical_json import dumps, load_object
from service.drafts.flags import NewAttestation
from service.drafts.records import Draft, Shown
from service.drafts.signature import signing
from service.drafts.sqlite import rows as sqlite_rows
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.sqlite import sealing as sqlite_sealing
from service.drafts.sqlite import writer as sqlite_writer
from service.drafts.sqlite.store import SqliteStore
from service.drafts.sqlite.store_time import StoreTime
from service.drafts.sqlite.writer import Writer
from service.drafts.states import STATES
from service.errors import ConfigError, Conflict, ServiceError, Unavailable
from tests.contract.samples import (
    HOUR,
    START,
    Clock,
    held_draft,
    hold_one,
    new_draft,
    prepared_bytes,
    sign_one,
    signature_of,
    with_store,
)

WORD = NewAttestation(
    ehr="north",
    patient="Patient/a",
    practitioner="Practitioner/p1",
    display="Dr Example",
    role="PractitionerRole/r1",
    assessed=START,
    result="may-open",
    review_by="Dr Example",
    review_on=date(2026, 11, 29),
)
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def untriggered(path: Path) -> sqlite3.Connection:
    """Return a connection that may write anything: no triggers, keys or checks."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA ignore_check_constraints=ON")
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    return connection


def _modes(folder: Path) -> set[int]:
    return {file.stat().st_mode & 0o777 for file in folder.iterdir()}


def opened(path: Path, clock: Clock | None = None) -> None:
    """Open and close a store."""

    async def nothing(store: SqliteStore, clock: Clock) -> None:
        await store.now()

    with_store(path, nothing, clock)


# --- the file


@posix
@pytest.mark.parametrize("before", [None, 0o644])
def test_the_file_is_this_users_own(tmp_path: Path, before: int | None):
    """The file and its log are mode 0600, also when it was there with a wider one."""
    path = tmp_path / "store.db"
    if before is not None:
        path.touch()
        path.chmod(before)

    async def story(store: SqliteStore, clock: Clock) -> None:
        await hold_one(store)
        assert _modes(tmp_path) == {0o600}

    with_store(path, story)


def test_the_promises_hold_on_every_connection(tmp_path: Path):
    """Write-ahead logging, full sync, foreign keys and no automatic checkpoint are on."""
    opened(tmp_path / "store.db")
    connection = sqlite_schema.connect(tmp_path / "store.db")
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "wal_autocheckpoint": 0}
    found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    connection.close()
    assert found == wanted


def _not_sqlite(path: Path) -> None:
    path.write_bytes(b"this is a text and no database at all" * 100)


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def _newer(path: Path) -> None:
    opened(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_not_sqlite, "U-STORE-PATH"),
        (_foreign, "U-STORE-FOREIGN"),
        (_newer, "U-STORE-VERSION"),
        (lambda path: path.mkdir(), "U-STORE-PATH"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, make: Callable[[Path], None], code: str):
    """A store does not start on a file that it cannot keep its promises on."""
    make(tmp_path / "store.db")
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path / "store.db")
    assert caught.value.code == code


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    """A path into nowhere is a setting to correct."""
    with pytest.raises(ConfigError, match="U-STORE-PATH"):
        opened(tmp_path / "nowhere" / "store.db")


def test_workers_that_start_together_share_one_new_file(tmp_path: Path):
    """Eight stores opened at once on a new file all come up, and see each other's drafts."""

    async def story() -> None:
        stores = [SqliteStore(tmp_path / "store.db") for _ in range(8)]
        await asyncio.gather(*(store.open() for store in stores))
        held = await asyncio.gather(*(hold_one(store) for store in stores))
        assert len({draft.id for draft in held}) == 1
        await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(story())


def test_one_signer_wins_over_several_stores_on_one_file(tmp_path: Path):
    """Of signers in four writers on the same file, one wins each of ten drafts."""

    async def story() -> None:
        stores = [SqliteStore(tmp_path / "store.db") for _ in range(4)]
        for store in stores:
            await store.open()
        for number in range(10):
            draft = await hold_one(stores[0], patient=f"Patient/p{number}")
            shown = [prepared_bytes(draft, f"Practitioner/p{n}") for n in range(4)]
            for store, one in zip(stores, shown, strict=True):
                await store.prepare(draft.id, 1, one, None)
            signing_now = [
                store.sign(signature_of(one), write_back=True, detail={})
                for store, one in zip(stores, shown, strict=True)
            ]
            found = await asyncio.gather(*signing_now, return_exceptions=True)
            assert len([one for one in found if isinstance(one, Draft)]) == 1
            assert [one.code for one in found if isinstance(one, Conflict)] == ["U-DRAFT-SIGNED"] * 3
        assert list(await stores[0].verify()) == []
        for store in stores:
            await store.close()

    asyncio.run(story())


# --- the writer


class _Gate:
    """Holds the writer in one job, so that the jobs after it wait for the same commit."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self.entered.set()
        assert self.open.wait(60)


async def together(writer: Writer, *works: sqlite_writer.Work[Any]) -> list[Any]:
    """Run works in one commit and return their results or errors."""
    gate = _Gate()
    first = asyncio.ensure_future(writer.submit(gate))
    assert await asyncio.to_thread(gate.entered.wait, 60)
    rest = [asyncio.ensure_future(writer.submit(work)) for work in works]
    await asyncio.sleep(0)
    gate.open.set()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


def _token(jti: str) -> sqlite_writer.Work[int]:
    def work(connection: sqlite3.Connection, now: datetime) -> int:
        return connection.execute("INSERT INTO seen_token VALUES ('i', ?, 'later')", (jti,)).rowcount

    return work


def _raising(error: Exception) -> sqlite_writer.Work[None]:
    def work(connection: sqlite3.Connection, now: datetime) -> None:
        connection.execute("INSERT INTO seen_token VALUES ('i', 'left behind', 'later')")
        raise error

    return work


def in_writer(path: Path, story: Callable[[Writer, sqlite3.Connection], Any]) -> None:
    """Run a story against a writer alone."""

    async def whole() -> None:
        sqlite_schema.prepare(path)
        connection = sqlite_schema.connect(path)
        writer = Writer(connection, StoreTime(Clock()))
        writer.start()
        try:
            await story(writer, connection)
        finally:
            await asyncio.to_thread(writer.stop)

    asyncio.run(whole())


def tokens(path: Path) -> set[str]:
    """Return the token ids in the file."""
    connection = sqlite3.connect(path)
    found = {row[0] for row in connection.execute("SELECT jti FROM seen_token")}
    connection.close()
    return found


def test_a_failing_job_does_not_spoil_its_batch(tmp_path: Path):
    """A refusal, a broken rule and a mistake each go to their own caller and leave nothing behind."""
    path = tmp_path / "store.db"

    async def story(writer: Writer, connection: sqlite3.Connection) -> None:
        found = await together(
            writer,
            _token("one"),
            _raising(Conflict("U-DRAFT-STATE", "x")),
            _raising(ZeroDivisionError()),
            _token("one"),
            _token("two"),
        )
        assert found[0] == 1
        assert [type(one) for one in found[1:4]] == [Conflict, ZeroDivisionError, ServiceError]
        assert found[3].code == "U-STORE-CONSTRAINT"
        assert found[4] == 1

    in_writer(path, story)
    assert tokens(path) == {"one", "two"}


def test_a_failing_disk_fails_the_whole_batch(tmp_path: Path):
    """When the store itself fails no job of the commit is acknowledged, and none is recorded."""
    path = tmp_path / "store.db"

    async def story(writer: Writer, connection: sqlite3.Connection) -> None:
        found = await together(writer, _token("one"), _raising(sqlite3.OperationalError("disk I/O")), _token("two"))
        assert [one.code for one in found] == ["U-STORE-FAILED"] * 3
        assert await writer.submit(_token("three")) == 1

    in_writer(path, story)
    assert tokens(path) == {"three"}


def test_a_full_disk_is_named_and_passes_when_there_is_room_again(tmp_path: Path):
    """On a full disk nothing is acknowledged; with room the same call succeeds."""

    async def story(store: SqliteStore, clock: Clock) -> None:
        assert store._writer is not None
        connection = store._writer._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")
        many = [new_draft(rank, extension=[{"url": "x" * 4000}]) for rank in range(50)]
        with pytest.raises(Unavailable) as caught:
            await store.hold("north", "Patient/example", "facts-1", many, HOUR, "Device/undersign")
        assert caught.value.code == "U-STORE-FULL"
        assert await store.count(STATES) == 0
        connection.execute("PRAGMA max_page_count=1000000")
        assert len(await store.hold("north", "Patient/example", "facts-1", many, HOUR, "Device/undersign")) == 50

    with_store(tmp_path / "store.db", story)


def test_a_store_that_another_process_holds_is_named(tmp_path: Path):
    """A lock that is not given up in time is U-STORE-LOCKED, and reads go on meanwhile."""
    path = tmp_path / "store.db"

    async def story(store: SqliteStore, clock: Clock) -> None:
        draft = await hold_one(store)
        assert store._writer is not None
        store._writer._connection.execute("PRAGMA busy_timeout=20")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as caught:
            await store.mark([draft.id], "presented", "Device/undersign", {})
        assert caught.value.code == "U-STORE-LOCKED"
        assert (await store.read(draft.id)).state == "held"
        other.execute("ROLLBACK")
        other.close()
        await store.mark([draft.id], "presented", "Device/undersign", {})

    with_store(path, story)


def test_too_much_waiting_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Beyond its limit the queue refuses, and what was taken is still done."""
    monkeypatch.setattr(sqlite_writer, "WAITING", 3)

    async def story(writer: Writer, connection: sqlite3.Connection) -> None:
        found = await together(writer, *(_token(str(number)) for number in range(5)))
        assert [one if one == 1 else one.code for one in found] == [1, 1, 1, "U-STORE-BUSY", "U-STORE-BUSY"]

    in_writer(tmp_path / "store.db", story)


def test_what_is_queued_is_finished_before_closing(tmp_path: Path):
    """Closing waits for the jobs that were taken."""
    path = tmp_path / "store.db"

    async def story() -> None:
        store = SqliteStore(path)
        await store.open()
        holding = [asyncio.ensure_future(hold_one(store, patient=f"Patient/p{n}")) for n in range(200)]
        await asyncio.sleep(0)
        await store.close()
        assert len(await asyncio.gather(*holding)) == 200

    asyncio.run(story())


def _changes(path: Path, before: bytes) -> bool:
    """Tell whether the file's own pages change, sooner or later."""
    for _ in range(6000):
        time.sleep(0.01)
        if path.read_bytes() != before:
            return True
    return False


def test_the_log_is_copied_back_when_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An idle moment after writing checkpoints the log, without anybody asking."""
    monkeypatch.setattr(sqlite_writer, "IDLE_S", 0.01)
    path = tmp_path / "store.db"

    async def story(store: SqliteStore, clock: Clock) -> None:
        before = await asyncio.to_thread(path.read_bytes)
        await hold_one(store)
        assert await asyncio.to_thread(_changes, path, before)

    with_store(path, story)


@pytest.mark.parametrize("version", range(1, len(sqlite_schema.MIGRATIONS)))
def test_a_file_of_an_older_version_is_brought_up_to_date(tmp_path: Path, version: int):
    """A store of any version before opens with its drafts whole, and takes what came later."""
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for migration in sqlite_schema.MIGRATIONS[:version]:
        for statement in migration:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={version}")
    connection.execute(f"PRAGMA application_id={sqlite_schema.APPLICATION_ID}")
    draft = _as_the_first_version_wrote(connection)
    connection.close()

    async def story(store: SqliteStore, clock: Clock) -> None:
        assert list(await store.verify()) == []
        assert (await store.read(draft.id)) == draft
        await store.attest(WORD, {})
        await store.enter("consent", "north", draft.patient, "entered", "Practitioner/p1", {"decision": "deny"})
        assert (await store.read(draft.id)).state == "withdrawn"
        assert list(await store.verify()) == []

    with_store(path, story)


def _as_the_first_version_wrote(connection: sqlite3.Connection) -> Draft:
    """Write a held draft in the tables that every version has; return it."""
    sqlite_sealing.register(connection, None)
    draft = replace(held_draft(), state="held")
    sqlite_rows.insert(connection, draft)
    said = {**claims.of_draft(draft), **claims.of_revision(1, draft.resource), "state": "held"}
    entry = seal(None, draft.id, START, "held", "Device/undersign", said)
    connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sqlite_rows.entry_values(entry))
    connection.execute("UPDATE draft SET seq = 1, head = ?", (entry.hash,))
    return draft


# --- tampering


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A store in which every audited table has rows, and the keys of its signatures."""
    folder = tmp_path_factory.mktemp("rich")
    signer = signing.load_or_create(folder / "key.json")

    async def story(store: SqliteStore, clock: Clock) -> None:
        draft = await hold_one(store)
        await store.mark([draft.id], "presented", "Device/undersign", {"card": "card-1"})
        await store.card("card-1", "north", [draft.id], {"topic": "options"})
        shown = prepared_bytes(draft, version=2)
        await store.prepare(draft.id, 1, shown, dumps({**load_object(draft.resource), "priority": "routine"}))
        await store.sign(
            signature_of(shown, signer.sign_detached(shown.order)),
            write_back=True,
            detail={"comment": "as agreed"},
        )
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
        await store.enter("consent", "north", "Patient/b", "entered", "Practitioner/p1", {"decision": "permit"})

    with_store(folder / "store.db", story)
    return folder / "store.db", signer.public_jwks()


def faults(path: Path, jwks: dict[str, Any]) -> list[str]:
    """Return what verification finds."""

    async def story(store: SqliteStore, clock: Clock) -> list[str]:
        return list(await store.verify(jwks))

    return with_store(path, story)


AUDITED = (
    *("draft", "revision", "prepared", "signature", "outbox", "audit", "comment", "card"),
    *("flag", "flag_audit", "alarm", "attestation", "register", "register_audit"),
)


def _columns() -> list[tuple[str, str]]:
    connection = sqlite3.connect(":memory:")
    for migration in sqlite_schema.MIGRATIONS:
        for statement in migration:
            connection.execute(statement)
    found = [
        (table, row[1]) for table in AUDITED for row in connection.execute(f"PRAGMA table_info({table})").fetchall()
    ]
    connection.close()
    return found


def test_the_untouched_store_is_whole(rich: tuple[Path, dict[str, Any]]):
    """Nothing is found where nothing was changed."""
    assert faults(*rich) == []


@pytest.mark.parametrize(("table", "column"), _columns())
def test_a_change_to_any_column_is_found(rich: tuple[Path, dict[str, Any]], tmp_path: Path, table: str, column: str):
    """Whoever can write to the file cannot change one value of an audited row unseen."""
    path = tmp_path / "store.db"
    shutil.copy(rich[0], path)
    connection = untriggered(path)
    changed = f"CASE typeof({column}) WHEN 'integer' THEN {column} + 100 WHEN 'null' THEN 'x'"
    text = f"CASE WHEN substr({column}, 1, 1) = '1' THEN '2' ELSE '1' END || substr({column}, 2)"
    blob = f"CAST('1' || substr(CAST({column} AS TEXT), 2) AS BLOB)"
    changed += f" WHEN 'text' THEN {text} ELSE {blob} END"
    named = {"audit": "seq", "flag_audit": "seq", "register_audit": "seq", "outbox": "draft", "prepared": "draft"}
    key = named.get(table, "rowid")
    first = f"(SELECT min({key}) FROM {table})"
    touched = connection.execute(f"UPDATE {table} SET {column} = {changed} WHERE {key} = {first}").rowcount
    connection.close()
    assert touched
    assert faults(path, rich[1])


@pytest.mark.parametrize("table", AUDITED)
def test_a_row_taken_away_is_found(rich: tuple[Path, dict[str, Any]], tmp_path: Path, table: str):
    """Deleting what the chain speaks of shows; only prepared bytes that nobody signed may go."""
    path = tmp_path / "store.db"
    shutil.copy(rich[0], path)
    connection = untriggered(path)
    connection.execute(f"DELETE FROM {table}")
    connection.close()
    assert bool(faults(path, rich[1])) == (table != "prepared")


def test_a_signature_slipped_in_is_found(rich: tuple[Path, dict[str, Any]], tmp_path: Path):
    """A forged signature row on a held draft, with its write-back, does not pass for a signed draft."""
    path = tmp_path / "store.db"
    shutil.copy(rich[0], path)
    connection = untriggered(path)
    victim = connection.execute("SELECT id FROM draft WHERE state = 'held'").fetchone()[0]
    connection.execute(
        "INSERT INTO signature SELECT ?, version, digest, practitioner, 'other', order_bytes, jws,"
        " provenance, signed FROM signature",
        (victim,),
    )
    connection.execute("INSERT INTO outbox VALUES (?, '2026', 0, NULL, '{}')", (victim,))
    connection.execute("UPDATE draft SET state = 'signed', signed = 1, signature = id WHERE id = ?", (victim,))
    connection.close()
    found = [fault for fault in faults(path, rich[1]) if victim in fault]
    codes = {fault.split(": ")[1] for fault in found}
    assert {"U-AUDIT-UNCLAIMED", "U-AUDIT-STATE", "U-SIG-DRAFT"} <= codes


def test_the_database_itself_refuses_a_signed_draft_without_a_signature(
    rich: tuple[Path, dict[str, Any]], tmp_path: Path
):
    """No statement, whoever runs it with the checks on, makes a draft signed without a signature row."""
    path = tmp_path / "store.db"
    shutil.copy(rich[0], path)
    connection = sqlite_schema.connect(path)
    for change in (
        "state = 'signed'",
        "state = 'signed', signed = 1",
        "state = 'signed', signed = 1, signature = id",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(f"UPDATE draft SET {change}, seq = seq + 1 WHERE state = 'held'")
    for statement in (
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "DELETE FROM signature",
        "UPDATE attestation SET result = 'may-open'",
        "DELETE FROM attestation",
        "DELETE FROM alarm",
        "UPDATE flag_audit SET actor = 'x'",
        "DELETE FROM flag",
        "UPDATE flag SET seq = seq - 1",
        "UPDATE signature SET jws = 'x'",
        "DELETE FROM draft",
        "UPDATE draft SET version = version - 1, seq = seq + 1",
        "INSERT INTO signature SELECT * FROM signature",
        "INSERT INTO outbox SELECT * FROM outbox",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()


def test_a_signature_by_a_key_that_is_not_ours_is_found(rich: tuple[Path, dict[str, Any]], tmp_path: Path):
    """Verification with other keys names the signature, without keys it still checks the digests."""
    other = signing.load_or_create(tmp_path / "other.json").public_jwks()
    assert [fault.split(": ")[1] for fault in faults(rich[0], other)] == ["U-SIG-KEY"]
    assert faults(rich[0], None) == []  # type: ignore[arg-type]


def test_a_draft_of_an_unsound_signature_is_named_by_its_id(tmp_path: Path):
    """A fault line starts with the draft, then its code."""

    async def story(store: SqliteStore, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        await store.sign(replace(signature_of(shown), jws="elsewhere"), write_back=False, detail={})
        (fault,) = await store.verify()
        assert fault.startswith(f"draft {draft.id}: U-SIG-PROVENANCE: ")
        signed = await sign_one(store, await hold_one(store, patient="Patient/b"))
        assert not [line for line in await store.verify() if signed.draft in line]

    with_store(tmp_path / "store.db", story)
