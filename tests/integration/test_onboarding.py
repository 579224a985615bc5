"""``undersign ehr show`` and ``ehr try``: what a hospital types in is what the service does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from starlette.testclient import TestClient
from typer.testing import CliRunner

from service import settings_file as configuration
from service.cds import client_auth, discovery
from service.cds.lint import check_card
from service.cli import app
from service.onboarding import dry_run, samples, sheet, text
from service.onboarding.sheet import Section
from service.settings import CdsClient, Ehr, Model, Server, Settings
from tests.fixtures import prefetch
from tests.integration import running

PUBLIC = "https://undersign.north.example"
BASE = "https://ehr.north.example/fhir"
OPTIONS, SIGN = (f"{PUBLIC}/cds-services/psychotropic-{name}" for name in ("options", "order-sign"))
CONFIGURATION = f"""
[server]
public_url = "{PUBLIC}"
[[ehr]]
id = "north"
name = "North <b>Hospital</b>"
fhir_base = "{BASE}"
profile = "us-core-r4"
jurisdiction = "US-MA"
origins = ["https://ehr.north.example"]
write_back = "sign-and-write"
crisis_contact = "the team on call, extension 2000"
[ehr.cds_client]
issuer = "{BASE}"
jwks_url = "https://ehr.north.example/jwks.json"
audiences = ["{OPTIONS}", "{SIGN}"]
"""
Json = dict[str, Any]
DAY = prefetch.NOW.date().isoformat()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and nothing else, in which commands run."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    (tmp_path / "undersign.toml").write_text(CONFIGURATION, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ehr(*words: str, status: int = 0, given: str | None = None) -> str:
    """Run ``undersign ehr …`` as in a pipe and return what it prints."""
    found = CliRunner().invoke(app, ["ehr", *words], input=given)
    assert found.exit_code == status, found.output
    return found.stdout


def ordered(hook: str, drug: str = "phenelzine") -> Json:
    """Return a request of an order hook."""
    draft = {"resourceType": "MedicationRequest", "id": "a", "medicationCodeableConcept": {"text": drug}}
    body = prefetch.request(hook=hook)
    body["context"] = {**body["context"], "draftOrders": prefetch.bundle(draft), "selections": ["MedicationRequest/a"]}
    return body


def attempt(site: Path, body: object, status: int = 0) -> str:
    """Run a request dry from a file."""
    file = site / "request.json"
    file.write_text(json.dumps(body), "utf-8")
    return ehr("try", "north", "request.json", "--now", DAY, status=status)


@pytest.mark.parametrize(
    "value",
    [
        f"{PUBLIC}/cds-services\n", OPTIONS, SIGN, f"{OPTIONS}/feedback", BASE, "https://ehr.north.example/jwks.json",
        "ES384", "RS384", f"{PUBLIC}/callback", f"{PUBLIC}/launch", f"{PUBLIC}/.well-known/jwks.json",
        "patient/Patient.rs patient/Condition.rs", "patient/Medication.read", "https://ehr.north.example\n",
        "system/MedicationRequest.crus", "prefers-alternative", "sign-and-write", "absolute", "30 days",
        f"{PUBLIC}/fhir/Questionnaire/undersign-preferences", "extension 2000", "U-CDS-PREFETCH",
    ],
)  # fmt: skip
def test_the_sheet_has_what_is_typed_in(site: Path, value: str) -> None:
    """Addresses, issuer, keys, algorithms, scopes, reasons and samples stand in the text whole and unbroken."""
    assert value in ehr("show", "north")


def test_a_pipe_gets_plain_whole_lines(site: Path) -> None:
    """Without a terminal there is no colour, no line ends in blanks, and the longest template is whole."""
    printed = ehr("show", "north")
    assert "\x1b" not in printed
    assert [line for line in printed.splitlines() if line != line.rstrip()] == []
    for template in discovery.templates():
        assert template.template in printed


def test_show_and_try_leave_nothing_behind(site: Path) -> None:
    """Neither a key nor a store is made, and a dry run writes no file."""
    attempt(site, prefetch.request())
    ehr("show", "north")
    assert sorted(file.name for file in site.iterdir()) == ["request.json", "undersign.toml"]


def test_the_sheet_tells_what_is_switched(site: Path) -> None:
    """What acts at the tenant stands on the sheet with who, when and why; without a store nothing does."""
    assert re.search(r"in force +none", ehr("show", "north"))
    words = ["--ehr", "north", "--by", "Head of pharmacy", "--reason", "recall"]
    assert CliRunner().invoke(app, ["switch", "stop", "drug:citalopram", *words]).exit_code == 0
    printed = ehr("show", "north")
    assert re.search(r"drug:citalopram +stopped", printed)
    assert "Head of pharmacy: recall" in printed


def found(site: Path) -> tuple[Settings, Ehr, tuple[Section, ...]]:
    """Return the settings, the tenant and its sheet."""
    settings = configuration.load(site / "undersign.toml")
    services = dry_run.services_of(settings, settings.ehr[0], samples.DAY)
    return settings, settings.ehr[0], sheet.sections(settings, settings.ehr[0], services.profiles["north"])


def test_each_audience_of_the_sheet_is_taken_and_no_other(site: Path) -> None:
    """The aud rows are those that the check of tokens takes, service by service, feedback too."""
    _, tenant, sections = found(site)
    rows = {row.name: row.values for section in sections for row in section.rows}
    for service in discovery.services().values():
        for feedback, name in ((False, f"aud, {service.hook}"), (True, f"aud, feedback on {service.hook}")):
            taken = client_auth.audiences(tenant.cds_client.audiences, service.id, feedback=feedback)
            assert set(rows[name]) == (set(taken) or {"none configured"})


def test_each_address_of_the_sheet_is_answered(site: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No address of ours on the sheet is a path that the service does not have."""
    _, _, sections = found(site)
    values = {value for section in sections for row in section.rows for value in row.values}
    ours = [value.removeprefix(PUBLIC) for value in values if value.startswith(f"{PUBLIC}/")]
    assert len(ours) >= 10
    with running.running(running.settings(tmp_path_factory.mktemp("app"))) as client:
        for path in ours:
            codes = [
                client.request(method, path).json() for method in ("GET", "POST") if _is_json(client, method, path)
            ]
            assert codes == [] or any("U-PATH" not in json.dumps(code) for code in codes), path


