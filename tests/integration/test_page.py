"""The clinician's page over HTTP: from the EHR's sign-in to a signed order in its chart, and what is refused."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from service.drafts import canonical_json
from service.drafts.canonical_json import dumps, load_object
from service.drafts.records import Draft, NewDraft
from service.web import words
from tests.integration.page_world import AMARA, JONAS, NURSE, PUBLIC, World, world

ACKNOWLEDGED = "Replaces citalopram: taper plan needed, do not combine."
REASON = "prefers-alternative"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for the tests that decide nothing."""
    with world(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture
def scene(shared: World) -> World:
    """That world, with a browser that was never here."""
    shared.client.cookies.clear()
    return shared


@pytest.fixture
def own(tmp_path: Path) -> Iterator[World]:
    """A world of its own, for a test that decides."""
    with world(tmp_path) as found:
        yield found


def _opened(scene: World, patient: str, user: str = "dr-lindqvist") -> tuple[list[Draft], str]:
    """Hold a patient's drafts and sign in; returns the drafts and the page's anti-forgery token."""
    drafts = scene.hold(patient)
    answer = scene.sign_in(drafts[0].id, user)
    assert answer.headers["location"] == f"/review/{drafts[0].id}"
    return drafts, scene.csrf(f"/review/{drafts[0].id}")


def _prepared(scene: World, draft: Draft, csrf: str) -> tuple[str, str]:
    """Prepare the order; returns the address of its page and its digest."""
    answer = scene.post(f"/review/{draft.id}/prepare", csrf)
    assert answer.status_code == 303, answer.text
    address = answer.headers["location"]
    found = re.search(r'name="digest" value="([^"]+)"', scene.get(address).text)
    assert found
    return address, found[1]


def _words(answer: Any) -> str:
    """Return the page's text as it reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def _refusal(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    found = re.search(r"U-[A-Z-]+", answer.text)
    return answer.status_code, found[0] if found else ""


def test_without_a_session_the_page_leads_to_the_ehr(scene: World) -> None:
    """An unknown browser is sent to sign in at the draft's own EHR, and sees nothing of it before."""
    draft = scene.hold(JONAS)[0]
    answer = scene.get(f"/review/{draft.id}")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/launch?ehr=reference&draft={draft.id}"
    assert "Jonas" not in answer.text


def test_the_options_stand_side_by_side_and_none_is_chosen(scene: World) -> None:
    """Each draft and no change have a column with the same figures; nothing is ticked or marked as current."""
    drafts, _ = _opened(scene, AMARA)
    pages = [scene.get(f"/review/{draft.id}").text for draft in drafts]
    for page in pages:
        assert page.count('<section class="option"') == len(drafts) + 1 == 3
        assert page.count("<dt>Remission</dt>") == page.count("<dt>Stops for side effects</dt>") == 3
        assert page.count("Read the exact order, to sign it") == 2
        undecided = re.sub(r'<section class="weights".*?</section>', "", page, flags=re.DOTALL)
        assert not re.search(r"<[^>]*\b(checked|selected|aria-current)\b", undecided)
    strip = re.compile(r"/review/[0-9a-f-]+(/reject|#weights)|<meta.*?>")
    assert strip.sub("", pages[0]) == strip.sub("", pages[1])  # whichever draft was opened, the page is the same


def test_the_patients_weights_are_weighed_on_the_page(scene: World) -> None:
    """The form works by its address alone: the chosen share stays, the sentence follows, no draft changes."""
    drafts, _ = _opened(scene, AMARA)
    before = [scene.state(draft.id) for draft in drafts]
    plain = scene.get(f"/review/{drafts[0].id}").text
    assert "With the usual weights: <strong>mirtazapine and paroxetine, tied</strong>" in plain
    field = re.search(r'name="(weight-sedation)"', plain)
    assert field, "both options have a figure for sedation"
    found = scene.get(f"/review/{drafts[0].id}?{field[1]}=2").text
    assert '<option value="2" selected>' in found
    assert "Usual weights" in found
    assert "With these weights: <strong>" in found
    assert [scene.state(draft.id) for draft in drafts] == before
    assert scene.get(f"/review/{drafts[0].id}?{field[1]}=7").status_code == 400


def test_the_page_says_what_it_stands_on(scene: World) -> None:
    """It names the patient, that it is a draft, the chart's time, what is unknown, the tie and the present drug."""
    drafts, _ = _opened(scene, AMARA)
    words = _words(scene.get(f"/review/{drafts[0].id}"))
    for said in (
        "Patient Amara Osei born",
        "AI draft, not an order.",
        "later entries of the chart are not in it",
        "Not known: ",
        "The two drugs are as good as tied",
        "No change: stay on citalopram 20 mg a day",
        "Item 9, thoughts of death or self-harm: answered 0 of 3",
        "Trained on published trials, not on patients of this hospital.",
        "not estimated",
    ):
        assert said in words
    assert words.index("as good as tied") < words.index("2 in 10")


def test_sign_from_the_page_to_the_chart(own: World) -> None:
    """Prepared, read, acknowledged and signed, the order is in the EHR, and the page says so in plain words."""
    drafts, csrf = _opened(own, AMARA)
    address, digest = _prepared(own, drafts[0], csrf)
    shown = _words(own.get(address))
    for said in (
        "Not signed yet",
        "For Amara Osei",
        "15 mg by mouth once a day",
        "15 mg by mouth once every day",
        "Meant to replace citalopram 20 mg a day. Signing stops nothing",
        ACKNOWLEDGED,
    ):
        assert said in shown
    answer = own.post(f"/review/{drafts[0].id}/sign", csrf, digest=digest, acknowledgement="0")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/review/{drafts[0].id}")
    words = _words(own.get(answer.headers["location"]))
    for said in (
        "Signed: Switch to mirtazapine 15 mg a day",
        "It is in the EHR, and was read back unchanged.",
        "Signed by Dr Astrid Lindqvist",
        "This page stopped nothing: stop or taper citalopram 20 mg a day in the EHR.",
        "The alternatives are closed",
        "Closed: another option was signed.",
    ):
        assert said in words
    assert "AI draft, not an order." not in words
    assert "Sign this order" not in words
    assert "Reject" not in words
    assert (own.state(drafts[0].id), own.state(drafts[1].id)) == ("confirmed", "superseded")
    written = [version.body for version in own.ehr.store.all("MedicationRequest")]
    (order,) = [body for body in written if body["subject"]["reference"].endswith(AMARA) and "identifier" in body]
    assert (order["status"], order["intent"]) == ("active", "order")


def test_nothing_is_signed_without_every_tick(own: World) -> None:
    """Leaving a point out, or making one up, is 422 and the draft stays held."""
    drafts, csrf = _opened(own, AMARA)
    _, digest = _prepared(own, drafts[0], csrf)
    for ticks in ({}, {"acknowledgement": "1"}, {"acknowledgement": ACKNOWLEDGED}):
        answer = own.post(f"/review/{drafts[0].id}/sign", csrf, digest=digest, **ticks)
        assert _refusal(answer) == (422, "U-ACKNOWLEDGE")
    assert own.state(drafts[0].id) == "presented"


def test_signing_twice_and_coming_back_say_what_happened(own: World) -> None:
    """A second press and the back button lead to the order as it was signed; what is too late says so."""
    drafts, csrf = _opened(own, AMARA)
    address, digest = _prepared(own, drafts[0], csrf)
    form = {"digest": digest, "acknowledgement": "0"}
    assert own.post(f"/review/{drafts[0].id}/sign", csrf, **form).status_code == 303
    for answer in (own.post(f"/review/{drafts[0].id}/sign", csrf, **form), own.get(address)):
        assert (answer.status_code, answer.headers["location"]) == (303, f"/review/{drafts[0].id}")
    late = own.post(f"/review/{drafts[0].id}/reject", csrf, draft=f"{drafts[0].id}/1", reason=REASON)
    assert _refusal(late) == (409, "U-DRAFT-SIGNED")
    assert f'href="/review/{drafts[0].id}"' in late.text
    history = own.call(own.services.store.history, drafts[0].id)
    assert [entry.event for entry in history].count("signed") == 1
    beside = own.post(f"/review/{drafts[1].id}/prepare", csrf)
    assert _refusal(beside) == (409, "U-DRAFT-STATE")


@pytest.mark.parametrize("digest", ["", "sha256-x", "sha256-" + "A" * 43])
def test_only_what_was_shown_can_be_signed(scene: World, digest: str) -> None:
    """A digest that was not prepared for this practitioner is 409, and nothing is signed."""
    drafts, csrf = _opened(scene, JONAS)
    answer = scene.post(f"/review/{drafts[0].id}/sign", csrf, digest=digest)
    assert _refusal(answer) == (409, "U-DIGEST")


def _api_edit(scene: World, draft: Draft, csrf: str, **changes: Any) -> Any:
    """Prepare a draft as edited through the API, in this browser's session."""
    resource = {**load_object(draft.resource), **changes}
    body = {"resourceType": "Parameters", "parameter": [{"name": "order", "resource": resource}]}
    headers = {"x-csrf-token": csrf, "origin": PUBLIC, "content-type": "application/fhir+json"}
    return scene.client.post(f"/fhir/MedicationRequest/{draft.id}/$prepare", content=dumps(body), headers=headers)


def _edit_of(draft: Draft, **repeat: Any) -> dict[str, Any]:
    """Return an edit of the dosage's times, its supply and a note."""
    dosage = load_object(draft.resource)["dosageInstruction"][0]
    dosage["timing"]["repeat"] |= repeat
    dosage["asNeededCodeableConcept"] = {"text": "panic <b>"}
    supply = {**load_object(draft.resource)["dispenseRequest"], "validityPeriod": {"end": "2046-01-01"}}
    return {"dosageInstruction": [dosage], "dispenseRequest": supply, "note": [{"text": "Call in a week."}]}


def test_the_page_says_every_part_of_the_bytes_that_are_signed(own: World) -> None:
    """What one prescriber edited through the API, another reads on the page in words, and signs those very bytes."""
    drafts, csrf = _opened(own, JONAS)
    edit = _edit_of(drafts[0], when=["HS"], boundsPeriod={"start": "2046-01-01"})
    assert _api_edit(own, drafts[0], csrf, **edit).status_code == 200
    own.client.cookies.clear()
    own.sign_in(drafts[0].id, "dr-mensah")
    csrf = own.csrf(f"/review/{drafts[0].id}")
    address, shown = _prepared(own, drafts[0], csrf)
    page = own.get(address)
    visible, _, folded = page.text.partition("<details>")
    said = " ".join(unescape(re.sub(r"<[^>]+>", " ", visible.replace("&lt;b&gt;", "(b)"))).split())
    for words_ in (
        "before going to sleep as needed for “panic (b)” from 2046-01-01",
        "valid until 2046-01-01",
        "Note by Practitioner/dr-lindqvist Call in a week.",
    ):
        assert words_ in said
    raw = unescape(re.search(r"<pre>(.*)</pre>", folded, re.DOTALL)[1]).encode()  # type: ignore[index]
    assert canonical_json.digest(raw) == shown
    lines = words.order_lines(raw, own.services.profiles[drafts[0].ehr])
    assert re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", visible) == [
        (name, str(escape(value))) for name, value in lines
    ]
    assert re.findall(r"<dt><code>([^<]*)</code></dt><dd>([^<]*)</dd>", folded) == words.carried(raw)
    ticks = [str(n) for n in range(page.text.count('name="acknowledgement"'))]
    own.post(f"/review/{drafts[0].id}/sign", csrf, digest=shown, acknowledgement=ticks)
    signature = own.call(own.services.store.signature, drafts[0].id)
    assert (signature.digest, signature.order) == (shown, raw)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timing": {"code": {"text": "QID"}}}, "U-ORDER-ELEMENT"),
        ({"patientInstruction": "Take eight tablets at once"}, "U-ORDER-ELEMENT"),
        ({"additionalInstruction": [{"text": "Double the dose each day"}]}, "U-ORDER-ELEMENT"),
        ({"maxDosePerAdministration": {"value": 5000, "unit": "mg"}}, "U-ORDER-ELEMENT"),
        ({"doseAndRate": {"unit": "g"}}, "U-ORDER-DOSE"),
    ],
)
def test_what_the_page_would_not_say_is_not_prepared(scene: World, change: dict[str, Any], code: str) -> None:
    """An edit with a part that no line of the page has is refused by its code and leaves the draft as it was."""
    drafts, csrf = _opened(scene, JONAS)
    dosage = load_object(drafts[0].resource)["dosageInstruction"][0]
    if "timing" in change:
        change = {"timing": {**dosage["timing"], **change["timing"]}}
    if "doseAndRate" in change:
        change = {"doseAndRate": [{"doseQuantity": {**dosage["doseAndRate"][0]["doseQuantity"], "unit": "g"}}]}
    answer = _api_edit(scene, drafts[0], csrf, dosageInstruction=[{**dosage, **change}])
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == code
    assert scene.call(scene.services.store.read, drafts[0].id).version == 1


