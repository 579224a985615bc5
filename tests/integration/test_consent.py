"""What a patient says about AI suggestions: recorded on the page or by the API, and what follows for drafting."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.consent import Consent

from fhir_adapters.adapt import adapt
from fhir_adapters.dialect import profile
from tests.integration import fake_ehr
from tests.integration.fake_ehr import bearer
from tests.integration.page_world import JONAS, PSYCHIATRIST, World, world

NO: dict[str, Any] = {"decision": "deny", "told_by": "patient"}
YES: dict[str, Any] = {"decision": "permit", "told_by": "representative"}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[World]:
    """Return a world of its own."""
    with world(tmp_path) as found:
        yield found


def _words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _cards(scene: World) -> list[dict[str, Any]]:
    (shown,) = scene.call(scene.ehr.cds.patient_view, PSYCHIATRIST, JONAS)
    return shown.answer["cards"]


def test_a_no_withdraws_the_drafts_and_closes_drafting_until_a_yes(scene: World) -> None:
    """A denial on the page ends what is held in its commit and shows the consent card; a permission opens again."""
    draft, *others = scene.hold(JONAS)
    scene.sign_in(draft.id)
    path = f"/review/{draft.id}/consent"
    assert "Nothing was recorded here." in _words(scene.get(path).text)
    answer = scene.post(path, scene.csrf(path), **NO)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert {scene.state(one.id) for one in (draft, *others)} == {"withdrawn"}
    assert "The patient does not want AI suggestions. Said by the patient" in _words(scene.get(path).text)
    (card,) = _cards(scene)
    assert card["source"]["topic"]["code"] == "consent"
    assert "has said no to AI suggestions" in card["detail"]
    assert "suggestions" not in card
    scene.post(path, scene.csrf(path), **YES)
    assert "Recorded before" in _words(scene.get(path).text)
    (card,) = _cards(scene)
    assert card["source"]["topic"]["code"] == "options"


def test_a_withdrawn_draft_cannot_be_prepared_or_signed(scene: World) -> None:
    """After a denial nothing that was on a screen can still be signed."""
    draft = scene.hold(JONAS)[0]
    scene.sign_in(draft.id)
    csrf = scene.csrf(f"/review/{draft.id}")
    prepared = scene.post(f"/review/{draft.id}/prepare", csrf)
    digest = prepared.headers["location"].partition("digest=")[2]
    scene.post(f"/review/{draft.id}/consent", csrf, **NO)
    answer = scene.post(f"/review/{draft.id}/sign", csrf, digest=digest)
    assert answer.status_code == 409
    assert "U-DRAFT-STATE" in answer.text


@pytest.mark.parametrize("sent", [{}, {"decision": "deny"}, {"decision": "perhaps", "told_by": "patient"}])
def test_half_a_word_is_not_recorded(scene: World, sent: dict[str, str]) -> None:
    """A form without a decision or without who said it is refused, and nothing is recorded."""
    draft = scene.hold(JONAS)[0]
    scene.sign_in(draft.id)
    path = f"/review/{draft.id}/consent"
    assert scene.post(path, scene.csrf(path), **sent).status_code == 400
    assert "Nothing was recorded here." in _words(scene.get(path).text)
    assert scene.post(path, "wrong", **NO).status_code == 403
    assert scene.state(draft.id) == "presented"


def test_the_word_is_recorded_from_a_launch_without_any_draft(scene: World) -> None:
    """In a launch for one patient the page is open without a draft; a session for no patient is sent to the list."""
    scene.launch(JONAS)
    assert scene.post("/consent", scene.csrf("/consent"), **NO).status_code == 303
    assert "does not want AI suggestions" in _words(scene.get("/consent").text)
    scene.client.cookies.clear()
    scene.sign_in()
    assert scene.get("/consent").headers["location"] == "/review"


def test_the_api_records_the_same_and_answers_a_consent_that_the_adapters_read_alike(tmp_path: Path) -> None:
    """``$consent`` answers a valid R4 Consent, found again by patient and id; read as an EHR's it means the same."""

    async def story() -> None:
        async with fake_ehr.world(tmp_path) as scene:
            patient = {"resourceType": "Patient", "id": "example", "birthDate": "1984-03-12"}
            scene.ehr.put(patient)
            for decision in ("deny", "permit"):
                given = [{"name": "decision", "valueCode": decision}, {"name": "toldBy", "valueCode": "patient"}]
                body = {"resourceType": "Parameters", "parameter": given}
                answer = await scene.http.post("/fhir/Patient/example/$consent", json=body, headers=bearer(None))
                assert answer.status_code == 201, answer.text
                found = answer.json()
                Consent.model_validate_json(answer.text)
                read = adapt(json.dumps([patient, found]).encode(), datetime.now(UTC).date(), profile.load("base-r4"))
                assert [one.decision for one in read.patient.consents] == [decision]
                listed = await scene.http.get("/fhir/Consent?patient=example", headers=bearer(None))
                assert [one["resource"] for one in listed.json()["entry"]] == [found]
                again = await scene.http.get(f"/fhir/Consent/{found['id']}", headers=bearer(None))
                assert again.json() == found
            wrong = {"resourceType": "Parameters", "parameter": [{"name": "decision", "valueCode": "perhaps"}]}
            answer = await scene.http.post("/fhir/Patient/example/$consent", json=wrong, headers=bearer(None))
            assert answer.status_code == 400
            assert (await scene.http.get("/fhir/Consent/none", headers=bearer(None))).status_code == 404

    asyncio.run(story())
