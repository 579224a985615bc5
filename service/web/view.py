"""What the review page shows, worked out from the held records: plain values for the templates.

The drafts of one assessment stand side by side with "no change", in one layout and none chosen; times come in
as arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from recommender.assessment import SEVERITIES, Prediction
from service.cds.words import capital, day, in_ten
from service.drafts.states import SIGNED, UNSIGNED
from service.drafts.store import Draft, Signature
from service.web import points as rules
from service.web.points import NOT_VERIFIED, Point
from service.web.words import ago, moment

FEW = 3
# Said to whoever would otherwise order a second time.
_STATE_WORDS = {
    "signed": "It waits to be written to the EHR. There is nothing more to do here.",
    "writing": "It is being written to the EHR now.",
    "written": "It is in the EHR and is being read back.",
    "confirmed": "It is in the EHR, and was read back unchanged.",
    "write-failed": "The EHR has not taken it yet; it is tried again by itself. Do not order it a second time.",
    "parked": "The EHR refused it, so it is not tried again. Look in the chart and tell your operators before "
    "you order anything.",
    "mismatch": "The EHR holds something else than what was signed. Look at the order in the chart now and tell "
    "your operators.",
    "overridden": "Rejected. Nothing was ordered of it.",
    "superseded": "Closed: the chart has changed since. Open the chart again for what holds now.",
    "withdrawn": "Withdrawn. Nothing was ordered of it.",
    "expired": "Its time ran out unsigned. Nothing was ordered of it.",
}
_BESIDE_A_SIGNED_ONE = "Closed: another option was signed."


@dataclass(frozen=True, slots=True)
class Option:
    """One column: a draft, or no change (then ``id`` is None). ``ended`` is why it cannot be decided on."""

    id: str | None
    version: int
    name: str
    label: str
    order: str
    onward: str
    remission: str
    stops: str
    points: Sequence[Point]
    more: Sequence[Point]
    unknown: Sequence[str]
    edited: bool
    ended: str | None


@dataclass(frozen=True, slots=True)
class Placed:
    """A signed order: what it is, who signed it when, and where it is now."""

    label: str
    by: str
    at: str
    number: str
    where: str
    since: str
    settled: bool
    replaces: str


@dataclass(frozen=True, slots=True)
class Review:
    """The page of one assessment; ``replaces`` names the present drugs that a switch is meant to end.

    ``warnings`` are what an assessment of suicide risk leaves to be done: they stand before everything else.
    """

    draft: str
    summary: str
    why: str
    made: str
    age: str
    held_until: str
    versions: str
    warnings: Sequence[str]
    unknowns: Sequence[str]
    to_tell: Sequence[str]
    ties: str
    either_way: Sequence[Point]
    options: Sequence[Option]
    replaces: str
    open: bool


def review(here: Draft, patients_drafts: Sequence[Draft], now: datetime) -> Review:
    """Return the page for the assessment that ``here`` is of; ``now`` is the store's time."""
    drafts = together(here, patients_drafts)
    context, contexts = read(here.context), [read(draft.context) for draft in drafts]
    same = rules.shared(contexts)
    signed = any(draft.state in SIGNED for draft in drafts)
    columns = [_option(d, c, same, signed, now) for d, c in zip(drafts, contexts, strict=True)]
    return Review(
        draft=here.id,
        summary=context.get("summary", ""),
        why=_why(context),
        made=moment(here.created),
        age=ago(here.created, now),
        held_until=moment(here.expires),
        versions=_versions(context.get("versions", {})),
        warnings=warnings(context),
        unknowns=[*context.get("unknowns", []), *(t.rstrip(".") for t in context.get("unchecked", []))],
        to_tell=[_person(told) for told in context.get("to_tell", []) if not _is_said(told, context)],
        ties=context.get("ties", "") if sum(column.ended is None for column in columns) > 1 else "",
        either_way=[point for point in rules.known(context) if point.message in same],
        options=[*columns, _no_change(context)],
        replaces=replaces(context),
        open=any(column.ended is None for column in columns),
    )


def placed(draft: Draft, signature: Signature) -> Placed:
    """Return where a signed order is; ``settled`` when it is in the EHR as signed."""
    requester = read(signature.order)["requester"]
    return Placed(
        label=label(draft),
        by=requester.get("display") or requester["reference"],
        at=moment(signature.signed),
        number=signature.order_id,
        where=_STATE_WORDS[draft.state],
        since=moment(draft.updated),
        settled=draft.state == "confirmed",
        replaces=replaces(read(draft.context)),
    )