def test_another_practitioners_preparation_is_not_mine(scene: World) -> None:
    """What one practitioner was shown, another one can neither open nor sign."""
    drafts, csrf = _opened(scene, JONAS)
    address, digest = _prepared(scene, drafts[0], csrf)
    scene.client.cookies.clear()
    scene.sign_in(user="dr-mensah")
    csrf = scene.csrf("/review")
    assert _refusal(scene.get(address)) == (409, "U-DIGEST")
    assert _refusal(scene.post(f"/review/{drafts[0].id}/sign", csrf, digest=digest)) == (409, "U-DIGEST")


def test_who_may_not_prescribe_reads_but_does_not_prepare(scene: World) -> None:
    """A nurse sees the page; the order is refused in words, with the way back."""
    drafts, csrf = _opened(scene, JONAS, NURSE)
    answer = scene.post(f"/review/{drafts[0].id}/prepare", csrf)
    assert _refusal(answer) == (403, "U-SIGNER-ROLE")
    assert "not sign it" in _words(answer)
    assert f'href="/review/{drafts[0].id}"' in answer.text


def test_reject_one_then_the_rest(own: World) -> None:
    """A rejected draft is closed on the page, the other one stays open; when both are, nothing was ordered."""
    drafts, csrf = _opened(own, AMARA)
    path = f"/review/{drafts[1].id}/reject"  # from whichever draft's page
    first = own.post(path, csrf, draft=f"{drafts[0].id}/1", reason=REASON, comment="had it before")
    assert (first.status_code, first.headers["location"]) == (303, f"/review/{drafts[1].id}")
    words = _words(own.get(first.headers["location"]))
    assert words.count("Rejected. Nothing was ordered of it.") == 1
    assert words.count("Read the exact order, to sign it") == 1
    own.post(path, csrf, draft=f"{drafts[1].id}/1", reason=REASON)
    words = _words(own.get(first.headers["location"]))
    assert "Nothing was ordered of these drafts" in words
    assert "to sign it" not in words
    history = own.call(own.services.store.history, drafts[0].id)
    assert REASON in str(history[-1].detail)
    assert history[-1].actor == "Practitioner/dr-lindqvist"


