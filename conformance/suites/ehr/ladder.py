"""The ladder of write-back: which rungs a run showed, and which elements did not come back."""

from collections.abc import Sequence
from typing import Any

from conformance.suites.ehr.probe import Probe

# The ladder: its rungs, and what has to hold for each beside those below it.
RUNGS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (0, "read only", ()),
    (1, "CDS Hooks suggestion (seen by check cds-client, not here)", ()),
    (2, "create of an active order", ("active",)),
    (3, "create of a draft", ("draft",)),
    (4, "transaction with Provenance", ("transaction",)),
    (5, "conditional create and If-Match", ("conditional", "if-match")),
)


def level(reached: Sequence[str]) -> int:
    """Return the highest rung that stands on all those below it."""
    highest = 0
    for rung, _, needs in RUNGS:
        if not all(one in reached for one in needs):
            return highest
        highest = rung if needs else 0
    return highest


def facts(probe: Probe) -> dict[str, Any]:
    """Return what the report says of write-back; nothing in a run that has not tried to write an order."""
    tried = any(one.asked.method == "POST" and one.asked.url.endswith("/MedicationRequest") for one in
                probe.session.exchanges)  # fmt: skip
    if not tried:
        return {}
    reached = sorted(set(probe.reached))
    top = level(reached)
    return {
        "level": top,
        "reached": next(words for rung, words, _ in RUNGS if rung == top),
        "rungs": [{"level": rung, "what": words, "proved": bool(needs) and all(one in reached for one in needs)}
                  for rung, words, needs in RUNGS],
        "lost": list(probe.lost.get("MedicationRequest", ())),
        "left_behind": [{"reference": name, "what": what} for name, what in probe.written.items()],
    }  # fmt: skip
