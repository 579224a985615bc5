"""What the page shows, worked out from the held record: plain values for the templates, nothing from the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from service.drafts.store import Draft

OPEN_STATES = ("held", "presented", "accepted")
_STATE_WORDS = {
    "overridden": "It was rejected; nothing was ordered.",
    "superseded": "The chart has changed since: open it again for what holds now.",
    "withdrawn": "It was withdrawn; nothing was ordered.",
    "expired": "Its time ran out unsigned; nothing was ordered.",
    "signed": "The order is signed and waits to be written to the EHR.",
    "writing": "The signed order is being written to the EHR.",
    "written": "The order is in the EHR and is being read back.",
    "confirmed": "The order is in the EHR and was read back unchanged.",
    "write-failed": "The EHR did not take the order yet; it is tried again.",
    "parked": "The EHR refused the order: a person has to look.",
    "mismatch": "The EHR holds something else than was signed: a person has to look.",
}


@dataclass(frozen=True, slots=True)
class DraftView:
    """One draft as the page shows it."""

    id: str
    option: str
    summary: str
    medication: str
    dosage: str
    as_of: str
    versions: str
    known: Sequence[Mapping[str, Any]]
    unknowns: Sequence[str]
    ties: str
    open: bool
    signable: bool
    state: str
    state_words: str


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the side-by-side table; words before numbers."""

    label: str
    remission: str
    stopping: str
    href: str | None
    here: bool
    state: str | None


def draft_view(draft: Draft, *, signable: bool) -> DraftView:
    """Return the view of a draft; ``signable`` is false where the EHR signs orders itself."""
    context, resource = read(draft.context), read(draft.resource)
    reasons: list[dict[str, Any]] = context.get("reasons", [])
    return DraftView(
        id=draft.id,
        option=context.get("option", draft.ingredient),
        summary=context.get("summary", ""),
        medication=resource["medicationCodeableConcept"]["text"],
        dosage="; ".join(d.get("text", "") for d in resource.get("dosageInstruction", [])),
        as_of=context.get("as_of", ""),
        versions=_versions(context.get("versions", {})),
        known=[r for r in reasons if not r.get("unknown") and r.get("severity") != "none"],
        unknowns=context.get("unknowns", []),
        ties=context.get("ties", ""),
        open=draft.state in OPEN_STATES,
        signable=signable,
        state=draft.state,
        state_words=_STATE_WORDS.get(draft.state, ""),
    )


def options(here: Draft, drafts: Sequence[Draft], no_change: str) -> list[Option]:
    """Return the drafts of one assessment in rank order and, in the same layout, no change."""
    rows = [_option(d, d.id == here.id) for d in sorted(drafts, key=lambda d: d.rank)]
    return [*rows, Option(no_change, "–", "–", None, here=False, state=None)]


def _option(draft: Draft, here: bool) -> Option:
    context = read(draft.context)
    predictions: dict[str, dict[str, float]] = context.get("predictions") or {}
    return Option(
        label=context.get("option", draft.ingredient),
        remission=in_ten(predictions.get("remission")),
        stopping=in_ten(predictions.get("stopping")),
        href=f"/review/{draft.id}",
        here=here,
        state=None if draft.state in OPEN_STATES else draft.state,
    )


def in_ten(prediction: Mapping[str, float] | None) -> str:
    """Return a probability in words with its range: ``3 in 10 (2 to 4)``."""
    if not prediction:
        return "not known"
    low, mid, high = (round(prediction[name] * 10) for name in ("low", "p", "high"))
    return f"{mid} in 10 ({low} to {high})" if low != high else f"{mid} in 10"


def order_lines(order: bytes) -> list[tuple[str, str]]:
    """Return the exact order in plain words, in the order a prescriber reads it."""
    found = read(order)
    repeat = found["dosageInstruction"][0].get("timing", {}).get("repeat", {})
    lines = [
        ("Medication", found["medicationCodeableConcept"]["text"]),
        ("Dose", "; ".join(d.get("text", "") for d in found["dosageInstruction"])),
        (
            "How often",
            _how_often(repeat),
        ),
        ("Status and intent", f"{found['status']}, {found['intent']}"),
        ("Ordered by", found["requester"].get("display") or found["requester"]["reference"]),
        ("Dated", found["authoredOn"]),
        ("Order number", found["identifier"][0]["value"]),
    ]
    return [*lines, *(("Note", note["text"]) for note in found.get("note", []))]


def read(raw: bytes) -> dict[str, Any]:
    """Return stored JSON as a plain object."""
    return msgspec.json.decode(raw)


def _how_often(repeat: Mapping[str, Any]) -> str:
    times, period, unit = (repeat.get(name, "?") for name in ("frequency", "period", "periodUnit"))
    return f"{times} time(s) in {period} {unit}"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("model", "knowledge") if name in versions).capitalize()
