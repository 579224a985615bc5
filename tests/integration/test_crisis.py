"""After a positive suicide screen over HTTP: crisis card, page, attestation, and what the chart then gives."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from service.drafts.canonical_json import load_object
from service.drafts.flags import Attested
from service.settings import CdsClient, Ehr
from tests.fixtures import prefetch
from tests.integration.page_world import JONAS, NURSE, PSYCHIATRIST, PUBLIC, World, world
from tests.integration.running import BASE, PATH, held, running, settings

LEILA = "leila-haddad"  # a synthetic person whose PHQ-9 item 9 was answered yesterday
Card = dict[str, Any]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[World]:
    """A world of its own."""
    with world(tmp_path) as found:
        yield found


def opened(scene: World, patient: str = LEILA, user: str = PSYCHIATRIST) -> Card:
    """Open a chart in the EHR and return the one card."""
    (call,) = scene.call(scene.ehr.cds.patient_view, user, patient)
    assert call.problems == ()
    (card,) = call.answer["cards"]
    return card


def path_of(card: Card) -> str:
    """Return the path that a crisis card leads to."""
    return card["links"][0]["url"].removeprefix(PUBLIC)


def signed_in(scene: World, path: str, user: str = PSYCHIATRIST) -> str:
    """Sign in from a card's link; returns the page's anti-forgery token."""
    answer = scene.get(path)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/launch?ehr=reference&flag={path.removeprefix('/crisis/')}",
    )
    back = scene.get(scene.authorize(scene.begin(ehr="reference", flag=path.removeprefix("/crisis/")), user))
    assert back.headers["location"] == path
    return scene.csrf(path)


def form(result: str = "may-open", /, days: int = 5, **changes: Any) -> dict[str, str]:
    """Return a filled form: assessed just now, reviewed in some days."""
    now = datetime.now().astimezone()
    known = {
        "assessed": f"{now:%Y-%m-%dT%H:%M}",
        "result": result,
        "reviewer": "self",
        "review_on": f"{now + timedelta(days=days):%Y-%m-%d}",
    }
    return {**known, **changes}


def words(answer: Any) -> str:
    """Return the page's text as it reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def code(answer: Any) -> tuple[int, str]:
    """Return status and stable code of a refusal shown as a page."""
    found = re.search(r"U-[A-Z-]+", answer.text)
    return answer.status_code, found[0] if found else ""


def attested(scene: World, patient: str = LEILA) -> list[Attested]:
    """Return what is recorded of a patient."""
    return scene.call(scene.services.store.attestations, "reference", f"Patient/{patient}")


def test_from_the_crisis_card_over_the_page_to_drafts_with_warnings(scene: World) -> None:
    """A crisis card holds no drug; once attested on the page, the next call gives options, warnings and seven days."""
    card = opened(scene)
    assert (card["indicator"], card["source"]["topic"]["code"]) == ("critical", "crisis")
    assert "suggestions" not in card
    path = path_of(card)
    csrf = signed_in(scene, path)
    shown = words(scene.get(path))
    for said in (
        "A person assesses the suicide risk before any draft",
        "PHQ-9 item 9 (thoughts of death or self-harm) answered 2",
        "No drug is suggested.",
        "No crisis contact is set up here for this site.",
        "the local emergency number",
        "Dr Astrid Lindqvist by a card",
        "It is no assessment of risk: a person makes that.",
    ):
        assert said in shown
    assert not re.search(r"<[^>]*\b(checked|selected)\b", scene.get(path).text)
    answer = scene.post(f"{path}/attest", csrf, **form())
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "Recorded: Dr Astrid Lindqvist assessed the risk, drafting may open again" in words(scene.get(path))
    after = opened(scene)
    assert after["detail"].startswith("**First.** PHQ-9 item 9")
    assert "by Dr Astrid Lindqvist of" in after["detail"]
    assert after["indicator"] == "warning"
    supplies = [s["actions"][0]["resource"]["dispenseRequest"] for s in after["suggestions"] if "actions" in s]
    assert supplies
    for supply in supplies:
        assert supply["numberOfRepeatsAllowed"] == 0
        assert supply["expectedSupplyDuration"]["value"] == 7
    path = f"/review/{after['suggestions'][0]['uuid']}"
    assert "First. PHQ-9 item 9" in words(scene.get(path)), "the practitioner's own choice comes before the options"
    scene.post(f"{path}/own", scene.csrf(path), own="no-change")
    page = words(scene.get(path))
    assert page.index("First. PHQ-9 item 9") < page.index("AI draft, not an order.")


def test_the_drafts_own_supply_needs_no_acknowledgement(scene: World) -> None:
    """As drafted, the warnings are acknowledged and the supply is not: the draft's seven days keep to the limit."""
    csrf = signed_in(scene, path := path_of(opened(scene)))
    scene.post(f"{path}/attest", csrf, **form())
    draft = opened(scene)["suggestions"][0]["uuid"]
    scene.post(f"/review/{draft}/own", csrf, own="undecided")
    answer = scene.post(f"/review/{draft}/prepare", csrf)
    shown = words(scene.get(answer.headers["location"]))
    assert "looked into since by an attested assessment" in shown
    assert "for 7 days, 0 repeats" in shown
    assert "at a time, without repeats, are asked for" not in shown


