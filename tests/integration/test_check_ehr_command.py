"""``undersign check ehr`` and ``undersign reference-ehr`` as their users type them."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conformance import running, tenants
from conformance.errors import CheckError
from conformance.reference_ehr import serving
from conformance.report import schema
from service.cli import main
from tests.integration.checked_ehr import BACKEND, BASE, KEY, InMemory

Output = pytest.CaptureFixture[str]
SETTINGS = """
[[ehr]]
id = "north"
name = "North"
fhir_base = "http://127.0.0.1:18930/fhir/"
profile = "base-r4"
smart_client_id = "conformance"
"""


@dataclass
class World:
    """A folder with a key and settings, and the command line over the reference EHR in memory."""

    folder: Path
    run: Callable[..., int]

    @property
    def access(self) -> list[str]:
        """How the EHR is reached."""
        return ["--client-id", BACKEND.id, "--key", str(self.folder / "key.json")]

    def report(self, name: str = "ehr.json") -> str:
        """Return a file of the report."""
        return (self.folder / "out" / name).read_text()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the world; every live request goes to the reference EHR in memory."""
    monkeypatch.setattr("conformance.cli.Live", lambda ca: InMemory(clock=lambda: datetime.now(UTC)))
    monkeypatch.delenv("UNDERSIGN_CONFIG", raising=False)
    (tmp_path / "key.json").write_text(json.dumps(KEY.as_dict(private=True)))
    (tmp_path / "undersign.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["undersign", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return World(tmp_path, run)


def test_a_run_writes_its_reports_and_can_be_judged_again(world: World, capsys: Output) -> None:
    """A tenant's id is enough; the budget stands before the first check; the recording gives the same report."""
    people = ["--patient", "rosa-martins", "--patient", "amara-osei"]
    status = world.run("check", "ehr", "north", *world.access, *people, "--write", "--out", "out", "--only", "write")
    said = capsys.readouterr().out
    assert status == 0, said
    assert said.splitlines()[1] == "12 checks, at most 400 requests, one at a time"
    assert "write-back: level 5" in said
    assert "left behind, remove by hand: Provenance/" in said
    first = json.loads(world.report())
    assert world.run("check", "replay", world.folder / "out" / "ehr.har", "--out", "out") == 0
    assert json.loads(world.report()) == first


def test_a_report_holds_what_is_fed_and_no_secret(world: World) -> None:
    """JSON has coverage and times; the page has both sections; no file has a token."""
    status = world.run(
        "check", "ehr", BASE, *world.access, "--patient", "george-papadakis", "--out", "out", "--keep-people"
    )
    assert status == 0
    facts = json.loads(world.report())["facts"]
    assert schema.read(world.report().encode()).suite == "ehr"
    assert facts["ehr"]["software"] == "Reference EHR (synthetic)"
    assert {"kind", "count", "p50", "p95", "p99", "slowest"} == set(facts["latency"][0])
    assert {one["name"]: one["outcomes"] for one in facts["coverage"]["features"]}["age"] == {"fed": 1}
    assert "What it feeds" in world.report("ehr.html")
    assert "write_back" not in facts
    assert not any("eyJ" in file.read_text() for file in (world.folder / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ehr", "south"], "U-CHECK-TENANT"),
        (["ehr", BASE, "--write"], "U-CHECK-WRITE"),
        (["ehr", BASE, "--client-id", "x"], "U-CHECK-CLIENT"),
        (["ehr", BASE, "--only", "no.such"], "U-CHECK-UNKNOWN"),
        (["ehr", BASE, "--only", "write.active"], "U-CHECK-WRITE"),
        (["ehr", BASE, "--profile", "no-such"], "U-PROFILE-UNKNOWN"),
    ],
)
def test_wrong_usage_is_one_line_with_a_code(world: World, capsys: Output, arguments: Sequence[str], code: str) -> None:
    """What is asked for and cannot be run ends with one line on standard error, and asks the EHR nothing."""
    assert world.run("check", *arguments) != 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [code in line for line in lines] == [True], lines


def test_a_tenants_profile_is_relative_to_the_settings(tmp_path: Path) -> None:
    """A profile of the site's own is found where the service finds it."""
    file = tmp_path / "site.toml"
    file.write_text(SETTINGS.replace('"base-r4"', '"profiles/own.toml"'))
    assert tenants.find("north", file).profile == str(tmp_path / "profiles/own.toml")


def test_faults_can_be_listed(world: World, capsys: Output) -> None:
    """The help of faults names each with what it does."""
    assert world.run("reference-ehr", "--fault", "help") == 0
    assert "wrong-patient" in capsys.readouterr().out


def test_the_key_is_made_where_there_is_none(tmp_path: Path) -> None:
    """A key for the check is made once, readable by its owner alone, and kept."""
    key = tmp_path / "key.json"
    serving.application(serving.Served(8090, key=key))
    held = key.read_bytes()
    serving.application(serving.Served(8090, key=key))
    assert key.read_bytes() == held
    assert key.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("served", "code"),
    [
        (serving.Served(8090, dialect="klingon"), "U-REF-DIALECT"),
        (serving.Served(8090, faults=("slow",)), "U-REF-FAULT"),
    ],
)
def test_the_reference_ehr_refuses_what_it_does_not_know(served: serving.Served, code: str) -> None:
    """No EHR is started that is another than was asked for."""
    with pytest.raises(CheckError) as refused:
        serving.application(served)
    assert refused.value.code == code


def test_a_run_keeps_its_secrets_out_of_what_it_says() -> None:
    """What a report says of a run has no token in it, only that there was one."""
    from conformance import kinds
    from tests.integration.checked_ehr import NOW

    order = running.Order(
        kinds.ehr(), BASE, 1, NOW, "s", "undersign check ehr", {"with_token": True}, {"token": "t0ken"}
    )
    assert "t0ken" not in json.dumps(order.about())


HEAVY = ("joserfc", "cryptography", "jinja2", "lightgbm", "numpy", "fhir", "starlette", "uvicorn")


def test_the_first_line_waits_for_nothing_that_it_does_not_need() -> None:
    """The command line with the EHR suite loads no signing, templates, model, strict FHIR models or server."""
    story = "import sys, service.cli; from conformance import kinds; kinds.ehr(); print(' '.join(sys.modules))"
    said = subprocess.run([sys.executable, "-c", story], capture_output=True, text=True, check=True).stdout.split()
    assert sorted({one.partition(".")[0] for one in said} & set(HEAVY)) == []
