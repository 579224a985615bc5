"""From a rule that holds, or may hold, to what it does to the dose."""

from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import Rule
from recommender.dose.dose_rows import Adjustment
from recommender.safety.findings import DoseChange, Finding, Pending


def finding(rule: Rule, reason: Reason, knowledge: Knowledge) -> Finding:
    """Return the reason with its dose limits; of a rule that is not known they are pending, never in force."""
    adjusted = knowledge.doses.adjustments.get(rule.id)
    if rule.cap_mg is None and adjusted is None:
        return Finding(reason, None)
    if reason.unknown:
        acts = rule.cap_mg is not None or (adjusted is not None and _acts(adjusted))
        return Finding(
            reason, None, pending=(Pending(rule, adjusted, f"{reason.missing} {reason.gap}"),) if acts else ()
        )
    if adjusted is None:
        return Finding(reason, rule.cap_mg, cause=rule.trigger)
    change = None
    if adjusted.factor is not None:
        change = DoseChange(adjusted.factor, "all", f"{rule.id}: {reason.message}")
    return Finding(reason, rule.cap_mg, change, adjusted.start_mg, adjusted.interval, cause=rule.trigger)


def _acts(adjusted: Adjustment) -> bool:
    return adjusted.start_mg is not None or adjusted.factor is not None or bool(adjusted.interval)