def _is_json(client: TestClient, method: str, path: str) -> bool:
    return "json" in client.request(method, path, follow_redirects=False).headers.get("content-type", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"server": Server(public_url=PUBLIC, development=True)}, "not for the care of a patient"),
        ({"server": Server(public_url="http://127.0.0.1:8040")}, "not https"),
        ({"model": Model(enabled=False)}, "answered 503"),
    ],
)
def test_what_keeps_a_tenant_from_going_live_is_said(site: Path, change: dict[str, Any], said: str) -> None:
    """Development, plain http and a model that is off are warned of."""
    settings, tenant, _ = found(site)
    assert said in " ".join(sheet.warnings(settings.model_copy(update=change), tenant))


def test_a_hook_without_an_audience_is_warned_of(site: Path) -> None:
    """A service whose calls could never carry a good token is named; one that is configured is not."""
    settings, tenant, _ = found(site)
    (warning,) = sheet.warnings(settings, tenant)
    assert "order-select" in warning
    assert "patient-view" not in warning
    everywhere = tenant.model_copy(update={"cds_client": CdsClient(issuer=BASE, audiences=("one for all",))})
    assert sheet.warnings(settings, everywhere) == ()


def test_the_page_needs_no_network_and_runs_nothing(site: Path) -> None:
    """The HTML file has no script, no address that a browser would fetch, and escapes what the site typed."""
    ehr("show", "north", "--html", "north.html")
    page = (site / "north.html").read_text("utf-8")
    assert re.findall(r"<script|<link|<img|<iframe|\bsrc=|\bhref=|url\(|@import", page) == []
    assert "North &lt;b&gt;Hospital&lt;/b&gt;" in page
    assert "<b>Hospital" not in page
    for rule in ("prefers-color-scheme: dark", "@media print", "default-src 'none'"):
        assert rule in page


