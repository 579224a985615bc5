"""For how long to dispense: until the next review, and less where a gate asks for small quantities."""

from collections.abc import Sequence

from recommender.assessment import Escalation, Gate, Supply
from recommender.catalog.knowledge import Knowledge
from recommender.dose.dose_tables import ALWAYS


def limited(gate: Gate, escalations: Sequence[Escalation], knowledge: Knowledge) -> Supply:
    """Return the least of what the rows of supply.csv ask for what was told, and of the gate's own limit."""
    told = {ALWAYS, *(one.rule for one in escalations)}
    rows = [row for rule, row in knowledge.doses.supplies.items() if rule in told]
    limit = () if gate.supply_days is None else (gate.supply_days,)
    days, repeats = min((*(row.days for row in rows), *limit)), min(row.repeats for row in rows)
    strictest = [row for row in rows if row.days == days]
    sources = dict.fromkeys(key for row in strictest for key in row.basis.source.split("+"))
    return Supply(days, repeats, tuple(row.id for row in strictest), "+".join(sources))
