"""What the review page shows, worked out from the held records: plain values for the templates.

The drafts of one assessment stand side by side with "no change", in one layout and none chosen; times come in
as arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from recommender.assessment import SEVERITIES
from service.cds.words import capital
from service.drafts import differences
from service.drafts.states import SIGNED, UNSIGNED
from service.drafts.store import Draft
from service.web import arguments, fate, figures, outcomes, scores
from service.web import points as rules
from service.web.arguments import Excluded
from service.web.outcomes import Figure
from service.web.points import NOT_VERIFIED, Change, Cite, Point
from service.web.words import ago, moment

FEW = 3


@dataclass(frozen=True, slots=True)
class Option:
    """One column: a draft, or no change (then ``id`` is None). ``ended`` is why it cannot be decided on.

    ``stays`` and ``ends`` are the present drugs, as this option would leave them; ``tied`` the options of its band.
    """

    id: str | None
    version: int
    name: str
    label: str
    order: str
    stays: str
    ends: str
    tied: str
    onward: str
    switch: Sequence[Change]
    pending: Sequence[str]
    figures: Sequence[Figure]
    speaks_for: Sequence[Point]
    points: Sequence[Point]
    more: Sequence[Point]
    unknown: Sequence[str]
    edited: bool
    ended: str | None

    @property
    def remission(self) -> str:
        """The chance of remission in words."""
        return self.figures[0].words

    @property
    def stops(self) -> str:
        """The chance of stopping for side effects in words."""
        return self.figures[1].words


@dataclass(frozen=True, slots=True)
class Review:
    """The page of one assessment; ``replaces`` names the present drugs that a switch is meant to end.

    ``warnings`` are what an assessment of suicide risk leaves to be done: they stand before everything else.
    ``guidelines`` are what these say at this step; ``by_model`` whether the learned ranker gave the figures, whose
    bars end at ``most`` of 100; ``order`` says what made the ranking and what would change it.
    """

    draft: str
    summary: str
    why: str
    made: str
    age: str
    held_until: str
    versions: str
    short_versions: str
    warnings: Sequence[str]
    unknowns: Sequence[str]
    to_tell: Sequence[str]
    ties: str
    guidelines: Sequence[Point]
    by_model: bool
    most: int
    nowhere: Sequence[str]
    named: str
    for_a_drug: Sequence[Point]
    either_way: Sequence[Point]
    ruled_out: Sequence[Excluded]
    options: Sequence[Option]
    chart: figures.Chart | None
    order: Mapping[str, Any]
    replaces: str
    open: bool


def review(here: Draft, patients_drafts: Sequence[Draft], now: datetime) -> Review:
    """Return the page for the assessment that ``here`` is of; ``now`` is the store's time."""
    drafts = together(here, patients_drafts)
    context, contexts = read(here.context), [read(draft.context) for draft in drafts]
    same = rules.shared(contexts)
    signed = any(draft.state in SIGNED for draft in drafts)
    found = outcomes.figures(contexts)
    told = _Told(same, signed, now, {d.ingredient: c for d, c in zip(drafts, contexts, strict=True)})
    columns = [_option(*one, told) for one in zip(drafts, contexts, found.of, strict=False)]
    return Review(
        draft=here.id,
        summary=context.get("summary", ""),
        why=scores.why(context),
        made=moment(here.created),
        age=ago(here.created, now),
        held_until=moment(here.expires),
        versions=_versions(context.get("versions", {})),
        short_versions=_versions({k: v.partition("+")[0] for k, v in context.get("versions", {}).items()}),
        warnings=warnings(context),
        unknowns=[*context.get("unknowns", []), *(t.rstrip(".") for t in context.get("unchecked", []))],
        to_tell=[_person(told) for told in context.get("to_tell", []) if not _is_said(told, context)],
        ties=context.get("ties", "") if sum(column.ended is None for column in columns) > 1 else "",
        guidelines=rules.guidelines(context),
        by_model=any(one.get("predictions") for one in contexts),
        most=found.most,
        nowhere=found.nowhere,
        named=_named(context, drafts),
        for_a_drug=arguments.for_a_drug(context),
        either_way=[point for point in rules.known(context) if point.message in same],
        ruled_out=arguments.ruled_out(context),
        options=[*columns, _no_change(context, found.of[-1])],
        chart=figures.chart(context),
        order=context.get("order", {}),
        replaces=replaces(context),
        open=any(column.ended is None for column in columns),
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
    return _present(context)


def warnings(context: Mapping[str, Any]) -> list[str]:
    """Return the gate's warnings, which come before anything else that is said of a draft."""
    return context.get("warnings", [])


def label(draft: Draft) -> str:
    """Return a draft's option in words."""
    return differences.label(draft)


def source_keys(review: Review) -> list[str]:
    """Return the keys of all sources that the page names, in order of appearance."""
    points = [point for point in (*_points(review), *_switches(review)) if point.source]
    keys = [key for point in points for key in point.source.removesuffix(NOT_VERIFIED).split("+")]
    return list(dict.fromkeys(keys))


def cites(review: Review) -> list[Cite]:
    """Return every chart fact that the page stands on, once each, in order of appearance."""
    return list(dict.fromkeys(cite for point in _points(review) for cite in point.cites))


def _points(review: Review) -> list[Point]:
    own = [p for option in review.options for p in (*option.speaks_for, *option.points, *option.more)]
    return [*review.either_way, *review.for_a_drug, *review.guidelines, *own]


def _switches(review: Review) -> list[Change]:
    return [change for option in review.options for change in option.switch]


def read(raw: bytes) -> dict[str, Any]:
    """Return stored JSON as a plain object."""
    return msgspec.json.decode(raw)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a column must know of the others: what is said of all, and each draft's context by its drug."""

    same: frozenset[str]
    signed: bool
    now: datetime
    contexts: Mapping[str, Mapping[str, Any]]


def _option(draft: Draft, context: Mapping[str, Any], rows: Sequence[Figure], told: _Told) -> Option:
    resource, own = read(draft.resource), [p for p in rules.known(context) if p.message not in told.same]
    serious = sum(point.severity in SEVERITIES[:2] for point in own)
    shown = max(FEW, serious)  # what is serious is never behind a fold
    dosage = "; ".join(d.get("text", "") for d in resource.get("dosageInstruction", []))
    return Option(
        id=draft.id,
        version=draft.version,
        name=draft.ingredient.replace("_", " "),
        label=label(draft),
        order=f"{resource['medicationCodeableConcept']['text']}, {dosage}",
        stays="" if replaces(context) else _present(context),
        ends=replaces(context),
        tied=_tied(draft.ingredient, told.contexts),
        onward=_dose(context).get("titration", ""),
        switch=rules.switches(context),
        pending=_dose(context).get("pending", ()),
        figures=rows,
        speaks_for=[Point("none", said, "") for said in arguments.ahead(draft.ingredient, told.contexts)],
        points=own[:shown],
        more=own[shown:],
        unknown=rules.unknown(context, told.same),
        edited=draft.version > 1,
        ended=None if is_open(draft, told.now) else fate.ended(draft, signed=told.signed),
    )


def _no_change(context: Mapping[str, Any], rows: Sequence[Figure]) -> Option:
    present: list[dict[str, Any]] = context.get("present", [])
    points = [point for drug in present for point in rules.known(drug, context)]
    kept = _present(context)
    shown = max(FEW, sum(point.severity in SEVERITIES[:2] for point in points))
    since = [f"{drug['ingredient']} since {scores.on_day(drug['since'])}" for drug in present if drug.get("since")]
    return Option(
        id=None,
        version=0,
        name="no change",
        label=f"No change: stay on {kept}" if kept else context.get("kept", "No change: no antidepressant now"),
        order=capital(", ".join(since)) if since else "Nothing is ordered",
        stays=kept,
        ends="",
        tied="",
        onward="",
        switch=(),
        pending=(),
        figures=rows,
        speaks_for=arguments.for_no_change(context),
        points=points[:shown],
        more=points[shown:],
        unknown=(),
        edited=False,
        ended=None,
    )


def _dose(context: Mapping[str, Any]) -> Mapping[str, Any]:
    return context.get("dose") or {}


def _named(context: Mapping[str, Any], drafts: Sequence[Draft]) -> str:
    """Return the further options that guidelines name and that are not drafted here."""
    drafted = {draft.ingredient for draft in drafts}
    return ", ".join(name.replace("_", " ") for name in context.get("named", []) if name not in drafted)


def _present(context: Mapping[str, Any]) -> str:
    return " and ".join(_drug(drug) for drug in context.get("present", []))


def _tied(ingredient: str, contexts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the other drafts of the same band: nothing tells them apart but preferences."""
    own = contexts[ingredient].get("band")
    level = [name for name, one in contexts.items() if name != ingredient and own and one.get("band") == own]
    return " and ".join(name.replace("_", " ") for name in level)


def _drug(drug: Mapping[str, Any]) -> str:
    dose = drug.get("dose_mg_per_day")
    return f"{drug['ingredient']} {dose:g} mg a day" if dose else f"{drug['ingredient']}, dose not known"


def _is_said(told: Mapping[str, str], context: Mapping[str, Any]) -> bool:
    """Say whether the warnings have told it already to the one who reads the page."""
    return told["to"] == "prescriber" and told["reason"] in warnings(context)


def _person(told: Mapping[str, str]) -> str:
    return f"{capital(told['to'].replace('-', ' '))} ({told['urgency']}): {told['reason'].rstrip('.')}."


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("model", "knowledge") if name in versions)
