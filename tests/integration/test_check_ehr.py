"""The checks of an EHR: the reference EHR passes them, and each is seen to fail on an EHR with its fault."""

import json
from pathlib import Path

import pytest

from conformance import har
from conformance.checks import Verdict
from conformance.errors import CheckError
from conformance.exchanges import Asked, Exchange, Replayed
from conformance.reference_ehr import faults
from conformance.report import as_json, findings
from conformance.suites.ehr import SUITE, afterwards
from tests.integration.checked_ehr import PEOPLE, WRITE, InMemory, judged, result

TWO = PEOPLE[:2]
# Check, the EHR's fault, and what the check says of it.
FAULTS: list[tuple[str, str, Verdict]] = [
    ("reach.answers", "no-metadata", "fail"),
    ("reach.answers", "private-metadata", "fail"),
    ("reach.no-redirect", "redirect", "fail"),
    ("reach.version", "other-version", "fail"),
    ("reach.software", "unnamed", "warn"),
    ("reach.clock", "clock", "fail"),
    ("reach.type", "wrong-type", "fail"),
    ("reach.wrong-path", "lenient-paths", "fail"),
    ("capability.whole", "thin-metadata", "fail"),
    ("capability.json", "xml-only", "fail"),
    ("capability.resources", "undeclared", "fail"),
    ("capability.parameters", "undeclared-parameters", "fail"),
    ("capability.works", "missing=Consent", "fail"),
    ("capability.writing", "undeclared-writing", "warn"),
    ("smart.configuration", "no-smart", "fail"),
    ("smart.configuration", "thin-smart", "fail"),
    ("smart.endpoints", "plain-endpoints", "fail"),
    ("smart.methods", "secrets-only", "fail"),
    ("smart.scopes", "no-scopes", "warn"),
    ("smart.pkce", "plain-pkce", "fail"),
    ("smart.matches", "two-endpoints", "warn"),
    ("token.granted", "no-token", "fail"),
    ("token.granted", "half-token", "fail"),
    ("token.no-store", "cacheable-token", "fail"),
    ("token.scope", "cut-scope", "fail"),
    *(
        (f"token.{name}", "careless-token", "fail")
        for name in ("grant-type", "assertion-type", "audience", "subject", "signature", "expired", "replay")
    ),
    ("token.taken", "token-not-taken", "fail"),
    ("token.none", "open", "fail"),
    ("token.wrong", "any-token", "fail"),
    ("token.beyond", "any-scope", "fail"),
    ("search.read", "wrong-read", "fail"),
    ("search.unknown-id", "lenient-ids", "fail"),
    ("search.bad-id", "lenient-ids", "fail"),
    ("search.patient", "failing=Patient", "fail"),
    ("search.conditions", "failing=Condition", "fail"),
    ("search.conditions", "forbidden=Condition", "fail"),
    ("search.medications", "failing=MedicationRequest", "fail"),
    ("search.statements", "failing=MedicationStatement", "fail"),
    ("search.allergies", "failing=AllergyIntolerance", "fail"),
    ("search.allergies", "missing=AllergyIntolerance", "warn"),
    ("search.scores", "failing=Observation", "fail"),
    ("search.responses", "failing=QuestionnaireResponse", "fail"),
    ("search.observations", "failing=Observation", "fail"),
    ("search.genes", "failing=Observation", "fail"),
    ("search.daily", "failing=Observation", "fail"),
    ("search.procedures", "failing=Procedure", "fail"),
    ("search.family-history", "failing=FamilyMemberHistory", "fail"),
    ("search.consents", "failing=Consent", "fail"),
    ("search.code", "ignored-code", "fail"),
    ("search.status", "ignored-status", "fail"),
    ("search.date", "ignored-date", "fail"),
    ("search.sort", "ignored-sort", "warn"),
    ("search.post", "no-post", "warn"),
    ("search.post", "deaf-post", "fail"),
    ("search.unknown-parameter", "silent-parameters", "warn"),
    ("patient.own", "wrong-patient", "fail"),
    ("patient.nobody", "everybody", "fail"),
    ("paging.whole", "broken-next", "fail"),
    ("paging.whole", "lost-next", "fail"),
    ("paging.whole", "circular-next", "fail"),
    ("paging.once", "overlapping-pages", "fail"),
    ("paging.host", "foreign-next", "fail"),
    ("paging.total", "wrong-total", "fail"),
    ("paging.count", "ignored-count", "warn"),
    ("content.readable", "broken-elements", "fail"),
    ("content.required", "no-ids", "fail"),
    ("content.required", "no-status", "fail"),
    ("content.valid", "odd-elements", "warn"),
    ("content.references", "missing=Medication", "fail"),
    ("content.include", "no-include", "warn"),
    ("content.in-error", "entered-in-error", "fail"),
    ("content.dates", "future-dates", "fail"),
    ("content.people", "no-birth-date", "fail"),
    ("terms.drugs", "uncoded-drugs", "warn"),
    ("terms.drugs", "local-drugs", "warn"),
    ("terms.problems", "local-problems", "warn"),
    ("terms.observations", "local-observations", "warn"),
    ("units.present", "no-units", "warn"),
    ("units.known", "odd-units", "warn"),
    ("units.plausible", "wrong-unit", "fail"),
    ("errors.outcomes", "no-outcome", "fail"),
    ("errors.insides", "stack-trace", "fail"),
    ("limits.busy", "flaky=3", "fail"),
    ("limits.busy", "rate=3", "warn"),
    ("limits.time", "slow=2500", "warn"),
    ("coverage.lists", "failing=Condition", "fail"),
    ("coverage.decisive", "no-birth-date", "fail"),
    ("coverage.features", "no-units", "warn"),
    ("write.active", "read-only", "fail"),
    ("write.active", "demands=category", "fail"),
    ("write.draft", "only-active", "warn"),
    ("write.answer", "no-location", "fail"),
    ("write.answer", "no-etag", "warn"),
    ("write.answer", "empty-create", "warn"),
    ("write.reread", "drops=note,requester", "fail"),
    ("write.found", "ignored-identifier", "fail"),
    ("write.conditional", "ignored-if-none-exist", "fail"),
    ("write.if-match", "ignored-if-match", "fail"),
    ("write.if-match", "no-etag", "fail"),
    ("write.transaction", "no-transaction", "warn"),
    ("write.provenance", "no-revinclude", "warn"),
    ("write.all-or-nothing", "half-transaction", "fail"),
    ("write.invalid", "takes-anything", "fail"),
    ("write.taken-back", "nothing-taken-back", "fail"),
]
# What follows from a fault beside its own checks, and is true of it too; nothing else is said.
FOLLOWS: dict[str, set[str]] = {
    "missing=Consent": {"search.consents"},
    "missing=AllergyIntolerance": {"capability.works"},
    "wrong-patient": {"patient.nobody"},
    "forbidden=Condition": {"coverage.lists"},
    "failing=MedicationRequest": {"coverage.lists"},
    "failing=MedicationStatement": {"coverage.lists"},
    "wrong-total": {"coverage.lists"},
    "local-problems": {"coverage.lists"},
    "no-status": {"coverage.features", "write.reread"},
    "future-dates": {"coverage.decisive", "coverage.features"},
    "local-observations": {"coverage.decisive", "coverage.features"},
    "odd-units": {"coverage.features"},
    "wrong-unit": {"coverage.features"},
    "uncoded-drugs": {"write.reread"},
    "local-drugs": {"write.reread"},
    "nothing-taken-back": {"write.if-match"},
}
# Faults that other suites see: those of bulk export.
ELSEWHERE = {one.name for one in faults.bulk.FAULTS}
# The address is not the EHR's answer.
UNSPOILED = {"reach.tls"}
# Checks for which the plain reference EHR has nothing to judge, and the dialect in which it has.
IN_DIALECT = {"content.references": "epic-r4", "content.include": "epic-r4"}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The EHR that is slow says so and does not wait."""

    async def no_sleep(_: float) -> None:
        """Wait for nothing."""

    monkeypatch.setattr("conformance.reference_ehr.faults.transport.asyncio.sleep", no_sleep)


@pytest.mark.parametrize(("check", "fault", "verdict"), FAULTS, ids=[f"{one}-{fault}" for one, fault, _ in FAULTS])
def test_a_check_fails_on_its_fault(check: str, fault: str, verdict: Verdict) -> None:
    """An EHR with the fault of a check does not pass it, and the check says what to do and who has to."""
    dialect = IN_DIALECT.get(check, "base-r4")
    found = result(InMemory(dialect, fault), check, profile=dialect, people=TWO, write=WRITE)
    worst = [one for one in found.told if one.verdict == found.verdict]
    assert found.verdict == verdict, found.told
    assert found.acts in ("ehr-team", "integration-engineer") or found.said.fix.startswith("nothing to do")
    assert all(one.message and one.fix and one.exchanges for one in worst), worst


@pytest.mark.parametrize("fault", dict.fromkeys(fault for _, fault, _ in FAULTS))
def test_a_fault_is_told_once(fault: str) -> None:
    """One root cause is not a finding under many names: each fault shows in its own checks and in what follows."""
    own = {check for check, other, _ in FAULTS if other == fault}
    dialect = next((IN_DIALECT[one] for one in own if one in IN_DIALECT), "base-r4")
    run, _ = judged(InMemory(dialect, fault), profile=dialect, people=TWO, write=WRITE)
    found = {one.check.id for one in run.results if one.verdict in ("fail", "warn", "broken")}
    assert found <= own | FOLLOWS.get(fault, set())


def test_a_rule_of_the_site_is_quoted_with_its_element() -> None:
    """An order that lacks what a site demands: each element is told with the EHR's words and the settings to write."""
    found = result(InMemory("base-r4", "demands=category,encounter"), "write.active", write=WRITE)
    assert [one.path for one in found.told] == ["$.category", "$.encounter"]
    assert "422 required: MedicationRequest.category: minimum required = 1, but only found 0" in found.said.got
    assert all(words in found.said.fix for words in ("category", 'write_back = "card"', "[writing] refuses"))


