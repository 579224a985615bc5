"""Answers to rating scales from QuestionnaireResponses.

R4 gives an item no code: ``linkId`` or ``definition`` holds the LOINC code in its last part ("/44260-8",
"http://loinc.org/44260-8"), or the site's profile says what its linkIds mean. Where they differ, none counts.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from fhir_adapters import dates
from fhir_adapters.canonical import Original, Refusal, ScaleScore
from fhir_adapters.dialect.coding import LOINC
from fhir_adapters.facts import Reading, source
from fhir_adapters.rating.answer_values import Scored, Value, score, shown, value_of
from fhir_adapters.rating.answers import Answer
from fhir_adapters.rating.scale_tables import ScalePart
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

# http://hl7.org/fhir/R4/valueset-questionnaire-answers-status.html
_ANSWERED = frozenset({"completed", "amended"})
_UNFINISHED = frozenset({"in-progress", "stopped"})  # what they leave out was not answered
_UNANSWERED = _UNFINISHED | {"entered-in-error"}
_LOINC_CODE = re.compile(r"\d{1,7}-\d", re.ASCII)
_LOINC_HOSTS = ("http://loinc.org/", "https://loinc.org/")


def answers(reading: Reading) -> Iterator[Answer | Refusal]:
    """Yield every answer and total of a known scale in the chart's responses, and those that cannot be read."""
    for response in reading.chart.questionnaire_responses:
        yield from _responded(reading, response)


def declared(reading: Reading) -> dict[str, str]:
    """Return the scale that a response says it is, by its questionnaire or by a panel among its items."""
    found: dict[str, str] = {}
    for response in reading.chart.questionnaire_responses:
        linked = [_by_code(reading, _under_loinc((response.questionnaire or "").partition("|")[0]))]
        linked += [_by_code(reading, item.linkId) for item, _ in _items(response.item, "item") if item.item]
        scales = {part.scale for part in linked if part is not None and part.part == "panel"}
        if len(scales) == 1:
            found[reference_of(response)] = scales.pop()
    return found


def _responded(reading: Reading, response: wire.QuestionnaireResponse) -> Iterator[Answer | Refusal]:
    reference, when = reference_of(response), dates.when(response.authored, reading.profile.zone)
    reason = _refused_status(reading, response.status)
    for item, path in _items(response.item, "item"):
        parts = _parts(reading, item)
        if len(parts) > 1:
            keys = sorted(part.key for part in parts)
            yield from (Refusal(reference, f"{path}.linkId", "codes-disagree", key, when.day) for key in keys)
            continue
        for part in parts:
            if part.part == "panel":
                continue
            if reason:
                if item.answer or reason not in _UNFINISHED:
                    yield Refusal(reference, "status", reason, part.key, when.day)
                continue
            result = _answered(reading, part, item)
            if isinstance(result, Refusal):
                yield replace(result, reference=reference, path=f"{path}.{result.path}", effective=when.day)
            elif result is not None:
                value, scored = result
                original = Original(shown(value), None, item.linkId)
                made = {*scored.repairs, *when.repairs}
                origin = source(reading, reference, f"{path}.{value.path}", "scales.answer", original, made)
                found = ScaleScore(part.scale, part.part, scored.score, when.day, origin, when.moment)
                yield Answer(found, reference)


def _refused_status(reading: Reading, status: str | None) -> str | None:
    if status in reading.profile.statuses.get("questionnaire_response", _ANSWERED):
        return None
    return status if status in _UNANSWERED else "status-unknown"


def _items(items: Sequence[wire.Item], path: str) -> Iterator[tuple[wire.Item, str]]:
    for index, item in enumerate(items):
        here = f"{path}[{index}]"
        yield item, here
        yield from _items(item.item, f"{here}.item")
        for place, answer in enumerate(item.answer):
            yield from _items(answer.item, f"{here}.answer[{place}].item")


def _parts(reading: Reading, item: wire.Item) -> set[ScalePart]:
    scale, _, name = reading.profile.link_ids.get((item.linkId or "").strip(), "").partition(".")
    mapped = reading.terms.scales.get(scale, {}).get(name)
    found = (mapped, _by_code(reading, item.linkId), _by_code(reading, _under_loinc(item.definition)))
    return {part for part in found if part is not None}


def _under_loinc(uri: str | None) -> str | None:
    """Return a URI of loinc.org, None for any other; http://loinc.org/q/44249-1 is the form of a panel."""
    return uri if (uri or "").startswith(_LOINC_HOSTS) else None


def _by_code(reading: Reading, link: str | None) -> ScalePart | None:
    last = (link or "").strip().rstrip("/").rsplit("/", 1)[-1]
    return reading.terms.scale_codes.get((LOINC, last)) if _LOINC_CODE.fullmatch(last) else None


def _answered(reading: Reading, part: ScalePart, item: wire.Item) -> tuple[Value, Scored] | Refusal | None:
    """Return the score of an item; None for one that was not answered, a refusal without its reference."""
    held = [
        replace(value, path=f"answer[{index}].{value.path}")
        for index, answer in enumerate(item.answer)
        if (value := value_of(answer)) is not None
    ]
    if not held:
        return None
    results = [score(reading, part, value) for value in held]
    if len({result if isinstance(result, str) else result.score for result in results}) > 1:
        return Refusal("", "answer", "answers-disagree", part.key)
    first = results[0]
    return Refusal("", held[0].path, first, part.key) if isinstance(first, str) else (held[0], first)
