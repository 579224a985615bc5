"""What is remembered from one chart to the next: facts are the same with it and without it, and it stays small.

Remembered are pure readings of short texts and concepts. Every table of the package is looked for, so that a new
one is tested too.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from types import FunctionType
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fhir_adapters
from conformance.reference_ehr import dialects
from fhir_adapters import terminology
from fhir_adapters.dialect.profile import load
from fhir_adapters.problem.problem_codes import problem_of
from fhir_adapters.reading import wire
from fhir_adapters.vector import features
from fhir_adapters.vector.indexed import index
from tests.fixtures.dialect_law import read
from tests.fixtures.resources import AS_OF, Resource
from tests.fixtures.whole_patients import patients

THOROUGH = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BASE = load("base-r4")
LONG = "depression " * 100
REMEMBERING = type(lru_cache(len))
MODULES = [
    importlib.import_module(one.name)
    for one in pkgutil.walk_packages(fhir_adapters.__path__, "fhir_adapters.")
    if not one.ispkg
]


def _held() -> Iterator[Any]:
    """Yield every module's values, and what its functions close over."""
    for module in MODULES:
        for value in vars(module).values():
            yield value
            if isinstance(value, FunctionType):
                yield from (cell.cell_contents for cell in value.__closure__ or ())


def caches() -> dict[int, Any]:
    """Return what remembers readings; a table of the package itself (maxsize None) is read once and no reading."""
    found = {id(one): one for one in _held() if isinstance(one, REMEMBERING)}
    sizes: dict[int, int | None] = {key: one.cache_parameters()["maxsize"] for key, one in found.items()}
    return {key: one for key, one in found.items() if sizes[key] is not None}


def tables() -> list[dict[Any, Any]]:
    """Return the tables that ``remember.keep`` fills, by the names that they have: ``_known…``."""
    held = [(name, value) for module in MODULES for name, value in vars(module).items()]
    return [value for name, value in held if name.startswith("_known") and type(value) is dict]


def forget() -> None:
    """Empty all that is remembered."""
    for one in caches().values():
        one.cache_clear()
    for table in tables():
        table.clear()


@given(dialect=st.sampled_from(dialects.names()), chart=patients(), others=st.lists(patients(), min_size=1, max_size=2))
@THOROUGH
def test_what_is_remembered_changes_no_fact(dialect: str, chart: list[Resource], others: list[list[Resource]]) -> None:
    """A chart read with an empty memory, after other charts, and after itself gives the same facts and features."""
    forget()
    fresh = read(chart, dialect)
    for other in others:
        read(other, dialect)
    assert read(chart, dialect) == fresh
    assert read(chart, dialect) == fresh
    assert repr(read(chart, dialect)) == repr(fresh)


def test_whatever_remembers_is_bounded() -> None:
    """No table of readings holds more than some thousand of them, and there are such tables."""
    sizes = [one.cache_parameters()["maxsize"] for one in caches().values()]
    assert len(sizes) > 10
    assert max(sizes) <= 4096
    assert len(tables()) >= 4


def test_long_texts_are_read_and_not_remembered() -> None:
    """A problem or a drug in a thousand letters is read like any other, and nothing of it stays."""
    forget()
    assert problem_of(BASE, wire.CodeableConcept(text=LONG)).meaning.unread
    assert terminology.load().ingredients_in_text(LONG) == ()
    assert not any(LONG in repr(key) for table in tables() for key in table)


@given(dialect=st.sampled_from(dialects.names()), chart=patients(), supplied=st.booleans())
@THOROUGH
def test_shared_absences_are_what_the_readers_say(dialect: str, chart: list[Resource], supplied: bool) -> None:
    """Where no fact bears a feature's keys, its reader gives the very absence that all patients share."""
    patient = read(chart, dialect).patient
    patient = patient if supplied else replace(patient, lists={}, measurements=(), scales=(), refusals=())
    facts = index(patient, AS_OF)
    for name, spec, reader, _ in features._PLAN:
        facts.known[name] = reader(spec, facts)
    assert features.vector(patient, AS_OF).features == facts.known
