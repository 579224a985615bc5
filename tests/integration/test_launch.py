"""SMART launch as an attacker would try it: whose EHR, whose browser, whose code, whose session."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import msgspec
import pytest
from starlette.responses import Response

from service.smart import sessions
from service.smart.app_context import AppContext, make
from tests.integration.page_world import EHR_ROOT, ISS, JONAS, NURSE, PSYCHIATRIST, PUBLIC, World, world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all: sessions are separate, and nothing is decided here."""
    with world(tmp_path_factory.mktemp("launch")) as found:
        yield found


@pytest.fixture
def scene(shared: World) -> World:
    """The world with a browser that was never here."""
    shared.client.cookies.clear()
    return shared


def _code(answer: Any) -> str:
    found = re.search(r"U-[A-Z-]+", answer.text)
    return found[0] if found else ""


@pytest.mark.parametrize(
    "query",
    [
        {"iss": ISS + "/"},
        {"iss": ISS.upper()},
        {"iss": ISS + "%2F..%2Fevil"},
        {"iss": "https://ehr.example.evil.example/fhir"},
        {"iss": "", "ehr": "reference"},
        {"iss": "https://evil.example/fhir", "ehr": "reference"},
        {"ehr": "nowhere"},
        {},
    ],
)
def test_only_a_configured_issuer_to_the_byte_is_asked(scene: World, query: dict[str, str]) -> None:
    """Any other iss than a configured fhir_base is 403, with no redirect and no cookie."""
    answer = scene.client.get("/launch", params=query)
    assert (answer.status_code, _code(answer)) == (403, "U-LAUNCH-ISS")
    assert "set-cookie" not in answer.headers


def test_the_question_has_what_smart_asks_for(scene: World) -> None:
    """The EHR is asked with PKCE S256, state, nonce, aud and our one redirect address; secrets stay here."""
    asked = scene.begin(ehr="reference")
    assert asked["code_challenge_method"] == "S256"
    assert (asked["aud"], asked["redirect_uri"], asked["client_id"]) == (ISS, f"{PUBLIC}/callback", "undersign")
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 32
    assert not {"code_verifier", "client_secret"} & asked.keys()
    again = scene.begin(ehr="reference")
    assert not {asked[name] for name in ("state", "nonce", "code_challenge")} & set(again.values())


@pytest.mark.parametrize(
    "draft",
    ["//evil.example", "../sign-out", "https://evil.example", "x\r\nSet-Cookie: a=b", "", "F" * 36, "\\evil"],
)
def test_a_launch_leads_to_a_draft_or_nowhere(scene: World, draft: str) -> None:
    """What is not the id of a draft cannot become part of the address after the sign-in: 404."""
    answer = scene.client.get("/launch", params={"ehr": "reference", "draft": draft})
    assert (answer.status_code, _code(answer)) == (404, "U-DRAFT-UNKNOWN")


def test_a_sign_in_that_another_browser_began_is_refused(scene: World) -> None:
    """A callback link that an attacker began signs nobody in: the state is bound to the browser's cookie."""
    back = scene.authorize(scene.begin(ehr="reference"))
    scene.client.cookies.clear()
    answer = scene.get(back)
    assert (answer.status_code, _code(answer)) == (400, "U-LAUNCH-STATE")
    assert "undersign_session=" not in answer.headers.get("set-cookie", "")


def test_a_state_is_used_once(scene: World) -> None:
    """The same callback again is refused, also in the same browser."""
    back = scene.authorize(scene.begin(ehr="reference"))
    assert scene.get(back).status_code == 303
    again = scene.get(back)
    assert (again.status_code, _code(again)) == (400, "U-LAUNCH-STATE")


@pytest.mark.parametrize("query", ["", "?state=x", "?code=x", "?state=&code=x", "?state=x&code=x"])
def test_a_callback_out_of_nowhere_is_refused(scene: World, query: str) -> None:
    """A callback without a state that was given out is 400 on a page, before the EHR is asked anything."""
    answer = scene.get(f"/callback{query}")
    assert (answer.status_code, _code(answer)) == (400, "U-LAUNCH-STATE")
    assert answer.headers["content-type"].startswith("text/html")


def test_an_error_of_the_ehr_is_not_repeated_on_the_page(scene: World) -> None:
    """What the EHR says of a refusal comes from the address bar: it is not shown."""
    state = scene.begin(ehr="reference")["state"]
    answer = scene.client.get(
        "/callback", params={"state": state, "error": "access_denied", "error_description": "call 555-0100 now"}
    )
    assert (answer.status_code, _code(answer)) == (403, "U-LAUNCH-DENIED")
    assert "555" not in answer.text


def test_pkce_binds_the_code_to_this_launch(scene: World) -> None:
    """A code that was given for another challenge is not exchanged."""
    first, second = scene.begin(ehr="reference"), scene.begin(ehr="reference")
    stolen = dict(parse_qsl(urlsplit(scene.authorize(first)).query))["code"]
    answer = scene.client.get("/callback", params={"state": second["state"], "code": stolen})
    assert (answer.status_code, _code(answer)) == (403, "U-LAUNCH-DENIED")