def test_every_check_has_a_fault_and_every_fault_a_check() -> None:
    """No check can only pass, and no fault is without somebody who sees it."""
    assert {name for name, _, _ in FAULTS} | UNSPOILED == {one.id for one in SUITE.checks}
    assert {fault.partition("=")[0] for _, fault, _ in FAULTS} == set(faults.FAULTS) - ELSEWHERE


def test_the_reference_ehr_passes_every_check() -> None:
    """Nothing is wrong with the reference EHR, read and written; only TLS is not tested on this machine."""
    run, probe = judged(InMemory(), write=WRITE)
    assert {one.check.id for one in run.results if one.verdict != "pass"} == {"reach.tls"}
    assert run.status == "passed"
    assert afterwards.facts(probe)["write_back"]["level"] == 5


@pytest.mark.parametrize("check", [one.id for one in SUITE.checks])
def test_a_check_says_the_same_alone(check: str) -> None:
    """No check leans on one before it: alone it passes as in the whole run."""
    dialect = IN_DIALECT.get(check, "base-r4")
    found = result(InMemory(dialect), check, profile=dialect, people=TWO, write=WRITE)
    assert found.verdict == ("not-tested" if check in UNSPOILED else "pass"), found.told


def test_checks_in_another_order_say_the_same() -> None:
    """The last check first and the first last: the same verdicts."""
    forth, _ = judged(InMemory(), people=TWO, write=WRITE)
    back, _ = judged(InMemory(), people=TWO, write=WRITE, backwards=True)
    assert back.results[0].check == forth.results[-1].check
    assert {one.check.id: one.verdict for one in forth.results} == {one.check.id: one.verdict for one in back.results}


