"""Whose records the API answers: only of patients whom the EHR gives the user who asks; and how orders are found."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.fhir import reach, records
from tests.integration.fake_ehr import World, user_token
from tests.integration.test_fhir_api import play, refusal
from tests.integration.test_fhir_record import hold, resources

READS = (
    "MedicationRequest/{}", "MedicationRequest/{}/_history", "MedicationRequest/{}/_history/1",
    "MedicationRequest/{}/$verify", "Task/{}", "GuidanceResponse/{}", "Provenance/{}.created", "AuditEvent/{}.1",
)  # fmt: skip
SEARCHES = (
    "MedicationRequest", "MedicationRequest?patient=example", "Task", "Task?status=requested", "GuidanceResponse",
    "Provenance?target=MedicationRequest/{}", "AuditEvent?entity=MedicationRequest/{}", "MedicationRequest?_id={}",
)  # fmt: skip


def closed_to_nobody(scene: World, status: int = 403) -> str:
    """Let the EHR give its patients to everybody but the user ``nobody``, whose token is returned."""
    nobody = user_token("Practitioner/nobody", sub="nobody")
    real = scene.ehr._write_or_read

    async def answer(request: httpx.Request, path: str) -> httpx.Response:
        if path.startswith("Patient/") and request.headers["authorization"].endswith(nobody):
            return httpx.Response(status)
        return await real(request, path)

    scene.ehr._write_or_read = answer  # type: ignore[method-assign]
    return nobody


@pytest.mark.parametrize("status", [403, 404])
def test_what_the_ehr_does_not_open_to_a_user_the_api_does_not_either(tmp_path: Path, status: int) -> None:
    """No read, operation or search answers a record of a patient whom the EHR does not give; to others they do."""

    async def story(scene: World) -> None:
        nobody = closed_to_nobody(scene, status)
        draft = await hold(scene)
        for part in READS:
            path = f"/fhir/{part.format(draft.id)}"
            assert refusal(await scene.get(path, nobody)) == (403, "U-SESSION-PATIENT"), part
            assert (await scene.get(path)).status_code == 200, part
        for query in SEARCHES:
            assert await resources(scene, query.format(draft.id), nobody) == [], query
            assert await resources(scene, query.format(draft.id)) != [], query
        counted = (await scene.get("/fhir/Task?_summary=count", nobody)).json()
        assert counted["total"] == 0
        for operation in ("prepare", "sign", "reject", "revoke", "refer"):
            answer = await scene.post(draft.id, operation, token=nobody)
            assert refusal(answer) == (403, "U-SESSION-PATIENT"), operation
        assert (await scene.store.read(draft.id)).state == "held"

    play(tmp_path, story)


def test_an_ehr_that_cannot_say_opens_nothing(tmp_path: Path) -> None:
    """Where the EHR does not answer for the patient, neither a read nor a search passes for an empty one."""

    async def story(scene: World) -> list[int]:
        draft = await hold(scene)
        nobody = closed_to_nobody(scene, 503)
        paths = (f"/fhir/MedicationRequest/{draft.id}", "/fhir/Task")
        return [(await scene.get(path, nobody)).status_code for path in paths]

    assert play(tmp_path, story) == [502, 502]


def test_each_patient_of_a_search_is_asked_once(tmp_path: Path) -> None:
    """A search reads each patient once at the EHR, however many records there are of them."""

    async def story(scene: World) -> tuple[int, int]:
        scene.ehr.put({"resourceType": "Patient", "id": "other"})
        await scene.signed()
        await scene.hold()
        await hold(scene, "Patient/other")
        scene.ehr.requests.clear()
        found = await resources(scene, "MedicationRequest")
        return len(found), sum("/Patient/" in one.url.path for one in scene.ehr.requests)

    assert play(tmp_path, story) == (4, 2)


def test_a_search_over_too_many_patients_is_refused(tmp_path: Path) -> None:
    """One patient more than a search may cover is refused without a read; with the patient it is answered."""

    async def story(scene: World) -> None:
        for number in range(reach.PATIENTS + 1):
            scene.ehr.put({"resourceType": "Patient", "id": f"p{number}"})
            await hold(scene, f"Patient/p{number}")
        scene.ehr.requests.clear()
        assert refusal(await scene.get("/fhir/Task")) == (400, "U-FHIR-SEARCH")
        assert not [one for one in scene.ehr.requests if "/Patient/" in one.url.path]
        assert len(await resources(scene, "Task?patient=p3")) == 1

    play(tmp_path, story)


def test_a_signed_order_is_found_however_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order is read and verified by its id where a scan of all signed ones would be refused."""
    monkeypatch.setattr(records, "SCAN_CAP", 0)

    async def story(scene: World) -> list[int]:
        signature = await scene.store.signature((await scene.signed()).id)
        assert signature is not None
        path = f"/fhir/MedicationRequest/{signature.order_id}"
        paths = (path, f"{path}/$verify", f"{path}/_history", f"/fhir/Provenance/{signature.order_id}")
        return [(await scene.get(one)).status_code for one in paths]

    assert play(tmp_path, story) == [200] * 4


@pytest.mark.parametrize(
    ("query", "total"),
    [("status=requested", 1), ("status=completed", 1), ("status=requested,completed", 2), ("status=banana", 0)],
)
def test_a_search_of_tasks_looks_only_at_drafts_of_that_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, total: int
) -> None:
    """Task?status= asks the store for the states behind it, so that others do not count against what it may cover."""
    monkeypatch.setattr(records, "SCAN_CAP", total)

    async def story(scene: World) -> dict[str, Any]:
        await scene.signed()
        await scene.hold()
        return (await scene.get(f"/fhir/Task?{query}")).json()

    assert play(tmp_path, story)["total"] == total
