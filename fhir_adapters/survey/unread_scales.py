"""Questions of forms that look like a scale's, by their words; answers to scales that are nearly a list's."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from fhir_adapters.canonical import Adapted, Refusal
from fhir_adapters.dialect.code_systems import LOINC
from fhir_adapters.facts import Reading
from fhir_adapters.rating import preferences
from fhir_adapters.rating.scale_tables import ScalePart, plain
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of
from fhir_adapters.survey import feeds, lookalikes
from fhir_adapters.survey.suggestions import NOTHING, Sighting, Suggestion, can_be_written, coded, shown
from fhir_adapters.survey.unread_observations import at

_NUMBER = re.compile(r"^\W*\d{1,2}[.):]\s*")  # "3. Trouble falling asleep"
_LOINC = re.compile(r"(?:^|/)\d{1,7}-\d/?$", re.ASCII)
_UNREAD = frozenset({"answer-unknown", "value-is-text"})
_OVER = frozenset({"in-progress", "entered-in-error", "stopped"})


def sightings(reading: Reading, adapted: Adapted) -> Iterator[Sighting]:
    """Yield the lines that the chart's forms, and refused answers, suggest."""
    for response in reading.chart.questionnaire_responses:
        if response.status not in _OVER and not preferences.is_form(response):
            yield from _form(reading, response)
    held = {reference_of(one): one for one in (*reading.chart.observations, *reading.chart.questionnaire_responses)}
    for refusal in adapted.patient.refusals:
        scale, _, name = (refusal.key or "").partition(".")
        part = reading.terms.scales.get(scale, {}).get(name)
        if refusal.reason in _UNREAD and part is not None and refusal.reference in held:
            yield from _answer(reading, refusal, part, at(held[refusal.reference], refusal.path))


def _form(reading: Reading, response: wire.QuestionnaireResponse) -> Iterator[Sighting]:
    """Yield a line for each question of the one scale that most questions of the form look like.

    For any other question, a line that gives its linkId no meaning: another form may use it for a scale's.
    """
    items = [one for one in _items(response.item) if one.answer and one.text and not _is_known(reading, one)]
    keys = {id(one): _keys(reading, one.text) for one in items}
    counts = Counter(scale for held in keys.values() for scale in {key.partition(".")[0] for key in held})
    most = [scale for scale, count in counts.items() if count == max(counts.values())]
    for item in items:
        fitting = [key for key in keys[id(item)] if most == [key.partition(".")[0]] and feeds.features_of(key)]
        meant = fitting[0] if len(fitting) == 1 else NOTHING
        if can_be_written(link := (item.linkId or "").strip()):
            line = Suggestion("instruments.link_ids", link, meant, "uncoded")
            yield Sighting(line, meant, reference_of(response), shown(item.text or ""))


def _items(items: Iterable[wire.Item]) -> Iterator[wire.Item]:
    for item in items:
        yield item
        yield from _items(item.item)
        for answer in item.answer:
            yield from _items(answer.item)


def _keys(reading: Reading, text: str | None) -> frozenset[str]:
    words = _NUMBER.sub("", text or "")
    named = reading.terms.scale_tables.names.get(plain(words))
    return frozenset({named.key}) if named else lookalikes.scale_parts(words)


def _is_known(reading: Reading, item: wire.Item) -> bool:
    """Return whether the profile, or a LOINC code, says what an item is: known to a table or not."""
    link, definition = (item.linkId or "").strip(), (item.definition or "").strip()
    return link in reading.profile.link_ids or any(_LOINC.search(one) for one in (link, definition))


def _answer(reading: Reading, refusal: Refusal, part: ScalePart, found: object) -> Iterator[Sighting]:
    """Yield the line for an answer whose words are nearly those of one answer of the item's list."""
    codings = found.coding if isinstance(found, wire.CodeableConcept) else (found,)
    local = next((one for one in codings if isinstance(one, wire.Coding) and one.code and one.display), None)
    text = found if isinstance(found, str) else local.display if local else None
    for name in sorted(part.answer_lists) if text else ():
        texts = reading.terms.scale_tables.texts.get(name, {})
        meant = lookalikes.near(plain(text or ""), texts)
        line = _scored(reading, name, text or "", local, texts[meant]) if meant else None
        if line:
            yield Sighting(line, part.key, refusal.reference, f"like {meant}")


def _scored(reading: Reading, name: str, text: str, local: wire.Coding | None, score: float) -> Suggestion | None:
    if local is None:
        line = Suggestion(f"instruments.answer_texts.{name}", text.strip(), f"{score:g}", "uncoded")
        return line if can_be_written(text) else None
    system, code = (local.system or "").strip(), (local.code or "").strip()
    scores = {(one.answer_list, one.ordinal) for one in reading.terms.answer_codes.values()}
    if (name, score) not in scores or not can_be_written(system, code) or system == LOINC:
        return None
    return Suggestion(f"instruments.answers.{name}", coded(system, code), f"{score:g}", "uncoded")
