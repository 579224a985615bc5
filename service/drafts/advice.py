"""What an operator does with a write-back that stopped, by the code that it stopped with."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

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
    ("U-EHR-REDIRECT", ""): ("set ehr.fhir_base to the EHR's final address", _RETRY, _DROP),
}
_OTHERWISE: Final = ("read docs/errors.md on the code of the last entry, and put right what it names", _RETRY, _DROP)
_STOPPED: Final[tuple[State, ...]] = ("parked", "mismatch")


def steps(state: State, history: Sequence[AuditEntry], draft: str) -> tuple[str, ...]:
    """Return what to do with a draft that stopped, step by step; nothing for one that goes on by itself."""
    if state not in _STOPPED:
        return ()
    last = next((entry for entry in reversed(history) if entry.event in _STOPPED), None)
    given: Mapping[str, Any] = {} if last is None else last.detail.get("given", {})
    code, fields = str(given.get("code", "U-EHR-MISMATCH" if state == "mismatch" else "")), given.get("fields", ())
    keys = [(code, str(name)) for name in fields]
    found = next((_STEPS[key] for key in (*keys, (code, "")) if key in _STEPS), _OTHERWISE)
    return tuple(step.replace(" ID ", f" {draft} ") for step in found)