def test_every_sample_card_is_clean(site: Path) -> None:
    """Each sample of a card passes the linter of cards, and there is one of each hook and one refusal."""
    settings, tenant, _ = found(site)
    answers = samples.samples(tenant, dry_run.services_of(settings, tenant, samples.DAY))
    cards = [card for answer in answers for card in answer.body.get("cards", [])]
    assert [check_card(card, PUBLIC) for card in cards] == [()] * 4
    assert {answer.title.partition(":")[0] for answer in answers} == {"patient-view", "order-select", "order-sign"}
    assert [answer.title for answer in answers if "issue" in answer.body]


@pytest.mark.parametrize("words", [("show", "south"), ("try", "south", "request.json")])
def test_an_unknown_tenant_is_named_with_those_that_there_are(site: Path, words: tuple[str, ...]) -> None:
    """A wrong id is one error with a code, and the configured ids."""
    error = CliRunner().invoke(app, ["ehr", *words]).exception
    assert getattr(error, "code", "") == "U-EHR-ID"
    assert "north" in str(error)


def test_a_dry_run_tells_key_source_gate_and_card(site: Path) -> None:
    """What came, what fed a feature, what was ignored and why, the gate and the card stand in the output."""
    values = prefetch.values()
    values["secrets"] = {"resourceType": "Basic"}
    values["allergies"] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    values["conditions"]["link"] = [{"relation": "next", "url": f"{BASE}/Condition?page=2"}]
    odd = prefetch.score("odd", "2951-2", 139, "2026-10-01")
    odd["valueQuantity"] = {"value": 139, "unit": "bananas"}
    values["observations"] = prefetch.bundle(odd)
    token = {"access_token": "lent-secret", "token_type": "Bearer", "expires_in": 300, "scope": "s", "subject": "s"}
    printed = attempt(site, prefetch.request(prefetch=values, fhirServer=BASE, fhirAuthorization=token))
    for line in (
        r"patient-view → psychotropic-options",
        r"conditions +1 entry, only in part +required",
        r"statements +null: none on record +optional",
        r"allergies +OperationOutcome: the EHR could not read it",
        r"genes +not sent +optional",
        r"allergies: GET AllergyIntolerance\?patient=\[patient\]",
        r"ignored, since no template asks for it: secrets",
        r"phq9_total +17 \{score\} +2026-11-03 +Observation/t2 valueQuantity",
        r"ignored: Observation/odd valueQuantity: unit-unknown",
        r"not supplied: problems \(only in part\), allergies",
        r"Gate  open",
        r"answer 200  one card",
        r"options to review, none chosen",
        r"\[ Switch to ",
        r"nothing was stored, fetched or logged",
    ):
        assert re.search(line, printed), line
    assert "lent-secret" not in printed


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_dry_run_of_an_order_hook_tells_the_orders(site: Path, hook: str) -> None:
    """The orders that were read stand in the output, and the card that they give."""
    printed = attempt(site, ordered(hook))
    assert "MedicationRequest/a: phenelzine" in printed
    assert "critical" in printed
    assert ("[ Switch" in printed) is (hook == "order-select")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "U-CDS-REQUEST"),
        ({}, "U-CDS-HOOK"),
        ({"hook": "appointment-book"}, "U-CDS-HOOK"),
        (prefetch.request(hookInstance="x"), "U-CDS-REQUEST"),
        (prefetch.request(context={"patientId": "p1"}), "U-CDS-CONTEXT"),
        (prefetch.request(context={"patientId": "p1", "userId": "Patient/p1"}), "U-CDS-USER"),
        (prefetch.request(fhirServer=f"{BASE}/"), "U-EHR-FHIRSERVER"),
        (prefetch.request(prefetch={}), "U-CDS-PREFETCH"),
        (prefetch.request(prefetch={}, fhirServer=BASE), "U-CDS-PREFETCH"),
        (prefetch.request(context={"patientId": "p2", "userId": "Practitioner/x"}), "U-PATIENT-MISMATCH"),
        (prefetch.request(hook="order-sign"), "U-CDS-CONTEXT"),
    ],
)
def test_a_request_that_would_be_refused_ends_with_its_answer(site: Path, body: object, code: str) -> None:
    """Status 1, the answer's code, and for fhirServer both addresses."""
    printed = attempt(site, body, status=1)
    assert re.search(rf"answer 4\d\d  {code}\n", printed)
    if code == "U-EHR-FHIRSERVER":
        assert f"fhirServer is {BASE}/, ehr.fhir_base is {BASE}:" in printed


