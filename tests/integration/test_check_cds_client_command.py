"""``undersign check cds-client`` as its users type it, and the questions at its end."""

import json
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from conformance import tenants
from conformance.children import free_ports
from conformance.listening import attesting
from service.cli import main
from tests.integration.calling_ehr import EHR, heard

Output = pytest.CaptureFixture[str]


def test_a_tenant_tells_its_issuer_and_keys(tmp_path: Path) -> None:
    """Of a tenant's id, what the service will compare is compared here too; a path is relative to the settings."""
    settings = tmp_path / "undersign.toml"
    client = '[ehr.cds_client]\nissuer = "https://ehr.example"\njwks_file = "north.json"\n'
    settings.write_text(f'[[ehr]]\nid = "north"\nfhir_base = "https://ehr.example/fhir"\n{client}')
    found = tenants.find("north", settings)
    assert (found.issuer, found.jwks) == ("https://ehr.example", str(tmp_path / "north.json"))


def test_a_port_that_is_taken_is_said(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two listeners on one port: the second ends at once with what to do."""
    monkeypatch.setattr(sys, "argv", [])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert _run("check", "cds-client", "--listen", f"127.0.0.1:{taken.getsockname()[1]}") != 0
    assert "U-CHECK-LISTEN" in capsys.readouterr().err


def test_a_person_is_asked_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of y and n are kept, Enter is none, anything else is asked again; a pipe is asked nothing."""
    said = iter(["Y", "maybe", "n", "", "", "", "y"])
    monkeypatch.setattr("conformance.listening.attesting.typer.prompt", lambda *_, **__: next(said))  # pyright: ignore[reportUnknownLambdaType]
    recorded = heard()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert attesting.asked(recorded) == {"attested": {"card.shown": "y", "card.markdown": "n", "acted": "y"}}
    assert attesting.asked(()) == {}
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert attesting.asked(recorded) == {}


def _run(*arguments: object) -> int:
    sys.argv = ["undersign", *map(str, arguments)]
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--listen", "8050"], "U-CHECK-LISTEN"),
        (["--listen", "127.0.0.1:99999"], "U-CHECK-LISTEN"),
        (["--fhir-base", "nobody"], "U-CHECK-TENANT"),
        (["--jwks", "not-there.json"], "U-CHECK-KEYS"),
        (["--only", "no.such"], "U-CHECK-UNKNOWN"),
    ],
)
def test_wrong_usage_is_one_line_with_a_code(
    arguments: Sequence[str], code: str, capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be run ends at once, before anything listens."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    assert _run("check", "cds-client", *arguments) != 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [code in line for line in lines] == [True], lines


def test_the_command_listens_judges_and_replays(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call over a real socket is told as it comes, judged, written down, and judged the same again."""
    monkeypatch.setattr(sys, "argv", [])
    (port,) = free_ports(1)
    caller = threading.Thread(target=_call, args=(f"http://127.0.0.1:{port}",))
    caller.start()
    out = tmp_path / "out"
    arguments = ("--listen", f"127.0.0.1:{port}", "--calls", 1, "--minutes", 10, "--out", out)
    assert _run("check", "cds-client", *arguments) == 1
    caller.join()
    said = capsys.readouterr().out
    assert f"http://127.0.0.1:{port}/cds-services/psychotropic-order-sign" in said
    assert "psychotropic-options  1 of 13 prefetch keys  no Authorization header  → a card" in said
    first = json.loads((out / "cds-client.json").read_text())
    assert _run("check", "replay", out / "cds-client.har", "--out", out) == 1
    assert json.loads((out / "cds-client.json").read_text()) == first


def _call(service: str) -> None:
    """Wait for the listener, then call it once as a careless EHR does."""
    body = {
        "hook": "patient-view",
        "hookInstance": "6bc883b2-b795-4dcb-b661-34884a31d472",
        "context": {"userId": "Practitioner/1", "patientId": "amara-osei"},
        "prefetch": {"patient": {"resourceType": "Patient", "id": "amara-osei", "name": [{"family": "Osei"}]}},
    }
    for _ in range(3600):
        try:
            httpx.post(f"{service}/cds-services/psychotropic-options", json=body, trust_env=False, timeout=180)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens at {service}; {EHR} could not call")
