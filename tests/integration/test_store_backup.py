"""A backup is whole or is not there, and a restored store is the one that was copied."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from service.cli import main
from service.drafts.records import Signature
from service.drafts.signing import Signer
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
