"""Any daily dose judged by the same limits as a draft: an edited draft, an order of another system, what is taken."""

from collections.abc import Sequence
from math import isfinite

from fhir_adapters.canonical import FeatureVector
from recommender.assessment import Reason, Severity
from recommender.dose import dispensing, dose_limits
from recommender.dose.dose_limits import Usual
from recommender.library.knowledge import Knowledge
from recommender.library.rows import Drug
from recommender.safety.findings import Finding


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
    name = (drug.ingredient if drug else ingredient).replace("_", " ")
    if not isfinite(mg_per_day) or mg_per_day <= 0:
        return (_reason("DOSE-VALUE", "warning", f"The daily dose of {name} is no amount.", drug, blocks=True),)
    doses = dose_limits.usual(drug) if drug else None
    if drug is None or doses is None:
        return (_unknown(f"The highest dose of {name} is not known here.", name, drug),)
    found = (
        _ceiling(drug, doses, mg_per_day, findings, features, knowledge),
        _units(drug, mg_per_day, product, knowledge) if product is not None else None,
        _start(drug, doses, mg_per_day, findings, features) if starting else None,
    )
    return tuple(one for one in found if one is not None)


def _ceiling(
    drug: Drug,
    doses: Usual,
    mg: float,
    findings: Sequence[Finding],
    features: FeatureVector,
    knowledge: Knowledge,
) -> Reason | None:
    limits = dose_limits.ceilings(drug, doses, findings, features, knowledge)
    ceiling = min((one.mg for one in limits), default=doses.most)
    if mg <= ceiling + dispensing.EXACT_MG:
        return None
    why = f" ({limits[0].words.rstrip('.')})" if limits else ""
    text = f"{_named(drug)} {mg:g} mg a day is above {ceiling:g} mg, the highest for this patient{why}."
    source, verified = (limits[0].source, limits[0].verified) if limits else (drug.basis.source, drug.basis.verified)
    return Reason("DOSE-CEILING", "warning", text, source, verified, blocks=True)


def _start(drug: Drug, doses: Usual, mg: float, findings: Sequence[Finding], features: FeatureVector) -> Reason | None:
    lowered = dose_limits.starts(drug, doses, findings, features)
    start = min((one.mg for one in lowered), default=doses.start)
    if mg <= start + dispensing.EXACT_MG:
        return None
    why = f" ({lowered[0].words.rstrip('.')})" if lowered else ""
    text = f"{_named(drug)} {mg:g} mg a day is above the {start:g} mg that it is begun with{why}."
    return _reason("DOSE-START", "caution", text, drug)


def _units(drug: Drug, mg: float, product: str, knowledge: Knowledge) -> Reason | None:
    """Return why the dose cannot be counted out in the product that is ordered, or that the product is not known."""
    one = next((held for held in knowledge.orderables[drug.ingredient] if held.rxnorm == product), None)
    if one is None or drug.doses_per_day is None:
        return _unknown(f"The product that is ordered for {_named(drug).lower()} is not known here.", "product", drug)
    if dispensing.in_units(one, mg / drug.doses_per_day):
        return None
    text = f"{mg:g} mg a day is no number of units of {one.name}."
    return Reason("DOSE-UNITS", "warning", text, one.basis.source, one.basis.verified, blocks=True)


def _named(drug: Drug) -> str:
    name = drug.ingredient.replace("_", " ")
    return name[:1].upper() + name[1:]


def _reason(rule: str, severity: Severity, text: str, drug: Drug | None, *, blocks: bool = False) -> Reason:
    source, verified = (drug.basis.source, drug.basis.verified) if drug else ("", False)
    return Reason(rule, severity, text, source, verified, blocks=blocks)


def _unknown(text: str, missing: str, drug: Drug | None) -> Reason:
    source, verified = (drug.basis.source, drug.basis.verified) if drug else ("", False)
    return Reason("DOSE-UNKNOWN", "caution", text, source, verified, unknown=True, missing=missing, gap="is not known")
