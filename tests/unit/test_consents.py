"""Consents to decisions on AI decision support."""

from datetime import date

import pytest

from tests.fixtures.resources import Resource, adapted, concept, consent, fixture

AI = [concept("https://undersign.dev/fhir/CodeSystem/consent", "ai-decision-support")]
TREAT = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]
MARKETING = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HMARKT"}]


@pytest.mark.parametrize(
    ("provision", "scope", "decision"),
    [
        (None, "patient-privacy", "not-about-ai"),
        ({"type": "permit"}, "patient-privacy", "not-about-ai"),
        ({"type": "deny"}, "patient-privacy", "deny"),
        ({"type": "deny"}, "treatment", "deny"),
        ({"type": "deny"}, "research", "not-about-ai"),
        ({"type": "deny"}, "adr", "not-about-ai"),
        ({"type": "deny"}, None, "deny"),
        ({"type": "deny"}, "unheard-of", "deny"),
        ({"type": "deny", "code": AI}, "research", "deny"),
        ({"type": "permit", "code": AI}, "research", "permit"),
        ({"type": "permit", "action": AI}, "treatment", "permit"),
        ({"type": "permit", "purpose": AI[0]["coding"]}, "treatment", "permit"),
        ({"type": "permit", "provision": [{"type": "deny", "code": AI}]}, "treatment", "deny"),
        ({"provision": [{"provision": [{"type": "deny", "code": AI}]}]}, "treatment", "deny"),
        ({"type": "permit", "provision": [{"type": "deny", "purpose": TREAT}]}, "treatment", "deny"),
        (
            {"type": "permit", "provision": [{"type": "deny", "purpose": MARKETING}]},
            "treatment",
            "not-about-ai",
        ),
        ({"type": "permit", "provision": [{"type": "deny"}]}, "treatment", "deny"),
        ({"type": "deny", "provision": [{"type": "permit", "code": AI}]}, "treatment", "permit"),
        ({"type": "permit", "code": AI, "provision": [{"type": "deny"}]}, "treatment", "deny"),
        ({"code": AI}, "treatment", "unreadable"),
        ({"type": "maybe", "code": AI}, "treatment", "unreadable"),
    ],
)
def test_what_a_consent_decides(provision: Resource | None, scope: str | None, decision: str) -> None:
    """Each shape of Consent decides as its row says."""
    (found,) = adapted(consent("c", provision, scope)).patient.consents
    assert found.decision == decision


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive"])
def test_a_consent_that_is_not_in_force_is_refused(status: str) -> None:
    """Only active Consents decide."""
    found = adapted(consent("c", {"type": "deny"}, status=status)).patient
    assert found.consents == ()
    assert [one.reason for one in found.refusals] == [status]


def test_a_consent_of_unknown_status_is_unreadable() -> None:
    """A status outside R4's list neither permits nor denies: it cannot be read."""
    (found,) = adapted(consent("c", {"type": "permit", "code": AI}, status="on")).patient.consents
    assert found.decision == "unreadable"


def test_a_denial_keeps_its_period_as_wide_as_it_can_mean() -> None:
    """A denial from 2026 to 2026-03 runs from the first of January to the last of March."""
    provision = {"type": "deny", "period": {"start": "2026", "end": "2026-03"}}
    (found,) = adapted(consent("c", provision)).patient.consents
    assert (found.start, found.end) == (date(2026, 1, 1), date(2026, 3, 31))


def test_a_permission_keeps_its_period_as_narrow_as_it_can_mean() -> None:
    """A permission from 2026-02 to 2026-03 runs from the last of February to the first of March."""
    provision = {"type": "permit", "code": AI, "period": {"start": "2026-02", "end": "2026-03"}}
    (found,) = adapted(consent("c", provision)).patient.consents
    assert (found.start, found.end) == (date(2026, 2, 28), date(2026, 3, 1))


def test_a_permission_with_an_unreadable_period_permits_nothing() -> None:
    """A permission until an unreadable date is unreadable; a denial of the same shape denies."""
    period = {"end": "next spring"}
    (permit,) = adapted(consent("c", {"type": "permit", "code": AI, "period": period})).patient.consents
    (deny,) = adapted(consent("c", {"type": "deny", "code": AI, "period": period})).patient.consents
    assert (permit.decision, deny.decision) == ("unreadable", "deny")


def test_the_fixture_denies_with_its_place() -> None:
    """The denial of consent_denied.json names its provision and its start."""
    (found,) = fixture("consent_denied").patient.consents
    assert (found.decision, found.start) == ("deny", date(2026, 1, 5))
    assert found.source.path == "provision.provision[0]"
