"""Verification of one draft: each fault by its name, from the record and from what the EHR's history says."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from joserfc.jwk import ECKey

from service.drafts.canonical_json import dumps
from service.drafts.records import AuditEntry, Draft, Signature
from service.drafts.signature.signing import Signer, verify_detached
from service.drafts.trail import proof
from service.ehr import writeback
from service.errors import Unprocessable
from tests.integration.fake_ehr import DOCTOR, SIGNER, World, user_token, world

T = TypeVar("T")
CHECKS = [
    "format", "digest", "key-known", "key-not-revoked", "signature", "content", "not-revoked", "chain",
    "signer-active", "signer-role", "order",
]  # fmt: skip
REASON = {"name": "reason", "valueCode": "prefers-alternative"}


def play(path: Path, story: Callable[[World], Awaitable[T]], **tenant: Any) -> T:
    """Run a story in a fresh world."""

    async def run() -> T:
        async with world(path, **tenant) as scene:
            return await story(scene)

    return asyncio.run(run())


async def verified(scene: World, draft: str, token: str | None = None) -> dict[str, Any]:
    """Return what $verify answers: its plain parameters, and each check's parts by its name."""
    answer = await scene.get(f"/fhir/MedicationRequest/{draft}/$verify", token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = {}
    for one in answer.json()["parameter"]:
        value = next(value for name, value in one.items() if name != "name")
        if one["name"] == "signed":
            parts = {part["name"]: next(v for n, v in part.items() if n != "name") for part in value}
            found.setdefault("signed", []).append(parts)
        elif one["name"] == "check":
            parts = {part["name"]: next(v for n, v in part.items() if n != "name") for part in value}
            found[parts.pop("name")] = parts
        else:
            found[one["name"]] = value
    return found


Stored = tuple[Draft, list[AuditEntry], Signature]


def changed_order(found: Signature, **elements: Any) -> bytes:
    """Return the order's bytes with other elements."""
    return dumps({**json.loads(found.order), **elements})


def in_entry(entries: Sequence[AuditEntry], event: str, **changes: Any) -> list[AuditEntry]:
    """Return the chain with one entry changed."""
    return [replace(entry, **changes) if entry.event == event else entry for entry in entries]


OTHER = Signer(ECKey.generate_key("P-384"))
FAULTS: list[tuple[str, Callable[[Draft, list[AuditEntry], Signature], Stored], set[str]]] = [
    ("whole", lambda d, e, s: (d, e, s), set()),
    ("jws is none", lambda d, e, s: (d, e, replace(s, jws="x")), {"format", "content", "chain"}),
    ("another order's bytes", lambda d, e, s: (d, e, replace(s, order=changed_order(s, status="draft"))),
     {"digest", "signature", "chain"}),
    ("by another key", lambda d, e, s: (d, e, replace(s, jws=OTHER.sign_detached(s.order))),
     {"key-known", "content", "chain"}),
    ("over other bytes", lambda d, e, s: (d, e, replace(s, jws=SIGNER.sign_detached(s.order + b" "))),
     {"signature", "content", "chain"}),
    ("another practitioner", lambda d, e, s: (d, e, replace(s, practitioner="Practitioner/p2")), {"content", "chain"}),
    ("another order id", lambda d, e, s: (d, e, replace(s, order_id="another")), {"content", "chain"}),
    ("another draft", lambda d, e, s: (d, e, replace(s, version=7)), {"content", "chain"}),
    ("no Provenance", lambda d, e, s: (d, e, replace(s, provenance=b"{}")), {"format", "chain"}),
    ("an entry is changed", lambda d, e, s: (d, in_entry(e, "prepared", actor="Practitioner/p2"), s), {"chain"}),
    ("an entry is gone", lambda d, e, s: (d, [one for one in e if one.event != "prepared"], s), {"chain"}),
    ("no chain", lambda d, e, s: (d, [], s), {"chain"}),
    ("the state is another", lambda d, e, s: (replace(d, state="confirmed"), e, s), {"chain"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "failed"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_each_fault_of_a_record_has_its_name(
    tmp_path: Path, change: Callable[[Draft, list[AuditEntry], Signature], Stored], failed: set[str]
) -> None:
    """Exactly the checks that a change touches fail; what cannot be asked after an earlier fault is unknown."""

    async def story(scene: World) -> Stored:
        draft = await scene.signed()
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        return await scene.store.read(draft.id), list(await scene.store.history(draft.id)), signature

    found = proof.of_record(*change(*play(tmp_path, story)), SIGNER.public_jwks())
    assert {one.check for one in found.findings if one.outcome == "failed"} == failed
    assert all(one.code for one in found.findings if one.outcome == "failed")
    passed = {one.check for one in found.findings if one.outcome == "passed"}
    assert {one.check for one in found.findings} - passed - failed == (
        {"key-known", "key-not-revoked", "signature"} - failed
        if "format" in failed
        else {"key-not-revoked", "signature"}
        if "key-known" in failed
        else set()
    )


@pytest.mark.parametrize(("hours", "failed"), [(-1, {"key-not-revoked"}), (1, set())])
def test_a_key_that_was_revoked_by_then_proves_nothing(tmp_path: Path, hours: int, failed: set[str]) -> None:
    """A signature made after its key was revoked is named; one made before still holds."""

    async def story(scene: World) -> proof.Proof:
        draft = await scene.signed()
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        since = signature.signed + timedelta(hours=hours)
        jwks = {"keys": [{**SIGNER.public_jwks()["keys"][0], "revoked": {"revoked_at": int(since.timestamp())}}]}
        held, entries = await scene.store.read(draft.id), await scene.store.history(draft.id)
        return proof.of_record(held, entries, signature, jwks)

    assert {one.check for one in play(tmp_path, story).findings if one.outcome == "failed"} == failed


def version(kind: str, at: datetime, **elements: Any) -> dict[str, Any]:
    """Return one version of p1 or of p1's role in a history."""
    ident = "p1" if kind == "Practitioner" else "role-p1"
    base: dict[str, Any] = {"resourceType": kind, "id": ident, "active": True, "meta": {"lastUpdated": at.isoformat()}}
    if kind == "PractitionerRole":
        base |= {"practitioner": {"reference": "Practitioner/p1"}, "code": [{"coding": [DOCTOR]}]}
    return {"resource": {**base, **elements}}


NOW = datetime.now(UTC)
BEFORE, EARLIER, AFTER = NOW - timedelta(days=2), NOW - timedelta(days=9), NOW + timedelta(days=2)
WAS = version("Practitioner", BEFORE)
NO_TIME = {"resource": {"resourceType": "Practitioner", "id": "p1", "active": True}}
DELETED = {"request": {"method": "DELETE", "url": "Practitioner/p1"}}
ROLE_WAS = version("PractitionerRole", BEFORE)


@pytest.mark.parametrize(
    ("people", "roles", "active", "role"),
    [
        ([WAS], [ROLE_WAS], "passed", "passed"),
        (None, None, "unknown", "unknown"),
        ([version("Practitioner", BEFORE, active=False)], [ROLE_WAS], "failed", "passed"),
        ([WAS, version("Practitioner", EARLIER, active=False)], [ROLE_WAS], "passed", "passed"),
        ([version("Practitioner", AFTER, active=False), WAS], [ROLE_WAS], "passed", "passed"),
        ([version("Practitioner", AFTER)], [ROLE_WAS], "unknown", "passed"),
        ([NO_TIME], [ROLE_WAS], "unknown", "passed"),
        ([DELETED, WAS], [ROLE_WAS], "unknown", "passed"),
        ([WAS], [version("PractitionerRole", BEFORE, active=False)], "passed", "failed"),
        ([WAS], [version("PractitionerRole", BEFORE, code=[])], "passed", "failed"),
        ([WAS], [version("PractitionerRole", BEFORE, period={"end": "2020"})], "passed", "failed"),
        ([WAS], [version("PractitionerRole", BEFORE, practitioner={"reference": "Practitioner/p9"})], "passed",
         "failed"),
        ([WAS], [version("PractitionerRole", AFTER, code=[]), ROLE_WAS], "passed", "passed"),
    ],
)  # fmt: skip
def test_the_signer_is_judged_as_of_the_signature(
    tmp_path: Path, people: Any, roles: Any, active: str, role: str
) -> None:
    """What the EHR's history says of that time counts; no history, or one that does not reach back, is unknown."""

    async def story(scene: World) -> dict[str, Any]:
        draft = await scene.signed()
        for path, entries in (("Practitioner/p1", people), ("PractitionerRole/role-p1", roles)):
            if entries is not None:
                bundle = {"resourceType": "Bundle", "type": "history", "entry": entries}
                scene.ehr.held[f"{path}/_history"] = bundle
        return await verified(scene, draft.id)

    found = play(tmp_path, story)
    assert (found["signer-active"]["outcome"], found["signer-role"]["outcome"]) == (active, role)
    assert found["result"] is ("failed" not in (active, role))
    assert "text" in found["signer-active"] or active == "passed"


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "passed"),
        ({"status": "completed"}, "passed"),
        ({"requester": {"reference": "Practitioner/p9"}}, "failed"),
        ({"dosageInstruction": []}, "failed"),
        (None, "unknown"),
    ],
)
def test_the_order_in_the_ehr_is_held_against_what_was_signed(tmp_path: Path, change: Any, outcome: str) -> None:
    """An order that was changed in the EHR is named, its course through the states is not, one out of reach unknown."""

    async def story(scene: World) -> dict[str, Any]:
        draft = await scene.signed()
        while await writeback.once(scene.services):
            pass
        (order,) = scene.ehr.of("MedicationRequest")
        if change is None:
            scene.ehr.held.pop(f"MedicationRequest/{order['id']}")
        else:
            scene.ehr.put({**order, **change})
        return await verified(scene, draft.id)

    found = play(tmp_path, story)
    assert found["order"]["outcome"] == outcome
    assert found["order"].get("code") == {"failed": "U-EHR-MISMATCH", "unknown": "U-EHR-REFUSED"}.get(outcome)


def test_what_is_not_signed_has_its_chain_only(tmp_path: Path) -> None:
    """Of a draft that nobody decided on nothing but the chain is checked, and nothing is said to be proved."""

    async def story(scene: World) -> dict[str, Any]:
        return await verified(scene, (await scene.hold()).id)

    found = play(tmp_path, story)
    assert (found["subject"], found["result"], found["chain"]["outcome"]) == ("nothing", False, "passed")
    assert set(found) == {"subject", "result", "state", "chain"}


def test_a_rejection_is_verified_as_a_signature_is(tmp_path: Path) -> None:
    """$verify of a rejected draft checks the signed rejection; the EHR's history is asked of who rejected."""

    async def story(scene: World) -> dict[str, Any]:
        draft = await scene.hold()
        assert (await scene.post(draft.id, "reject", REASON)).status_code == 200
        assert await scene.store.verify(SIGNER.public_jwks()) == ()
        return await verified(scene, draft.id)

    found = play(tmp_path, story)
    assert (found["subject"], found["result"]) == ("rejection", True)
    assert {name: found[name]["outcome"] for name in CHECKS if name in found} == {
        **dict.fromkeys((*CHECKS[:6], "chain"), "passed"),
        "signer-active": "unknown",
    }


@pytest.mark.parametrize(
    ("acts", "what"),
    [
        (("sign",), ["signature"]),
        (("reject",), ["rejection"]),
        (("sign", "revoke"), ["signature", "revocation"]),
    ],
)
def test_what_was_signed_can_be_checked_without_us(tmp_path: Path, acts: tuple[str, ...], what: list[str]) -> None:
    """The answer has the bytes of each signature with a JWS that verifies over them by the key set alone."""

    async def story(scene: World) -> dict[str, Any]:
        draft = await scene.hold()
        for act in acts:
            given = await scene.prepared(draft.id) if act == "sign" else [REASON]
            assert (await scene.post(draft.id, act, *given)).status_code == 200
        return await verified(scene, draft.id)

    found = play(tmp_path, story)
    assert [one["what"] for one in found["signed"]] == what
    for one in found["signed"]:
        payload = base64.b64decode(one["payload"])
        verify_detached(one["jws"], payload, SIGNER.public_jwks(), NOW)
        with pytest.raises(Unprocessable, match="U-SIG-VALUE"):
            verify_detached(one["jws"], payload + b" ", SIGNER.public_jwks(), NOW)
    assert found["result"] is ("revoke" not in acts)


def test_a_signature_that_was_taken_back_does_not_hold(tmp_path: Path) -> None:
    """$verify of a revoked order is false by one check, whose name says why; the signature itself still verifies."""

    async def story(scene: World) -> dict[str, Any]:
        draft = await scene.signed()
        assert (await scene.post(draft.id, "revoke", REASON)).status_code == 200
        return await verified(scene, draft.id)

    found = play(tmp_path, story)
    assert (found["result"], found["not-revoked"]["code"]) == (False, "U-ORDER-REVOKED")
    assert [name for name in CHECKS if found.get(name, {}).get("outcome") == "failed"] == ["not-revoked"]


def test_an_order_is_verified_by_its_own_id(tmp_path: Path) -> None:
    """$verify of the signed order answers the same as $verify of its draft."""

    async def story(scene: World) -> tuple[dict[str, Any], dict[str, Any]]:
        draft = await scene.signed()
        signature = await scene.store.signature(draft.id)
        assert signature is not None
        return await verified(scene, draft.id), await verified(scene, signature.order_id)

    by_draft, by_order = play(tmp_path, story)
    assert by_draft == by_order


def test_others_do_not_verify_our_drafts(tmp_path: Path) -> None:
    """$verify needs a practitioner, and a launch for another patient does not reach the draft."""

    async def story(scene: World) -> list[int]:
        draft = await scene.signed()
        path = f"/fhir/MedicationRequest/{draft.id}/$verify"
        plain = await scene.http.get(path)
        other = await scene.get(path, user_token(patient="other"))
        unknown = await scene.get("/fhir/MedicationRequest/none/$verify")
        return [plain.status_code, other.status_code, unknown.status_code]

    assert play(tmp_path, story) == [401, 403, 404]


@pytest.mark.parametrize(
    ("status", "outcome", "code", "holds"),
    [
        ("entered-in-error", "failed", "U-EHR-VOID", False),
        ("cancelled", "unknown", "U-EHR-ENDED", True),
        ("stopped", "unknown", "U-EHR-ENDED", True),
        ("completed", "passed", None, True),
    ],
)
def test_an_order_that_no_longer_stands_is_not_passed(
    tmp_path: Path, status: str, outcome: str, code: str | None, holds: bool
) -> None:
    """What the EHR has as entered in error fails; what was ended there is named; only what was followed passes."""

    async def story(scene: World) -> None:
        draft = await scene.signed()
        await writeback.once(scene.services)
        scene.ehr.of("MedicationRequest")[0]["status"] = status
        found = await verified(scene, draft.id)
        assert (found["order"]["outcome"], found["order"].get("code")) == (outcome, code)
        assert found["result"] is holds

    play(tmp_path, story)
