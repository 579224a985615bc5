"""Any dose judged by the same limits as a draft: an edited draft, an order of another system, what is taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from fhir_adapters.canonical import FeatureVector
from recommender.assessment import Bound, Bounds, Reason
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import Drug, Orderable
from recommender.dose import dispensing, dose_limits
from recommender.dose.dose_limits import Usual
from recommender.safety.findings import Finding


@dataclass(frozen=True, slots=True)
class Ordered:
    """What an order asks for, in mg: on its highest day, on its first days, and in each single dose.

    ``each_mg`` is empty where only the day is known: the usual number of single doses is then meant. ``per_day`` are
    the single doses a day; ``product`` is the RxNorm code of what is ordered, None where none is named.
    """

    mg_per_day: float
    first_mg_per_day: float
    each_mg: tuple[float, ...] = ()
    per_day: tuple[float, ...] = ()
    as_needed: bool = False
    product: str | None = None


def judge_dose(
    ingredient: str,
    mg_per_day: float,
    findings: Sequence[Finding],
    features: FeatureVector,
    knowledge: Knowledge,
    *,
    indication: str | None = None,
    starting: bool = True,
    product: str | None = None,
) -> tuple[Reason, ...]:
    """Return what speaks against ``mg_per_day``, blocking first; empty where nothing does.

    ``findings`` are those of ``rules.evaluate`` for the drug. ``starting``: it is the first dose, which should not be
    above the usual start. ``product``: the RxNorm code of the product that is ordered, of which the dose must be whole
    units, or halves where it may be split. Rules: DOSE-VALUE, DOSE-CEILING, DOSE-UNITS (these block), DOSE-START,
    DOSE-UNKNOWN.
    """
    drug = dose_limits.row_of(ingredient, indication, knowledge)
    if not _amount(mg_per_day):
        return (_no_amount(ingredient, drug),)
    doses = dose_limits.usual(drug) if drug else None
    if drug is None or doses is None:
        return (_unknown(f"The highest dose of {_spoken(ingredient)} is not known here.", _spoken(ingredient), drug),)
    bounds = _bounds(drug, doses, findings, features, knowledge)
    return judge(Ordered(mg_per_day, mg_per_day, product=product), bounds, knowledge, starting=starting)


def judge(ordered: Ordered, bounds: Bounds, knowledge: Knowledge, *, starting: bool = True) -> tuple[Reason, ...]:
    """Return what speaks against an order by the bounds that were worked out for its patient, blocking first.

    Rules: as ``judge_dose``, and DOSE-TIMES, DOSE-AS-NEEDED (to be acknowledged) where the order says how often.
    """
    drug = knowledge.drugs.get(bounds.drug)
    if not all(map(_amount, (ordered.mg_per_day, ordered.first_mg_per_day, *ordered.each_mg))):
        return (_no_amount(bounds.drug, drug),)
    found = (
        _above(ordered.mg_per_day, bounds, bounds.ceiling),
        _units(ordered, bounds, drug, knowledge) if ordered.product is not None else None,
        _start(ordered.first_mg_per_day, bounds) if starting else None,
        _times(ordered, bounds),
        _as_needed(ordered, bounds),
    )
    return tuple(one for one in found if one is not None)


def taken_above(
    ingredient: str,
    doses_mg: Sequence[float],
    findings: Sequence[Finding],
    features: FeatureVector,
    knowledge: Knowledge,
) -> Reason | None:
    """Return that a dose which is taken already is above the ceiling; None where it is not, or a rule has said so.

    ``doses_mg`` are those on record, mg a day: the highest counts. A drug without a known ceiling is not judged, nor
    what is swallowed by the ceiling of a patch or an injection of the same substance.
    """
    drug = knowledge.drug(ingredient)
    if drug is not None and not drug.form and drug.ingredient != ingredient:
        return None
    doses = dose_limits.usual(drug) if drug else None
    mg = max(doses_mg, default=None)
    if drug is None or doses is None or mg is None or not _amount(mg):
        return None
    bounds = _bounds(drug, doses, findings, features, knowledge)
    known = {one.reason.rule for one in findings if not one.reason.unknown}
    caps = [rule.cap_mg for rule in knowledge.rules_of[drug.ingredient] if rule.id in known and rule.cap_mg is not None]
    # The words of a rule with a ceiling say the dose on record themselves.
    return None if any(cap <= bounds.ceiling.mg for cap in caps) else _above(mg, bounds, bounds.ceiling)


def _bounds(
    drug: Drug, doses: Usual, findings: Sequence[Finding], features: FeatureVector, knowledge: Knowledge
) -> Bounds:
    limits = dose_limits.ceilings(drug, doses, findings, features, knowledge)
    return dose_limits.bounds(drug, doses, limits, dose_limits.starts(drug, doses, findings, features))


def _amount(mg: float) -> bool:
    return isfinite(mg) and mg > 0


def _above(mg: float, bounds: Bounds, ceiling: Bound) -> Reason | None:
    if mg <= ceiling.mg + dispensing.EXACT_MG:
        return None
    text = f"{_named(bounds)} {mg:g} mg a day is above {ceiling.mg:g} mg, the highest for this patient{_why(ceiling)}."
    return Reason("DOSE-CEILING", "warning", text, ceiling.source, ceiling.verified, blocks=True)


def _start(mg: float, bounds: Bounds) -> Reason | None:
    start = bounds.start
    if mg <= start.mg + dispensing.EXACT_MG:
        return None
    text = f"{_named(bounds)} {mg:g} mg a day is above the {start.mg:g} mg that it is begun with{_why(start)}."
    return Reason("DOSE-START", "caution", text, start.source, start.verified)


def _why(bound: Bound) -> str:
    return f" ({bound.rule}: {bound.words})" if bound.words else ""


def _units(ordered: Ordered, bounds: Bounds, drug: Drug | None, knowledge: Knowledge) -> Reason | None:
    """Return why the dose cannot be counted out in the product that is ordered, or that the product is not known."""
    one = product_of(bounds.drug, ordered.product, knowledge)
    each = ordered.each_mg or ((ordered.mg_per_day / bounds.doses_per_day,) if bounds.doses_per_day else ())
    if one is None or not each:
        return _unknown(f"The product that is ordered for {_spoken(bounds.drug)} is not known here.", "product", drug)
    if all(dispensing.in_units(one, mg) for mg in each):
        return None
    text = f"{', '.join(f'{mg:g} mg' for mg in dict.fromkeys(each))} at a time is no number of units of {one.name}."
    return Reason("DOSE-UNITS", "warning", text, one.basis.source, one.basis.verified, blocks=True)


def product_of(drug: str, rxnorm: str | None, knowledge: Knowledge) -> Orderable | None:
    """Return the orderable of a formulary drug with this code, None where it has none."""
    return next((held for held in knowledge.orderables.get(drug, ()) if held.rxnorm == rxnorm), None)


def _times(ordered: Ordered, bounds: Bounds) -> Reason | None:
    usual = bounds.doses_per_day
    if usual is None or all(abs(times - usual) < dispensing.EXACT_MG for times in ordered.per_day):
        return None
    text = f"{_named(bounds)} is usually given {_often(usual)}; this order says otherwise."
    return Reason("DOSE-TIMES", "caution", text, bounds.ceiling.source, bounds.ceiling.verified)


def _often(times: int) -> str:
    return "once a day" if times == 1 else f"{times} times a day"


def _as_needed(ordered: Ordered, bounds: Bounds) -> Reason | None:
    if not ordered.as_needed:
        return None
    text = f"{_named(bounds)} was drafted for every day; this order says as needed."
    return Reason("DOSE-AS-NEEDED", "caution", text, bounds.start.source, bounds.start.verified)


def _named(bounds: Bounds) -> str:
    name = _spoken(bounds.drug)
    return name[:1].upper() + name[1:]


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _no_amount(name: str, drug: Drug | None) -> Reason:
    source, verified = (drug.basis.source, drug.basis.verified) if drug else ("", False)
    return Reason("DOSE-VALUE", "warning", f"The dose of {_spoken(name)} is no amount.", source, verified, blocks=True)


def _unknown(text: str, missing: str, drug: Drug | None) -> Reason:
    source, verified = (drug.basis.source, drug.basis.verified) if drug else ("", False)
    return Reason("DOSE-UNKNOWN", "caution", text, source, verified, unknown=True, missing=missing, gap="is not known")
