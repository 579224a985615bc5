"""Rating scales: answers and totals of PHQ-9, GAD-7, AUDIT-C, C-SSRS, EPDS and their kin, newest first.

A total is made again from the items of the same administration where all are there (terminology/
scale_scoring.csv). Where the recorded total is another, both stand at the same time: whoever reads the latest
total finds a conflict, not a choice. Where items are missing, they and the total are refused by name.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from fhir_adapters.canonical import Refusal, ScaleScore, Source
from fhir_adapters.facts import Reading, newest_first
from fhir_adapters.measuring.elements import Element
from fhir_adapters.rating import answers, responses
from fhir_adapters.rating.answers import Answer
from fhir_adapters.rating.scale_tables import Domain, PartKey
from fhir_adapters.reading.reader import reference_of

Scoring = Mapping[str, tuple[Domain, ...]]


class _Administration(NamedTuple):
    """The scores of one scale given at one time; ``whole`` where the chart holds their form, panel or report."""

    scale: str
    scores: tuple[ScaleScore, ...]
    whole: bool


def read(reading: Reading, coded: Iterable[Element]) -> tuple[tuple[ScaleScore, ...], tuple[Refusal, ...]]:
    """Return every answer and total, and what could not be read; ``coded`` as ``answers.answers`` takes them."""
    found = answers.answers(reading, coded)
    found.extend(responses.answers(reading))
    if not found:
        return (), ()
    refusals = [one for one in found if isinstance(one, Refusal)]
    refused = {(one.key, one.effective) for one in refusals}
    scores: list[ScaleScore] = []
    for given in _administrations(reading, [one for one in found if isinstance(one, Answer)]):
        made, missing = _scored(given, reading.terms.scale_tables.scoring)
        scores.extend(made)
        refusals.extend(one for one in missing if (one.key, one.effective) not in refused)
    ordered = newest_first(
        scores,
        lambda one: (one.effective, one.moment),
        lambda one: (one.scale, one.part, one.source.reference, one.source.path),
    )
    return ordered, tuple(refusals)


_PLACE = attrgetter("source.reference", "source.path")


def _administrations(reading: Reading, found: Sequence[Answer]) -> Iterator[_Administration]:
    """Yield the scores of each administration of each scale, those of different moments of a day apart."""
    said = {**answers.declared(reading), **responses.declared(reading)} if found else {}
    forms = {reference_of(response) for response in reading.chart.questionnaire_responses}
    by_day: dict[tuple[str, date | None], dict[str | None, list[ScaleScore]]] = {}
    for one in found:
        # A form's items are that form's: two items of PHQ-9 in a PHQ-2 make a PHQ-2.
        scale = said.get(one.administration or "", one.score.scale)
        day = by_day.get((scale, one.score.effective))
        if day is None:
            day = by_day[scale, one.score.effective] = defaultdict(list)
        day[one.administration].append(one.score)
    for (scale, when), groups in by_day.items():
        alone = groups.pop(None, [])
        if when is None:
            yield from (_Administration(scale, (score,), False) for score in alone)
        elif len(groups) == 1:
            own, alone = _taken_in(next(iter(groups.values())), alone)
            groups = {next(iter(groups)): own}
        for administration, group in groups.items():
            # Answers derived from a response that was not sent: what else it holds is not known.
            whole = administration in forms or not (administration or "").startswith("QuestionnaireResponse/")
            yield _Administration(scale, tuple(group), whole)
        if when is not None:
            yield from (_Administration(scale, tuple(group), False) for group in _by_moment(alone))


def _taken_in(group: list[ScaleScore], alone: list[ScaleScore]) -> tuple[list[ScaleScore], list[ScaleScore]]:
    """Return a form's scores with what stands alone on its day, and what must be another administration's."""
    if not _repeats([*group, *alone]):
        return [*group, *alone], []
    moments = {score.moment for score in group}
    near = [score for score in alone if not score.moment or None in moments or score.moment in moments]
    return [*group, *near], [score for score in alone if score not in near]


def _by_moment(alone: Sequence[ScaleScore]) -> Iterator[Sequence[ScaleScore]]:
    """Yield what stands alone on one day: together, unless something was answered twice, and differently."""
    if not _repeats(alone):
        yield from (alone,) if alone else ()
        return
    moments: dict[str | None, list[ScaleScore]] = defaultdict(list)
    for score in alone:
        moments[score.moment].append(score)
    yield from moments.values()


def _repeats(scores: Sequence[ScaleScore]) -> bool:
    values: dict[PartKey, float] = {}
    return any(values.setdefault((score.scale, score.part), score.value) != score.value for score in scores)


def _scored(given: _Administration, scoring: Scoring) -> tuple[list[ScaleScore], list[Refusal]]:
    """Return the scores of one administration with the total that its items make, and what is missing for one."""
    recorded: list[ScaleScore] = []
    by_part: dict[PartKey, list[ScaleScore]] = defaultdict(list)
    for score in given.scores:
        if score.part == "total" and score.scale == given.scale:
            recorded.append(score)
        else:
            by_part[score.scale, score.part].append(score)
    domains = scoring.get(given.scale, ())
    needed = [one for domain in domains for one in domain.needed]
    lacking = [one for one in needed if by_part.keys().isdisjoint(one)]
    if len(lacking) == len(needed):
        return [*given.scores], []
    if lacking:
        return [*given.scores], _missing(given, lacking, len(needed) - len(lacking), bool(recorded), scoring)
    answered = _answered(by_part, needed)
    if answered is None:
        return [*given.scores], []
    value = _value(domains, answered)
    if recorded and all(score.value == value for score in recorded):
        return [*given.scores], []
    total = _total(given.scale, value, answered.values())
    if not recorded:
        return [*given.scores, total], []
    moment = max((score.moment for score in (*given.scores, total) if score.moment), default=None)
    others = [score for held in by_part.values() for score in held]
    return [*others, *(replace(score, moment=moment) for score in (*recorded, total))], []


def _missing(
    given: _Administration,
    lacking: Sequence[Sequence[PartKey]],
    answered: int,
    recorded: bool,
    scoring: Scoring,
) -> list[Refusal]:
    """Return the refusals of items that a form left out, and of the total that it cannot have.

    One answer that stands alone is no form left half: more than half of the items must be there, or a form,
    panel or report that holds them. Items that are just those of another scale (PHQ-2) are that scale's.
    """
    most = answered > len(lacking)
    if not (most or given.whole) or (recorded and not most) or _is_another(given, scoring):
        return []
    first = min((score.source.reference, score.effective or date.min) for score in given.scores)[0]
    day = given.scores[0].effective
    names = sorted("|".join(part for _, part in one) for one in lacking)
    refusals = [
        Refusal(first, f"without {part}", "item-missing", f"{scale}.{part}", day)
        for one in lacking
        for scale, part in one
    ]
    total = Refusal(first, f"without {', '.join(names)}", "items-missing", f"{given.scale}.total", day)
    return refusals if recorded else [*refusals, total]


def _is_another(given: _Administration, scoring: Scoring) -> bool:
    held = {(score.scale, score.part) for score in given.scores}
    for scale, domains in scoring.items():
        parts = {key for domain in domains for one in domain.needed for key in one}
        if scale != given.scale and held == parts:
            return True
    return False


def _answered(
    by_part: Mapping[PartKey, Sequence[ScaleScore]], needed: Iterable[Sequence[PartKey]]
) -> dict[PartKey, ScaleScore] | None:
    """Return the score of each needed part that was answered; None where one was answered twice, and differently."""
    answered: dict[PartKey, ScaleScore] = {}
    for one in needed:
        for key in one:
            held = by_part.get(key, ())
            if len(held) > 1 and _repeats(held):
                return None
            if held:
                answered[key] = held[0] if len(held) == 1 else min(held, key=_PLACE)
    return answered


def _value(domains: Iterable[Domain], answered: Mapping[PartKey, ScaleScore]) -> float:
    """Return the sum of the domains, each the highest of its parts."""
    value = 0.0
    for domain in domains:
        value += max([answered[key].value for one in domain.needed for key in one if key in answered])
    return value


def _total(scale: str, value: float, answered: Iterable[ScaleScore]) -> ScaleScore:
    """Return the total that answers make, with a source that names all their resources."""
    used = sorted(answered, key=_PLACE)
    places = sorted({score.source.reference for score in used})
    repairs = sorted({repair for score in used for repair in score.source.repairs})
    path = " ".join((used[0].source.path.split("[")[0], *(("with", *places[1:]) if places[1:] else ())))
    origin = Source(places[0], path, "scales.items", None, tuple(repairs))
    moment = max((score.moment for score in used if score.moment), default=None)
    return ScaleScore(scale, "total", value, used[0].effective, origin, moment)
