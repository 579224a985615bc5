"""What an operator does with a write-back that stopped, or is tried in vain, by the code that it stopped with."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.drafts.commit import outbox_steps
from service.drafts.records import AuditEntry, State

_RETRY: Final = "then: undersign drafts release ID --retry"
_RESOLVED: Final = "then: undersign drafts release ID --resolved"
_DROP: Final = "if it is not to be written: undersign drafts release ID --drop"
# Code, and the field that differed where that changes what is to be done, → the steps in their order.
_STEPS: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("U-EHR-MISMATCH", "two-matches"): (
        "the EHR holds more than one order with this identifier: open the patient's chart there now",
        "have the one that is too many marked as entered in error, and nobody give both",
        _RETRY,
    ),
    ("U-EHR-MISMATCH", "identifier"): (
        "an order was written and cannot be found by its identifier: look for it in the patient's chart",
        "if one order stands there as signed: undersign drafts release ID --resolved",
        "this EHR loses identifiers, so set ehr.write_back to card or document-only before the next one",
    ),
    ("U-EHR-MISMATCH", "status"): (
        "the order stands in the EHR with another status: ask the prescriber whether it was changed on purpose",
        _RESOLVED,
    ),
    ("U-EHR-MISMATCH", ""): (
        "the order in the EHR differs from what was signed in the fields named: tell the prescriber now",
        "the prescriber corrects or ends the order in the EHR",
        _RESOLVED,
    ),
    ("U-EHR-UNSIGNED", ""): (
        "nobody has signed the order in the EHR in time: ask the prescriber whether it is still wanted",
        "once it is signed, or ended, in the EHR: undersign drafts release ID --resolved",
    ),
    ("U-EHR-NOT-ENTERED", ""): (
        "the signed order lies among the patient's documents in the EHR, and no order of it is seen there",
        "a person has to enter it: tell the prescriber, and whoever enters orders from documents, now",
        "once it is entered, or given up by the prescriber: undersign drafts release ID --resolved",
    ),
    ("U-EHR-UNCLEAR", ""): (
        "the EHR could not say in time whether the order is in force: look for it in the patient's chart there now",
        "once it is known to be in force, or ended: undersign drafts release ID --resolved",
        "to have the EHR asked for as long again: undersign drafts release ID --retry",
    ),
    ("U-EHR-UNKNOWN", ""): ("put the [[ehr]] of this tenant back into the configuration", _RETRY, _DROP),
    ("U-EHR-MODE", ""): (
        "ehr.write_back has changed since the signature, or the EHR no longer declares what it needs: put that right",
        _RETRY,
        _DROP,
    ),
    ("U-EHR-REFUSED", ""): (
        "the EHR refuses it (the status is in the history): check our scopes there, and its own log of that time",
        _RETRY,
        _DROP,
    ),
    ("U-EHR-SCOPE", ""): (
        "the EHR does not allow our client what the step needs: its administrator grants ehr.smart_client_id the scope "
        "that the history names (docs/configuration.md has those of each write_back)",
        _RETRY,
        _DROP,
    ),
    ("U-EHR-REDIRECT", ""): ("set ehr.fhir_base to the EHR's final address", _RETRY, _DROP),
    (outbox_steps.RESTORED, ""): (
        "the store was put back from a backup, and what was decided of this order since is lost: ask whoever signed it "
        "whether it still stands, and look for it in the patient's chart",
        "if it stands in the chart as signed, or has ended there: undersign drafts release ID --resolved",
        "if it is wanted and not there: undersign drafts release ID --retry (the EHR is searched before it is written)",
        _DROP,
    ),
    (outbox_steps.LOST, ""): (
        "its signature was taken back, and a failover of Redis lost that while it was tried again: look for the order "
        "in the patient's chart now, and tell the prescriber",
        "if it is there: have it ended there; then: undersign drafts release ID --resolved",
        "if it is not: undersign drafts release ID --drop (the EHR is searched before)",
    ),
    ("U-INTERNAL", ""): (
        "a fault of this program met it: report it, with the log of that time; look for the order in the chart",
        _RETRY,
        _DROP,
    ),
}
# What is tried again by itself, and whose it is to end it; an order that is written meanwhile needs nothing more.
_TRIED: Final[Mapping[str, str]] = {
    "U-EHR-SCOPE": (
        "the EHR gives our client no token for the scope in the history: its administrator grants it to the client "
        "ehr.smart_client_id"
    ),
    "U-EHR-TOKEN": (
        "the EHR gives our client no token: its administrator checks the registration of ehr.smart_client_id, and that "
        "it has our key (/.well-known/jwks.json)"
    ),
    "U-EHR-SMART": "the EHR's SMART discovery or token answer does not do: ask its operators",
    "U-EHR-ADDRESS": "the EHR's name leads to an address that is never called: ask who answers for its DNS",
    "U-EHR-ANSWER": "the EHR's answers cannot be read, or say that it could not look: ask its operators",
    "U-EHR-UNREACHABLE": "the EHR does not answer, or fails: ask its operators",
    "U-EHR-BUSY": "the EHR puts our requests off: ask its operators for a higher limit where it lasts",
    "U-EHR-PAGES": "the EHR answers a search with too many pages: ask its operators why it finds so much",
    "U-EHR-SIZE": "the EHR's answer is too large: ask its operators why it finds so much",
    "U-EHR-NEXT-LINK": "the EHR's next page lies outside its FHIR base: ask its operators, or set ehr.fhir_base right",
}
_UNTOLD: Final = "read docs/errors.md on the code of the last entry, and put right what it names"
_AGAIN: Final = "it is tried again by itself, at the latest every five minutes; nothing is lost"
_UNQUEUED: Final = (
    "an earlier version signed it and wrote nothing of this mode: look for the order in the patient's chart",
    "if it stands there, or the prescriber gives it up: undersign drafts release ID --resolved",
    "if it does not: undersign drafts release ID --drop, and tell the prescriber to decide anew",
)
_WRITTEN: Final = (
    "the EHR has made something of it already, whose reference is in the history: what is left is to check it, or to "
    "add its Provenance; enter no second order"
)
_OTHERWISE: Final = (_UNTOLD, _RETRY, _DROP)
# What every word takes, so that a step can be run as it is read.
_BY: Final = ' --by "NAME" --reason "WHY"'
_WORD: Final = re.compile(r"(drafts release )ID( --[a-z]+)")
_STOPPED: Final[tuple[State, ...]] = ("parked", "mismatch")


def steps(state: State, history: Sequence[AuditEntry], draft: str) -> tuple[str, ...]:
    """Return what to do with a draft that stopped or fails, step by step; nothing for one that goes on as it should."""
    given = _ended(history)
    written = any(outbox_steps.ORDER_STEP in entry.detail.get("step", {}) for entry in history)
    if state in _STOPPED:
        found = _of_stopped(state, given)
        if written and _DROP in found:
            found = (_WRITTEN, *(step for step in found if step != _DROP))
    elif state == "write-failed":
        told = _TRIED.get(str(given["code"]), _UNTOLD) if "code" in given else ""
        found = (told, _AGAIN, *([] if written else [_DROP])) if told else ()
    else:
        found = _UNQUEUED if state == "signed" and outbox_steps.never_queued(history) else ()
    return tuple(_WORD.sub(rf"\g<1>{draft}\g<2>{_BY}", step) for step in found)


def code(history: Sequence[AuditEntry]) -> str:
    """Return the code that the last attempt of a write-back ended with, empty where none has."""
    return str(_ended(history).get("code", ""))


def _ended(history: Sequence[AuditEntry]) -> Mapping[str, Any]:
    last = next((entry for entry in reversed(history) if entry.event in (*_STOPPED, "write-failed")), None)
    return {} if last is None else last.detail.get("given", {})


def _of_stopped(state: State, given: Mapping[str, Any]) -> Sequence[str]:
    code, fields = str(given.get("code", "U-EHR-MISMATCH" if state == "mismatch" else "")), given.get("fields", ())
    keys = [(code, str(name)) for name in fields]
    return next((_STEPS[key] for key in (*keys, (code, "")) if key in _STEPS), _OTHERWISE)