@pytest.mark.parametrize("nonce", ["another", None])
def test_an_id_token_of_another_sign_in_is_refused(scene: World, nonce: str | None) -> None:
    """An id_token whose nonce is another one, or missing, begins no session."""
    back = scene.authorize(scene.begin(ehr="reference"))
    codes = scene.ehr.authorization._codes
    (name,) = (key for key in codes if f"code={key}" in back)
    codes[name] = replace(codes[name], nonce=nonce)
    answer = scene.get(back)
    assert (answer.status_code, _code(answer)) == (401, "U-AUTH")
    assert "undersign_session=ey" not in str(answer.headers)
    assert scene.get("/review").status_code == 200
    assert "South" in scene.get("/review").text  # still asked which EHR: nobody is signed in


def test_two_sign_ins_at_once_in_one_browser_both_end(scene: World) -> None:
    """A second sign-in that is begun before the first has ended takes nothing from it."""
    first, second = scene.begin(ehr="reference"), scene.begin(ehr="reference")
    for begun in (first, second):
        assert scene.get(scene.authorize(begun)).status_code == 303


def test_cookies_cannot_be_read_set_or_sent_by_others(scene: World) -> None:
    """Both cookies are HttpOnly, Secure and bound to this host; in a frame they are partitioned."""
    started = scene.client.get("/launch", params={"ehr": "reference"})
    query = dict(parse_qsl(urlsplit(started.headers["location"]).query))
    finished = scene.get(scene.authorize(query))
    for answer, name in ((started, "undersign_launch_"), (finished, "undersign_session=")):
        set_cookies = [v for v in answer.headers.get_list("set-cookie") if name in v and "Max-Age=0" not in v]
        (written,) = set_cookies
        assert written.startswith(f"__Host-{name}")
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=None", "Partitioned"} <= set(written.split("; "))
        assert "Domain" not in written


def test_an_unframed_tenants_cookie_stays_at_home(scene: World) -> None:
    """Where no origin may frame the page, its cookie is SameSite=Lax."""
    response, tenant = Response(), scene.services.tenant("south")
    sessions.set_cookie(response, sessions.COOKIE, "x", scene.services.settings, tenant, timedelta(hours=1))
    assert {"SameSite=Lax", "Secure"} <= set(response.headers["set-cookie"].split("; "))


def test_a_session_is_a_new_one_after_each_sign_in(scene: World) -> None:
    """A cookie that was there before does not survive a sign-in, and its session ends on the server."""
    scene.sign_in()
    old = scene.client.cookies["__Host-undersign_session"]
    scene.sign_in()
    assert scene.client.cookies["__Host-undersign_session"] != old
    scene.client.cookies.clear()
    scene.client.cookies.set("__Host-undersign_session", old)
    assert "Sign in" in scene.get("/review").text


@pytest.mark.parametrize("name", ["__Host-undersign_session", "undersign_session"])
def test_a_planted_cookie_is_nobody(scene: World, name: str) -> None:
    """A session name that we did not give out, or one without the host prefix, opens nothing."""
    scene.sign_in()
    real = scene.client.cookies["__Host-undersign_session"]
    scene.client.cookies.clear()
    scene.client.cookies.set(name, "planted" if name.startswith("__Host") else real)
    assert "Sign in" in scene.get("/review").text


def test_the_store_holds_no_token_in_plain(scene: World) -> None:
    """Neither the cookie nor who is signed in can be read in the store's file: records are sealed."""
    scene.sign_in()
    cookie = scene.client.cookies["__Host-undersign_session"].encode()
    kept = b"".join(path.read_bytes() for path in scene.services.settings.store_path.parent.glob("undersign.db*"))
    assert cookie not in kept
    assert b"Dr Astrid Lindqvist" not in kept


def test_a_launch_from_the_ehr_has_its_patient(scene: World) -> None:
    """An EHR launch ends at the list of that patient's drafts, and of nobody else's."""
    scene.hold(JONAS)
    scene.hold("amara-osei")
    answer = scene.launch(JONAS)
    assert answer.headers["location"] == "/review"
    page = scene.get("/review").text
    assert "Jonas Weber" in page
    assert "Amara Osei" not in page


