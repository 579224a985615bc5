"""The checks of an EHR as a CDS client: the reference EHR passes them, and each fails on an EHR with its fault."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest

from conformance import har
from conformance.checks import Verdict
from conformance.exchanges import Exchange
from conformance.listening import answers, tokens
from conformance.listening.plan import Plan
from conformance.reference_ehr import dialects, faults
from conformance.report import as_json, schema
from conformance.suites.cds_client import SUITE, afterwards
from conformance.suites.cds_client.shown import QUESTIONS
from fhir_adapters.survey.wanted import templates
from service.cds import discovery
from tests.integration.calling_ehr import PLAN, heard, judged, result

TRIALS = replace(PLAN, trials=True, slow_s=4)
# Check, the EHR's fault, and what the check says of it.
FAULTS: list[tuple[str, str, Verdict]] = [
    ("discovery.read", "no-discovery", "warn"),
    ("discovery.token", "naked-discovery", "warn"),
    ("request.address", "unlisted-service", "fail"),
    ("request.type", "text-plain", "fail"),
    ("request.json", "repeated-name", "fail"),
    ("request.hook", "wrong-hook", "fail"),
    ("request.instance", "short-instance", "fail"),
    ("request.instance-once", "same-instance", "fail"),
    ("request.extension", "listed-extension", "fail"),
    ("request.no-empties", "empty-fields", "warn"),
    ("token.present", "no-jwt", "fail"),
    ("token.header", "no-kid", "fail"),
    ("token.header", "no-typ", "warn"),
    ("token.algorithm", "alg-none", "fail"),
    ("token.algorithm", "alg-hs256", "fail"),
    ("token.keys", "lost-keys", "fail"),
    ("token.key", "unknown-kid", "fail"),
    ("token.signature", "wrong-signature", "fail"),
    ("token.issuer", "wrong-issuer", "fail"),
    ("token.audience", "wrong-audience", "fail"),
    ("token.life", "old-jwt", "fail"),
    ("token.life", "long-jwt", "fail"),
    ("token.once", "same-jti", "fail"),
    ("token.once", "no-jti", "fail"),
    ("token.subject", "changing-sub", "warn"),
    ("token.jku", "plain-jku", "fail"),
    ("token.jku", "foreign-jku", "warn"),
    ("context.user", "bare-user", "fail"),
    ("context.user", "patients-too", "warn"),
    ("context.patient", "patient-reference", "fail"),
    ("context.encounter", "encounter-reference", "fail"),
    ("context.orders", "listed-orders", "fail"),
    ("context.selections", "stray-selection", "fail"),
    ("context.orders-valid", "loose-orders", "warn"),
    ("context.orders-coded", "named-orders", "warn"),
    ("context.orders-draft", "active-orders", "fail"),
    ("context.orders-own", "foreign-orders", "fail"),
    ("access.server", "no-server", "fail"),
    ("access.server", "other-server", "fail"),
    ("access.server", "plain-server", "fail"),
    ("access.whole", "half-access", "fail"),
    ("access.patient", "token-of-other", "fail"),
    ("access.scope", "thin-scope", "fail"),
    ("access.scope", "old-scope", "warn"),
    ("access.works", "dead-token", "fail"),
    ("prefetch.required", "no-data", "fail"),
    ("prefetch.required", "no-prefetch", "warn"),
    ("prefetch.optional", "omits-allergies", "warn"),
    ("prefetch.shape", "bare-lists", "fail"),
    ("prefetch.errors", "failed-prefetch", "fail"),
    ("prefetch.null", "null-lists", "fail"),
    ("prefetch.whole", "paged-lists", "warn"),
    ("prefetch.equal", "lost-entries", "fail"),
    ("prefetch.versions", "stale-prefetch", "fail"),
    ("prefetch.patient", "foreign-prefetch", "fail"),
    ("prefetch.undeclared", "unasked-key", "warn"),
    ("calls.once", "double-calls", "warn"),
    ("calls.parallel", "same-jti", "fail"),
    ("calls.waits", "impatient", "fail"),
    ("answers.busy", "hasty", "fail"),
    ("answers.error", "storming", "fail"),
    ("answers.precondition", "deaf-to-412", "warn"),
    ("answers.empty", "wants-a-card", "warn"),
    ("feedback.token", "no-feedback-jwt", "fail"),
    ("feedback.token", "feedback-audience", "warn"),
    ("feedback.shape", "bare-feedback", "fail"),
    ("feedback.shape", "half-feedback", "fail"),
    ("feedback.card", "unknown-card", "fail"),
    ("feedback.accepted", "unknown-suggestion", "fail"),
    ("feedback.reason", "empty-reason", "fail"),
    ("feedback.reason", "loose-reason", "fail"),
    ("feedback.time", "local-time", "fail"),
]
# What a person says decides these: planted as an answer (feedback: with a fault besides), and one by the address.
BY_ANSWER = {"card.shown", "card.markdown", "card.suggestions", "card.link", "card.reasons"}
BESIDE = {"feedback.sent", "request.tls"}
IN_TRIALS = {"calls.waits", "answers.busy", "answers.error", "answers.precondition", "answers.empty"}


@cache
def _faulty(fault: str, *, trials: bool) -> tuple[Exchange, ...]:
    plan, times = (TRIALS, 6) if trials else (PLAN, 0)
    return heard(fault, plan=plan, times=times, endless=fault == "impatient")


@cache
def _clean() -> tuple[Exchange, ...]:
    return heard(plan=TRIALS, times=6)


@pytest.mark.parametrize(("check", "fault", "verdict"), FAULTS, ids=[f"{one}-{fault}" for one, fault, _ in FAULTS])
def test_a_check_fails_on_its_fault(check: str, fault: str, verdict: Verdict) -> None:
    """An EHR with the fault of a check does not pass it, and the check says what to do and who has to."""
    trials = check in IN_TRIALS
    found = result(_faulty(fault, trials=trials), check, plan=TRIALS if trials else PLAN)
    worst = [one for one in found.told if one.verdict == found.verdict]
    assert found.verdict == verdict, found.told
    assert found.acts in ("ehr-team", "integration-engineer")
    assert all(one.message and one.fix for one in worst), worst


def test_every_check_has_a_fault_and_every_fault_a_check() -> None:
    """No check can only pass, and no fault is without somebody who sees it."""
    assert {name for name, _, _ in FAULTS} | BY_ANSWER | BESIDE == {one.id for one in SUITE.checks}
    assert {fault for _, fault, _ in FAULTS} | {"no-feedback"} == set(faults.HABITS)


def test_the_reference_ehr_passes_every_check() -> None:
    """Nothing is wrong with the reference EHR in all trials; only TLS is not tested on this machine."""
    run, _ = judged(_clean(), plan=TRIALS)
    assert {one.check.id: one.told for one in run.results if one.verdict != "pass"}.keys() == {"request.tls"}
    assert run.status == "passed"


@pytest.mark.parametrize("dialect", dialects.names())
def test_no_dialect_is_a_finding(dialect: str) -> None:
    """An EHR that has a type under another name, or not at all, is not blamed for it."""
    run, _ = judged(heard(dialect=dialect))
    assert [(one.check.id, one.told) for one in run.results if one.verdict in ("fail", "warn", "broken")] == []


@pytest.mark.parametrize("check", sorted(BY_ANSWER))
def test_what_a_person_denies_fails(check: str) -> None:
    """An answer of no is a finding, no answer is none and no pass either."""
    denied = result(_clean(), check, plan=TRIALS, attested={check: "n"})
    assert (denied.verdict, bool(denied.told[0].fix)) == ("fail", True)
    assert result(_clean(), check, plan=TRIALS, attested={}).verdict == "not-tested"
    assert check in QUESTIONS


def test_feedback_that_never_comes_fails_where_a_card_was_used() -> None:
    """Nobody has to use a card; where somebody says so, silence is a finding."""
    silent = _faulty("no-feedback", trials=False)
    assert result(silent, "feedback.sent", attested={"acted": "y"}).verdict == "fail"
    assert result(silent, "feedback.sent", attested={}).verdict == "not-tested"
    assert result(silent, "feedback.shape").verdict == "not-tested"


@pytest.mark.parametrize(
    ("address", "verdict"),
    [("https://checks.example", "pass"), ("http://checks.example", "warn"), ("http://127.0.0.1:1", "not-tested")],
)
def test_tls_is_judged_by_the_address(address: str, verdict: Verdict) -> None:
    """The EHR's way to the listener is https, or it is said."""
    assert result(_clean(), "request.tls", plan=replace(TRIALS, public_url=address)).verdict == verdict