@pytest.mark.parametrize(
    "change",
    [
        {"reason": ""},
        {"reason": "because"},
        {"draft": ""},
        {"draft": "{id}"},
        {"draft": "{id}/x"},
        {"draft": "{other}/1"},
        {"draft": ["{id}/1", "{other}/1"]},
    ],
)
def test_a_rejection_needs_a_coded_reason_and_its_own_drafts(scene: World, change: dict[str, Any]) -> None:
    """Without a reason of the list, or with a draft of another assessment, nothing is rejected: 400."""
    other = scene.hold(AMARA)[0].id
    drafts, csrf = _opened(scene, JONAS)

    def filled(value: str) -> str:
        return value.format(id=drafts[0].id, other=other)

    form: dict[str, Any] = {"draft": f"{drafts[0].id}/1", "reason": REASON, **change}
    form = {
        name: [filled(v) for v in value] if isinstance(value, list) else filled(value) for name, value in form.items()
    }
    answer = scene.post(f"/review/{drafts[0].id}/reject", csrf, **form)
    assert _refusal(answer) == (400, "U-REQUEST")
    assert {scene.state(drafts[0].id), scene.state(other)} == {"presented"}


def test_a_rejection_of_another_version_than_shown_is_refused(scene: World) -> None:
    """A draft that was edited since it was shown is not rejected unseen: 409."""
    drafts, csrf = _opened(scene, JONAS)
    answer = scene.post(f"/review/{drafts[0].id}/reject", csrf, draft=f"{drafts[0].id}/7", reason=REASON)
    assert _refusal(answer) == (409, "U-DRAFT-VERSION")


