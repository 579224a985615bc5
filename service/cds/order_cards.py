"""The cards on orders that are being written: what stands against them in this chart, most serious first.

``critical`` is for a contraindication that the chart itself shows. What is only missing never alarms: it is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_adapters.canonical import Refusal
from recommender.assessment import CurrentDrug, Reason
from recommender.orders import JudgedOrder, JudgedOrders
from service.cds import cards, heads, sections
from service.cds.language import Phrases
from service.cds.view import Card, View, to_draft, worked_out
from service.cds.words import capital, clause, escape, number, plain, sentence, source_name
from service.drafts.records import Draft

SELECTED, SIGNING = "order-selected", "order-findings"
_FEW = 5
_TOLD = frozenset({"contraindicated", "warning"})
_ALSO = frozenset({"caution"})
_AGAIN = "ORDER-AGAIN"  # most often a change of dose: worth a line, never a card of its own


@dataclass(frozen=True, slots=True)
class OrderView:
    """What a card on orders is made of; ``unread`` are the orders that could not be read."""

    view: View
    judged: JudgedOrders
    unread: Sequence[Refusal] = ()


def about(judged: JudgedOrders, references: frozenset[str]) -> JudgedOrders:
    """Return what was said of the selected orders only; what they do to drugs that are taken stays."""
    return replace(judged, orders=tuple(one for one in judged.orders if one.order.reference in references))


def ingredients(judged: JudgedOrders) -> frozenset[str]:
    """Return the ingredients of the orders."""
    return frozenset(name for one in judged.orders for name in one.order.course.ingredients)


def speaks(found: OrderView, *, selecting: bool) -> bool:
    """Say whether there is anything to say: at signing of warnings only, at selection of cautions too.

    An order whose drug nobody could tell was not checked: silence would look like a check that found nothing.
    """
    levels = _TOLD | _ALSO if selecting else _TOLD
    untold = bool(found.unread) or any(not one.order.course.ingredients for one in found.judged.orders)
    return (
        untold
        or bool(found.judged.present)
        or any(
            reason.severity in levels and reason.rule != _AGAIN and (not reason.unknown or reason.blocks)
            for one in found.judged.orders
            for reason in one.reasons
        )
    )


def selected(found: OrderView, drafts: Sequence[Draft]) -> Card:
    """Return the card of order-select; ``drafts`` are held ones of other drugs."""
    say = found.view.say
    card = _card(found, SELECTED, _TOLD | _ALSO, say.instead if drafts else "")
    if not drafts:
        return card
    keep = cards.no_change(card["uuid"], say.keep_order)
    return card | {
        "suggestions": [*(cards.suggestion(draft, say) for draft in drafts), keep],
        "selectionBehavior": "at-most-one",
        "links": [to_draft(found.view, drafts[0].id), *card["links"]],
    }


def signing(found: OrderView) -> Card:
    """Return the card of order-sign: no suggestion, no new idea."""
    return _card(found, SIGNING, _TOLD, "")


def _card(found: OrderView, topic: str, levels: frozenset[str], more: str) -> Card:
    assessment, say = found.view.assessment, found.view.say
    detail = (
        sections.warnings(assessment, say),
        *(_order(one, levels, found.view) for one in found.judged.orders),
        _present(found.judged.present, say),
        _unknown(found),
        more,
        sections.urgent(assessment, say),
        sections.by_rules(assessment, found.view.now, say),
    )
    return cards.base(found.view, topic, _summary(found, levels), detail) | {
        "indicator": _indicator(found),
        "links": [worked_out(found.view)],
        "overrideReasons": cards.override_reasons(say),
    }


def _indicator(found: OrderView) -> str:
    reasons = [reason for one in found.judged.orders for reason in one.reasons]
    reasons += [reason for drug in found.judged.present for reason in drug.reasons]
    known = {reason.severity for reason in reasons if not reason.unknown}
    if any(r.blocks and not r.unknown and r.severity == "contraindicated" for r in reasons) or _graver(found):
        return "critical"
    return "warning" if known & _TOLD or any(reason.blocks for reason in reasons) else "info"


def _graver(found: OrderView) -> bool:
    """Say whether an order makes a contraindication of a drug that is taken."""
    return any(reason.severity == "contraindicated" for drug in found.judged.present for reason in drug.reasons)


def _summary(found: OrderView, levels: frozenset[str]) -> str:
    """Return the gravest finding in its own words where they fit and do not push, else that there is one."""
    worst = plain(_worst(found, levels), found.view.say)
    count = sum(len(_said(one, levels)) for one in found.judged.orders)
    count += sum(len(drug.reasons) for drug in found.judged.present)
    say = found.view.say
    rest = say.more_findings.format(count=count - 1) if count > 1 else ""
    if not worst:
        return capital(say.unreadable_order)
    variants = [f"{worst}{rest}", worst, say.findings.of(count, drug=_first_drug(found, say))]
    return heads.fitting(variants, say)


def _worst(found: OrderView, levels: frozenset[str]) -> str:
    for one in found.judged.orders:
        for reason in _said(one, levels):
            return reason.message.rstrip(" .")
    for drug in found.judged.present:
        return drug.reasons[0].message.rstrip(" .")
    return ""


def _first_drug(found: OrderView, say: Phrases) -> str:
    courses = [one.order.course for one in found.judged.orders]
    drugs = courses[0].ingredients if courses else ()
    return capital(say.with_drug.join(drugs).replace("_", " ") or say.this_order)


def _order(one: JudgedOrder, levels: frozenset[str], view: View) -> str:
    """Return what stands against one order as a list under its name; empty where nothing does."""
    said = _said(one, levels | _ALSO)
    if not any(reason.severity in levels for reason in said):
        return ""
    lines = [_line(reason, view) for reason in said[:_FEW]]
    left = len(said) - _FEW
    lines += [f"- {view.say.more_lines.format(count=left)}"] if left > 0 else []
    return f"**{_named(one, view.say)}**\n\n" + "\n".join(lines)


def _said(one: JudgedOrder, levels: frozenset[str]) -> list[Reason]:
    """Return the reasons to show: what the chart shows first, then what is wanted before the first dose."""
    known = [reason for reason in one.reasons if not reason.unknown and reason.severity in levels]
    told = [reason for reason in known if not any(_repeats(reason, other) for other in known)]
    return [*told, *(reason for reason in one.reasons if reason.unknown and reason.blocks)]


def _repeats(reason: Reason, other: Reason) -> bool:
    """Say whether another finding has the words of this one in its own."""
    return reason is not other and reason.message != other.message and reason.message.rstrip(" .") in other.message


def _line(reason: Reason, view: View) -> str:
    say = view.say
    basis = source_name(reason.source, view.sources, say) if reason.source else say.rules_of_service
    doubt = "" if reason.verified else f", {say.not_verified}"
    level = say.severities["measure-first" if reason.unknown else reason.severity]
    return f"- *{level}:* {sentence(reason.message)} ({basis}{doubt})"


def _named(one: JudgedOrder, say: Phrases) -> str:
    course = one.order.course
    name = escape(say.with_drug.join(course.ingredients).replace("_", " ") or course.text or say.an_order)
    dose = course.dose_mg_per_day
    return capital(say.per_day.format(drug=name, dose=number(dose, say)) if dose else name)


def _present(drugs: Sequence[CurrentDrug], say: Phrases) -> str:
    said = [sentence(reason.message) for drug in drugs for reason in drug.reasons]
    return say.with_present.format(said=" ".join(said[:_FEW])) if said else ""


def _unknown(found: OrderView) -> str:
    """Return what is missing for the orders, each gap once, and what could not be read of them."""
    say, orders = found.view.say, found.judged.orders
    gaps = {
        reason.missing: f"{reason.missing} {reason.gap}" if reason.gap else say.gap.format(what=reason.missing)
        for one in orders
        for reason in one.reasons
        if reason.unknown and reason.missing and not reason.blocks
    }
    unread = [clause(one.order.course.text) or say.an_order for one in orders if one.order.unread]
    said = [
        *(escape(text) for text in gaps.values()),
        *(say.not_whole.format(what=what) for what in unread),
        *([say.unreadable_order] if found.unread else []),
        *(say.not_in_rules.format(drug=_named(one, say)) for one in orders if not one.known),
    ]
    known = say.not_known.format(said=f"{'; '.join(said[:_FEW])}.") if said else ""
    return " ".join(part for part in (known, sections.not_supplied(found.view.unread, say)) if part)