def test_a_request_comes_from_standard_input_too(site: Path) -> None:
    """``-`` reads the request from a pipe; what is no JSON is told as the service would tell it."""
    assert "answer 200" in ehr("try", "north", "-", "--now", DAY, given=json.dumps(prefetch.request()))
    assert "U-JSON-SYNTAX" in ehr("try", "north", "-", given="{", status=1)


def test_a_crisis_and_silence_are_told(site: Path) -> None:
    """A positive answer on self-harm gives the crisis card; a chart with nothing to say says so."""
    assert "An answer on record needs a person" in attempt(site, prefetch.request(prefetch=prefetch.values(item9=3)))
    assert "no card: nothing to say" in attempt(site, ordered("order-sign", "amoxicillin"))


def test_a_terminal_gets_colour_and_a_table(site: Path) -> None:
    """On a terminal the card's Markdown is drawn, and long code lists are cut with their length."""
    settings = configuration.load(site / "undersign.toml")
    tenant = settings.ehr[0]
    services = dry_run.services_of(settings, tenant, prefetch.NOW)
    console = Console(force_terminal=True, width=100, highlight=False, no_color=False, record=True)
    with console.capture() as printed:
        body = json.dumps(prefetch.request()).encode()
        text.print_dry_run(console, "request", dry_run.run(tenant, body, services))
    assert "\x1b[" in printed.get()
    assert "|---|" not in printed.get()
    assert "whole in a pipe" in printed.get()


def test_a_captured_request_cannot_write_on_the_terminal(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No escape sequence of a request, in whatever key, address, type or text, is printed, in colour or in a pipe."""
    acting = "\u001b[31mRED\u001b]0;title\u0007\u009b31m\u202e"
    body: Json = {**ordered("order-sign", f"a drug{acting}"), "fhirServer": BASE}
    values: Json = body["prefetch"]
    values[f"key{acting}"] = 1
    values["conditions"]["entry"].append({"resource": prefetch.condition(f"id{acting}", "1", f"text{acting}")})
    lab = prefetch.score("na", "2951-2", 120, "2026-11-05") | {"valueQuantity": {"value": 120, "unit": f"u{acting}"}}
    values["observations"]["entry"].append({"resource": lab})
    elsewhere = body | {"fhirServer": f"https://else.example{acting}"}
    odd = body | {"prefetch": {**values, "statements": {"resourceType": f"Kind{acting}"}}}
    for one, status in ((body, 0), (odd, 1), (elsewhere, 1)):
        printed = attempt(site, one, status=status)
        assert "RED" in printed
        monkeypatch.setenv("FORCE_COLOR", "1")
        coloured = attempt(site, one, status=status)
        monkeypatch.delenv("FORCE_COLOR")
        assert not {"\u001b", "\u0007", "\u009b", "\u202e"} & set(printed)
        assert not re.search("\u001b(?!\\[[0-9;]*m)|\u0007|\u009b|\u202e|\u001b\\[31mRED", coloured)