@pytest.mark.parametrize("dialect", ["base-r4", "epic-r4", "openmrs-r4", "base-dstu2"])
def test_a_recording_is_judged_the_same_without_a_network(dialect: str, tmp_path: Path) -> None:
    """The evidence alone, masked, gives the same report, and holds no token and no name of a patient."""
    run, probe = judged(InMemory(dialect), profile=dialect, write=WRITE)
    file = tmp_path / "run.har"
    file.write_bytes(json.dumps(har.as_har(probe.session.exchanges, run.about)).encode())
    text = file.read_text()
    assert "eyJ" not in text  # how every JWT begins
    assert "Papadakis" not in text
    again, other = judged(Replayed(har.read(file)[0]), profile=dialect, write=WRITE)
    assert as_json.document(again) == as_json.document(run)
    assert afterwards.facts(other) == afterwards.facts(probe)


def test_without_a_key_the_token_endpoint_is_not_tried() -> None:
    """An EHR whose client is not registered yet: discovery is judged, tokens are not, and the run is not green."""
    run, _ = judged(InMemory(), backend=None)
    told = {one.check.id: one.verdict for one in run.results}
    assert (told["smart.configuration"], told["token.granted"]) == ("pass", "not-tested")
    assert [name for name, verdict in told.items() if verdict in ("fail", "warn", "broken")] == []
    assert run.status == "too-little"


