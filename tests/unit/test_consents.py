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
        ({"type": "permit", "code": AI}, "research", "not-about-ai"),
        ({"type": "permit", "code": AI}, "adr", "not-about-ai"),
        ({"type": "permit", "code": AI, "class": [{"code": "Observation"}]}, "treatment", "unreadable"),
        ({"type": "permit", "code": AI, "dataPeriod": {"end": "2020-01-01"}}, "treatment", "unreadable"),
        ({"type": "permit", "code": AI, "securityLabel": [{"code": "N"}]}, "treatment", "unreadable"),
        ({"type": "permit", "code": AI, "data": [{"reference": {"reference": "Task/1"}}]}, "treatment", "unreadable"),
        ({"type": "deny", "code": AI, "class": [{"code": "Observation"}]}, "treatment", "deny"),
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


OPTED_OUT = {"policyRule": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTOUT")}
OPTED_IN = {"policyRule": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN")}


def actors(*references: str) -> list[Resource]:
    """Actors of a provision."""
    return [{"reference": {"reference": one}} for one in references]


@pytest.mark.parametrize(
    ("provision", "scope", "fields", "decision"),
    [
        (None, "patient-privacy", OPTED_OUT, "deny"),
        ({"period": {"end": "2099"}}, "patient-privacy", OPTED_OUT, "deny"),
        (None, "research", OPTED_OUT, "not-about-ai"),
        ({"type": "permit"}, "patient-privacy", OPTED_OUT, "not-about-ai"),
        ({"provision": [{"type": "permit", "code": AI}]}, "patient-privacy", OPTED_OUT, "permit"),
        ({"provision": [{"type": "permit"}]}, "patient-privacy", OPTED_OUT, "deny"),
        (None, "patient-privacy", OPTED_IN, "not-about-ai"),
        ({"provision": [{"type": "deny"}]}, "patient-privacy", OPTED_IN, "deny"),
    ],
)
def test_a_root_without_a_type_has_that_of_its_policy(
    provision: Resource | None, scope: str, fields: Resource, decision: str
) -> None:
    """A Consent under a policy of opting out denies care and privacy, whatever else it says of nobody in particular."""
    (found,) = adapted(consent("c", provision, scope, **fields)).patient.consents
    assert found.decision == decision


@pytest.mark.parametrize(
    ("provision", "decision"),
    [
        ({"type": "deny", "actor": actors("Organization/x")}, "deny"),
        ({"type": "deny", "actor": actors("Practitioner/x")}, "not-about-ai"),
        ({"type": "deny", "actor": actors("Practitioner/x", "Organization/y")}, "deny"),
        ({"type": "deny", "actor": [{}]}, "deny"),
        ({"type": "deny", "actor": actors("Practitioner/x"), "code": AI}, "deny"),
        ({"type": "permit", "provision": [{"type": "deny", "actor": actors("RelatedPerson/x")}]}, "not-about-ai"),
        (
            {"type": "permit", "provision": [{"type": "deny", "data": [{"reference": {"reference": "Task/1"}}]}]},
            "not-about-ai",
        ),
        ({"type": "permit", "code": AI, "actor": actors("Organization/x")}, "not-about-ai"),
        ({"type": "permit", "code": AI, "actor": actors("Device/x")}, "permit"),
    ],
)
def test_whom_a_rule_is_about(provision: Resource, decision: str) -> None:
    """A denial of persons or of single data is not of us, one of an organisation may be; a permission is not ours."""
    (found,) = adapted(consent("c", provision)).patient.consents
    assert found.decision == decision


@pytest.mark.parametrize(
    ("checks", "decision"), [([], "permit"), ([True], "permit"), ([False, True], "permit"), ([False], "unreadable")]
)
def test_a_permission_that_nobody_confirmed_permits_nothing(checks: list[bool], decision: str) -> None:
    """A permission whose verifications all say no is unreadable; a denial of that kind denies."""
    verification = [{"verified": one} for one in checks]
    (permit,) = adapted(consent("c", {"type": "permit", "code": AI}, verification=verification)).patient.consents
    (deny,) = adapted(consent("c", {"type": "deny", "code": AI}, verification=verification)).patient.consents
    assert (permit.decision, deny.decision) == (decision, "deny")


def test_what_has_no_period_begins_with_its_consent() -> None:
    """The date of the Consent is the start of a decision without one of its own, as wide or narrow as it decides."""
    signed = {"dateTime": "2026-02"}
    (permit,) = adapted(consent("c", {"type": "permit", "code": AI}, **signed)).patient.consents
    (deny,) = adapted(consent("c", {"type": "deny"}, **signed)).patient.consents
    assert (permit.start, deny.start) == (date(2026, 2, 28), date(2026, 2, 1))


def test_a_permission_without_a_date_beside_a_denial_is_unreadable() -> None:
    """It cannot be told to be the later word; alone it permits."""
    permit = consent("p", {"type": "permit", "code": AI})
    deny = consent("d", {"type": "deny", "code": AI}, dateTime="2026-01-05")
    found = {one.source.reference: one.decision for one in adapted(permit, deny).patient.consents}
    assert found == {"Consent/p": "unreadable", "Consent/d": "deny"}
    assert [one.decision for one in adapted(permit).patient.consents] == ["permit"]


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


@pytest.mark.parametrize(
    ("said", "first", "latest"),
    [("2026-11-02", (2026, 11, 2), (2026, 11, 2)), ("2026-11", (2026, 11, 1), (2026, 11, 30)),
     ("2025", (2025, 1, 1), (2025, 12, 31))],
)  # fmt: skip
def test_a_denial_may_have_begun_on_any_day_of_what_it_tells(
    said: str, first: tuple[int, int, int], latest: tuple[int, int, int]
) -> None:
    """A month or a year is neither its first day nor its last: a denial keeps both."""
    (found,) = adapted(consent("c", {"type": "deny"}, dateTime=said)).patient.consents
    assert (found.start, found.start_by) == (date(*first), date(*latest))