def test_a_link_that_was_opened_needs_no_answer() -> None:
    """The page of the card's link is asked for: that is proof enough."""
    first = _clean()[0]
    opened = replace(first, asked=replace(first.asked, method="GET", url=f"{PLAN.public_url}{answers.SHOWN}"))
    assert result((*_clean(), opened), "card.link", attested={}).verdict == "pass"


def test_checks_in_another_order_say_the_same() -> None:
    """The last check first and the first last: the same verdicts."""
    forth, _ = judged(_clean(), plan=TRIALS)
    back, _ = judged(_clean(), plan=TRIALS, backwards=True)
    assert {one.check.id: one.verdict for one in forth.results} == {one.check.id: one.verdict for one in back.results}


@pytest.mark.parametrize("fault", ["", "foreign-prefetch", "repeated-name", "loose-orders", "unknown-card"])
def test_a_recording_is_judged_the_same_without_a_network(fault: str, tmp_path: Path) -> None:
    """The evidence alone, masked, gives the same report, and holds no token and no name of a patient."""
    recorded = _faulty(fault, trials=False) if fault else _clean()
    run, probe = judged(recorded, plan=TRIALS)
    file = tmp_path / "run.har"
    file.write_bytes(json.dumps(har.as_har(recorded, run.about)).encode())
    text = file.read_text()
    assert "eyJ" not in text  # how every JWT begins
    assert "Osei" not in text
    again, other = judged(har.read(file)[0], plan=TRIALS)
    assert as_json.document(again) == as_json.document(run)
    assert afterwards.facts(other) == afterwards.facts(probe)