STEPS = ("prepare", "sign", "reject")


@pytest.mark.parametrize("path", [*(f"/review/{{id}}/{step}" for step in STEPS), "/sign-out"])
@pytest.mark.parametrize(
    ("csrf", "origin"),
    [
        (None, "https://undersign.example"),
        ("", "https://undersign.example"),
        ("other", "https://undersign.example"),
        ("own", "https://evil.example"),
        ("own", "https://undersign.example.evil.example"),
        ("own", "null"),
    ],
)
def test_a_forged_form_is_refused(scene: World, path: str, csrf: str | None, origin: str) -> None:
    """Every changing request needs the session's own token, and our own origin where the browser names one."""
    drafts, own = _opened(scene, JONAS)
    token = own if csrf == "own" else csrf
    answer = scene.post(path.format(id=drafts[0].id), token, origin, draft=f"{drafts[0].id}/1", reason=REASON)
    assert _refusal(answer) == (403, "U-CSRF")
    assert scene.state(drafts[0].id) == "presented"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_after_the_session_is_a_way_to_sign_in(scene: World, step: str) -> None:
    """A form sent when the session has ended is 401 on a page that leads back, and the cookie is removed."""
    drafts, csrf = _opened(scene, JONAS)
    scene.client.cookies.clear()
    answer = scene.post(f"/review/{drafts[0].id}/{step}", csrf)
    assert _refusal(answer) == (401, "U-AUTH")
    assert f'href="/review/{drafts[0].id}"' in answer.text
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("step", ["", *(f"/{step}" for step in STEPS)])
def test_a_launch_for_one_patient_opens_no_other(scene: World, step: str) -> None:
    """In a window launched for one patient, another patient's draft is 403 and not named, for every step."""
    other = scene.hold(AMARA)[0].id
    scene.hold(JONAS)
    scene.launch(JONAS)
    csrf, path = scene.csrf("/review"), f"/review/{other}{step}"
    answer = scene.post(path, csrf, draft=f"{other}/1", reason=REASON) if step else scene.get(path)
    assert _refusal(answer) == (403, "U-SESSION-PATIENT")
    assert "Amara" not in answer.text
    assert "mirtazapine" not in answer.text


