"""Where care is given: a code must be ISO 3166's or one of the knowledge's own rows, else the nearest is named.

A misspelt place would read as one without a law of its own, and drafting would open where the law closes it. The
codes in ``service/data/places.csv`` are those of ISO 3166-1 and 3166-2 as Debian's iso-codes 4.15.0 has them; a
newer one is known as soon as the knowledge, or a site's pack, has a row for it.
"""

import csv
import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from fhir_adapters.errors import InputError
from recommender.catalog.knowledge import Knowledge
from service.errors import ConfigError
from service.settings import Ehr

_NEAR = 0.75
_NO_PLACE = frozenset({"", "*"})  # rows for none stated and for every other place


def check_tenants(tenants: Iterable[Ehr], knowledge: Knowledge) -> None:
    """Refuse a tenant whose place is not known: ConfigError U-CONFIG-VALUE, with what to write."""
    for ehr in tenants:
        if ehr.jurisdiction is not None and (fault := fault_of(ehr.jurisdiction, knowledge)):
            raise ConfigError("U-CONFIG-VALUE", f"ehr {ehr.id}: jurisdiction: {fault}")


def check(code: str | None, knowledge: Knowledge) -> None:
    """Refuse a place that is not known: InputError U-JURISDICTION, with what to write."""
    if code is not None and (fault := fault_of(code, knowledge)):
        raise InputError("U-JURISDICTION", f"the jurisdiction is {fault}")


def fault_of(code: str, knowledge: Knowledge) -> str | None:
    """Return what is wrong with a place, written in capitals or not, None when it is known and has one meaning.

    A bare ``IL`` is Israel to ISO and Illinois to many who write it: where one of the two has a law of its own, the
    bare code is refused. The code itself is not repeated.
    """
    stated, rows = code.strip().upper(), frozenset(knowledge.jurisdictions) - _NO_PLACE
    if stated in rows:
        return None
    parts = sorted(row for row in rows if row.endswith(f"-{stated}"))
    if stated not in _places():
        near = _nearest(stated, parts, rows)
        return "no ISO 3166 code, such as US-MA or DE" + (f"; did you mean {near}?" if near else "")
    if parts and "-" not in stated:
        return f"both a country and {parts[0]} to those who write it: write {parts[0]}, or a part of the country"
    return None


def _nearest(stated: str, parts: list[str], rows: frozenset[str]) -> str | None:
    """Return the code most likely meant: a part written without its country, then the best match.

    Places with a row of law come first: there a slip matters most.
    """
    state = f"US-{stated}"
    if parts or state in _places():
        return parts[0] if parts else state
    near = (difflib.get_close_matches(stated, places, n=1, cutoff=_NEAR) for places in (rows, _places()))
    return next((found[0] for found in near if found), None)


@cache
def _places() -> frozenset[str]:
    return frozenset(_read())


def _read() -> Iterator[str]:
    text = (files("service") / "data" / "places.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        yield row["country"]
        yield from (f"{row['country']}-{part}" for part in row["subdivisions"].split())
