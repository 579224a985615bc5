"""What stands there when something has changed under an open page: nothing done, what to do next, no text lost."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from service.drafts import claims
from service.drafts.records import Draft
from service.errors import EhrFailed
from tests.integration.page_world import JONAS, PUBLIC, World, world

NOTE = "Patient asked for <this> & slept badly"
REASON = "prefers-alternative"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[World]:
    """A world of its own."""
    with world(tmp_path) as found:
        yield found


def words(page: str) -> str:
    """Return what a reader of the page reads."""
    return " ".join(unescape(re.sub(r"(?s)<head>.*?</head>|<[^>]+>", " ", page)).split())


def opened(scene: World, user: str = "dr-lindqvist") -> tuple[Draft, str, str]:
    """Return a draft, the token of its page, and the digest of what was prepared for this user."""
    draft = scene.hold(JONAS)[0]
    scene.sign_in(draft.id, user)
    csrf = scene.csrf(f"/review/{draft.id}")
    return draft, csrf, digest(scene, draft, csrf)


def digest(scene: World, draft: Draft, csrf: str) -> str:
    """Prepare the order and return the digest."""
    return scene.post(f"/review/{draft.id}/prepare", csrf).headers["location"].partition("digest=")[2]


def again(page: str) -> dict[str, Any]:
    """Return the fields of the form that sends everything once more."""
    found = re.search(r'<form method="post" action="([^"]+)">(.*?)</form>', page, re.DOTALL)
    assert found, words(page)
    fields: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', found[2]):
        fields.setdefault(name, []).append(unescape(value))
    return {"": found[1], **fields}


def resend(scene: World, page: str) -> Any:
    """Press the button that sends everything once more."""
    fields = again(page)
    return scene.post(fields.pop(""), **fields)


def test_a_note_outlives_the_session_and_is_signed_after_a_new_one(scene: World) -> None:
    """The session ends under a typed note: it stands on the refusal, and two presses after a new sign-in sign it."""
    draft, csrf, shown = opened(scene)
    scene.client.cookies.clear()
    refused = scene.post(f"/review/{draft.id}/sign", csrf, digest=shown, note=NOTE)
    assert refused.status_code == 401
    assert NOTE in words(refused.text)
    assert "Nothing was signed or recorded." in words(refused.text)
    assert 'target="_blank"' in refused.text
    scene.sign_in(draft.id)
    asked = resend(scene, refused.text)
    assert asked.status_code == 403
    assert "Send it once more, as Dr Astrid Lindqvist" in words(asked.text)
    assert scene.state(draft.id) == "presented"
    assert resend(scene, asked.text).status_code == 303
    signed = next(e for e in scene.call(scene.services.store.history, draft.id) if e.event == "signed")
    assert claims.of_comment(NOTE) in str(signed.detail)


def test_a_comment_outlives_the_session_and_is_rejected_with_after_a_new_one(scene: World) -> None:
    """What was ticked, chosen and written in a rejection is all sent once more."""
    draft, csrf, _ = opened(scene)
    scene.client.cookies.clear()
    form = {"draft": f"{draft.id}/{draft.version}", "reason": REASON, "comment": NOTE}
    refused = scene.post(f"/review/{draft.id}/reject", csrf, **form)
    scene.sign_in(draft.id)
    resend(scene, resend(scene, refused.text).text)
    assert scene.state(draft.id) == "overridden"


def test_another_users_preparation_is_not_signed_by_sending_it_once_more(scene: World) -> None:
    """Who signs in after the end of a session signs nothing that was prepared for somebody else."""
    draft, csrf, shown = opened(scene)
    scene.client.cookies.clear()
    refused = scene.post(f"/review/{draft.id}/sign", csrf, digest=shown, note=NOTE)
    scene.sign_in(draft.id, "dr-mensah")
    asked = resend(scene, refused.text)
    assert "as Dr Kofi Mensah" in words(asked.text)
    last = resend(scene, asked.text)
    assert (last.status_code, "U-DIGEST" in last.text) == (409, True)
    assert scene.state(draft.id) == "presented"


@pytest.mark.parametrize("origin", ["https://elsewhere.example", None])
def test_nothing_of_another_sites_form_is_shown_or_offered(scene: World, origin: str | None) -> None:
    """Text that did not come from our own page stands on no page of ours, with a session and without one."""
    draft, _, shown = opened(scene)
    for _ in range(2):
        refused = scene.post(f"/review/{draft.id}/sign", "x", origin=origin, digest=shown, note="call 555 0100")
        assert refused.status_code in (401, 403)
        assert "555 0100" not in refused.text
        assert "<form" not in refused.text
        scene.client.cookies.clear()


def test_only_known_fields_are_given_back(scene: World) -> None:
    """A field that no page of ours has is not carried along."""
    draft, csrf, _ = opened(scene)
    scene.client.cookies.clear()
    refused = scene.post(f"/review/{draft.id}/sign", csrf, note=NOTE, extra="smuggled")
    assert "smuggled" not in refused.text
    assert set(again(refused.text)) == {"", "note"}


def _later(scene: World, draft: Draft) -> None:
    now = scene.services.store.now

    async def later() -> Any:
        return await now() + timedelta(days=30)

    scene.services.store.now = later


def _signed_by_another(scene: World, draft: Draft) -> None:
    kept = dict(scene.client.cookies)
    scene.client.cookies.clear()
    scene.sign_in(draft.id, "dr-mensah")
    csrf = scene.csrf(f"/review/{draft.id}")
    scene.post(f"/review/{draft.id}/sign", csrf, digest=digest(scene, draft, csrf))
    scene.client.cookies.clear()
    for name, value in kept.items():
        scene.client.cookies.set(name, value)


def _away(scene: World, draft: Draft) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise EhrFailed("U-EHR-UNREACHABLE", "nobody answers")

    scene.services.clients["reference"].read = away


def _stopped(scene: World, draft: Draft) -> None:
    detail = {"pulled": True, "reason": "recall of a batch"}
    subject = f"drug:{draft.ingredient}"
    scene.call(lambda: scene.services.store.enter("switch", "reference", subject, "set", "Head of pharmacy", detail))


def _denied(scene: World, draft: Draft) -> None:
    page = f"/review/{draft.id}/consent"
    scene.post(page, scene.csrf(page), decision="deny", told_by="patient")


@pytest.mark.parametrize(
    ("change", "status", "heading", "then", "button"),
    [
        (_later, 409, "This draft's time is over", "Open the chart again in the EHR", "Open the draft"),
        (_signed_by_another, 409, "Already signed", "Open it to see who signed it", "Open the draft"),
        (_away, 502, "The EHR did not answer", "Try again in a moment", "Send it once more"),
        (_stopped, 503, "Switched off at this site", "Your site's operators can tell you why", "Open the draft"),
        (_denied, 409, "This draft is closed", "Open it to see what became of it", "Open the draft"),
    ],
)
def test_what_changed_before_the_signature_is_said_with_the_next_step(
    scene: World, change: Callable[[World, Draft], None], status: int, heading: str, then: str, button: str
) -> None:
    """Each change has a heading of its own, says that nothing was done, what to do, and gives the typed note back."""
    draft, csrf, shown = opened(scene)
    change(scene, draft)
    refused = scene.post(f"/review/{draft.id}/sign", csrf, digest=shown, note=NOTE)
    text = words(refused.text)
    assert refused.status_code == status
    assert heading in text
    assert then in text
    assert re.search(r"[Nn]othing was (signed|done|ordered)", text), text
    assert NOTE in text
    assert button in text
    history = scene.call(scene.services.store.history, draft.id)
    assert not [one for one in history if one.event == "signed" and one.actor == "Practitioner/dr-lindqvist"]


def test_an_ehr_that_is_back_takes_the_same_form(scene: World) -> None:
    """After an outage the form of the refusal signs what was to be signed, note and all."""
    draft, csrf, shown = opened(scene)
    client = scene.services.clients["reference"]
    read = client.read
    _away(scene, draft)
    refused = scene.post(f"/review/{draft.id}/sign", csrf, digest=shown, note=NOTE)
    client.read = read
    assert resend(scene, refused.text).status_code == 303
    assert scene.state(draft.id) not in ("held", "presented")


def test_what_is_sent_without_an_origin_is_not_given_back(scene: World) -> None:
    """A form of a browser that names no origin is refused as before, with nothing of it on the page."""
    draft, csrf, shown = opened(scene)
    scene.client.cookies.clear()
    refused = scene.post(f"/review/{draft.id}/sign", csrf, origin=None, digest=shown, note=NOTE)
    assert (refused.status_code, NOTE in words(refused.text)) == (401, False)
    assert PUBLIC not in refused.text


def test_after_a_no_nobody_is_sent_back_for_new_options(scene: World) -> None:
    """The closed page says that the patient said no and where that stands, and not to open the chart again."""
    draft, _, _ = opened(scene)
    _denied(scene, draft)
    text = words(scene.get(f"/review/{draft.id}").text)
    assert "The patient has said no to AI suggestions" in text
    assert "What was said, and when" in text
    assert "options worked out anew" not in text


def test_a_rejected_draft_says_why(scene: World) -> None:
    """The page of a rejected draft has the coded reason in words, and the way to new options."""
    draft, csrf, _ = opened(scene)
    scene.post(f"/review/{draft.id}/reject", csrf, draft=f"{draft.id}/{draft.version}", reason=REASON)
    text = words(scene.get(f"/review/{draft.id}").text)
    assert "Reason: Patient prefers an alternative approach or treatment." in text


def test_a_drug_that_is_switched_off_is_not_offered_for_signing(scene: World) -> None:
    """Its draft says since when, has no step to a signature, and can still be rejected; the other one is as it was."""
    draft, _, _ = opened(scene)
    before = scene.get(f"/review/{draft.id}").text.count("Read the exact order")
    _stopped(scene, draft)
    page = scene.get(f"/review/{draft.id}").text
    assert "Switched off at this site since" in words(page)
    assert page.count("Read the exact order") == before - 1
    assert f'value="{draft.id}/{draft.version}"' in page