def _hold_raw(scene: World, ehr: str, patient: str, context: dict[str, Any]) -> Draft:
    """Hold a draft as another tenant, or a chart full of tricks, would have it."""
    real = scene.hold(JONAS)[0]
    new = NewDraft("escitalopram", 0, real.resource.replace(b"Patient/jonas-weber", patient.encode()), dumps(context))
    return scene.call(scene.services.store.hold, ehr, patient, "facts", [new], 3600, "test")[0]


@pytest.mark.parametrize("step", ["", *(f"/{step}" for step in STEPS)])
def test_another_tenants_draft_is_not_there(scene: World, step: str) -> None:
    """A draft of another tenant is 404 like one that never was, for every step."""
    foreign = _hold_raw(scene, "south", "Patient/secret", {"option": "Hidden", "acknowledge": []})
    scene.sign_in()
    csrf = scene.csrf("/review")
    answers = [
        scene.post(f"/review/{one}{step}", csrf) if step else scene.get(f"/review/{one}")
        for one in (foreign.id, "00000000-0000-0000-0000-000000000000")
    ]
    assert [_refusal(answer) for answer in answers] == [(404, "U-DRAFT-UNKNOWN")] * 2
    assert "Hidden" not in answers[0].text


def test_a_patient_whom_the_ehr_does_not_open_is_not_shown(scene: World) -> None:
    """Where the EHR does not give the user the patient, the page gives nothing of the draft, nor the list."""
    draft = _hold_raw(scene, "reference", "Patient/gone", {"option": "Hidden option", "acknowledge": []})
    scene.sign_in()
    answer = scene.get(f"/review/{draft.id}")
    assert _refusal(answer) == (403, "U-SESSION-PATIENT")
    assert "Hidden option" not in answer.text + scene.get("/review").text


EVIL = "<script>alert(1)</script>\" onload=x '\u202egnp"


