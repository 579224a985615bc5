"""The checks of a CDS service that is not ours: clean, it has no finding; each fault has its own and no other."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from conformance import runner
from conformance.session import Session
from conformance.suites.service import SUITE
from conformance.suites.service.probe import Client, Probe
from tests.fixtures.foreign_service import ORIGIN, ForeignService
from tests.integration.checked_service import BASE, CLIENT, ISSUER, KEY, InMemory

NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
# What is asked of the product's own service, or of one that suggests prescriptions.
OURS = {
    *("refusals.empty-patient", "refusals.not-a-number", "refusals.twice", "feedback.unknown"),
    *("safety.same-drafts", "safety.crisis", "safety.order-sign", "safety.other-token"),
}
PRESCRIBERS = {"safety.other-patient", "safety.drafts"}


def judged(*faults: str, client: Client | None = CLIENT) -> runner.Run:
    """Run every check but the one of time on the foreign service with these faults."""

    async def story() -> runner.Run:
        service = ForeignService(BASE, ISSUER, KEY, lambda: NOW, *faults)
        session = Session(BASE, InMemory(TestClient(service)), budget=400)  # type: ignore[arg-type]
        probe = Probe(session, NOW, "s", client, lambda: NOW, ORIGIN)
        found = await runner.run(SUITE, probe, list(runner.chosen(SUITE, slow=False)), {}, today=NOW.date())
        await session.close()
        return found

    return asyncio.run(story())


def findings(run: runner.Run) -> dict[str, tuple[str, str]]:
    """Return what is neither passed nor untested: check, verdict, first sentence."""
    bad = [one for one in run.results if one.verdict in ("fail", "warn", "broken")]
    return {one.check.id: (one.verdict, one.told[0].message) for one in bad}


def test_a_good_service_of_somebody_else_has_no_finding() -> None:
    """Nothing that is only asked of ours is held against it, and enough was judged to say so."""
    run = judged()
    assert findings(run) == {}
    untested = {one.check.id for one in run.results if one.verdict == "not-tested"}
    assert untested == {"discovery.tls"} | OURS | PRESCRIBERS
    assert {one.check.id for one in run.results if not one.asked} == OURS | PRESCRIBERS
    assert run.status == "passed"


def test_without_a_key_nothing_is_held_against_a_service_that_asks_for_a_token() -> None:
    """What a call would have shown is not tested, and the run says too little to be green."""
    run = judged(client=None)
    assert findings(run) == {}
    assert run.status == "too-little"
    called = [one for one in run.results if one.check.id.startswith(("calls.", "cards.", "refusals.no-", "tokens."))]
    assert {one.verdict for one in called} == {"not-tested"}


@pytest.mark.parametrize("harmless", ["system-task", "prescribes"])
def test_what_the_standard_allows_is_no_finding(harmless: str) -> None:
    """Drafts of intent order and systemActions that prescribe nothing are as the standard has them."""
    assert findings(judged(harmless)) == {}


ALL_TOKENS = ("none", "alg-none", "symmetric", "altered", "expired", "no-end", "audience", "issuer", "unknown-key")
FAULTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "bare-list": {"discovery.answers": ("fail", "does not answer 200 with a list of services")},
    "html-discovery": {"discovery.json": ("warn", "not sent as JSON")},
    "no-id": {"discovery.fields": ("fail", "services[0] lacks id")},
    "no-description": {"discovery.fields": ("fail", "services[0] lacks description")},
    "prefetch-list": {"discovery.fields": ("fail", "services[0] has prefetch that is no object of texts")},
    "no-title": {"discovery.title": ("warn", "medicines-at-a-glance has no title")},
    "listed-twice": {"discovery.unique-ids": ("warn", "listed 2 times")},
    "absolute-template": {"discovery.relative": ("fail", "absolute-template of medicines-at-a-glance is no relative")},
    "resource-token": {"discovery.tokens": ("fail", "resource-token of medicines-at-a-glance has a token that")},
    "chained-template": {"discovery.portable": ("warn", "goes beyond the portable subset")},
    "odd-version": {"discovery.version": ("warn", "no version of the standard")},
    "empty-field": {"discovery.no-empties": ("fail", "usageRequirements is empty")},
    "no-cards": {"calls.good": ("fail", "a good call is not answered with cards")},
    "text-cards": {"calls.json": ("fail", "cards are not sent as JSON")},
    "crash-on-null": {"calls.null-prefetch": ("fail", "null for every prefetch key makes the service fail")},
    "knows-fields-only": {"calls.unknown-fields": ("fail", "a call with unknown fields is not answered")},
    "no-extensions": {"calls.extension": ("fail", "a call with an extension is not answered")},
    "knows-keys-only": {"calls.unknown-prefetch": ("fail", "another key in prefetch is not answered")},
    "long-summary": {"cards.attributes": ("fail", "summary has 200 characters")},
    "fatal-indicator": {"cards.attributes": ("fail", "indicator is none of the three")},
    "no-source": {"cards.attributes": ("fail", "source.label is missing")},
    "suggestions-object": {"cards.attributes": ("fail", "suggestions is no list of objects")},
    "no-uuid": {"cards.uuid": ("warn", "the card has no uuid")},
    "one-uuid": {"cards.uuid-once": ("fail", "two cards share a uuid")},
    "relative-source": {"cards.source": ("fail", "source.url is not absolute")},
    "no-behaviour": {"cards.suggestions": ("fail", "suggestions stand without selectionBehavior")},
    "no-resource": {"cards.actions": ("fail", "an action carries no whole resource")},
    "link-without-url": {"cards.links": ("fail", "a link lacks label, url or type")},
    "bare-reason": {"cards.override-reasons": ("fail", "an override reason lacks system, display")},
    "empty-detail": {"cards.no-empties": ("fail", "a field is empty")},
    "any-service": {"refusals.unknown-service": ("fail", "an unknown service is not 404")},
    "no-412": {"refusals.no-data": ("fail", "missing data are not answered with 412")},
    "silent-without-data": {"refusals.no-data": ("warn", "nobody can tell from nothing to say")},
    "crash-on-bad-json": {"refusals.not-json": ("fail", "a body that is no JSON made the service fail")},
    "takes-lists": {"refusals.list": ("fail", "a body that is a list was answered as if it were good")},
    "takes-no-instance": {"refusals.no-instance": ("fail", "a call without hookInstance was answered")},
    "takes-no-context": {"refusals.no-context": ("fail", "a call without context was answered")},
    "takes-no-patient": {"refusals.no-patient": ("fail", "a call without patientId was answered")},
    "takes-any-hook": {"refusals.other-hook": ("fail", "a call of another hook was answered")},
    "takes-no-token": {
        "tokens.none": ("fail", "a call without a token is not refused"),
        "tokens.feedback": ("fail", "feedback without a token is not refused"),
    },
    "takes-alg-none": {"tokens.alg-none": ("fail", "a token without a signature is not refused")},
    "no-signature": {
        "tokens.alg-none": ("fail", "a token without a signature is not refused"),
        "tokens.symmetric": ("fail", "a token with a symmetric signature is not refused"),
        "tokens.altered": ("fail", "a token with other claims than were signed is not refused"),
        "tokens.unknown-key": ("fail", "a token of an unknown key is not refused"),
    },
    "takes-expired": {"tokens.expired": ("fail", "an expired token is not refused")},
    "takes-no-end": {"tokens.no-end": ("fail", "a token without exp is not refused")},
    "ignores-aud": {"tokens.audience": ("fail", "a token for another address is not refused")},
    "ignores-iss": {"tokens.issuer": ("fail", "a token of an unknown issuer is not refused")},
    "takes-no-jti": {"tokens.no-jti": ("warn", "a token without jti is not refused")},
    "takes-replays": {"tokens.replay": ("warn", "a token that was used before is not refused")},
    "forbids": {
        f"tokens.{name}": ("warn", "is refused with another status") for name in (*ALL_TOKENS[1:], "no-jti", "replay")
    },
    "says-why": {
        f"tokens.{name}": ("warn", "is refused, and the answer says why")
        for name in ("alg-none", "symmetric", "altered", "expired", "audience", "issuer", "unknown-key")
    },
    "no-cors": {"browsers.known": ("fail", "a preflight of the EHR's own pages is not let in")},
    "no-cors-token": {"browsers.known": ("fail", "pages of the EHR may not send authorization")},
    "any-origin": {
        "browsers.preflight": ("warn", "of any page is let in"),
        "browsers.errors": ("warn", "of any page is let in"),
    },
    "echoes-origins": {
        "browsers.preflight": ("fail", "a preflight of a stranger's page is let in"),
        "browsers.errors": ("fail", "a refused call of a stranger's page is let in"),
    },
    "no-own-reasons": {"feedback.overridden": ("fail", "an override with a reason of the EHR's own list is refused")},
    "no-repeats": {"feedback.repeated": ("fail", "the same feedback again is refused")},
    "system-prescription": {"safety.system-actions": ("fail", "a prescription in systemActions")},
    "active-order": {"safety.drafts": ("fail", "a suggested MedicationRequest is no draft")},
    "takes-others-data": {"safety.other-patient": ("fail", "a call whose prefetch is another patient's is answered")},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_told_truly(fault: str) -> None:
    """Each fault gives its own findings and no other, each with a sentence that is true and says what to do."""
    run = judged(fault)
    found = findings(run)
    assert {check: verdict for check, (verdict, _) in found.items()} == {
        check: verdict for check, (verdict, _) in FAULTS[fault].items()
    }, found
    for check, (_, words) in FAULTS[fault].items():
        assert words in found[check][1]
    said = [one for result in run.results for one in result.told if one.verdict in ("fail", "warn")]
    assert [one.message for one in said if not one.fix or not one.exchanges] == []
    assert {one.acts for one in run.results if one.verdict in ("fail", "warn")} == {"service-team"}
