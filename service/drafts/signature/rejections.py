"""A practitioner's rejection of a draft, or revocation of an order, signed as an order is: JWS over canonical bytes.

The bytes are not kept. They are made again from the draft's record (its ids, the version's resource, the audit entry),
so that a change to any of these shows as a signature that does not fit. Feedback on a card is no decision of an
authenticated person and is never signed.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from service.drafts import claims
from service.drafts.canonical_json import digest, dumps, instant, read_instant
from service.drafts.records import AuditEntry, Draft
from service.drafts.signature.signing import Signer, verify_detached
from service.errors import Unprocessable

if TYPE_CHECKING:
    from service.smart.practitioner import Practitioner

Act = Literal["reject", "revoke"]
_NAME: Final = "statement"
_EVENTS: Final[Mapping[str, Act]] = {"overridden": "reject", "revoked": "revoke"}


def signed(
    act: Act,
    draft: Draft,
    practitioner: "Practitioner",
    given: Mapping[str, str],
    assertion: Mapping[str, Any],
    signer: Signer,
    now: datetime,
) -> dict[str, Any]:
    """Return the detail of the audit entry: ``given`` (reason code, comment), the assertion, and the signature.

    ``given`` holds the comment as written; only its digest is signed, as only its digest stands in the chain.
    """
    kept = {name: claims.of_comment(text) if name == "comment" else text for name, text in given.items()}
    about = {"act": act, "version": draft.version, "resource": digest(draft.resource), "at": instant(now)}
    detail = {**kept, "assertion": dict(assertion), _NAME: about}
    jws = signer.sign_detached(payload(draft, practitioner.reference, detail))
    return {**detail, **given, _NAME: {**about, "jws": jws}}


def payload(draft: Draft, practitioner: str, given: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed, of an audit entry's ``given``; ``comment`` in it is the comment's digest."""
    about = given[_NAME]
    return dumps(
        {
            "act": about["act"],
            "draft": draft.id,
            "ehr": draft.ehr,
            "version": about["version"],
            "resource": about["resource"],
            "practitioner": practitioner,
            "at": about["at"],
            "assertion": given["assertion"],
            **{name: given[name] for name in ("reason", "comment") if name in given},
        }
    )


def of(entries: Sequence[AuditEntry]) -> AuditEntry | None:
    """Return the entry of a signed rejection or revocation, None where there is none."""
    return next((entry for entry in entries if _is_signed(entry)), None)


def faults(
    draft: Draft,
    entries: Sequence[AuditEntry],
    revisions: Mapping[int, bytes] | None = None,
    jwks: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Yield what is wrong with the signed rejections and revocations of a draft, as ``U-SIG-…: what``.

    Codes: U-SIG-FORMAT, U-SIG-DIGEST (another resource than the version's), U-SIG-KEY, U-SIG-REVOKED, U-SIG-VALUE; the
    last three with keys only.
    """
    for entry in entries:
        if _is_signed(entry):
            try:
                _check(draft, entry, revisions, jwks)
            except Unprocessable as error:
                yield f"{error.code}: signed {entry.event} entry {entry.seq}: {error.message}"


def _is_signed(entry: AuditEntry) -> bool:
    return entry.event in _EVENTS and _NAME in entry.detail.get("given", {})


def _check(
    draft: Draft, entry: AuditEntry, revisions: Mapping[int, bytes] | None, jwks: Mapping[str, Any] | None
) -> None:
    given = entry.detail["given"]
    try:
        about = given[_NAME]
        raw, jws, at = payload(draft, entry.actor, given), str(about["jws"]), read_instant(about["at"])
    except (LookupError, TypeError, ValueError) as error:
        raise Unprocessable("U-SIG-FORMAT", "it is not of the form that is signed") from error
    if about["act"] != _EVENTS[entry.event]:
        raise Unprocessable("U-SIG-FORMAT", "it was signed for another step")
    if revisions is not None:
        rejected = revisions.get(about["version"])
        if rejected is None or digest(rejected) != about["resource"]:
            raise Unprocessable("U-SIG-DIGEST", "it is of another resource than the version's")
    if jwks is not None:
        verify_detached(jws, raw, jwks, at)
