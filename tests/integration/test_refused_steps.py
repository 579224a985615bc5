"""Each step at the EHR, refused in each way: what the draft says then, and that no order is lost or written twice."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from service.drafts import operators
from service.drafts.records import Draft
from service.ehr import delivery, in_force, writeback
from tests.contract.samples import Clock
from tests.integration.fake_ehr import World, world

T = TypeVar("T")
SCOPE = delivery.SCOPE
HTML = httpx.Response(200, text="<html>Sign in</html>", headers={"Content-Type": "text/html"})
ANSWERS: dict[str, httpx.Response] = {
    **{str(status): httpx.Response(status) for status in (400, 401, 403, 404, 409, 410, 412, 422, 429, 501, 503)},
    "invalid_scope": httpx.Response(400, json={"error": "invalid_scope"}),
    "invalid_client": httpx.Response(400, json={"error": "invalid_client"}),
    "empty": httpx.Response(200),
    "html": HTML,
    "outcome": httpx.Response(200, json={"resourceType": "OperationOutcome", "issue": []}),
}
Fits = Callable[[httpx.Request], bool]


def asks(method: str, *ends: str) -> Fits:
    """Return what fits requests of a method whose path ends so, or has such a type in it."""
    return lambda request: (
        request.method == method
        and any(request.url.path.endswith(end) or f"/{end}/" in request.url.path for end in ends)
    )


STEPS: dict[str, Fits] = {
    "token": asks("POST", "token"),
    "metadata": asks("GET", "metadata"),
    "search": lambda request: request.method == "GET" and request.url.path.endswith("MedicationRequest"),
    "create": asks("POST", "MedicationRequest"),
    "read": lambda request: request.method == "GET" and "/MedicationRequest/" in request.url.path,
    "provenance": asks("POST", "Provenance"),
}
FAILED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("400", "404", "409", "410", "412", "422", "501"), ("parked", "U-EHR-REFUSED")),
    **dict.fromkeys(("401", "403"), ("parked", "U-EHR-SCOPE")),
    "429": ("write-failed", "U-EHR-BUSY"),
    "503": ("write-failed", "U-EHR-UNREACHABLE"),
    **dict.fromkeys(("empty", "html", "outcome"), ("write-failed", "U-EHR-ANSWER")),
}
OF_TOKEN: dict[str, tuple[str, str]] = {
    **dict.fromkeys(FAILED, ("write-failed", "U-EHR-TOKEN")),
    "invalid_client": ("write-failed", "U-EHR-TOKEN"),
    "invalid_scope": ("write-failed", "U-EHR-SCOPE"),
    "429": ("write-failed", "U-EHR-BUSY"),
    "503": ("write-failed", "U-EHR-UNREACHABLE"),
    **dict.fromkeys(("empty", "html", "outcome"), ("write-failed", "U-EHR-SMART")),
}
WRITING = [
    *(("token", answer, found) for answer, found in OF_TOKEN.items()),
    *((step, answer, found) for step in STEPS if step not in ("token", "create") for answer, found in FAILED.items()),
    *(("create", answer, found) for answer, found in FAILED.items() if answer != "412"),
    ("create", "412", ("mismatch", "U-EHR-MISMATCH")),
]


def play(path: Path, story: Callable[[World, Clock], Awaitable[T]]) -> T:
    """Run a story in a fresh world with a clock that moves when told."""
    clock = Clock()

    async def run() -> T:
        async with world(path, clock) as scene:
            return await story(scene, clock)

    return asyncio.run(run())


def refuse(scene: World, fits: Fits, answer: httpx.Response) -> Callable[[], None]:
    """Answer what fits in one way, with nothing kept from before; returns what puts the EHR right."""
    client = scene.services.clients["north"]
    client._capabilities = None
    client._tokens._kept.clear()
    kept = client._transport._http

    async def handle(request: httpx.Request) -> httpx.Response:
        if fits(request):
            return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)
        return await scene.ehr(request)

    client._transport._http = httpx.AsyncClient(transport=httpx.MockTransport(handle))

    def right() -> None:
        client._transport._http = kept

    return right


async def told(scene: World, draft: Draft) -> dict[str, Any]:
    """Return the draft's row in the operators' list."""
    (row,) = [one for one in await operators.list_drafts(scene.store) if one["id"] == draft.id]
    return row


@pytest.mark.parametrize(("step", "answer", "found"), WRITING)
def test_a_refused_step_of_a_write_back_says_what_to_do_and_loses_nothing(
    tmp_path: Path, step: str, answer: str, found: tuple[str, str]
) -> None:
    """Each refusal has its state, code and steps in the list; put right, the order is in the EHR once, confirmed."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.signed()
        right = refuse(scene, STEPS[step], ANSWERS[answer])
        await writeback.once(scene.services)
        row = await told(scene, draft)
        assert (row["state"], row["code"]) == found
        assert row["to_do"]
        entry = (await scene.store.history(draft.id))[-1]
        scope = entry.detail["given"].get("scope")
        assert scope == (SCOPE if found[1] == "U-EHR-SCOPE" and step != "metadata" else None)
        if step in ("read", "provenance"):
            assert "enter no second" in row["to_do"][0] or found[0] == "write-failed"
            assert not any("--drop" in one for one in row["to_do"])
        right()
        clock.forward(400)
        if found[0] != "write-failed":
            await operators.release_draft(scene.store, draft.id, "released", "On call", "right now", lambda _: None)
        await writeback.once(scene.services)
        assert (await scene.store.read(draft.id)).state == "confirmed"
        assert (len(scene.ehr.of("MedicationRequest")), len(scene.ehr.of("Provenance"))) == (1, 1)

    play(tmp_path, story)