def test_drafting_that_is_kept_closed_stays_closed_and_can_be_opened_later(scene: World) -> None:
    """Stays-closed withdraws what is held and closes the next call; a later word opens again."""
    csrf = signed_in(scene, path := path_of(opened(scene)))
    scene.post(f"{path}/attest", csrf, **form())
    held_draft = opened(scene)["suggestions"][0]["uuid"]
    answer = scene.post(f"{path}/attest", csrf, **form("stays-closed", 30))
    assert answer.status_code == 303, words(answer)
    assert scene.state(held_draft) == "withdrawn"
    assert "What was held unsigned for this patient is withdrawn." in words(scene.get(path))
    closed = opened(scene)
    assert "suggestions" not in closed
    assert "keeps drafting closed" in closed["detail"]
    assert path_of(closed) == path
    answer = scene.post(f"{path}/attest", csrf, **form(reviewer="psychiatrist"))
    assert answer.status_code == 303, words(answer)
    assert "review by a psychiatrist on" in opened(scene)["detail"]


def test_the_trail_says_who_was_shown_what_and_who_attested(scene: World) -> None:
    """Alarm, card and attestation are in the flag's chain with their people, and verification finds it whole."""
    csrf = signed_in(scene, path := path_of(opened(scene)))
    scene.post(f"{path}/attest", csrf, **form())
    history = scene.call(scene.services.store.flag_history, path.removeprefix("/crisis/"))
    assert [(entry.event, entry.actor) for entry in history] == [
        ("raised", "Device/undersign"),
        ("shown", f"Practitioner/{PSYCHIATRIST}"),
        ("attested", f"Practitioner/{PSYCHIATRIST}"),
    ]
    assert history[-1].detail["given"]["assertion"]["method"] == "smart-session"
    assert "answered" not in str([entry.detail for entry in history])
    assert scene.call(scene.services.store.verify) == ()


