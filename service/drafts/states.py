"""The draft's life as one table: which event may meet which state, and the state that follows.

```
held ── presented ── accepted ─┬───────────────────────── awaiting-ehr-signature ──> confirmed
  │         │           │      │                             ↑        │
  └─────────┴─────── modified ─┤                             │        ├─> superseded, expired  (unsigned here)
                               │                             │        └─> mismatch, parked     (signed here)
                               ├─> signed ─> writing ─> written ─> confirmed
                               │     ↑ │        │
                               │     │ │        ├─> write-failed ─(retry)─> writing
                               │     │ │        ├─> parked     (a human looks)
                               │     │ │        └─> mismatch   (a human looks)
                               │     │ └─> revoked  (also from write-failed and parked: where nothing was created)
                               │     └──── released by an operator; or confirmed on a named person's word
                               └─> overridden, superseded, withdrawn, expired
```
Awaiting and confirmed are with our signature where this service signs, and without where the EHR alone does; the
chain says which: a signature exists exactly when it has a ``signed`` event.

Everything that happens to a draft is an event in its audit chain; an event that leaves the state as it is has
a row here too, so replaying a chain over the table gives the draft's state or names the entry that could not
be.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

from service.drafts.records import State

Event = Literal[
    "held", "shown", "presented", "accepted", "overridden", "withdrawn", "superseded", "expired",
    "edited", "modified", "prepared", "signed", "claimed", "progressed", "written",
    "confirmed", "write-failed", "parked", "mismatch", "awaited", "released", "resolved", "revoked",
    "referred",
]  # fmt: skip

STATES: Final[tuple[State, ...]] = get_args(State)
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
UNSIGNED: Final[tuple[State, ...]] = ("held", "presented", "accepted", "modified")
# Answered, and not ended: signed here, or (``EITHER`` alone) taken into the EHR, whose signature is the only one.
SIGNED: Final[tuple[State, ...]] = (
    "signed", "writing", "written", "awaiting-ehr-signature", "confirmed", "write-failed", "parked", "mismatch",
)  # fmt: skip
ENDED: Final[tuple[State, ...]] = ("overridden", "superseded", "withdrawn", "expired", "revoked")
AWAITING: Final[State] = "awaiting-ehr-signature"
# With our signature or without it; all other states are always with it or never.
EITHER: Final[tuple[State, ...]] = (AWAITING, "confirmed")
WITH_SIGNATURE: Final[tuple[State, ...]] = (*(state for state in SIGNED if state not in EITHER), "revoked")
# Nothing is written or looked for any more.
SETTLED: Final[tuple[State, ...]] = ("confirmed", "revoked")
# Signed here, and with the outbox, which goes on by itself.
TO_WRITE: Final[tuple[State, ...]] = ("signed", "writing", "written", "write-failed")
# Signed here or accepted, and not yet read in the EHR as it was decided.
UNCONFIRMED: Final[tuple[State, ...]] = tuple(state for state in SIGNED if state != "confirmed")
# What a card, a feedback or a withdrawal may do; none of them can reach a signed state.
MARKS: Final[tuple[State, ...]] = ("presented", "accepted", "overridden", "withdrawn", AWAITING)


def _to(state: State, sources: Iterable[State]) -> dict[State, State]:
    return dict.fromkeys(sources, state)


def _stay(sources: Iterable[State]) -> dict[State, State]:
    return {state: state for state in sources}


_IN_FLIGHT: Final[tuple[State, ...]] = ("writing", "written")
_STUCK: Final[tuple[State, ...]] = ("write-failed", "parked", "mismatch")

TRANSITIONS: Final[Mapping[str, Mapping[State | None, State]]] = {
    "held": {None: "held"},
    "shown": {**_stay(STATES)},
    # Feedback may come late, twice or out of order (CDS Hooks 2.0.1, Feedback): recorded, never going back.
    "presented": {**_stay(STATES), "held": "presented"},
    "accepted": {**_stay(STATES), **_to("accepted", ("held", "presented"))},
    "overridden": {**_stay(STATES), **_to("overridden", UNSIGNED)},
    "withdrawn": {**_stay(STATES), **_to("withdrawn", UNSIGNED)},
    "superseded": {**_to("superseded", (*UNSIGNED, AWAITING))},
    "expired": {**_to("expired", (*UNSIGNED, AWAITING))},
    # What an edit was called while it left the state as it was; chains of that time still verify.
    "edited": {**_stay(("held", "presented", "accepted"))},
    "modified": {**_to("modified", UNSIGNED)},
    "prepared": {**_stay(UNSIGNED)},
    "signed": {**_to("signed", UNSIGNED)},
    # A claim whose lease ran out is taken over, whatever its holder had already finished.
    "claimed": {**_to("writing", ("signed", "write-failed", *_IN_FLIGHT))},
    "progressed": {**_stay(_IN_FLIGHT)},
    "written": {"writing": "written"},
    "awaited": {**_to(AWAITING, ("accepted", "modified", *_IN_FLIGHT))},
    "confirmed": {**_to("confirmed", (*_IN_FLIGHT, AWAITING))},
    "write-failed": {**_to("write-failed", _IN_FLIGHT)},
    "parked": {**_to("parked", (*_IN_FLIGHT, AWAITING))},
    "mismatch": {**_to("mismatch", (*_IN_FLIGHT, AWAITING))},
    # An operator's word, by name and with a reason.
    "released": {**_to("signed", _STUCK)},
    # From ``signed`` what was never queued for writing.
    "resolved": {**_to("confirmed", ("signed", *_STUCK))},
    "revoked": {**_to("revoked", ("signed", "write-failed", "parked"))},
    # A psychiatrist is asked; the draft stays for whoever may sign it.
    "referred": {**_stay(UNSIGNED)},
}


def after(event: str, state: State | None) -> State | None:
    """Return the state after ``event``, or None where the table does not allow it or has no such event."""
    row = TRANSITIONS.get(event)
    return None if row is None else row.get(state)


def signature_fits(state: State, *, signed: bool) -> bool:
    """Say whether a draft in ``state`` may be with our signature, or without it."""
    return state in EITHER or (state in WITH_SIGNATURE) == signed
