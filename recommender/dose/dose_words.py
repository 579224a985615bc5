"""What a rule would do to a dose, in words, while its input is not known."""

from collections.abc import Mapping, Sequence

from recommender.catalog.rows import Rule
from recommender.dose.dose_rows import Adjustment
from recommender.safety.findings import Finding, Pending

_SIDES: Mapping[str, str] = {">": "above {}", ">=": "from {} on", "<": "below {}", "<=": "at {} or below"}


def case(one: Pending) -> str:
    """Say when the change would hold and what it would be: ``below 60 mL/min the ceiling is 80 mg a day``."""
    return f"{_when(one.rule)} {_then(one.rule, one.adjusted)}"


def careful(one: Pending) -> str:
    """Say that the values of a rule hold because its input is not known."""
    return f"{one.rule.id}: {one.gap}, so the careful dose holds ({case(one)})."


def pending(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return what is not known and would lower the dose, each gap once, with the sources of the rules.

    ``Creatinine clearance is not on file: at 70 mL/min or below the dose is 75 % of the usual (T-VEN3).``
    """
    gaps: dict[str, list[Pending]] = {}
    for one in (one for held in findings for one in held.pending if not one.careful):
        gaps.setdefault(one.gap, []).append(one)
    return tuple(_pending(gap, waiting) for gap, waiting in gaps.items())


def _pending(gap: str, waiting: Sequence[Pending]) -> str:
    cases = "; ".join(dict.fromkeys(map(case, waiting)))
    sources = "+".join(dict.fromkeys(key for one in waiting for key in one.rule.basis.source.split("+")))
    doubt = "" if all(one.rule.basis.verified for one in waiting) else ", not verified"
    return _sentence(f"{gap}: {cases} ({sources}{doubt}).")


def _when(rule: Rule) -> str:
    if rule.value is None or rule.operator not in _SIDES:
        return f"with {rule.label}"
    value = f"age {rule.value:g}" if rule.kind == "age" else f"{rule.value:g} {rule.unit}"
    return _SIDES[rule.operator].format(value)


def _then(rule: Rule, adjusted: Adjustment | None) -> str:
    told = [f"the ceiling is {rule.cap_mg:g} mg a day"] if rule.cap_mg is not None else []
    if adjusted and adjusted.start_mg is not None:
        told.append(f"the start is {adjusted.start_mg:g} mg a day")
    if adjusted and adjusted.factor is not None:
        told.append(f"the dose is {adjusted.factor:.0%} of the usual".replace("%", " %"))
    if adjusted and adjusted.interval:
        told.append(f"it is given as {adjusted.interval}")
    return " and ".join(told)


def _sentence(text: str) -> str:
    """Begin with a capital, but leave eGFR as it is."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]
