"""What the EHR says afterwards: was the signer an active prescriber at that time, and is its order what was signed.

Read from the histories of Practitioner and PractitionerRole (http://hl7.org/fhir/R4/http.html#history). Many EHRs
give none; then the answer is ``unknown``, since what is active today proves nothing of the day of the signature.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from fhir_adapters.errors import UndersignError
from service.drafts.commit.outbox_steps import ORDER_STEP
from service.drafts.records import AuditEntry, Draft, Signature
from service.drafts.store import Store
from service.drafts.trail import proof
from service.drafts.trail.proof import Finding, Proof
from service.ehr import prescriber, readback
from service.ehr.client import EhrClient
from service.ehr.delivery import SCOPE
from service.ehr.transport import EhrRefused
from service.errors import Forbidden

Token = Callable[[], Awaitable[str | None]]
_VOID: Final = "entered-in-error"
# What a person does to an order that is no longer to be followed; "completed" is what becomes of one that was.
_ENDED: Final = ("cancelled", "stopped")
HISTORY_SCOPE: Final = "system/Practitioner.r system/PractitionerRole.r"


class _Meta(msgspec.Struct, frozen=True):
    lastUpdated: datetime | None = None  # noqa: N815


class _Version(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw()


class _History(msgspec.Struct, frozen=True):
    entry: list[_Entry] = []


async def prove(store: Store, draft: Draft, jwks: Mapping[str, Any], client: EhrClient | None, token: Token) -> Proof:
    """Return what can be proved of a draft: by its record, and by what its EHR says where ``client`` may ask it.

    ``token`` gives the token to read histories with: the user's own, or the service's.
    """
    entries, signature = await store.history(draft.id), await store.signature(draft.id)
    found = proof.of_record(draft, entries, signature, jwks)
    entry = proof.signed_entry(entries)
    if entry is None:
        return found
    asked = [await _of_signer(client, entry, token)]
    if signature is not None:
        asked += [await _of_role(client, entry, token), await _of_order(client, entries, signature)]
    return replace(found, findings=(*found.findings, *asked))


async def _of_signer(client: EhrClient | None, entry: AuditEntry, token: Token) -> Finding:
    async def ask(known: EhrClient) -> None:
        raw = await _in_force(known, entry.actor, entry.at, await token())
        prescriber.check_practitioner(raw, entry.actor)

    return await _asked("signer-active", client, ask)


async def _of_role(client: EhrClient | None, entry: AuditEntry, token: Token) -> Finding:
    role = str(entry.detail.get("given", {}).get("assertion", {}).get("role", ""))

    async def ask(known: EhrClient) -> None:
        if not role:
            raise _Unwritten
        raw = await _in_force(known, role, entry.at, await token())
        prescriber.check_role(raw, known.spellings(entry.actor), known.prescriber_codes(), entry.at)

    return await _asked("signer-role", client, ask)


async def _of_order(client: EhrClient | None, entries: Sequence[AuditEntry], signature: Signature) -> Finding:
    """Return whether the EHR's order, where the record names one, still is what was signed."""
    if client is None:
        return _not_asked("order")
    steps = [entry.detail.get("step", {}) for entry in entries]
    order = next((str(step[ORDER_STEP]) for step in reversed(steps) if ORDER_STEP in step), "")
    if not order.startswith("MedicationRequest/"):
        return Finding("order", "unknown", "", "the record names no order in the EHR")
    try:
        held = await client.read(order, await client.backend_token(SCOPE))
        found = readback.differences(signature.order, held, client.ehr.fhir_base)
    except UndersignError as error:
        return Finding("order", "unknown", error.code, error.message)
    # An order lives on in the EHR: what was signed as active is completed one day.
    fields, status = [name for name in found if name != "status"], readback.read_resource(held).get("status")
    if status == _VOID:
        return Finding("order", "failed", "U-EHR-VOID", "the EHR has it as entered in error: it is no order any more")
    if fields:
        return Finding("order", "failed", "U-EHR-MISMATCH", f"differs from what was signed in {', '.join(fields)}")
    if status in _ENDED:
        return Finding("order", "unknown", "U-EHR-ENDED", f"it was as signed, and is {status} in the EHR by now")
    return Finding("order", "passed")


async def _asked(check: str, client: EhrClient | None, ask: Callable[[EhrClient], Awaitable[None]]) -> Finding:
    if client is None:
        return _not_asked(check)
    try:
        await ask(client)
    except Forbidden as error:
        return Finding(check, "failed", error.code, "the EHR's history does not say so of the time of the signature")
    except _Unwritten:
        return Finding(check, "unknown", "", "the record or the EHR's history does not say")
    except EhrRefused as error:
        return Finding(check, "unknown", error.code, f"the EHR gives no history (status {error.http_status})")
    except UndersignError as error:
        return Finding(check, "unknown", error.code, error.message)
    return Finding(check, "passed")


def _not_asked(check: str) -> Finding:
    return Finding(check, "unknown", "", "the EHR was not asked")


class _Unwritten(Exception):
    """No version is known to have been in force."""


async def _in_force(client: EhrClient, reference: str, at: datetime, token: str | None) -> bytes:
    """Return the version that was the present one at a time; a deleted one is not looked behind."""
    found: list[tuple[datetime, bytes]] = []
    for page in await client.history(reference, token):
        for entry in _entries(page):
            changed = _changed(entry.resource) if entry.resource else None
            if changed is None:
                raise _Unwritten
            if changed <= at:
                found.append((changed, bytes(entry.resource)))
    if not found:
        raise _Unwritten
    return max(found, key=lambda version: version[0])[1]


def _entries(page: bytes) -> Sequence[_Entry]:
    try:
        return msgspec.json.decode(page, type=_History).entry
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Unwritten from error


def _changed(resource: msgspec.Raw) -> datetime | None:
    """Return when a version was made, None where it does not say so with a zone."""
    try:
        at = msgspec.json.decode(resource, type=_Version).meta.lastUpdated
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return at if at is not None and at.tzinfo is not None else None
