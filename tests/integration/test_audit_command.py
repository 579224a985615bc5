"""``undersign audit``: what is taken from a store is found, and the trail is written for others."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from service.cli import main
from service.drafts.signature.signing import Signer
from service.drafts.sqlite.store import SqliteStore
from tests.contract.samples import hold_one, prepared_bytes, signature_of

CONFIG = """
[server]
development = true
[store]
url = "sqlite:///store.db"
[sign]
key_file = "key.json"
[audit]
checkpoint_file = "elsewhere.jsonl"
[[ehr]]
id = "north"
name = "North"
fhir_base = "http://127.0.0.1:8050/fhir"
[ehr.cds_client]
required = false
"""
COMMENT = "afraid of gaining weight"
Command = Callable[..., tuple[int, list[str]]]


async def _filled(folder: Path) -> list[str]:
    signer, store = Signer.load_or_create(folder / "key.json"), SqliteStore(folder / "store.db")
    await store.open()
    try:
        first, second = await hold_one(store, patient="Patient/a"), await hold_one(store, patient="Patient/b")
        shown = prepared_bytes(first)
        await store.prepare(first.id, 1, shown, None)
        await store.sign(signature_of(shown, signer.sign_detached(shown.order)), write_back=True, detail={})
        await store.reject(second.id, 1, "Practitioner/p1", {"reason": "preference", "comment": COMMENT})
        await store.enter("consent", "north", "Patient/b", "entered", "Practitioner/p1", {"decision": "permit"})
        await store.enter("switch", "", "model", "off", "operator", {"state": "off"})
        return [first.id, second.id]
    finally:
        await store.close()


@pytest.fixture
def drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a store with a signed and a rejected draft, a consent and a switch; return the drafts' ids."""
    (tmp_path / "undersign.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)
    return asyncio.run(_filled(tmp_path))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run ``undersign audit`` and return its status and the lines that it printed."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        monkeypatch.setattr("sys.argv", ["undersign", "audit", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capfd.readouterr().out.splitlines()

    return run


def removed(path: Path, draft: str) -> None:
    """Take a draft out of every table, as one who owns the file could."""
    connection = sqlite3.connect(path)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if "draft" in columns:
            connection.execute(f"DELETE FROM {table} WHERE draft = ?", (draft,))
    connection.execute("DELETE FROM draft WHERE id = ?", (draft,))
    connection.commit()
    connection.close()


@pytest.mark.usefixtures("drafts")
def test_a_whole_store_is_whole_by_its_checkpoints_too(command: Command, tmp_path: Path) -> None:
    """After a checkpoint, which is a line of the file too, nothing is at fault; the same again makes none."""
    assert command("checkpoint") == (0, ["1 checkpoint(s) made over 4 chains"])
    assert command("checkpoint") == (0, ["nothing has moved"])
    assert len((tmp_path / "elsewhere.jsonl").read_text().splitlines()) == 1
    status, said = command("verify")
    assert (status, said[1][:40]) == (0, "1 checkpoint(s) in the store agree, and ")


def test_a_draft_that_was_removed_with_all_its_rows_is_found(
    command: Command, drafts: list[str], tmp_path: Path
) -> None:
    """Nothing inside the store speaks of it any more; the checkpoint does."""
    command("checkpoint")
    removed(tmp_path / "store.db", drafts[1])
    status, said = command("verify")
    gone = [line for line in said if line.startswith("checkpoint: ")]
    assert status == 1
    assert len(gone) == 1
    assert "U-CHECKPOINT-GONE" in gone[0]
    assert drafts[1] in gone[0]
    assert command("checkpoint")[0] == 1


def test_a_store_that_was_put_back_is_found_by_the_file_alone(
    command: Command, drafts: list[str], tmp_path: Path
) -> None:
    """An older copy is whole in itself, checkpoints and all: only the file outside knows more."""
    command("checkpoint")
    shutil.copy(tmp_path / "store.db", tmp_path / "older.db")

    async def later() -> None:
        store = SqliteStore(tmp_path / "store.db")
        await store.open()
        await hold_one(store, patient="Patient/c")
        await store.close()

    asyncio.run(later())
    command("checkpoint")
    for left in tmp_path.glob("store.db*"):
        left.unlink()
    shutil.copy(tmp_path / "older.db", tmp_path / "store.db")
    status, said = command("verify", "--checkpoints", "elsewhere.jsonl")
    assert status == 1
    assert sorted(line.split(": ")[1] for line in said[:-1]) == ["U-CHECKPOINT-FILE", "U-CHECKPOINT-GONE"]
    (tmp_path / "elsewhere.jsonl").unlink()
    (tmp_path / "elsewhere.jsonl").touch()
    assert command("verify")[0] == 0
    assert drafts


def test_the_trail_is_written_as_audit_events(command: Command, drafts: list[str]) -> None:
    """Each entry of each chain is one valid AuditEvent a line, and no comment is in them."""
    command("checkpoint")
    status, lines = command("export")
    events = [json.loads(line) for line in lines]
    assert status == 0
    assert {one["id"].split(".")[0] for one in events} > set(drafts)
    for one in events:
        AuditEvent.model_validate(one)
    profiles = {one["meta"]["profile"][0].rsplit(".", 1)[1] for one in events}
    assert {"PatientCreate", "PatientRead", "PatientUpdate", "Update"} == profiles
    assert COMMENT not in "".join(lines)


@pytest.mark.usefixtures("drafts")
@pytest.mark.parametrize(
    ("asked", "events"),
    [
        (("--patient", "Patient/a"), ["held", "prepared", "signed"]),
        (("--ehr", "south"), []),
        (("--from", "2999-01-01"), []),
        (("--to", "2000-01-01"), []),
        (("--patient", "Patient/b", "--ehr", "north", "--from", "2000-01-01"), ["entered", "held", "overridden"]),
    ],
)
def test_a_part_of_the_trail_is_asked_for(command: Command, asked: tuple[str, ...], events: list[str]) -> None:
    """Tenant, patient and time bound what is written."""
    status, lines = command("export", "--format", "jsonl", *asked)
    assert status == 0
    assert sorted(json.loads(line)["event"] for line in lines) == events


@pytest.mark.usefixtures("drafts")
def test_comments_are_written_when_asked_for_only(command: Command) -> None:
    """Without --comments the trail has a comment's digest; with it the words stand beside."""
    assert COMMENT not in "".join(command("export", "--format", "jsonl")[1])
    assert COMMENT in "".join(command("export", "--format", "jsonl", "--comments")[1])
    assert command("export", "--comments")[0] == 2


def test_a_decision_without_its_inputs_is_not_replayed(command: Command, drafts: list[str]) -> None:
    """A draft that was held without its inputs ends with status 2 and a code."""
    assert command("replay", drafts[0])[0] == 2
    assert command("replay", "no-such-draft")[0] == 2