SIGNING: dict[str, tuple[Fits, str, str]] = {
    # What is asked of the EHR before a signature → the code of a 403, and what its text names.
    "practitioner": (asks("GET", "Practitioner"), "U-EHR-SCOPE", "user/Practitioner.r"),
    "role": (asks("GET", "PractitionerRole"), "U-EHR-SCOPE", "user/PractitionerRole.rs"),
    "patient": (asks("GET", "Patient"), "U-SESSION-PATIENT", "chart"),
    "consents": (asks("GET", "Consent"), "U-EHR-CONSENT", "user/Consent.rs"),
    "token": (STEPS["token"], "U-EHR-TOKEN", "undersign"),
    "orders": (STEPS["search"], "U-EHR-SCOPE", in_force.SCOPE),
}


@pytest.mark.parametrize("answer", [one for one in ANSWERS if not one.startswith("invalid")])
@pytest.mark.parametrize("step", SIGNING)
def test_a_refused_question_before_a_signature_has_a_code_and_signs_nothing(
    tmp_path: Path, step: str, answer: str
) -> None:
    """Whatever the EHR answers, the refusal has its code and text, and the draft can be signed later."""
    fits, denied, names = SIGNING[step]

    async def story(scene: World, clock: Clock) -> None:
        scene.ehr.declared_too = ("Consent",)
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        right = refuse(scene, fits, ANSWERS[answer])
        refused = await scene.post(draft.id, "sign", *parameters)
        (issue,) = refused.json()["issue"]
        code = issue["details"]["coding"][0]["code"]
        assert refused.status_code in (401, 403, 409, 502)
        assert code.startswith("U-")
        assert code not in ("U-INTERNAL", "U-EHR-MODE")
        if answer == "403":
            assert code == denied
            assert names in issue["details"]["text"]
        if answer in ("429", "503"):
            assert code == {"429": "U-EHR-BUSY", "503": "U-EHR-UNREACHABLE"}[answer]
        assert await scene.store.signature(draft.id) is None
        assert (await scene.store.read(draft.id)).state == "held"
        right()
        assert (await scene.post(draft.id, "sign", *parameters)).status_code == 200

    play(tmp_path, story)


def test_a_scope_that_the_ehr_does_not_grant_is_named_to_the_signer(tmp_path: Path) -> None:
    """An ``invalid_scope`` of the token endpoint is U-EHR-SCOPE with the scope, the client, and who grants it."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        refuse(scene, STEPS["token"], ANSWERS["invalid_scope"])
        refused = await scene.post(draft.id, "sign", *parameters)
        details = refused.json()["issue"][0]["details"]
        assert (refused.status_code, details["coding"][0]["code"]) == (502, "U-EHR-SCOPE")
        for said in (in_force.SCOPE, "undersign", "invalid_scope", "administrator"):
            assert said in details["text"]

    play(tmp_path, story)


def test_what_a_token_endpoint_writes_beside_its_code_is_not_repeated(tmp_path: Path) -> None:
    """An error that RFC 6749 does not have, and a description, stay out of the text."""

    async def story(scene: World, clock: Clock) -> None:
        draft = await scene.hold()
        parameters = await scene.prepared(draft.id)
        secret = httpx.Response(400, json={"error": "secret-7", "error_description": "for Jane Roe"})
        refuse(scene, STEPS["token"], secret)
        refused = await scene.post(draft.id, "sign", *parameters)
        assert refused.status_code == 502
        assert "secret-7" not in refused.text
        assert "Roe" not in refused.text

    play(tmp_path, story)