def test_who_may_not_prescribe_reads_but_does_not_attest(scene: World) -> None:
    """A nurse sees what is on record and whom to call; the attestation is refused in words, and nothing is recorded."""
    path = path_of(opened(scene))
    csrf = signed_in(scene, path, NURSE)
    assert "the EHR has no active role for you that may" in words(scene.get(path))
    assert f'action="{path}/attest"' not in scene.get(path).text
    answer = scene.post(f"{path}/attest", csrf, **form())
    assert code(answer) == (403, "U-SIGNER-ROLE")
    assert "nothing was recorded" in words(answer)
    assert f'href="{path}"' in answer.text
    assert attested(scene) == []


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"result": ""}, (400, "U-REQUEST")),
        ({"result": "low-risk"}, (400, "U-REQUEST")),
        ({"reviewer": ""}, (400, "U-REQUEST")),
        ({"reviewer": "Dr Who"}, (400, "U-REQUEST")),
        ({"assessed": ""}, (400, "U-REQUEST")),
        ({"assessed": "2026-11-22"}, (400, "U-REQUEST")),
        ({"assessed": "2026-11-22T10:00:00Z"}, (400, "U-REQUEST")),
        ({"assessed": "2099-01-01T10:00"}, (422, "U-ATTEST-TIME")),
        ({"assessed": "2020-01-01T10:00"}, (422, "U-ATTEST-TIME")),
        ({"review_on": "soon"}, (400, "U-REQUEST")),
        ({"review_on": "2020-01-01"}, (422, "U-ATTEST-REVIEW")),
        ({"review_on": "2099-01-01"}, (422, "U-ATTEST-REVIEW")),
    ],
)
def test_a_word_that_says_too_little_is_not_recorded(
    scene: World, change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    """Without time, result, reviewer and a near review nothing is recorded, and the page says what to state."""
    csrf = signed_in(scene, path := path_of(opened(scene)))
    assert code(scene.post(f"{path}/attest", csrf, **form(**change))) == refusal
    assert attested(scene) == []


def test_a_review_in_eight_days_is_too_late_where_drafting_may_open(scene: World) -> None:
    """Seven days are taken and eight are not; where drafting stays closed the review may be later."""
    csrf = signed_in(scene, path := path_of(opened(scene)))
    assert code(scene.post(f"{path}/attest", csrf, **form(days=8))) == (422, "U-ATTEST-REVIEW")
    assert scene.post(f"{path}/attest", csrf, **form(days=7)).status_code == 303
    assert scene.post(f"{path}/attest", csrf, **form("stays-closed", 8)).status_code == 303


@pytest.mark.parametrize(
    ("csrf", "origin"), [(None, PUBLIC), ("", PUBLIC), ("other", PUBLIC), ("own", "https://evil.example")]
)
def test_a_forged_attestation_is_refused(scene: World, csrf: str | None, origin: str) -> None:
    """The form needs the session's own token and our own origin."""
    own = signed_in(scene, path := path_of(opened(scene)))
    answer = scene.post(f"{path}/attest", own if csrf == "own" else csrf, origin, **form())
    assert code(answer) == (403, "U-CSRF")
    assert attested(scene) == []


def test_a_launch_for_another_patient_opens_no_flag(scene: World) -> None:
    """In a window launched for one patient another patient's flag is neither shown nor attested."""
    path = path_of(opened(scene))
    scene.launch(JONAS)
    csrf = scene.csrf("/review")
    for answer in (scene.get(path), scene.post(f"{path}/attest", csrf, **form())):
        assert code(answer) == (403, "U-SESSION-PATIENT")
        assert "Leila" not in answer.text
        assert "item 9" not in answer.text
    assert attested(scene) == []


def test_a_launch_from_the_chart_leads_to_the_flag(scene: World) -> None:
    """In a window launched for a flagged patient the empty list of drafts leads to the flag; another's does not."""
    path = path_of(opened(scene))
    scene.launch(LEILA)
    assert f'href="{path}"' in scene.get("/review").text
    scene.client.cookies.clear()
    scene.launch(JONAS)
    assert "/crisis/" not in scene.get("/review").text


def test_another_tenants_flag_is_not_there(scene: World) -> None:
    """A flag of another tenant is 404 like one that never was."""
    from service.drafts.records import Shown

    shown = Shown("card-1", "Practitioner/x", {})
    raised = scene.services.store.raise_flag
    foreign = scene.call(raised, "south", "Patient/secret", "facts", b'{"reasons":["Hidden"]}', shown)
    csrf = signed_in(scene, path_of(opened(scene)))
    for one in (foreign.id, "00000000-0000-4000-8000-000000000000"):
        for answer in (scene.get(f"/crisis/{one}"), scene.post(f"/crisis/{one}/attest", csrf, **form())):
            assert code(answer) == (404, "U-FLAG-UNKNOWN")
            assert "Hidden" not in answer.text


def test_a_step_without_a_session_leads_to_sign_in(scene: World) -> None:
    """A form sent when the session has ended is 401 and leads back; a reloaded step goes to the page."""
    path = path_of(opened(scene))
    answer = scene.post(f"{path}/attest", "x", **form())
    assert code(answer) == (401, "U-AUTH")
    assert f'href="{path}"' in answer.text
    again = scene.get(f"{path}/attest")
    assert (again.status_code, again.headers["location"]) == (303, path)


@pytest.mark.parametrize("flag", ["x", "../review", "%2e", "00000000-0000-4000-8000-00000000000G"])
def test_only_an_id_is_carried_through_a_sign_in(scene: World, flag: str) -> None:
    """What is to be opened after the sign-in must be an id: anything else is 404 before the EHR is asked."""
    answer = scene.client.get("/launch", params={"ehr": "reference", "flag": flag})
    assert answer.status_code == 404


def test_an_opt_in_site_without_a_consent_works_nothing_out(tmp_path: Path) -> None:
    """Where a permission comes first, a chart without one gives a card that says so, no drug and no draft."""
    tenant = Ehr(
        id="north",
        name="North",
        fhir_base=BASE,
        cds_client=CdsClient(required=False),
        consent_default="opt-in",
    )
    with running(settings(tmp_path, ehr=tenant)) as client:
        answer = client.post(PATH, json=prefetch.request())
        (card,) = answer.json()["cards"]
        assert card["source"]["topic"]["code"] == "consent"
        assert "this site asks for one first" in card["detail"]
        assert "A Consent on record" not in card["detail"]
        for drug in ("citalopram", "sertraline", "PHQ-9"):
            assert drug not in card["detail"]
        assert held(client) == 0
        crisis = client.post(PATH, json=prefetch.request(prefetch=prefetch.values(item9=2))).json()["cards"][0]
        assert crisis["indicator"] == "critical"


def test_the_alarm_that_is_kept_holds_what_was_shown(scene: World) -> None:
    """The flag's context has the gate's reasons and people, and nothing of drugs or scores of risk."""
    path = path_of(opened(scene))
    alarm = scene.call(scene.services.store.alarm, path.removeprefix("/crisis/"))
    context = load_object(alarm.context)
    assert set(context) == {"as_of", "status", "reasons", "silent", "to_tell", "versions"}
    assert context["status"] == "crisis"
    assert alarm.raised.tzinfo is not None
    assert alarm.raised <= datetime.now(UTC)


def test_an_alarm_stands_where_its_answer_is_missing(scene: World) -> None:
    """After a crisis card a chart without that answer opens nothing, until somebody has attested."""
    path = path_of(opened(scene))
    store = scene.ehr.store
    answers = [one for one in store.all("Observation") if LEILA in str(one.body) and "44260-8" in str(one.body)]
    for one in answers:
        store.update(one.reference, {**one.body, "status": "entered-in-error"}, one.etag)
    assert len(answers) == 1
    card = opened(scene)
    assert card["source"]["topic"]["code"] == "too-little-data"
    assert "suggestions" not in card
    assert path_of(card) == path
    csrf = signed_in(scene, path)
    assert scene.post(f"{path}/attest", csrf, **form()).status_code == 303
    assert opened(scene)["source"]["topic"]["code"] == "options"
