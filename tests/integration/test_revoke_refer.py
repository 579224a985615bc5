"""Taking a signature back, and asking for a psychiatrist instead of signing."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from service.drafts.canonical_json import digest
from service.ehr import writeback
from tests.integration.fake_ehr import SIGNER, World, bearer, user_token, world

T = TypeVar("T")
WHY = [{"name": "reason", "valueCode": "wrong-context"}, {"name": "comment", "valueString": "said so"}]


def play(path: Path, story: Callable[[World], Awaitable[T]], **tenant: Any) -> T:
    """Run a story in a fresh world."""

    async def run() -> T:
        async with world(path, **tenant) as scene:
            return await story(scene)

    return asyncio.run(run())


def answered(answer: httpx.Response) -> tuple[int, str]:
    """Return status and stable code, empty for a success."""
    if answer.status_code == 200:
        return 200, ""
    return answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]


async def work(scene: World) -> None:
    """Write what is due."""
    while await writeback.once(scene.services):
        pass


@pytest.mark.parametrize("who", ["Practitioner/p1", "Practitioner/p2"])
def test_a_signature_is_taken_back_before_anything_is_sent(tmp_path: Path, who: str) -> None:
    """By the signer or another prescriber: the order is never written, and the revocation is signed and verifies."""

    async def story(scene: World) -> None:
        scene.ehr.prescriber("p2")
        draft = await scene.signed()
        answer = await scene.post(draft.id, "revoke", *WHY, token=user_token(who, sub=who))
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        await work(scene)
        assert scene.ehr.of("MedicationRequest") == []
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        order = await scene.http.get(f"/fhir/MedicationRequest/{signature.order_id}", headers=bearer(None))
        assert order.json()["status"] == "cancelled"
        last = (await scene.store.history(draft.id))[-1]
        assert (last.event, last.actor, last.detail["given"]["reason"]) == ("revoked", who, "wrong-context")
        assert "said so" not in json.dumps(dict(last.detail))
        assert await scene.store.verify(SIGNER.public_jwks()) == ()
        assert answered(await scene.post(draft.id, "revoke")) == (409, "U-DRAFT-STATE")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("drop", (200, "")),
        ("503", (200, "")),
        ("400", (200, "")),
        ("commit-then-drop", (409, "U-RELEASE-WRITTEN")),
        ("duplicate", (409, "U-DRAFT-STATE")),
        (None, (409, "U-DRAFT-STATE")),
    ],
)
def test_what_may_be_in_the_ehr_is_searched_before_it_is_given_up(
    tmp_path: Path, fault: str | None, found: tuple[int, str]
) -> None:
    """An attempt that left nothing can be revoked, one that left an order cannot, whatever the EHR answered then."""

    async def story(scene: World) -> tuple[int, str]:
        scene.ehr.faults = [fault]
        draft = await scene.signed()
        await writeback.once(scene.services)
        before = (await scene.store.read(draft.id)).state
        answer = answered(await scene.post(draft.id, "revoke", *WHY))
        after = (await scene.store.read(draft.id)).state
        assert after == ("revoked" if answer[0] == 200 else before)
        assert await scene.store.verify(SIGNER.public_jwks()) == ()
        return answer

    assert play(tmp_path, story) == found


@pytest.mark.parametrize(
    ("change", "found"),
    [("held", (409, "U-DRAFT-STATE")), ("nurse", (403, "U-SIGNER-ROLE")), ("down", (502, "U-EHR-UNREACHABLE"))],
)
def test_who_may_not_sign_may_not_revoke(tmp_path: Path, change: str, found: tuple[int, str]) -> None:
    """What is not signed, somebody without a prescriber's role, and an EHR that cannot say, revoke nothing."""

    async def story(scene: World) -> tuple[int, str]:
        draft = await scene.hold() if change == "held" else await scene.signed()
        if change == "nurse":
            scene.ehr.prescriber("p1", code={"system": "http://example.org", "code": "nurse"})
        scene.ehr.down = change == "down"
        answer = answered(await scene.post(draft.id, "revoke", *WHY))
        assert (await scene.store.read(draft.id)).state == ("held" if change == "held" else "signed")
        return answer

    assert play(tmp_path, story) == found


PSYCHIATRIST = {"to": "psychiatrist", "urgency": "today", "reason": "Two trials without remission: refer."}
POLICY = {"specialist_role_codes": ["s|1"], "others_sign": "uncomplicated"}


@pytest.mark.parametrize(
    ("told", "priority", "reasons"),
    [
        ([], "routine", []),
        ([PSYCHIATRIST, {"to": "pharmacist", "urgency": "now", "reason": "x"}], "urgent", [PSYCHIATRIST["reason"]]),
        ([{**PSYCHIATRIST, "urgency": "routine"}], "routine", [PSYCHIATRIST["reason"]]),
    ],
)
def test_a_referral_is_a_draft_and_leaves_the_draft_as_it_is(
    tmp_path: Path, told: list[dict[str, str]], priority: str, reasons: list[str]
) -> None:
    """Who may not sign a complex case gets a proposal to refer; the chain has its digest and none of its words."""

    async def story(scene: World) -> None:
        draft = await scene.hold(to_tell=told, reasons=[])
        answer = await scene.post(draft.id, "refer")
        assert answer.status_code == 200, answer.text
        referral = answer.json()
        kept = {name: referral[name] for name in ("resourceType", "status", "intent", "priority")}
        assert kept == {
            "resourceType": "ServiceRequest", "status": "draft", "intent": "proposal", "priority": priority,
        }  # fmt: skip
        assert [one["text"] for one in referral.get("reasonCode", [])] == reasons
        assert referral["subject"]["reference"] == "Patient/example"
        assert referral["requester"]["reference"] == "Practitioner/p1"
        last = (await scene.store.history(draft.id))[-1]
        given = last.detail["given"]
        assert (last.event, given["referral"], given["digest"]) == ("referred", referral["id"], digest(answer.content))
        assert "remission" not in json.dumps(dict(last.detail))
        assert (await scene.store.read(draft.id)).state == "held"
        assert scene.ehr.of("ServiceRequest") == []
        assert await scene.store.verify(SIGNER.public_jwks()) == ()

    play(tmp_path, story, supervision=POLICY)


@pytest.mark.parametrize(
    ("change", "found"),
    [("signed", (409, "U-DRAFT-SIGNED")), ("nurse", (403, "U-SIGNER-ROLE")), ("more", (400, "U-FHIR-PARAMETERS"))],
)
def test_a_referral_that_is_not_to_be_made_leaves_no_trace(tmp_path: Path, change: str, found: tuple[int, str]) -> None:
    """Of a signed draft, by somebody without a prescriber's role or with parameters, none is made or recorded."""

    async def story(scene: World) -> None:
        draft = await scene.signed() if change == "signed" else await scene.hold()
        if change == "nurse":
            scene.ehr.prescriber("p1", code={"system": "http://example.org", "code": "nurse"})
        more = WHY if change == "more" else []
        assert answered(await scene.post(draft.id, "refer", *more)) == found
        assert "referred" not in [entry.event for entry in await scene.store.history(draft.id)]

    play(tmp_path, story)
