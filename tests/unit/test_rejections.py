"""A signed rejection: made again from the record alone, and any change to the record shows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from service.drafts import claims
from service.drafts.audit import seal
from service.drafts.canonical_json import digest
from service.drafts.records import AuditEntry, Draft
from service.drafts.signature import rejections
from service.drafts.signature.signing import Signer
from service.drafts.sqlite.store import SqliteStore
from tests.contract.samples import START, Clock, held_draft, hold_one, practitioner, with_store

SIGNER = Signer(ECKey.generate_key("P-384"))
JWKS = SIGNER.public_jwks()
ASSERTION = {"method": "smart-bearer", "authenticated": "2026-11-22T10:00:00.000000Z"}
GIVEN = {"reason": "prefers-alternative", "comment": "said so"}


def rejected(draft: Draft, given: dict[str, str] | None = None) -> AuditEntry:
    """Return the audit entry of a rejection, its comment as the store keeps it."""
    detail = rejections.signed(
        "reject", draft, practitioner(), GIVEN if given is None else given, ASSERTION, SIGNER, START
    )
    if "comment" in detail:
        detail["comment"] = claims.of_comment(detail["comment"])
    return seal(None, draft.id, START, "overridden", practitioner().reference, {"given": detail, "state": "overridden"})


def codes(draft: Draft, entry: AuditEntry, jwks: Any = JWKS) -> list[str]:
    """Return the codes of the faults of one entry."""
    shown = {draft.version: draft.resource}
    return [fault.partition(":")[0] for fault in rejections.faults(draft, [entry], shown, jwks)]


def with_given(entry: AuditEntry, **changes: Any) -> AuditEntry:
    """Return the entry with other details; ``about_…`` changes the rejection's own."""
    given = {**entry.detail["given"]}
    about = {name.removeprefix("about_"): value for name, value in changes.items() if name.startswith("about_")}
    given |= {name: value for name, value in changes.items() if not name.startswith("about_")}
    given["statement"] = {**given["statement"], **about}
    return replace(entry, detail={**entry.detail, "given": {k: v for k, v in given.items() if v is not None}})


@pytest.mark.parametrize("given", [{}, {"reason": "prefers-alternative"}, {"comment": "said so"}, GIVEN])
def test_a_rejection_verifies_from_its_record(given: dict[str, str]) -> None:
    """With or without reason and comment, the bytes made again are those that were signed."""
    draft = held_draft()
    assert codes(draft, rejected(draft, given)) == []


Change = Callable[[Draft, AuditEntry], tuple[Draft, AuditEntry]]
CHANGES: list[tuple[str, Change, list[str]]] = [
    ("draft", lambda d, e: (replace(d, id="another"), e), ["U-SIG-VALUE"]),
    ("tenant", lambda d, e: (replace(d, ehr="south"), e), ["U-SIG-VALUE"]),
    ("practitioner", lambda d, e: (d, replace(e, actor="Practitioner/p2")), ["U-SIG-VALUE"]),
    ("reason", lambda d, e: (d, with_given(e, reason="other")), ["U-SIG-VALUE"]),
    ("no reason", lambda d, e: (d, with_given(e, reason=None)), ["U-SIG-VALUE"]),
    ("comment", lambda d, e: (d, with_given(e, comment=claims.of_comment("other"))), ["U-SIG-VALUE"]),
    ("method", lambda d, e: (d, with_given(e, assertion={**ASSERTION, "method": "x"})), ["U-SIG-VALUE"]),
    ("time", lambda d, e: (d, with_given(e, about_at="2026-11-22T11:00:00.000000Z")), ["U-SIG-VALUE"]),
    ("no time", lambda d, e: (d, with_given(e, about_at="soon")), ["U-SIG-FORMAT"]),
    ("no assertion", lambda d, e: (d, with_given(e, assertion=None)), ["U-SIG-FORMAT"]),
    ("another act", lambda d, e: (d, with_given(e, about_act="revoke")), ["U-SIG-FORMAT"]),
    ("version", lambda d, e: (d, with_given(e, about_version=2)), ["U-SIG-DIGEST"]),
    ("resource", lambda d, e: (replace(d, resource=b"{}"), e), ["U-SIG-DIGEST"]),
    ("resource, digest too", lambda d, e: (replace(d, resource=b"{}"), with_given(e, about_resource=digest(b"{}"))),
     ["U-SIG-VALUE"]),
    ("signature", lambda d, e: (d, with_given(e, about_jws="a..b")), ["U-SIG-FORMAT"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "found"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_a_changed_record_is_no_longer_what_was_signed(change: Change, found: list[str]) -> None:
    """Each part of the record that the bytes are made of is held by the signature."""
    draft = held_draft()
    assert codes(*change(draft, rejected(draft))) == found


def test_another_key_or_a_revoked_one_proves_nothing() -> None:
    """A rejection by a key that is not known, or was revoked by then, is named as such."""
    draft = held_draft()
    entry = rejected(draft)
    other = Signer(ECKey.generate_key("P-384")).public_jwks()
    revoked = {"keys": [{**JWKS["keys"][0], "revoked": {"revoked_at": int(START.timestamp())}}]}
    later = {"keys": [{**JWKS["keys"][0], "revoked": {"revoked_at": int((START + timedelta(1)).timestamp())}}]}
    assert [codes(draft, entry, jwks) for jwks in (other, revoked, later)] == [["U-SIG-KEY"], ["U-SIG-REVOKED"], []]


def test_feedback_is_no_rejection() -> None:
    """An entry that only feedback made carries no signature, and none is asked of it."""
    draft = held_draft()
    entry = seal(None, draft.id, START, "overridden", "Practitioner/p1", {"given": {"reason": "x"}})
    assert rejections.of([entry]) is None
    assert codes(draft, entry) == []


def test_the_audit_of_a_store_checks_rejections(tmp_path: Path) -> None:
    """``verify`` with keys passes a signed rejection with its comment, and names one by a key that it does not have."""

    async def story(store: SqliteStore, clock: Clock) -> list[list[str]]:
        draft = await hold_one(store)
        detail = rejections.signed("reject", draft, practitioner(), GIVEN, ASSERTION, SIGNER, clock.at)
        await store.reject(draft.id, 1, practitioner().reference, detail)
        other = Signer(ECKey.generate_key("P-384")).public_jwks()
        return [list(await store.verify(jwks)) for jwks in (None, JWKS, other)]

    plain, known, unknown = with_store(tmp_path / "drafts.db", story)
    assert (plain, known) == ([], [])
    assert [fault.split(": ")[1] for fault in unknown] == ["U-SIG-KEY"]
