"""The line of ``undersign features --json`` for each patient of an export, and whether all could be read."""

import json
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.reading.population import Item
from recommender.serialize import features_json


class Line(NamedTuple):
    """One patient's line, and whether the record could be read."""

    text: str
    read: bool


def work(profile: str, day: date) -> Callable[[Item], Line]:
    """Return what makes the line of a patient; it can be pickled."""
    return partial(_line, profile=profile, day=day)


def _line(item: Item, profile: str, day: date) -> Line:
    try:
        if isinstance(item.chart, InputError):
            raise item.chart
        adapted = adapt_chart(Reading(item.chart, profiles.load(profile), terminology.load()), day)
    except InputError as error:
        return Line(_text({"file": item.name, "error": {"code": error.code, "message": error.message}}), read=False)
    return Line(_text({"file": item.name, **features_json(adapted)}), read=True)


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
