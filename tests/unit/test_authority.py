"""Who may sign which draft: tables of logins, of risks, and of what a site leaves to its specialists."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recommender.catalog import knowledge
from service import settings_rules
from service.drafts.canonical_json import dumps
from service.drafts.decision import authority
from service.drafts.records import Draft
from service.errors import ConfigError, Forbidden
from service.settings import CdsClient, Ehr, Server, Settings, Sign, Supervision, Users
from service.smart.practitioner import Practitioner
from tests.contract.samples import held_draft, practitioner

KNOWLEDGE = knowledge.load()
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
QTC = {"rule": "SR040", "severity": "warning", "message": "m", "source": "s", "verified": True}
YOUNG = {**QTC, "rule": "SR087"}


def draft(reasons: Any = (), told: Any = (), ingredient: str = "citalopram") -> Draft:
    """Return a draft whose context says what rules said and whom to tell; None leaves it out."""
    context = {"acknowledge": [], "reasons": reasons, "to_tell": told}
    kept = dumps({name: value for name, value in context.items() if value is not None})
    return replace(held_draft(), ingredient=ingredient, context=kept)


def signer(age_s: float | None, acr: str | None = None, amr: Sequence[str] = (), **more: Any) -> Practitioner:
    """Return a practitioner who logged in so many seconds ago, or of whom that is not known."""
    login = None if age_s is None else NOW - timedelta(seconds=age_s)
    return replace(practitioner(), auth_time=login, acr=acr, amr=tuple(amr), **more)


@pytest.mark.parametrize(
    ("found", "high"),
    [
        (draft(), False),
        (draft([QTC]), True),
        (draft([YOUNG]), True),
        (draft([{**QTC, "unknown": True, "at_risk": False}]), False),
        (draft(ingredient="clozapine"), True),
        (draft(None), True),
        (draft("none"), True),
        (draft([{"rule": "SR040"}]), True),
    ],
)
def test_a_draft_is_of_high_risk_by_its_rules_or_where_it_does_not_say(found: Draft, high: bool) -> None:
    """The rows decide; a draft without readable reasons is never taken for a usual one."""
    assert bool(authority.risks(found, KNOWLEDGE)) is high


STRONG = Users(step_up_acr=("urn:two", "urn:three"), step_up_amr=("mfa", "hwk"))


@pytest.mark.parametrize(
    ("who", "users", "passes"),
    [
        (signer(0), Users(), True),
        (signer(300), Users(), True),
        (signer(301), Users(), False),
        (signer(None), Users(), False),
        (signer(None, "urn:two", ["mfa"]), STRONG, False),
        (signer(10, "urn:two", ["pwd", "mfa"]), STRONG, True),
        (signer(10, "urn:two", ["pwd"]), STRONG, False),
        (signer(10, "urn:one", ["mfa"]), STRONG, False),
        (signer(10, None, ["mfa"]), STRONG, False),
        (signer(400, "urn:two", ["mfa"]), STRONG, False),
        (signer(10, None, ["mfa"]), Users(step_up_amr=("mfa",)), True),
    ],
)
def test_a_high_risk_draft_needs_a_login_that_is_new_and_strong(who: Practitioner, users: Users, passes: bool) -> None:
    """The time of login has to be proved and recent, and class and method each among the site's where it names any."""
    authority.check_step_up(draft(), KNOWLEDGE, signer(None), Sign(), users, NOW)
    if passes:
        authority.check_step_up(draft([QTC]), KNOWLEDGE, who, Sign(), users, NOW)
        return
    with pytest.raises(Forbidden) as refused:
        authority.check_step_up(draft([QTC]), KNOWLEDGE, who, Sign(), users, NOW)
    assert refused.value.code == "U-STEP-UP"
    assert "QT" not in refused.value.message


PSYCHIATRIST, PHARMACIST = [{"to": "psychiatrist"}], [{"to": "pharmacist"}]


@pytest.mark.parametrize(
    ("others_sign", "found", "passes"),
    [
        ("all", draft([QTC], PSYCHIATRIST), True),
        ("uncomplicated", draft(), True),
        ("uncomplicated", draft((), PHARMACIST), True),
        ("uncomplicated", draft((), PSYCHIATRIST), False),
        ("uncomplicated", draft([QTC]), False),
        ("uncomplicated", draft((), None), False),
        ("none", draft(), False),
    ],
)
def test_a_site_leaves_drafts_to_its_specialists(others_sign: Any, found: Draft, passes: bool) -> None:
    """Without a specialist's role one signs what the policy lets; a specialist signs all of it."""
    policy = Supervision(specialist_role_codes=("s|1",), others_sign=others_sign)
    authority.check_supervision(found, KNOWLEDGE, signer(0, specialist=True), policy)
    if passes:
        authority.check_supervision(found, KNOWLEDGE, signer(0), policy)
        return
    with pytest.raises(Forbidden, match="psychiatrist") as refused:
        authority.check_supervision(found, KNOWLEDGE, signer(0), policy)
    assert refused.value.code == "U-SUPERVISION"


@pytest.mark.parametrize(
    ("others_sign", "codes", "passes"), [("all", (), True), ("none", (), False), ("none", ("s|1",), True)]
)
def test_a_site_without_specialists_leaves_nothing_to_them(
    others_sign: Any, codes: tuple[str, ...], passes: bool
) -> None:
    """A policy under which nobody could sign does not start."""
    policy = Supervision(specialist_role_codes=codes, others_sign=others_sign)
    ehr = Ehr(id="a", name="A", fhir_base="https://a.example", cds_client=CdsClient(required=False), supervision=policy)
    settings = Settings(server=Server(development=True), ehr=(ehr,))
    if passes:
        settings_rules.check(settings)
        return
    with pytest.raises(ConfigError, match="specialist_role_codes"):
        settings_rules.check(settings)


@pytest.mark.parametrize(("codes", "kept"), [((), {"risk": "high"}), (("s|1",), {"risk": "high", "specialist": False})])
def test_the_record_says_who_is_a_specialist_only_where_the_site_does(
    codes: tuple[str, ...], kept: dict[str, Any]
) -> None:
    """Where no code makes a specialist, nobody is recorded as none."""
    assert authority.recorded(draft([QTC]), KNOWLEDGE, signer(0), Supervision(specialist_role_codes=codes)) == kept
