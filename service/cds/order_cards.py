"""The cards on orders that are being written: what stands against them in this chart, most serious first.

``critical`` is for a contraindication that the chart itself shows. What is only missing never alarms: it is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_adapters.canonical import Refusal
from recommender.assessment import CurrentDrug, Reason
from recommender.orders import JudgedOrder, JudgedOrders
from service.cds import cards, focus, lint, sections
from service.cds.cards import Card, View
from service.cds.words import capital, clause, day, escape, first_that_fits, number, sentence
from service.drafts.store import Draft

SELECTED, SIGNING = "order-selected", "order-findings"
KEEP = "No change: leave the order as written"
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
    """Say whether there is anything to say: at signing of warnings only, at selection of cautions too."""
    levels = _TOLD | _ALSO if selecting else _TOLD
    return bool(found.judged.present) or any(
        reason.severity in levels and reason.rule != _AGAIN and (not reason.unknown or reason.blocks)
        for one in found.judged.orders
        for reason in one.reasons
    )


def selected(found: OrderView, drafts: Sequence[Draft]) -> Card:
    """Return the card of order-select; ``drafts`` are held ones of other drugs."""
    card = _card(found, SELECTED, _TOLD | _ALSO, _instead(drafts))
    if not drafts:
        return card
    review = {
        "label": "Compare and sign",
        "url": f"{found.view.settings.server.public_url}/review/{drafts[0].id}",
        "type": "absolute",
    }
    keep = {"label": KEEP, "uuid": cards.no_change_id(card["uuid"])}
    return card | {
        "suggestions": [*(cards.suggestion(draft) for draft in drafts), keep],
        "selectionBehavior": "at-most-one",
        "links": [review, *card["links"]],
    }


def signing(found: OrderView) -> Card:
    """Return the card of order-sign: no suggestion, no new idea."""
    return _card(found, SIGNING, _TOLD, "")


def _card(found: OrderView, topic: str, levels: frozenset[str], more: str) -> Card:
    assessment = found.view.assessment
    detail = (
        sections.warnings(assessment),
        *(_order(one, levels) for one in found.judged.orders),
        _present(found.judged.present),
        _unknown(found),
        more,
        sections.urgent(assessment),
        _closing(found.view),
    )
    return cards.base(found.view, topic, _summary(found, levels), detail, closing=False) | {
        "indicator": _indicator(found),
        "links": [cards.worked_out(found.view)],
        "overrideReasons": [dict(reason) for reason in cards.OVERRIDE_REASONS],
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
    worst = _worst(found, levels)
    count = sum(len(_said(one, levels)) for one in found.judged.orders)
    count += sum(len(drug.reasons) for drug in found.judged.present)
    rest = f" (+{count - 1} more)" if count > 1 else ""
    drug = _first_drug(found)
    variants = [
        f"{worst}{rest}",
        worst,
        f"{drug}: {count} finding{'s' if count > 1 else ''} in this chart, see the detail",
    ]
    clean = [one for one in variants if one and not lint.PUSHING.search(one)]
    return first_that_fits(clean, cards.SUMMARY_LIMIT)


def _worst(found: OrderView, levels: frozenset[str]) -> str:
    for one in found.judged.orders:
        for reason in _said(one, levels):
            return reason.message.rstrip(" .")
    for drug in found.judged.present:
        return drug.reasons[0].message.rstrip(" .")
    return ""


def _first_drug(found: OrderView) -> str:
    names = [one.order.course for one in found.judged.orders]
    return capital(" with ".join(names[0].ingredients) or "this order") if names else "Orders"


def _order(one: JudgedOrder, levels: frozenset[str]) -> str:
    """Return what stands against one order as a list under its name; empty where nothing does."""
    said = _said(one, levels | _ALSO)
    if not any(reason.severity in levels for reason in said):
        return ""
    lines = [_line(reason) for reason in said[:_FEW]]
    left = len(said) - _FEW
    lines += [f"- {left} more not shown"] if left > 0 else []
    return f"**{_named(one)}**\n\n" + "\n".join(lines)


def _said(one: JudgedOrder, levels: frozenset[str]) -> list[Reason]:
    """Return the reasons to show: what the chart shows first, then what is wanted before the first dose."""
    known = [reason for reason in one.reasons if not reason.unknown and reason.severity in levels]
    return [*known, *(reason for reason in one.reasons if reason.unknown and reason.blocks)]


def _line(reason: Reason) -> str:
    basis = escape(reason.source) if reason.source else "rules of this service"
    doubt = "" if reason.verified else ", not verified"
    level = "measure first" if reason.unknown else reason.severity
    return f"- *{level}:* {sentence(reason.message)} ({basis}{doubt})"


def _named(one: JudgedOrder) -> str:
    course = one.order.course
    name = escape(" with ".join(course.ingredients).replace("_", " ") or course.text)
    dose = f" {number(course.dose_mg_per_day)} mg a day" if course.dose_mg_per_day else ""
    return f"{capital(name)}{dose}"


def _present(drugs: Sequence[CurrentDrug]) -> str:
    said = [sentence(reason.message) for drug in drugs for reason in drug.reasons]
    return f"**With drugs already taken.** {' '.join(said[:_FEW])}" if said else ""


def _unknown(found: OrderView) -> str:
    """Return what is missing for the orders, each gap once, and what could not be read of them."""
    gaps = {
        reason.missing: f"{reason.missing} {reason.gap or 'is not known'}"
        for one in found.judged.orders
        for reason in one.reasons
        if reason.unknown and reason.missing and not reason.blocks
    }
    unread = [
        f"{'an order' if not one.order.course.text else clause(one.order.course.text)}: not all of it could be read"
        for one in found.judged.orders
        if one.order.unread
    ]
    unread += ["an order could not be read"] if found.unread else []
    unknown = [f"{_named(one)} is not in the rules of this service" for one in found.judged.orders if not one.known]
    said = [*(escape(text) for text in gaps.values()), *unread, *unknown]
    lacking = f" Not supplied: {', '.join(found.view.unread)}." if found.view.unread else ""
    return f"**Not known:** {'; '.join(said[:_FEW])}.{lacking}" if said else lacking.strip()


def _instead(drafts: Sequence[Draft]) -> str:
    return (
        "**Instead.** The drafts below are unsigned; leaving the order as written is one of the choices."
        if drafts
        else ""
    )


def _closing(view: View) -> str:
    knowledge = escape(view.assessment.versions.get("knowledge", "none"))
    stamp = f"{day(view.now.date())} {view.now:%H:%M %Z}"
    about = focus.name(view.assessment)
    return (
        f"*Checked by rules, not by the learned model. {escape(about)}. Knowledge {knowledge}, record as of {stamp}.*"
    )
