"""Rating scales: answers and totals of PHQ-9, GAD-7, AUDIT-C, C-SSRS, EPDS and their kin, newest first.

A total is summed again from the items of the same administration where all are there. Where the recorded
total is another, both stand at the same time: whoever reads the latest total finds a conflict, not a choice.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby

from msgspec.structs import replace

from fhir_adapters.answers import Answer, answers
from fhir_adapters.canonical import Refusal, ScaleScore, Source
from fhir_adapters.facts import Reading, newest_first
from fhir_adapters.observations import Element
from fhir_adapters.terminology import ScalePart

_ITEM = re.compile(r"item(\d+)", re.ASCII)


def read(reading: Reading, coded: Iterable[Element]) -> tuple[tuple[ScaleScore, ...], tuple[Refusal, ...]]:
    """Return every answer and total, and what could not be read; ``coded`` as ``answers`` takes them."""
    found = list(answers(reading, coded))
    refusals = tuple(one for one in found if isinstance(one, Refusal))
    scores: list[ScaleScore] = []
    for group in _administrations(one for one in found if isinstance(one, Answer)):
        summed = summed_items(reading.terms.scales[group[0].scale])
        scores.extend(_with_total(group, summed))
    ordered = newest_first(
        scores,
        lambda one: (one.effective, one.moment),
        lambda one: (one.scale, one.part, one.source.reference, one.source.path),
    )
    return ordered, refusals


def summed_items(parts: Mapping[str, ScalePart]) -> tuple[str, ...]:
    """Return the items that make up a scale's total, empty where the table does not hold all of them.

    They are the first items whose highest scores add up to the total's: PHQ-9 has nine of 0 to 3 for 27, and
    its tenth, on difficulty, is not counted.
    """
    total = parts.get("total")
    numbered = sorted((int(found[1]), name) for name in parts if (found := _ITEM.match(name)))
    chosen: list[str] = []
    reached = 0.0
    for place, (number, name) in enumerate(numbered, start=1):
        if number != place or total is None or reached == total.high:
            break
        chosen.append(name)
        reached += parts[name].high or 0.0
    return tuple(chosen) if total is not None and reached == total.high else ()


def _administrations(found: Iterable[Answer]) -> Iterator[tuple[ScaleScore, ...]]:
    """Yield the scores of each administration of each scale.

    What stands alone belongs to its day; if one panel or response was given on that day, to that one.
    """
    by_day: dict[tuple[str, date | None], dict[str | None, list[ScaleScore]]] = {}
    for one in found:
        day = by_day.setdefault((one.score.scale, one.score.effective), {})
        day.setdefault(one.administration, []).append(one.score)
    for (_, when), groups in by_day.items():
        alone = groups.pop(None, [])
        if when is None:
            yield from ((score,) for score in alone)
        elif len(groups) == 1:
            next(iter(groups.values())).extend(alone)
        elif alone:
            yield tuple(alone)
        yield from (tuple(group) for group in groups.values())


def _with_total(group: tuple[ScaleScore, ...], items: tuple[str, ...]) -> Iterator[ScaleScore]:
    """Yield the scores of one administration, with the summed total where none recorded agrees with it."""
    yield from (score for score in group if score.part != "total")
    recorded = [score for score in group if score.part == "total"]
    total = _sum(group, items)
    if total is None or {score.value for score in recorded} == {total.value}:
        yield from recorded
    elif not recorded:
        yield total
    else:
        moment = max((score.moment for score in group if score.moment), default=None)
        yield from (replace(score, moment=moment) for score in (*recorded, total))


def _sum(group: tuple[ScaleScore, ...], items: tuple[str, ...]) -> ScaleScore | None:
    """Return the total of the items; None unless each was answered, and answered once or alike."""
    ordered = sorted(group, key=lambda score: (score.part, score.source.reference, score.source.path))
    by_part = {part: list(scores) for part, scores in groupby(ordered, key=lambda score: score.part)}
    chosen = [by_part.get(item, []) for item in items]
    if not chosen or any(len({score.value for score in scores}) != 1 for scores in chosen):
        return None
    scores = [answers[0] for answers in chosen]
    first = scores[0]
    repairs = sorted({repair for score in scores for repair in score.source.repairs})
    places = sorted({score.source.reference for score in scores})
    path = " ".join((first.source.path.split("[")[0], *(("with", *places[1:]) if places[1:] else ())))
    origin = Source(places[0], path, "scales.items", None, tuple(repairs))
    value = sum(score.value for score in scores)
    return ScaleScore(first.scale, "total", value, first.effective, origin, first.moment)