def test_nothing_heard_is_not_green() -> None:
    """A run to which no EHR came could not run, and says that nobody came."""
    run, _ = judged(())
    assert run.status == "not-run"
    assert {one.verdict for one in run.results} == {"not-tested"}


def test_opening_a_chart_alone_is_too_little() -> None:
    """Without orders, keys and a FHIR base to compare with, the run ends with status 3."""
    calls = heard("no-discovery", plan=Plan(PLAN.public_url))
    run, _ = judged(calls, plan=Plan(PLAN.public_url))
    assert (run.status, [one.check.id for one in run.results if one.verdict == "fail"]) == ("too-little", [])


def test_null_that_cannot_be_compared_is_no_pass() -> None:
    """Where nobody looked whether the EHR has data, null is neither right nor wrong."""
    alone = Plan(PLAN.public_url)
    assert result(heard("null-lists", plan=alone), "prefetch.null", plan=alone).verdict == "not-tested"
    assert result(heard(plan=alone), "prefetch.null", plan=alone).verdict == "pass"


def test_a_token_goes_to_the_named_base_only() -> None:
    """Without --fhir-base, and for another fhirServer, nothing is asked of anybody."""
    for recorded in (heard(plan=Plan(PLAN.public_url)), _faulty("other-server", trials=False)):
        asked = [one.asked.url for one in recorded if "for" in one.seen]
        assert [url for url in asked if not url.endswith("/jwks.json")] == []


def test_keys_are_fetched_from_the_ehrs_own_host_only() -> None:
    """A JWT that names keys elsewhere sends the listener nowhere."""
    asked = [one for one in _faulty("foreign-jku", trials=False) if "keys" in one.seen]
    assert asked == []


def test_the_listener_announces_what_the_service_does() -> None:
    """Ids, hooks and templates are those that a hospital will get."""
    ours = json.loads(answers.discovery().body)["services"]
    theirs = json.loads(discovery.document())["services"]
    kept = ("id", "hook", "version", "prefetch")
    assert [{name: one[name] for name in kept} for one in ours] == [
        {name: one[name] for name in kept} for one in theirs
    ]


def test_the_test_card_acts_on_nothing() -> None:
    """No suggestion of the run has an action, and the card breaks no rule of CDS Hooks."""
    from conformance.reference_ehr import cards

    answer = json.loads(answers.to_call("card", PLAN.public_url, 0).body)
    assert cards.problems(answer) == ()
    assert [one.get("actions") for card in answer["cards"] for one in card["suggestions"]] == [None]


def test_a_token_is_kept_as_facts_without_what_it_could_be_used_for() -> None:
    """Header and claims that the standard names are kept; others by name alone, the signature not at all."""
    head, claims = "eyJhbGciOiJFUzM4NCIsImtpZCI6ImsifQ", "eyJpc3MiOiJpIiwiZW1haWwiOiJhQGIuZXhhbXBsZSJ9"
    found = tokens.facts([f"Bearer {head}.{claims}.c2ln"])
    assert found == {"header": {"alg": "ES384", "kid": "k"}, "claims": {"iss": "i"}, "more": ["email"]}


@pytest.mark.parametrize("fault", ["", "null-lists", "bare-lists", "no-data"])
def test_a_report_fits_the_published_schema(fault: str) -> None:
    """What the suite says beside its verdicts has a form that others can read."""
    run, probe = judged(_faulty(fault, trials=False) if fault else _clean(), plan=TRIALS)
    whole = replace(run, facts=afterwards.facts(probe))
    read = schema.read(msgspec.json.encode(as_json.document(whole)))
    assert read.facts is not None
    assert [one.key for one in read.facts.prefetch] == [one.key for one in templates()]


def test_prefetch_is_told_key_by_key() -> None:
    """The facts of a run say for each key how often it came and how often it was the same as the query's answer."""
    _, probe = judged(_faulty("lost-entries", trials=False))
    rows = {one["key"]: one for one in afterwards.facts(probe)["prefetch"]}
    assert rows["patient"] == {
        "key": "patient", "holds": "the patient", "required": True, "states": {"sent": 4}, "compared": 4, "same": 4,
    }  # fmt: skip
    assert rows["conditions"]["same"] < rows["conditions"]["compared"] == 4