def test_a_launch_whose_patient_cannot_be_read_signs_nobody_in(scene: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token answer that names its patient as no id opens no session: it would be one for every patient."""
    client = scene.services.clients["reference"]
    real = client.token

    async def token(form: Any) -> dict[str, Any]:
        return {**await real(form), "patient": 5}

    monkeypatch.setattr(client, "token", token)
    answer = scene.launch(JONAS)
    assert answer.status_code == 401
    assert not [name for name in scene.client.cookies if "session" in name]


def test_a_smart_link_opens_the_draft_of_its_card(scene: World) -> None:
    """The context of a card's link comes back through the EHR and ends at that draft's page."""
    draft = scene.hold(JONAS)[0].id
    handed = make(scene.services.sealer, "reference", AppContext(draft=draft), datetime.now(UTC))
    assert scene.launch(JONAS, app_context=handed).headers["location"] == f"/review/{draft}"


def test_a_context_that_is_not_ours_opens_nothing(scene: World) -> None:
    """An EHR that hands back something else gets 403, and nobody is signed in."""
    draft = scene.hold(JONAS)[0].id
    handed = make(scene.services.sealer, "another", AppContext(draft=draft), datetime.now(UTC))
    answer = scene.launch(JONAS, app_context=handed)
    assert answer.status_code == 403
    assert "U-LAUNCH-CONTEXT" in answer.text
    assert "__Host-undersign_session" not in scene.client.cookies


def test_the_page_may_be_framed_by_its_ehr_only(scene: World) -> None:
    """frame-ancestors names the tenant's origins, scripts have no source, and nothing is cached."""
    scene.sign_in()
    answer = scene.get("/review")
    policy = answer.headers["content-security-policy"]
    assert f"frame-ancestors {EHR_ROOT}" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def _session(scene: World) -> sessions.Session:
    """Return the browser's session as the store keeps it."""
    key = sessions.name(scene.client.cookies["__Host-undersign_session"])
    plain = scene.services.sealer.open(scene.call(scene.services.store.kept, "session", key), f"session{key}")
    assert plain is not None
    return msgspec.json.decode(plain, type=sessions.Session)


def _step_up(scene: World, draft: str) -> dict[str, str]:
    """Ask to sign in again for a draft; returns the query with which the browser is sent to the EHR."""
    answer = scene.client.get("/step-up", params={"draft": draft})
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def test_a_session_knows_when_its_user_logged_in(scene: World) -> None:
    """The session keeps auth_time of the id_token; no more is known of class and method than the EHR says."""
    before = datetime.now(UTC) - timedelta(seconds=5)
    scene.sign_in()
    who = _session(scene).practitioner
    assert who.auth_time is not None
    assert before <= who.auth_time <= datetime.now(UTC)
    assert (who.acr, who.amr) == (None, ())


def test_signing_in_again_asks_for_a_new_login_and_comes_back(scene: World) -> None:
    """The EHR is asked for a login now and for its time, and the browser ends at the draft in a new session."""
    draft = scene.hold(JONAS)[0].id
    scene.sign_in()
    old = _session(scene)
    asked = _step_up(scene, draft)
    assert (asked["prompt"], asked["max_age"]) == ("login", "300")
    assert "acr_values" not in asked
    answer = scene.get(scene.authorize(asked))
    assert answer.headers["location"] == f"/review/{draft}"
    new = _session(scene)
    assert (new.practitioner.reference, new.csrf != old.csrf) == (old.practitioner.reference, True)


def test_the_classes_of_login_that_a_site_wants_are_asked_for(tmp_path: Path) -> None:
    """acr_values are the site's, in its order."""
    with world(tmp_path, users={"step_up_acr": ["urn:two", "urn:three"]}) as strict:
        strict.sign_in()
        assert _step_up(strict, str(uuid4()))["acr_values"] == "urn:two urn:three"


def test_signing_in_again_keeps_the_patient_of_the_launch(scene: World) -> None:
    """A session that was opened for one patient is for no other after its user has signed in again."""
    other = scene.hold("amara-osei")[0].id
    draft = scene.hold(JONAS)[0].id
    scene.launch(JONAS)
    scene.get(scene.authorize(_step_up(scene, draft)))
    assert _session(scene).patient == f"Patient/{JONAS}"
    assert scene.get(f"/review/{draft}").status_code == 200
    assert scene.get(f"/review/{other}").status_code == 403


def test_somebody_else_does_not_step_up_a_session(scene: World) -> None:
    """Another user who signs in instead is refused, and is not signed in by it."""
    draft = scene.hold(JONAS)[0].id
    scene.sign_in()
    answer = scene.get(scene.authorize(_step_up(scene, draft), NURSE))
    assert (answer.status_code, _code(answer)) == (403, "U-STEP-UP-USER")
    assert _session(scene).practitioner.reference.endswith(PSYCHIATRIST)


@pytest.mark.parametrize("draft", ["//evil.example", "../sign-out", "x"])
def test_signing_in_again_leads_to_a_draft_or_nowhere(scene: World, draft: str) -> None:
    """What is not the id of a draft is no way back, and without a session the page asks for a sign-in as ever."""
    scene.sign_in()
    answer = scene.client.get("/step-up", params={"draft": draft})
    assert (answer.status_code, _code(answer)) == (404, "U-DRAFT-UNKNOWN")
    scene.client.cookies.clear()
    known = scene.hold(JONAS)[0].id
    assert scene.client.get("/step-up", params={"draft": known}).headers["location"] == f"/review/{known}"