def test_chart_values_are_inert_on_the_page(scene: World) -> None:
    """Markup in a name, a reason or an option is text, and characters that turn a line around are gone."""
    evil = {"resourceType": "Patient", "id": "evil", "name": [{"text": EVIL}], "birthDate": "1990"}
    scene.ehr.store.create(evil, "evil")
    reason = {"severity": "warning", "message": EVIL, "source": EVIL, "verified": True, "unknown": False}
    context = {"option": EVIL, "summary": EVIL, "reasons": [reason], "unknowns": [EVIL], "acknowledge": [EVIL]}
    draft = _hold_raw(scene, "reference", "Patient/evil", {**context, "ties": EVIL, "to_tell": [], "unchecked": [EVIL]})
    scene.sign_in(draft.id)
    csrf = scene.csrf(f"/review/{draft.id}")
    address, _ = _prepared(scene, draft, csrf)
    for page in (scene.get(f"/review/{draft.id}").text, scene.get(address).text, scene.get("/review").text):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script" not in page
        assert '" onload' not in page
        assert "\u202e" not in page
    assert "born 1990" in scene.get(f"/review/{draft.id}").text


def test_later_leaves_the_draft_where_it_is(scene: World) -> None:
    """ "Decide later" leads to the list, where the draft still is, with the time at which it ends."""
    drafts, _ = _opened(scene, JONAS)
    page = scene.get(f"/review/{drafts[0].id}").text
    assert '<a class="button" href="/review"' in page
    words = _words(scene.get("/review"))
    assert "Jonas Weber" in words
    assert "Start escitalopram 10 mg a day" in words
    assert scene.state(drafts[0].id) == "presented"


def test_sign_out_ends_the_session_on_both_sides(scene: World) -> None:
    """After signing out the old cookie opens nothing, even when a thief kept it."""
    _, csrf = _opened(scene, JONAS)
    kept = scene.client.cookies["__Host-undersign_session"]
    assert scene.post("/sign-out", csrf).status_code == 200
    scene.client.cookies.clear()
    scene.client.cookies.set("__Host-undersign_session", kept)
    assert "Sign in" in scene.get("/review").text


@pytest.mark.parametrize("step", [*STEPS, "order", "anything"])
def test_a_step_that_is_opened_by_address_leads_back(scene: World, step: str) -> None:
    """Reloading a form's address, or one that does not exist, goes to the draft instead of an error."""
    drafts, _ = _opened(scene, JONAS)
    scene.client.cookies.clear()
    answer = scene.get(f"/review/{drafts[0].id}/{step}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/review/{drafts[0].id}")


@pytest.mark.parametrize("body", [b"\xff\xfe", b"&".join(b"a=%d" % n for n in range(60))])
def test_a_form_that_cannot_be_read_is_refused(scene: World, body: bytes) -> None:
    """Bytes that are no form, or one with too many fields, are 400 and not 500."""
    drafts, _ = _opened(scene, JONAS)
    answer = scene.client.post(f"/review/{drafts[0].id}/sign", content=body)
    assert _refusal(answer) == (400, "U-REQUEST")


def test_every_page_works_without_scripts_or_inline_style(scene: World) -> None:
    """No page has a script, an inline style or an address of another host, and every input has a label."""
    drafts, csrf = _opened(scene, AMARA)
    address, _ = _prepared(scene, drafts[0], csrf)
    for path in (f"/review/{drafts[0].id}", address, "/review", "/model-card", "/review/none"):
        page = scene.get(path).text
        assert not re.search(r"<script|<style|<[^>]*\s(style|on[a-z]+)=|javascript:", page)
        assert not re.search(r'(href|src|action)="(?!/|#)', page)
        free = re.sub(r'<label.*?</label>|<input type="hidden"[^>]*>', "", page, flags=re.DOTALL)
        assert not re.search(r"<(input|select|textarea)\b", free)


def test_the_style_sheet_is_ours_and_kept(scene: World) -> None:
    """The page names its style sheet by content; it is served with a type, kept, and light."""
    href = re.search(r'rel="stylesheet" href="([^"]+)"', scene.get("/model-card").text)
    assert href
    answer = scene.get(href[1])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert len(answer.content) < 20_000
    assert scene.get("/static/../page.py").status_code == 404


def test_the_page_is_light(scene: World) -> None:
    """A whole review page, the reasons of every other drug with it, is under 48 KB without its style sheet."""
    drafts, _ = _opened(scene, AMARA)
    assert len(scene.get(f"/review/{drafts[0].id}").content) < 49_152


