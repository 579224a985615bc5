"""The store and the commands on who looked at what: an older file, sealing, export, and removing old years."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from service.cli import main
from service.drafts.signature.signing import Signer
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.sqlite.store import SqliteStore
from service.drafts.sqlite.store_time import StoreTime
from service.drafts.sqlite.tables import MIGRATIONS
from service.drafts.trail import access
from service.drafts.trail.access import Asked
from service.drafts.vault import Vault
from service.errors import ServiceError
from service.fhir.audit_parts import PROFILES
from tests.contract.samples import Clock, hold_one, practitioner
from tests.contract.stores import vault

T = TypeVar("T")
SAID: Mapping[str, Any] = {"decision": "permit", "told_by": "patient"}
CONFIG = """
[server]
development = true
[store]
url = "sqlite:///store.db"
[sign]
key_file = "key.json"
[[ehr]]
id = "north"
name = "North"
fhir_base = "http://127.0.0.1:8050/fhir"
[ehr.cds_client]
required = false
"""
Command = Callable[..., tuple[int, list[str]]]


def with_store(path: Path, story: Callable[[SqliteStore, Clock], Awaitable[T]], sealed: Vault | None = None) -> T:
    """Tell a story to the store of a file."""

    async def run() -> T:
        clock = Clock()
        store = SqliteStore(path, clock, sealed)
        await store.open()
        try:
            return await story(store, clock)
        finally:
            await store.close()

    return asyncio.run(run())


async def looked(store: SqliteStore, clock: Clock, patient: str, asked: Asked) -> None:
    """Record an access of p1."""
    services = cast(Any, SimpleNamespace(store=store, clock=clock))
    who = cast(Any, SimpleNamespace(practitioner=practitioner(), token="secret-token"))
    await access.enter(services, who, patient, asked)


def test_a_store_of_before_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers of a file from before accesses were kept come over byte for byte, and still cannot be removed."""
    path = tmp_path / "store.db"

    async def before(store: SqliteStore, clock: Clock) -> list[Any]:
        await hold_one(store)
        made = await store.enter("consent", "north", "Patient/a", "recorded", "Practitioner/p1", SAID)
        await store.enter("switch", "", "model", "switched", "operator:x", {"off": True})
        return [await store.heads(), await store.entries(made.id)]

    async def after(store: SqliteStore, clock: Clock) -> list[Any]:
        (made,) = await store.registered("consent")
        found = [await store.heads(), await store.entries(made.id)]
        assert list(await store.verify()) == []
        await looked(store, clock, "Patient/a", Asked("MedicationRequest/d1"))
        with pytest.raises(ServiceError) as caught:
            await store.forget([made], "north", "operator:x", {"chains": []})
        assert caught.value.code == "U-STORE-CONSTRAINT"
        assert list(await store.verify()) == []
        return found

    with monkeypatch.context() as old:
        old.setattr(sqlite_schema, "MIGRATIONS", MIGRATIONS[:6])
        old.setattr(StoreTime, "now", lambda self, _connection: self._clock())  # it kept no time of its own
        known = with_store(path, before)
    assert with_store(path, after) == known


def test_a_sealed_store_keeps_no_access_that_can_be_read(tmp_path: Path) -> None:
    """Neither the patient nor the draft nor the search is in the file; a store without a seal has them, as it says."""
    values = (b"Patient/zed-7", b"MedicationRequest/d1", b"GuidanceResponse")

    async def story(store: SqliteStore, clock: Clock) -> None:
        await looked(store, clock, "Patient/zed-7", Asked("MedicationRequest/d1"))
        await looked(store, clock, "Patient/zed-7", Asked("", "search-type", query="GuidanceResponse?patient=zed-7"))

    found: dict[bool, set[bytes]] = {}
    for sealed in (True, False):
        folder = tmp_path / str(sealed)
        folder.mkdir()
        with_store(folder / "store.db", story, vault() if sealed else None)
        whole = b"".join(file.read_bytes() for file in folder.iterdir())
        found[sealed] = {value for value in values if value in whole}
        assert b"secret-token" not in whole
    assert found == {True: set(), False: set(values)}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a store of accesses to two patients, one of them also long ago."""
    (tmp_path / "undersign.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)
    Signer.load_or_create(tmp_path / "key.json")

    async def story(store: SqliteStore, clock: Clock) -> None:
        await hold_one(store, patient="Patient/a")
        now = datetime.now(UTC)
        for year in (now.year - 8, now.year):
            clock.at = now.replace(year=year, month=3, day=1)
            await looked(store, clock, "Patient/a", Asked("MedicationRequest/d1"))
        await looked(store, clock, "Patient/b", Asked("", "search-type", query="Task?patient=b"))

    with_store(tmp_path / "store.db", story)
    return tmp_path


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


@pytest.mark.usefixtures("store")
def test_the_export_has_who_looked_at_a_patient(command: Command) -> None:
    """By patient, as AuditEvents of the profiles of a read and of a search; as lines, with the whole detail."""
    status, lines = command("export", "--patient", "Patient/a")
    found = [json.loads(line) for line in lines]
    read = [one for one in found if one["subtype"][0]["code"] == "read"]
    assert (status, len(found), len(read)) == (0, 3, 2)
    for one in read:
        AuditEvent.model_validate(one)
        assert one["meta"]["profile"] == [f"{PROFILES}PatientRead"]
        assert one["entity"][1]["what"]["reference"] == "http://127.0.0.1:8050/fhir/Patient/a"
    _, lines = command("export", "--patient", "Patient/b", "--format", "jsonl")
    (line,) = [json.loads(line) for line in lines]
    assert (line["actor"], line["detail"]["query"]) == ("Practitioner/p1", "Task?patient=b")


@pytest.mark.usefixtures("store")
def test_old_years_go_by_a_persons_word_and_are_not_missed(command: Command) -> None:
    """What is older than the setting goes, once, after a checkpoint saw it; the rest is whole by its checkpoints."""
    assert command("checkpoint")[0] == 0
    asked = ("forget", "--by", "Privacy officer", "--reason", "kept for six years")
    assert command(*asked) == (0, ["1 chain(s) of accesses removed"])
    assert command("verify")[0] == 0
    assert command("checkpoint")[0] == 0
    assert command(*asked) == (0, ["nothing is older than 6 years"])
    _, lines = command("export", "--patient", "Patient/a")
    assert sum(json.loads(line)["subtype"][0]["code"] == "read" for line in lines) == 1
    assert command("forget", "--by", " ", "--reason", "x")[0] == 2