def together(here: Draft, patients_drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts of one assessment in rank order: those held on the same facts at the same moment."""
    found = {d.id: d for d in patients_drafts if (d.facts, d.created) == (here.facts, here.created)}
    return sorted(({here.id: here} | found).values(), key=lambda draft: draft.rank)


def is_open(draft: Draft, now: datetime) -> bool:
    """Return whether a draft can still be decided on; a sweep may come later than its time."""
    return draft.state in UNSIGNED and now < draft.expires


def replaces(context: Mapping[str, Any]) -> str:
    """Return the present drugs that a switch is meant to replace, empty for no switch."""
    if context.get("step") != "switch":
        return ""
    return " and ".join(_drug(drug) for drug in context.get("present", []))


def warnings(context: Mapping[str, Any]) -> list[str]:
    """Return the gate's warnings, which come before anything else that is said of a draft."""
    return context.get("warnings", [])


def label(draft: Draft) -> str:
    """Return a draft's option in words."""
    return read(draft.context).get("option", draft.ingredient)


def source_keys(review: Review) -> list[str]:
    """Return the keys of all sources that the page names, in order of appearance."""
    points = [*review.either_way, *(point for option in review.options for point in (*option.points, *option.more))]
    keys = [key for point in points for key in point.source.removesuffix(NOT_VERIFIED).split("+")]
    return list(dict.fromkeys(keys))


def read(raw: bytes) -> dict[str, Any]:
    """Return stored JSON as a plain object."""
    return msgspec.json.decode(raw)


def _option(draft: Draft, context: Mapping[str, Any], same: frozenset[str], signed: bool, now: datetime) -> Option:
    resource, own = read(draft.resource), [p for p in rules.known(context) if p.message not in same]
    serious = sum(point.severity in SEVERITIES[:2] for point in own)
    shown = max(FEW, serious)  # what is serious is never behind a fold
    dosage = "; ".join(d.get("text", "") for d in resource.get("dosageInstruction", []))
    return Option(
        id=draft.id,
        version=draft.version,
        name=draft.ingredient.replace("_", " "),
        label=context.get("option", draft.ingredient),
        order=f"{resource['medicationCodeableConcept']['text']}, {dosage}",
        onward=_titration(context),
        **_estimates(context.get("predictions")),
        points=own[:shown],
        more=own[shown:],
        unknown=rules.unknown(context, same),
        edited=draft.version > 1,
        ended=None if is_open(draft, now) else _ended(draft, signed),
    )


def _no_change(context: Mapping[str, Any]) -> Option:
    present: list[dict[str, Any]] = context.get("present", [])
    points = [point for drug in present for point in rules.known(drug)]
    kept = " and ".join(_drug(drug) for drug in present)
    since = [f"{drug['ingredient']} since {_day(drug['since'])}" for drug in present if drug.get("since")]
    return Option(
        id=None,
        version=0,
        name="no change",
        label=f"No change: stay on {kept}" if kept else "No change: no antidepressant now",
        order=capital(", ".join(since)) if since else "Nothing is ordered",
        onward="",
        **_estimates(context.get("no_change")),
        points=points[:FEW],
        more=points[FEW:],
        unknown=(),
        edited=False,
        ended=None,
    )


def _titration(context: Mapping[str, Any]) -> str:
    dose: Mapping[str, Any] = context.get("dose") or {}
    return dose.get("titration", "")


def _estimates(found: Mapping[str, dict[str, float]] | None) -> dict[str, str]:
    known = {name: in_ten(Prediction(**prediction)) for name, prediction in (found or {}).items()}
    missing = in_ten(None)
    return {
        "remission": known.get("remission", missing),
        "stops": known.get("adverse-event-stopping", missing),
    }


def _why(context: Mapping[str, Any]) -> str:
    """Return the scores that the assessment stands on, each with its date, and the present treatment."""
    facts = {fact["name"]: fact for fact in context.get("facts", [])}
    score, before, item = (facts.get(name) for name in ("phq9_total", "phq9_previous", "phq9_item9"))
    said: list[str] = []
    if score:
        earlier = f" (earlier {before['value']:g}{_on(before)})" if before else ""
        said.append(f"PHQ-9 {score['value']:g}{_on(score)}{earlier}.")
    if item:
        said.append(f"Item 9, thoughts of death or self-harm: answered {item['value']:g} of 3{_on(item)}.")
    return " ".join(said)


def _on(fact: Mapping[str, Any]) -> str:
    return f" on {_day(fact['effective'])}" if fact.get("effective") else ", date not on record"


def _ended(draft: Draft, signed: bool) -> str:
    if draft.state in UNSIGNED:
        return _STATE_WORDS["expired"]
    if draft.state == "superseded" and signed:
        return _BESIDE_A_SIGNED_ONE
    return _STATE_WORDS[draft.state]


def _drug(drug: Mapping[str, Any]) -> str:
    dose = drug.get("dose_mg_per_day")
    return f"{drug['ingredient']} {dose:g} mg a day" if dose else f"{drug['ingredient']}, dose not known"


def _is_said(told: Mapping[str, str], context: Mapping[str, Any]) -> bool:
    """Say whether the warnings have told it already to the one who reads the page."""
    return told["to"] == "prescriber" and told["reason"] in warnings(context)


def _person(told: Mapping[str, str]) -> str:
    return f"{capital(told['to'].replace('-', ' '))} ({told['urgency']}): {told['reason'].rstrip('.')}."


def _day(text: str) -> str:
    return day(date.fromisoformat(text))


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("model", "knowledge") if name in versions)
