"""Why drafts were closed without an order, from their histories, and what can be done next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.cds.cards import ORDER_OVERRIDE_REASONS, OVERRIDE_REASONS
from service.drafts.decision import consenting
from service.drafts.records import AuditEntry, Draft
from service.drafts.states import ENDED
from service.web.opening import Opened

Histories = Mapping[str, Sequence[AuditEntry]]
_ANEW = "Open the chart again in the EHR to have options worked out anew."
_DENIED = "The patient has said no to AI suggestions: nothing is worked out until that changes. Decide without a draft."
_IN_EHR = "A Consent in the EHR stands against AI suggestions, or one that this site asks for is not there. "
_FLAGGED = "A person assesses this patient's suicide risk before anything is drafted again."


@dataclass(frozen=True, slots=True)
class Next:
    """What to do after drafts were closed, and the page that has more of it: address and name, where there is one."""

    words: str
    link: tuple[str, str] | None = None


async def histories(opened: Opened, drafts: Sequence[Draft]) -> Histories:
    """Return the history of every draft that ended without an order."""
    store = opened.services.store
    return {draft.id: await store.history(draft.id) for draft in drafts if draft.state in ENDED}


def awaited(found: Histories) -> set[str]:
    """Return the drafts that had been accepted in the EHR before they ended."""
    return {draft for draft, entries in found.items() if any(entry.event == "awaited" for entry in entries)}


def reasons(found: Histories) -> dict[str, str]:
    """Return in words why drafts were rejected, where a coded reason was given."""
    words = {one["code"]: one["display"] for one in (*OVERRIDE_REASONS, *ORDER_OVERRIDE_REASONS)}
    codes = {draft: _given(entries, "overridden", "reason") for draft, entries in found.items()}
    return {draft: words[code] for draft, code in codes.items() if code in words}


async def what_next(opened: Opened, found: Histories) -> Next:
    """Return what can be done after these drafts: not to open the chart again where that would bring nothing."""
    store, draft = opened.services.store, opened.draft
    said = await consenting.of_patient(store, draft.ehr, draft.patient)
    if said is not None and consenting.word(said.entry).decision == "deny":
        return Next(_DENIED, (f"/review/{draft.id}/consent", "What was said, and when"))
    if any(_given(entries, "withdrawn", "code") == "U-CONSENT-WITHHELD" for entries in found.values()):
        return Next(f"{_IN_EHR}Decide without a draft.")
    flag = await store.flag_of(draft.ehr, draft.patient)
    if flag is not None and any(_said(entries, "withdrawn", "by") == flag.id for entries in found.values()):
        return Next(_FLAGGED, (f"/crisis/{flag.id}", "What is on record"))
    return Next(_ANEW)


def _given(entries: Sequence[AuditEntry], event: str, name: str) -> str:
    last = next((entry for entry in reversed(entries) if entry.event == event), None)
    return str(last.detail.get("given", {}).get(name, "")) if last else ""


def _said(entries: Sequence[AuditEntry], event: str, name: str) -> str:
    last = next((entry for entry in reversed(entries) if entry.event == event), None)
    return str(last.detail.get(name, "")) if last else ""