def _form(scene: World, draft: Draft) -> dict[str, str]:
    """Return the edit form of a draft as it is filled in."""
    page = scene.get(f"/review/{draft.id}/edit").text
    fields = re.findall(r'<input[^>]*name="(\w+)"[^>]*?value="([^"]*)"', page)
    return {name: unescape(value) for name, value in fields if name != "csrf"} | {"times": "1"}


def test_an_edit_is_judged_acknowledged_and_recorded(own: World) -> None:
    """A doubled dose is signed with its own acknowledgement, with the quantity counted anew; the chain has the change,
    and every page names the dose that stands."""
    drafts, csrf = _opened(own, AMARA)
    form = _form(own, drafts[0])
    double = f"{float(form['each_mg']) * 2:g}"
    answer = own.post(f"/review/{drafts[0].id}/edit", csrf, **{**form, "each_mg": double, "note": "Call in a week."})
    assert answer.status_code == 303, answer.text
    shown = own.get(answer.headers["location"])
    words = _words(shown)
    for said in (
        f"{double} mg by mouth once every day",
        "Edited. The rules were run again",
        f"It was drafted as: dose {form['each_mg']} mg by mouth once every day",
        f"{int(form['quantity']) * 2} tablets, for 28 days",
        "that it is begun with",
        f"edited: {double} mg by mouth once every day",
        "Call in a week.",
    ):
        assert said in words
    digest = re.search(r'name="digest" value="([^"]+)"', shown.text)
    assert digest
    ticks = [str(n) for n in range(shown.text.count('name="acknowledgement"'))]
    sign = f"/review/{drafts[0].id}/sign"
    assert _refusal(own.post(sign, csrf, digest=digest[1], acknowledgement=ticks[:-1])) == (422, "U-ACKNOWLEDGE")
    assert own.post(sign, csrf, digest=digest[1], acknowledgement=ticks).status_code == 303
    assert f"edited: {double} mg" in _words(own.get(f"/review/{drafts[0].id}"))
    (signed,) = [entry for entry in own.call(own.services.store.history, drafts[0].id) if entry.event == "signed"]
    changed = {one["element"]: one for one in signed.detail["given"]["changed"]}
    assert changed.keys() == {"dosageInstruction", "dispenseRequest", "note"}
    assert changed["dosageInstruction"]["now"] == f"{double} mg by mouth once every day"
    assert "Call in a week" not in str(changed)


def test_an_edit_that_the_rules_block_comes_back_with_its_form(scene: World) -> None:
    """A dose above the ceiling, what is no number and a stale version keep nothing; the form keeps what was written."""
    drafts, csrf = _opened(scene, AMARA)
    form, address = _form(scene, drafts[0]), f"/review/{drafts[0].id}/edit"
    for change, status, code in (
        ({"each_mg": "9999"}, 422, "U-ORDER-DOSE-CEILING"),
        ({"each_mg": "a lot"}, 400, "U-REQUEST"),
        ({"repeats": "1.9"}, 400, "U-REQUEST"),
        ({"repeats": "1000"}, 400, "U-REQUEST"),
        ({"end": "2020-01-01"}, 422, "U-ORDER-DATES"),
    ):
        answer = scene.post(address, csrf, **{**form, **change})
        assert _refusal(answer) == (status, code)
        assert 'role="alert"' in answer.text
        assert f'value="{next(iter(change.values()))}"' in answer.text
    assert _refusal(scene.post(address, csrf, **{**form, "times": "2.5"})) == (400, "U-REQUEST")
    assert _refusal(scene.post(address, csrf, **{**form, "version": "7"})) == (409, "U-DRAFT-VERSION")
    assert scene.call(scene.services.store.read, drafts[0].id).version == 1


def test_a_change_over_stands_on_the_page_with_its_source(scene: World) -> None:
    """Each switch has its plan in words, with the present drug and a source; no change has none."""
    drafts, _ = _opened(scene, AMARA)
    words = _words(scene.get(f"/review/{drafts[0].id}"))
    assert words.count("Change-over from citalopram: ") == len(drafts)
    assert "A plan in words, no order." in words
    assert "What guidelines and past trials say at this step" in words
    assert "an adequate trial" in words
