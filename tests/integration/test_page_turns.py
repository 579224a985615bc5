"""Where a draft turns another way: a psychiatrist is asked, a signature taken back, a login renewed."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.servicerequest import ServiceRequest

from service.drafts.records import Draft
from service.errors import EhrFailed
from service.settings import Supervision
from tests.integration.page_world import AMARA, JONAS, World, world

PSYCHIATRY = "http://nucc.org/provider-taxonomy|2084P0800X"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[World]:
    """Return a world in which complex drafts are left to specialists."""
    rule = Supervision(others_sign="uncomplicated", specialist_role_codes=(PSYCHIATRY,))
    with world(tmp_path, supervision=rule) as found:
        yield found


def _words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _opened(scene: World, patient: str, user: str = "dr-lindqvist") -> tuple[Draft, str]:
    draft = scene.hold(patient)[0]
    scene.sign_in(draft.id, user)
    return draft, scene.csrf(f"/review/{draft.id}")


def _digest(answer: Any) -> str:
    return answer.headers["location"].partition("digest=")[2]


def test_a_general_practitioner_is_offered_the_psychiatrist_where_the_draft_is_complex(scene: World) -> None:
    """A complex draft is not theirs to prepare, and the page makes a draft of the referral; the draft stays held."""
    draft, csrf = _opened(scene, AMARA, "dr-mensah")
    path = f"/review/{draft.id}"
    assert "Ask a psychiatrist" in _words(scene.get(path).text)
    refused = scene.post(f"{path}/prepare", csrf)
    assert (refused.status_code, "U-SUPERVISION" in refused.text) == (403, True)
    shown = scene.post(f"{path}/refer", csrf)
    assert shown.status_code == 200
    assert "Nothing was sent." in _words(shown.text)
    found = re.search(r"<pre>(.*?)</pre>", shown.text, re.DOTALL)
    assert found
    referral = ServiceRequest.model_validate_json(unescape(found[1]))
    assert (referral.status, referral.intent) == ("draft", "proposal")
    assert scene.state(draft.id) == "presented"
    events = [entry.event for entry in scene.call(scene.services.store.history, draft.id)]
    assert "referred" in events


def test_a_usual_draft_offers_no_referral(scene: World) -> None:
    """Where nothing asks for a psychiatrist, no such action stands on the page."""
    draft, _ = _opened(scene, JONAS, "dr-mensah")
    assert "Ask a psychiatrist" not in _words(scene.get(f"/review/{draft.id}").text)


def test_a_signature_is_taken_back_while_the_ehr_has_nothing(scene: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the EHR does not take the order its signature can be taken back on the page; nothing is then ordered."""
    draft, csrf = _opened(scene, JONAS)
    path = f"/review/{draft.id}"

    async def away(*_: Any, **__: Any) -> Any:
        raise EhrFailed("U-EHR-UNREACHABLE", "nobody answers")

    monkeypatch.setattr(scene.services.clients["reference"], "create", away)
    prepared = scene.post(f"{path}/prepare", csrf)
    scene.post(f"{path}/sign", csrf, digest=_digest(prepared))
    assert "Take the signature back" in _words(scene.get(path).text)
    answer = scene.post(f"{path}/revoke", csrf, comment="wrong drug")
    assert (answer.status_code, scene.state(draft.id)) == (303, "revoked"), answer.text
    assert "Take the signature back" not in _words(scene.get(path).text)
    assert not [one for one in scene.ehr.store.all("MedicationRequest") if "jonas" in str(one)]


def test_a_written_order_is_not_taken_back_here(scene: World) -> None:
    """Once the EHR has the order the page offers nothing of the kind, and the form is refused."""
    draft, csrf = _opened(scene, JONAS)
    path = f"/review/{draft.id}"
    scene.post(f"{path}/sign", csrf, digest=_digest(scene.post(f"{path}/prepare", csrf)))
    assert scene.state(draft.id) == "confirmed"
    assert "Take the signature back" not in _words(scene.get(path).text)
    assert scene.post(f"{path}/revoke", csrf, comment="wrong drug").status_code == 409


def test_a_high_risk_draft_is_signed_right_after_a_sign_in_alone(scene: World) -> None:
    """With an old login the sign page asks to sign in again and signing is refused with the way there."""
    draft, csrf = _opened(scene, AMARA)
    prepared = scene.post(f"/review/{draft.id}/prepare", csrf)
    assert prepared.status_code == 303, _words(prepared.text)
    address = prepared.headers["location"]
    assert "Sign in again first" not in _words(scene.get(address).text)
    later = datetime.now(UTC) + timedelta(seconds=scene.services.settings.sign.step_up_max_age_s + 60)
    object.__setattr__(scene.services, "clock", lambda: later)
    page = scene.get(address).text
    assert "Sign in again first." in _words(page)
    refused = scene.post(f"/review/{draft.id}/sign", csrf, digest=_digest(prepared), acknowledgement="0")
    assert refused.status_code == 403
    assert f'href="/step-up?draft={draft.id}"' in refused.text
    again = scene.get(f"/step-up?draft={draft.id}")
    assert "prompt=login" in again.headers["location"]
    assert scene.state(draft.id) == "presented"
