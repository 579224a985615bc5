"""The cards on orders that are being written: what stands against them in this chart, most serious first.

``critical`` is for a contraindication that the chart itself shows. What is only missing never alarms: it is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_adapters.canonical import Refusal
from recommender.assessment import SEVERITIES, CurrentDrug, Reason
from recommender.orders import JudgedOrder, JudgedOrders
from service.cds import cards, heads, sections
from service.cds.language import Phrases
from service.cds.view import Card, View, to_draft, worked_out
from service.cds.words import capital, clause, escape, first_that_fits, number, plain, sentence, source_name
from service.drafts.records import Draft

SELECTED, SIGNING = "order-selected", "order-findings"
_FEW = 5
_NAME_LIMIT = 80  # characters of a drug that nobody knows
_ORDERS = 6  # told in full; of more in one set only the drugs are named
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
    return (
        untold(found)
        or bool(found.judged.present)
        or any(
            reason.severity in levels and reason.rule != _AGAIN and (not reason.unknown or reason.blocks)
            for one in found.judged.orders
            for reason in one.reasons
        )
    )


def untold(found: OrderView) -> bool:
    """Say whether there is an order that was not checked: silence would look like a check that found nothing."""
    return bool(found.unread) or any(not one.order.course.ingredients for one in found.judged.orders)


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


def beside(card: Card, found: OrderView) -> Card:
    """Return a card of a crisis with what stands against the orders below it."""
    say = found.view.say
    orders = (*_orders(_sorted(found), _TOLD), _present(found.judged.present, say), _unknown(found))
    told = [plain(part, say) for part in orders if part]
    return card | {"detail": "\n\n".join([card["detail"], *told])}


def _sorted(found: OrderView) -> OrderView:
    return replace(found, judged=replace(found.judged, orders=tuple(sorted(found.judged.orders, key=_gravity))))


def _card(found: OrderView, topic: str, levels: frozenset[str], more: str) -> Card:
    assessment, say = found.view.assessment, found.view.say
    found = _sorted(found)
    detail = (
        sections.warnings(assessment, say),
        *_orders(found, levels),
        _present(found.judged.present, say),
        _unknown(found),
        more,
        sections.urgent(assessment, say),
        sections.by_rules(assessment, found.view.now, say),
    )
    return cards.base(found.view, topic, _summary(found, levels), detail) | {
        "indicator": _indicator(found),
        "links": [worked_out(found.view)],
        "overrideReasons": cards.override_reasons(say.order_override_reasons),
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
    worst, say = plain(_worst(found, levels), found.view.say), found.view.say
    told = {
        (one.order.course.ingredients, reason.message) for one in found.judged.orders for reason in _said(one, levels)
    }
    count = len(told) + sum(len(drug.reasons) for drug in found.judged.present)
    rest = say.more_findings.format(count=count - 1) if count > 1 else ""
    if not worst:
        return heads.fitting([_stranger(found, say), capital(say.unreadable_order)], say)
    variants = [f"{worst}{rest}", worst, say.findings.of(count, drug=_first_drug(found, say))]
    return heads.fitting(variants, say)


def _stranger(found: OrderView, say: Phrases) -> str:
    """Return that an order's drug is unknown here, by the name that it was written with; empty where it has none."""
    names = [one.order.course.text for one in found.judged.orders if not one.order.course.ingredients]
    name = next((text for text in names if text and escape(text) == text), "")
    return say.not_in_rules.format(drug=capital(name)) if name else ""


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


def _gravity(one: JudgedOrder) -> tuple[bool, int]:
    """Order by the gravest finding that the chart shows; a stable sort leaves the rest as it was sent."""
    known = [SEVERITIES.index(reason.severity) for reason in one.reasons if not reason.unknown]
    return not one.blocked, min(known, default=len(SEVERITIES))


def _orders(found: OrderView, levels: frozenset[str]) -> list[str]:
    """Return what stands against each order, the gravest first; what is said of several alike is said once."""
    say = found.view.say
    said = {text: _named(one, say) for one in found.judged.orders if (text := _order(one, levels, found.view))}
    rest = list(dict.fromkeys(list(said.values())[_ORDERS:]))
    more = say.more_orders.of(len(said) - _ORDERS, drugs=", ".join(rest)) if rest else ""
    return [*list(said)[:_ORDERS], more]


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
    name = escape(say.with_drug.join(course.ingredients).replace("_", " ") or _short(course.text) or say.an_order)
    dose = course.dose_mg_per_day
    return capital(say.per_day.format(drug=name, dose=number(dose, say)) if dose else name)


def _short(text: str) -> str:
    """Return a drug's name as somebody wrote it, cut where no name is that long."""
    return first_that_fits([text], _NAME_LIMIT)


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
    unread = [clause(_short(one.order.course.text)) or say.an_order for one in orders if one.order.unread]
    said = [
        *(escape(text) for text in gaps.values()),
        *(say.not_whole.format(what=what) for what in unread),
        *([say.unreadable_order] if found.unread else []),
        *(say.not_in_rules.format(drug=_named(one, say)) for one in orders if not one.known),
    ]
    known = say.not_known.format(said=f"{'; '.join(said[:_FEW])}.") if said else ""
    return " ".join(part for part in (known, sections.not_supplied(found.view.unread, say)) if part)
