"""Between two processes: a crisis card, an attestation by ``$attest``, and what the next opening of the chart gives."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.stage import environment
from tests.e2e.house import WITHIN_S, House, draft_ids, house

LEILA = "leila-haddad"  # synthetic: PHQ-9 item 9 was answered above zero yesterday
NURSE = "nurse-ortiz"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house of one worker."""
    with house(tmp_path_factory.mktemp("house")) as found:
        yield found


def attest(home: House, result: str, username: str | None = None) -> Any:
    """Attest an assessment made just now."""
    now = datetime.now(UTC)
    values = {
        "assessed": ("valueDateTime", now.isoformat(timespec="milliseconds")),
        "result": ("valueCode", result),
        "reviewer": ("valueCode", "crisis-team"),
        "reviewOn": ("valueDate", f"{now.astimezone() + timedelta(days=3):%Y-%m-%d}"),
    }
    parameters = [{"name": name, element: value} for name, (element, value) in values.items()]
    token = home.token(username) if username else home.token()
    return home.http.post(
        f"{home.stage.service}/fhir/Patient/{LEILA}/$attest",
        json={"resourceType": "Parameters", "parameter": parameters},
        headers={"Authorization": f"Bearer {token}"},
    )


def test_a_crisis_is_attested_opened_signed_and_closed_again(home: House) -> None:
    """No drug before a person's word, small supplies after it, one signed order, and a restart forgets nothing."""
    card = home.open_chart(LEILA)
    assert (card["indicator"], draft_ids(card)) == ("critical", [])
    assert attest(home, "may-open", NURSE).status_code == 403
    assert draft_ids(home.open_chart(LEILA)) == []
    assert attest(home, "may-open").status_code == 201
    home.kill_service()
    home.start_service()
    card = home.open_chart(LEILA)
    assert card["detail"].split("**First.** ")[1].startswith("PHQ-9 item 9")
    first, *_ = draft_ids(card)
    prepared = home.drafts().prepare(first)
    assert prepared.order["dispenseRequest"]["expectedSupplyDuration"]["value"] == 7
    assert any("dispense for 7 days at most" in point for point in prepared.acknowledgements)
    assert attest(home, "stays-closed").status_code == 201
    assert set(home.states().values()) == {"withdrawn"}
    assert draft_ids(home.open_chart(LEILA)) == []
    status, printed = home.undersign("audit", "verify")
    assert (status, "2 attestation(s)" in printed) == (0, True), printed


def test_a_service_does_not_start_in_an_unknown_place(home: House) -> None:
    """``undersign serve`` ends with status 2 and one line that names the nearest known jurisdiction."""
    told = re.sub(r'jurisdiction = ".*"', 'jurisdiction = "NV"', home.stage.config.read_text("utf-8"))
    assert '"NV"' in told
    wrong = home.stage.folder / "wrong.toml"
    wrong.write_text(told, "utf-8")
    command = [sys.executable, "-m", "service.cli", "serve", "--config", str(wrong), "--port", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=WITHIN_S, check=False)
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("U-")]
    assert ended.returncode == 2
    assert line.startswith("U-CONFIG-VALUE: ehr reference: jurisdiction: ")
    assert line.endswith("did you mean US-NV?")
