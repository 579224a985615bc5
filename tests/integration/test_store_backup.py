"""A backup is whole or is not there; a restored store is what was copied, and nothing in it goes on by itself."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.cli import main
from service.drafts import operators
from service.drafts.commit import outbox_steps
from service.drafts.commit.outbox_steps import RESTORED
from service.drafts.records import AuditEntry, OutboxEntry, Signature
from service.drafts.signature.signing import Signer
from service.drafts.sqlite import backup
from service.drafts.sqlite.restoring import Restored
from service.drafts.sqlite.store import SqliteStore
from tests.contract.samples import hold_one, prepared_bytes, signature_of

CONFIG = """
[server]
development = true
[store]
url = "sqlite:///store.db"
[sign]
key_file = "key.json"
"""
Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run ``undersign`` in a folder with a configuration and a store in which one draft is signed."""
    (tmp_path / "undersign.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    asyncio.run(_signed(tmp_path))

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["undersign", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


async def _signed(folder: Path, patient: str = "Patient/a") -> Signature:
    signer, store = Signer.load_or_create(folder / "key.json"), SqliteStore(folder / "store.db")
    await store.open()
    try:
        draft = await hold_one(store, patient=patient)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        signature = signature_of(shown, signer.sign_detached(shown.order))
        await store.sign(signature, write_back=True, detail={})
        await store.enter("consent", "north", patient, "entered", "Practitioner/p1", {"decision": "permit"})
        return signature
    finally:
        await store.close()


async def _consents(folder: Path) -> set[str]:
    store = SqliteStore(folder / "store.db")
    await store.open()
    try:
        return {one.subject for one in await store.registered("consent")}
    finally:
        await store.close()


def _ids(capsys: pytest.CaptureFixture[str]) -> set[str]:
    return {row["id"] for row in json.loads(capsys.readouterr().out)}


def test_a_restored_store_is_the_one_that_was_copied(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came after the backup is gone, what was in it is there and verifies; the copy is the user's own."""
    assert command("store", "backup", "monday.db") == 0
    assert capsys.readouterr().out == "whole: 1 drafts, 1 signatures, 4 entries in monday.db\n"
    assert (tmp_path / "monday.db").stat().st_mode & 0o777 == 0o600
    command("drafts", "list", "--json")
    before = _ids(capsys)
    asyncio.run(_signed(tmp_path, "Patient/later"))
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    assert command("store", "restore", "monday.db") == 0
    assert command("audit", "verify") == 0
    capsys.readouterr()
    command("drafts", "list", "--json")
    assert _ids(capsys) == before
    assert asyncio.run(_consents(tmp_path)) == {"Patient/a"}


def test_nothing_is_written_over(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup onto a file, a restore onto a store and a restore from nothing are refused by a code."""
    assert command("store", "backup", "monday.db") == 0
    capsys.readouterr()
    for arguments in (("backup", "monday.db"), ("restore", "monday.db"), ("restore", "tuesday.db")):
        assert command("store", *arguments) == 2
        assert capsys.readouterr().err.startswith("U-BACKUP-FILE: ")


def test_a_copy_with_a_fault_is_not_left(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A store that was tampered with is not passed on as a backup; the fault is named."""
    connection = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    connection.execute("DROP TRIGGER audit_no_update")
    connection.execute("UPDATE audit SET actor = 'Practitioner/p9' WHERE event = 'signed'")
    connection.close()
    assert command("store", "backup", "monday.db") == 2
    assert "U-BACKUP-FAULTS: " in capsys.readouterr().err
    assert list(tmp_path.glob("monday.db*")) == []


def test_a_restored_store_signs_and_writes_nothing_by_itself(tmp_path: Path) -> None:
    """What was unsigned at the backup is withdrawn in the restored store, and what was to be written is parked."""
    found = asyncio.run(_restored(tmp_path))
    assert found.states == {"Patient/signed": "parked", "Patient/failed": "parked", "Patient/held": "withdrawn"}
    assert found.codes == {RESTORED}
    assert found.claimed is None
    assert (found.restored.withdrawn, found.restored.parked, found.restored.report.faults) == (1, 2, ())
    assert found.restored.last is not None


def test_an_operator_is_told_what_a_restored_order_needs(tmp_path: Path) -> None:
    """A parked order of a restored store names what to do, and may have been sent: the EHR is asked before it goes."""
    found = asyncio.run(_restored(tmp_path))
    assert any("put back from a backup" in step for step in found.row["to_do"])
    assert outbox_steps.may_be_sent(found.history)
    assert found.released.attempts > 1


@dataclass(frozen=True, slots=True)
class Found:
    """What a restored store holds of the three drafts that were in its backup."""

    restored: Restored
    states: Mapping[str, str]
    codes: set[str]
    claimed: OutboxEntry | None
    row: Mapping[str, Any]
    history: Sequence[AuditEntry]
    released: OutboxEntry


async def _restored(folder: Path) -> Found:
    signature = await _signed(folder, "Patient/failed")
    store = SqliteStore(folder / "store.db")
    await store.open()
    entry = await store.claim(60)
    assert entry is not None
    await store.finish(entry, "write-failed", {"code": "U-EHR-UNREACHABLE"})
    await hold_one(store, patient="Patient/held")
    await store.close()
    await _signed(folder, "Patient/signed")
    backup.backup(folder / "store.db", folder / "copy.db", None, None)
    restored = backup.restore(folder / "copy.db", folder / "again.db", None, None)
    store = SqliteStore(folder / "again.db")
    await store.open()
    try:
        drafts = await store.find()
        last = [(await store.history(draft.id))[-1] for draft in drafts]
        claimed, history = await store.claim(60), await store.history(signature.draft)
        row = await operators.show_draft(store, signature.draft)
        await store.settle(signature.draft, "released", "operator:tests", {"comment": "it still stands"})
        released = await store.claim(60)
        assert released is not None
        return Found(
            restored,
            {draft.patient: draft.state for draft in drafts},
            {one.detail["given"]["code"] for one in last},
            *(claimed, row, history, released),
        )
    finally:
        await store.close()


def test_the_command_says_what_a_restore_has_lost(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """The restore prints the time of the last entry and that what was decided since has to be entered again."""
    command("store", "backup", "monday.db")
    for file in Path().glob("store.db*"):
        file.unlink()
    capsys.readouterr()
    assert command("store", "restore", "monday.db") == 0
    told = capsys.readouterr().out
    assert "0 unsigned drafts withdrawn; 1 open orders parked" in told
    assert "What was decided since is lost" in told
