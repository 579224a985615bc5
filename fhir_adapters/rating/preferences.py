"""What matters to the patient: answers to our Questionnaire ``undersign-preferences``.

The Questionnaire is the file beside this module; its linkIds are the names of the outcomes. The newest finished
form is the patient's word, whole: an older one adds nothing to it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from fhir_adapters import dates
from fhir_adapters.canonical import Original, Preference, Refusal
from fhir_adapters.dates import When
from fhir_adapters.facts import Reading, source
from fhir_adapters.rating.answer_values import shown, value_of
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

NAME = "undersign-preferences"
LOW, HIGH = 0, 10
MAX_AGE = timedelta(days=365)  # policy: what mattered longer ago is asked again

_FINISHED = frozenset({"completed", "amended"})  # as in rating/responses.py

Read = Preference | Refusal


@cache
def questionnaire() -> Mapping[str, Any]:
    """Return the R4 Questionnaire, as plain JSON."""
    return json.loads((files("fhir_adapters") / "rating" / f"{NAME}.json").read_text("utf-8"))


@cache
def link_ids() -> tuple[str, ...]:
    """Return the linkIds of its items, in order: each the name of an outcome."""
    return tuple(item["linkId"] for item in questionnaire()["item"])


def is_form(response: wire.QuestionnaireResponse) -> bool:
    """Say whether a response answers the Questionnaire, wherever the EHR keeps its copy of it."""
    address = (response.questionnaire or "").partition("|")[0].strip()
    return address.split("/")[-2:] == ["Questionnaire", NAME]


def read(reading: Reading, as_of: date) -> tuple[tuple[Preference, ...], tuple[Refusal, ...]]:
    """Return the answers of the newest finished form by outcome, and what could not be read."""
    forms = [one for one in reading.chart.questionnaire_responses if is_form(one)]
    dated = [(dates.when(one.authored, reading.profile.zone), one) for one in forms if one.status in _FINISHED]
    if not dated:
        return (), ()
    newest = max(_time(when) for when, _ in dated)
    latest = [(when, one) for when, one in dated if _time(when) == newest]
    found = list(_answers(reading, latest, as_of))
    given = sorted((one for one in found if isinstance(one, Preference)), key=lambda one: one.outcome)
    return tuple(given), tuple(one for one in found if isinstance(one, Refusal))


def _time(when: When) -> tuple[date, str]:
    return when.day or date.min, when.moment or ""


def _answers(
    reading: Reading, latest: Sequence[tuple[When, wire.QuestionnaireResponse]], as_of: date
) -> Iterator[Read]:
    (when, form), *others = latest
    reference = reference_of(form)
    if reason := _unusable(when.day, as_of):
        yield Refusal(reference, "authored", reason, "preferences", when.day)
    elif any(other.item != form.item for _, other in others):
        yield Refusal(reference, "authored", "answers-disagree", "preferences", when.day)
    else:
        yield from _items(reading, form, when)


def _unusable(day: date | None, as_of: date) -> str | None:
    if day is None:
        return "date-missing"
    if day > as_of:
        return "future"
    return "stale" if as_of - day > MAX_AGE else None


def _items(reading: Reading, form: wire.QuestionnaireResponse, when: When) -> Iterator[Read]:
    reference, answered = reference_of(form), list(_answered(form.item, "item"))
    seen = Counter((item.linkId or "").strip() for item, _ in answered)
    for item, path in answered:
        link = (item.linkId or "").strip()
        if link not in link_ids():
            yield Refusal(reference, f"{path}.linkId", "item-unknown", None, when.day)
        elif seen[link] > 1 or len(item.answer) > 1:
            yield Refusal(reference, path, "answers-disagree", f"preferences.{link}", when.day)
        else:
            yield _preference(reading, item, link, f"{path}.answer[0]", reference, when)


def _answered(items: Sequence[wire.Item], path: str) -> Iterator[tuple[wire.Item, str]]:
    """Yield the items that hold an answer, those inside groups too, with their paths."""
    for index, item in enumerate(items):
        here = f"{path}[{index}]"
        if item.answer:
            yield item, here
        yield from _answered(item.item, f"{here}.item")


def _preference(reading: Reading, item: wire.Item, link: str, path: str, reference: str, when: When) -> Read:
    value = value_of(item.answer[0])
    number = value.number if value else None
    if value is None or number is None:
        return Refusal(reference, path, "not-a-whole-number", f"preferences.{link}", when.day)
    if not number.is_integer() or not LOW <= number <= HIGH:
        return Refusal(reference, f"{path}.{value.path}", "implausible", f"preferences.{link}", when.day)
    written = Original(shown(value), None, item.linkId)
    origin = source(reading, reference, f"{path}.{value.path}", "preferences.answer", written, when.repairs)
    return Preference(link, number, when.day, origin)
