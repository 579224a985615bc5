"""What the review page shows, worked out from the held records: plain values for the templates.

The drafts of one assessment stand side by side with "no change", in one layout and none chosen; times come in
as arguments.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_adapters.dialect.profile import Profile
from recommender.assessment import SEVERITIES
from service.cds.words import capital
from service.drafts.order import differences
from service.drafts.records import Draft
from service.drafts.states import SIGNED, UNSIGNED
from service.web import arguments, boxed_words, fate, figures, others, outcomes, ranking_words, record, scores
from service.web import points as rules
from service.web.arguments import Excluded
from service.web.outcomes import Figure
from service.web.points import Change, Point
from service.web.words import ago, moment, said

FEW = 3
_NONE: Mapping[str, Collection[str]] = {}


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
    pending: Sequence[Point]
    figures: Sequence[Figure]
    speaks_for: Sequence[Point]
    points: Sequence[Point]
    more: Sequence[Point]
    unknown: Sequence[str]
    boxed: str
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
    bars end at ``most`` of 100; ``order`` says what made the ranking, ``order_changes`` what would change it.
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
    order: str
    order_changes: Sequence[str]
    not_drafted: Sequence[others.Group]
    replaces: str
    open: bool


def review(
    here: Draft,
    patients_drafts: Sequence[Draft],
    now: datetime,
    boxed: Mapping[str, Collection[str]] = _NONE,
    awaited: Collection[str] = (),
    profile: Profile | None = None,
) -> Review:
    """Return the page for the assessment that ``here`` is of; ``now`` is the store's time.

    ``boxed`` are the keys of the boxed warnings by drug; ``awaited`` the ids of ended drafts that had been accepted in
    the EHR; ``profile`` tells the zone of the times.
    """
    drafts = together(here, patients_drafts)
    context, contexts = record.read(here.context), [record.read(draft.context) for draft in drafts]
    same = rules.shared(contexts)
    signed = any(draft.state in (*SIGNED, "revoked") for draft in drafts)
    found = outcomes.figures(contexts)
    told = _Told(same, signed, now, {d.ingredient: c for d, c in zip(drafts, contexts, strict=True)}, boxed, awaited)
    columns = [_option(*one, told) for one in zip(drafts, contexts, found.of, strict=False)]
    return Review(
        draft=here.id,
        summary=context.get("summary", ""),
        why=scores.why(context),
        made=moment(here.created, profile),
        age=ago(here.created, now),
        held_until=moment(here.expires, profile),
        versions=_versions(context.get("versions", {})),
        short_versions=capital(
            said(_versions({k: v.partition("+")[0] for k, v in context.get("versions", {}).items()}))
        ),
        warnings=record.warnings(context),
        unknowns=record.unknowns(context),
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
        order=context.get("order", {}).get("statement", ""),
        order_changes=ranking_words.sentences(context.get("order", {})),
        not_drafted=others.not_drafted(contexts),
        replaces=record.replaces(context),
        open=any(column.ended is None for column in columns),
    )


def together(here: Draft, patients_drafts: Sequence[Draft]) -> list[Draft]:
    """Return the drafts of one assessment in rank order: those held on the same facts at the same moment."""
    found = {d.id: d for d in patients_drafts if (d.facts, d.created) == (here.facts, here.created)}
    return sorted(({here.id: here} | found).values(), key=lambda draft: draft.rank)


def is_open(draft: Draft, now: datetime) -> bool:
    """Return whether a draft can still be decided on; a sweep may come later than its time."""
    return draft.state in UNSIGNED and now < draft.expires


def label(draft: Draft) -> str:
    """Return a draft's option in words."""
    return differences.label(draft)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a column must know of the others: what is said of all, and each draft's context by its drug."""

    same: frozenset[str]
    signed: bool
    now: datetime
    contexts: Mapping[str, Mapping[str, Any]]
    boxed: Mapping[str, Collection[str]]
    awaited: Collection[str]


def _option(draft: Draft, context: Mapping[str, Any], rows: Sequence[Figure], told: _Told) -> Option:
    resource, own = record.read(draft.resource), [p for p in rules.known(context) if p.message not in told.same]
    serious = sum(point.severity in SEVERITIES[:2] for point in own)
    shown = max(FEW, serious)  # what is serious is never behind a fold
    dosage = "; ".join(d.get("text", "") for d in resource.get("dosageInstruction", []))
    return Option(
        id=draft.id,
        version=draft.version,
        name=draft.ingredient.replace("_", " "),
        label=label(draft),
        order=f"{resource['medicationCodeableConcept']['text']}, {dosage}",
        stays="" if record.replaces(context) else record.present(context),
        ends=record.replaces(context),
        tied=_tied(draft.ingredient, told.contexts),
        onward=_dose(context).get("titration", ""),
        switch=rules.switches(context),
        pending=rules.pending(_dose(context).get("pending", ())),
        figures=rows,
        speaks_for=[Point("none", text, "") for text in arguments.ahead(draft.ingredient, told.contexts)],
        points=own[:shown],
        more=own[shown:],
        unknown=rules.unknown(context, told.same),
        boxed=boxed_words.said(told.boxed.get(draft.ingredient, ())),
        edited=draft.version > 1,
        ended=None
        if is_open(draft, told.now)
        else fate.ended(draft, signed=told.signed, awaited=draft.id in told.awaited),
    )


def _no_change(context: Mapping[str, Any], rows: Sequence[Figure]) -> Option:
    drugs: list[dict[str, Any]] = context.get("present", [])
    points = [point for drug in drugs for point in rules.known(drug, context)]
    kept = record.present(context)
    shown = max(FEW, sum(point.severity in SEVERITIES[:2] for point in points))
    since = [f"{drug['ingredient']} since {scores.on_day(drug['since'])}" for drug in drugs if drug.get("since")]
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
        boxed="",
        edited=False,
        ended=None,
    )


def _dose(context: Mapping[str, Any]) -> Mapping[str, Any]:
    return context.get("dose") or {}


def _named(context: Mapping[str, Any], drafts: Sequence[Draft]) -> str:
    """Return the further options that guidelines name and that are not drafted here."""
    drafted = {draft.ingredient for draft in drafts}
    return ", ".join(name.replace("_", " ") for name in context.get("named", []) if name not in drafted)


def _tied(ingredient: str, contexts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the other drafts of the same band, where not all are: that is said above the options."""
    own = contexts[ingredient].get("band")
    level = [name for name, one in contexts.items() if name != ingredient and own and one.get("band") == own]
    if len(level) == len(contexts) - 1:
        return ""
    return " and ".join(name.replace("_", " ") for name in level)


def _is_said(told: Mapping[str, str], context: Mapping[str, Any]) -> bool:
    """Say whether the warnings have told it already to the one who reads the page."""
    return told["to"] == "prescriber" and said(told["reason"]) in record.warnings(context)


def _person(told: Mapping[str, str]) -> str:
    return f"{capital(told['to'].replace('-', ' '))} ({told['urgency']}): {said(told['reason']).rstrip('.')}."


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("model", "knowledge") if name in versions)