def test_an_open_ehr_is_a_finding_but_on_this_machine() -> None:
    """An EHR that gives records to everybody fails, with or without a token in the run; on loopback it is a trial."""
    assert result(InMemory("base-r4", "open"), "token.none", backend=None).verdict == "not-tested"
    assert result(InMemory("base-r4", "open"), "token.none").verdict == "fail"
    assert result(InMemory(), "token.none", backend=None).verdict == "pass"


def test_nothing_is_written_without_a_test_patient() -> None:
    """A run without --write sends GET and searches only, but for the token."""
    _, probe = judged(InMemory(), people=TWO)
    sent = {
        (one.asked.method, one.asked.url.rpartition("/")[2])
        for one in probe.session.exchanges
        if one.asked.method != "GET"
    }
    assert sent == {("POST", "token"), ("POST", "_search")}


def test_what_cannot_be_taken_back_is_listed() -> None:
    """An EHR that lets nothing be changed keeps what was written, and the report names each of it."""
    _, probe = judged(InMemory("base-r4", "nothing-taken-back"), "write.active", write=WRITE)
    left = afterwards.facts(probe)["write_back"]["left_behind"]
    assert [one["reference"].partition("/")[0] for one in left] == ["MedicationRequest"]


def test_an_order_is_taken_back() -> None:
    """After a run with writing, what is left is the Provenance, which the reference EHR lets nobody take back."""
    _, probe = judged(InMemory(), write=WRITE)
    left = afterwards.facts(probe)["write_back"]["left_behind"]
    assert {one["reference"].partition("/")[0] for one in left} == {"Provenance"}


@pytest.mark.parametrize(
    ("fault", "level"),
    [("read-only", 0), ("only-active", 2), ("no-transaction", 3), ("ignored-if-match", 4), ("no-location", 5)],
)
def test_the_ladder_of_write_back(fault: str, level: int) -> None:
    """A rung counts where those below it hold: an EHR with the fault stands on this one."""
    _, probe = judged(InMemory("base-r4", fault), "write", write=WRITE)
    assert afterwards.facts(probe)["write_back"]["level"] == level


def test_coverage_names_what_is_there_and_not_fed() -> None:
    """An EHR without units: the laboratory values are there, wrong-unit, with what follows and what to do."""
    _, probe = judged(InMemory("base-r4", "no-units"), "coverage", people=("george-papadakis",))
    features = {one["name"]: one for one in afterwards.facts(probe)["coverage"]["features"]}
    assert features["age"]["outcomes"] == {"fed": 1}
    assert features["sodium"]["outcomes"] == {"wrong-unit": 1}
    assert "not known" in features["sodium"]["effect"]
    assert "UCUM" in features["sodium"]["fix"][0]


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    """A mistyped fault starts no EHR that only looks faulty."""
    with pytest.raises(CheckError, match="wrong-unit"):
        faults.parse(["wrong-units"])


def test_a_dead_ehr_is_broken_and_not_green() -> None:
    """Where nothing answers, nobody's EHR is blamed."""

    class Dead:
        async def send(self, asked: Asked, number: int) -> Exchange:
            return Exchange(number, asked, "", 1.0, error="no connection")

        async def close(self) -> None:
            """Nothing is held."""

    run, probe = judged(Dead())
    assert run.status == "not-run"
    assert len(probe.session.exchanges) == 1
    assert len(findings.findings(run.results)) == 1
    assert {one.acts for one in run.results if one.verdict == "broken"} == {"network"}
