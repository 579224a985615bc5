"""A site's update, outcome by outcome: recalibrate, then fine-tune, and keep the last that every gate lets through.

Everything is fitted from the prior, never from an earlier update, so that no patient counts twice; it is judged
against the model that is in force. Equal rows give equal models.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recommender.cohort.evidence import OUTCOMES, Array
from recommender.ranker.model import Model, raw_scores
from recommender.training.site import gates, samples
from recommender.training.site.checks import check
from recommender.training.site.fine_tune import fine_tuned, rebased
from recommender.training.site.gates import Verdict
from recommender.training.site.measures import Held, Scores, log_loss_gain_low, measured
from recommender.training.site.plan import Plan
from recommender.training.site.recalibrate import AS_IS, Platt, after, moved, platt
from recommender.training.site.rows import SiteRows, part

if TYPE_CHECKING:
    from lightgbm import Booster

RECALIBRATE, FINE_TUNE, KEEP = "recalibrate", "fine-tune", "keep"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One change that was tried: its measures on the hold-out and every gate's answer."""

    measures: Mapping[str, float]
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Return whether every gate let it through."""
        return gates.passed(self.verdicts)


@dataclass(frozen=True, slots=True)
class OutcomeUpdate:
    """What became of one outcome: ``change`` is ``keep`` (what is in force), ``recalibrate`` or ``fine-tune``.

    ``platt`` are the new intercept and slope on the log-odds of the outcome's trees; ``booster`` where the site's
    trees were added. ``attempts`` by kind of change; ``note`` says why one was not tried.
    """

    outcome: str
    change: str
    platt: Platt = AS_IS
    booster: "Booster | None" = None
    attempts: Mapping[str, Attempt] = field(default_factory=dict[str, Attempt])
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Site:
    """What is the same for every outcome."""

    rows: SiteRows
    split: samples.Split
    likely: Array
    prior: Model
    present: Model
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Work:
    """One outcome: its labels (n,), weights and hold-out, and the site's Platt numbers on the calibrated prior."""

    site: _Site
    outcome: str
    label: Array
    weights: samples.Weights
    held: Held
    by: Platt
    whole: Platt
    present: Scores
    recalibrated: Scores


def update(
    rows: SiteRows, prior: Model, present: Model, plan: Plan, site: str, report: Callable[[str], None]
) -> tuple[OutcomeUpdate, ...]:
    """Return what the site's rows change of each outcome that the plan names.

    ``prior`` is what is changed, ``present`` what is in force; ``report`` gets a line of text for each outcome.
    ModelError U-SITE-… for rows that nothing may be learned from (``checks.check``).
    """
    check(rows, prior, plan.protocol)
    allowed = {name for change in plan.change if change.id in (RECALIBRATE, FINE_TUNE) for name in change.outcomes}
    known = _Site(rows, samples.split(rows, site, plan.protocol), samples.propensity(rows), prior, present, plan)
    found: list[OutcomeUpdate] = []
    for outcome in OUTCOMES:
        if outcome in allowed and outcome in prior.boosters:
            found.append(_update(known, outcome))
            report(said(found[-1]))
    return tuple(found)


def said(one: OutcomeUpdate) -> str:
    """Return what became of one outcome, in a line, with the gates that refused."""
    why = [
        f"{kind} refused ({'; '.join(verdict.sentence for verdict in attempt.verdicts if not verdict.passed)})"
        for kind, attempt in one.attempts.items()
        if not attempt.passed
    ]
    return ". ".join([f"{one.outcome}: {one.change}", *why, *([one.note] if one.note else [])])


def _update(site: _Site, outcome: str) -> OutcomeUpdate:
    label, protocol = site.rows.outcome[:, OUTCOMES.index(outcome)], site.plan.protocol
    counts = [int((~np.isnan(label[mask])).sum()) for mask in (site.split.fit, site.split.stop, site.split.held)]
    if min(counts) < protocol.least_of_a_class or counts[2] < protocol.least_outcomes:
        return OutcomeUpdate(outcome, KEEP, note=f"the outcome of {sum(counts)} patients is known, which is too few")
    work = _work(site, outcome, label)
    attempts = {RECALIBRATE: _attempt(work, RECALIBRATE, work.recalibrated, {})}
    tuned = _fine_tuned(work)
    if tuned is not None:
        scores = _scores(work.held.rows, tuned, AS_IS)
        over = log_loss_gain_low(work.held, scores, work.recalibrated, protocol)
        attempts[FINE_TUNE] = _attempt(work, FINE_TUNE, scores, {"log_loss_over_recalibration_low": over})
        if attempts[FINE_TUNE].passed:
            return OutcomeUpdate(outcome, FINE_TUNE, AS_IS, tuned, attempts)
    note = "" if tuned else "the site's trees did no good where fine-tuning was to stop"
    if attempts[RECALIBRATE].passed:
        return OutcomeUpdate(outcome, RECALIBRATE, work.whole, attempts=attempts, note=note)
    return OutcomeUpdate(outcome, KEEP, attempts=attempts, note=note)


def _work(site: _Site, outcome: str, label: Array) -> _Work:
    booster, shipped = site.prior.boosters[outcome], site.prior.manifest.calibration[outcome]
    weights = samples.weights(site.rows, label, site.likely, site.plan.protocol)
    log_odds, learn = moved(raw_scores(booster, site.rows.columns()), shipped), ~site.split.held
    by = platt(log_odds[learn], label[learn], weights.seen[learn], site.plan.protocol)
    held = part(site.rows, site.split.held)
    return _Work(
        site=site,
        outcome=outcome,
        label=label,
        weights=weights,
        held=Held(held, label[site.split.held], samples.held_weights(weights, site.split.held), outcome),
        by=by,
        whole=after(shipped, by),
        present=_scores(held, site.present.boosters[outcome], site.present.manifest.calibration[outcome]),
        recalibrated=_scores(held, booster, after(shipped, by)),
    )


def _scores(rows: SiteRows, booster: "Booster", by: Platt) -> Scores:
    every = moved(raw_scores(booster, rows.every()), by).reshape(rows.terms.shape[:2])
    return Scores(every[np.arange(len(rows)), rows.given], every)


def _fine_tuned(work: _Work) -> "Booster | None":
    site, weight = work.site, work.weights.compared
    columns = site.rows.columns()
    learned, stop = (
        (columns[mask], work.label[mask], weight[mask])
        for mask in (site.split.fit & (weight > 0), site.split.stop & (weight > 0))
    )
    if min(len(learned[1]), len(stop[1])) < site.plan.protocol.least_of_a_class:
        return None
    base = rebased(site.prior.boosters[work.outcome], work.whole)
    return fine_tuned(work.outcome, base, learned, stop, site.prior.evidence, site.plan.protocol)


def _attempt(work: _Work, kind: str, new: Scores, more: Mapping[str, float]) -> Attempt:
    change = gates.permitted(work.site.plan, kind, parts=(), outcomes=(work.outcome,))
    measures = {**measured(work.held, new, work.present, work.site.plan.protocol), "platt_slope": work.by[1], **more}
    return Attempt(measures, gates.judged(work.site.plan, change, measures))
