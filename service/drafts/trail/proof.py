"""What can be proved of one draft's signature or rejection, check by check, each fault by its name.

Three parts: the bytes and the key (here alone), the audit chain (the store), and what the EHR says of the signer at
that time and of the order now. What the EHR does not let us read is ``unknown`` and is said to be.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from service.drafts import claims, states
from service.drafts.audit import chain_faults
from service.drafts.records import AuditEntry, Draft, Signature
from service.drafts.signature import rejections
from service.drafts.trail.verification import against, signature_faults

Outcome = Literal["passed", "failed", "unknown"]
Subject = Literal["signature", "rejection", "nothing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, its outcome and, unless it passed, the code and what was found."""

    check: str
    outcome: Outcome
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a person signed: ``payload``, base64 of the bytes, and the detached JWS over them."""

    what: Literal["signature", "rejection", "revocation"]
    payload: str
    jws: str


@dataclass(frozen=True, slots=True)
class Proof:
    """All findings of one draft; ``subject`` is what was checked.

    ``signed`` is all that anybody needs, with the key set, to check the signatures without us.
    """

    draft: str
    state: str
    subject: Subject
    findings: tuple[Finding, ...]
    signed: tuple[Signed, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether any check failed; one that is unknown did not."""
        return any(finding.outcome == "failed" for finding in self.findings)

    @property
    def holds(self) -> bool:
        """Whether there is something signed, and no check of it failed."""
        return self.subject != "nothing" and not self.failed


# The checks of the bytes in the order in which they are made, each with the codes that fail it.
_BYTES: Final[Mapping[str, tuple[str, ...]]] = {
    "format": ("U-SIG-FORMAT",),
    "digest": ("U-SIG-DIGEST",),
    "key-known": ("U-SIG-KEY",),
    "key-not-revoked": ("U-SIG-REVOKED",),
    "signature": ("U-SIG-VALUE",),
    "content": ("U-SIG-SIGNER", "U-SIG-ORDER", "U-SIG-DRAFT", "U-SIG-PROVENANCE"),
}
# A check that cannot be made once an earlier one has failed.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "key-known": ("format",),
    "key-not-revoked": ("format", "key-known"),
    "signature": ("format", "key-known", "key-not-revoked"),
}


def of_record(
    draft: Draft, entries: Sequence[AuditEntry], signature: Signature | None, jwks: Mapping[str, Any]
) -> Proof:
    """Return what the record alone proves: of the signature, else of the signed rejection, else of the chain."""
    rejection = rejections.of(entries)
    subject: Subject = "signature" if signature else "rejection" if rejection else "nothing"
    faults = signature_faults(signature, jwks) if signature else []
    if rejection:
        shown = {draft.version: draft.resource}
        faults += rejections.faults(draft, entries, shown, jwks)
    checked = _of_bytes(faults) if subject != "nothing" else ()
    standing = (_of_standing(draft),) if signature else ()
    findings = (*checked, *standing, _of_chain(draft, entries, signature))
    return Proof(draft.id, draft.state, subject, findings, tuple(_signed(draft, signature, rejection)))


def signed_entry(entries: Sequence[AuditEntry]) -> AuditEntry | None:
    """Return the entry of the signature, else of the signed rejection."""
    signed = next((entry for entry in entries if entry.event == "signed"), None)
    return signed or rejections.of(entries)


def _signed(draft: Draft, signature: Signature | None, rejection: AuditEntry | None) -> Iterator[Signed]:
    if signature:
        yield Signed("signature", base64.b64encode(signature.order).decode(), signature.jws)
    if rejection:
        given = rejection.detail["given"]
        try:
            payload, jws = rejections.payload(draft, rejection.actor, given), str(given["statement"]["jws"])
        except (LookupError, TypeError, ValueError):
            return  # it is not of the form that is signed: the check ``format`` says so
        what = "revocation" if rejection.event == "revoked" else "rejection"
        yield Signed(what, base64.b64encode(payload).decode(), jws)


def _of_standing(draft: Draft) -> Finding:
    if draft.state != "revoked":
        return Finding("not-revoked", "passed")
    return Finding("not-revoked", "failed", "U-ORDER-REVOKED", "the signature was taken back")


def _of_bytes(faults: Sequence[str]) -> tuple[Finding, ...]:
    told = [(code, text.strip()) for code, _, text in (fault.partition(":") for fault in faults)]
    found: dict[str, Finding] = {}
    for check, codes in _BYTES.items():
        fault = next(((code, text) for code, text in told if code in codes), None)
        stopped = any(found[need].outcome != "passed" for need in _NEEDS.get(check, ()))
        if fault:
            found[check] = Finding(check, "failed", *fault)
        elif stopped:
            found[check] = Finding(check, "unknown", "", "an earlier check failed")
        else:
            found[check] = Finding(check, "passed")
    return tuple(found.values())


def _of_chain(draft: Draft, entries: Sequence[AuditEntry], signature: Signature | None) -> Finding:
    fault = next(_chain_faults(draft, entries, signature), None)
    if fault is None:
        return Finding("chain", "passed")
    code, _, text = fault.partition(":")
    return Finding("chain", "failed", code, text.strip())


def _chain_faults(draft: Draft, entries: Sequence[AuditEntry], signature: Signature | None) -> Iterator[str]:
    yield from chain_faults(entries)
    if not entries:
        yield "U-AUDIT-MISSING: the draft has no audit chain"
        return
    state = None
    for entry in entries:
        state = states.after(entry.event, state)
    if state != draft.state or entries[-1].at != draft.updated:
        yield "U-AUDIT-STATE: the chain does not end where the draft stands"
    entry = next((entry for entry in entries if entry.event == "signed"), None)
    if (entry is None) != (signature is None):
        yield "U-AUDIT-MISSING: the signature and its entry are not both there"
    elif entry and signature:
        yield from against("signature", entry, claims.of_signature(signature))
        if entry.actor != signature.practitioner:
            yield "U-AUDIT-RECORD: signature: not by the practitioner who signed"
