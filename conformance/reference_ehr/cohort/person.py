"""What is written of one simulated patient."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Person:
    """One patient for whom ``drug`` was begun on ``day``; what is not known is absent, or None.

    ``flags`` are the problems on the problem list by name, None when no list was kept; ``chronic`` whether depression
    is older than two years. ``trials`` is the number of antidepressants stopped before, None when that is not known.
    ``phenotype`` is that of CYP2C19. ``weeks`` are PHQ-9 totals after so many weeks, week 0 being the start.
    ``stopped`` is the week in which the drug was stopped, None when it goes on; ``adverse`` whether for an adverse
    event. ``groups`` are race, ethnicity and language by name.
    """

    id: str
    day: date
    age: int | None
    sex: str | None
    weeks: Mapping[int, float]
    gad7: float | None
    bmi: float | None
    flags: frozenset[str] | None
    trials: int | None
    phenotype: str | None
    drug: str
    stopped: int | None
    adverse: bool
    groups: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Product:
    """A drug as it is ordered; ``mg`` its strength, None where no product code was seen."""

    ingredient: str
    system: str
    code: str
    display: str
    mg: float | None


@cache
def products() -> Mapping[str, Product]:
    """Return the products of products.csv by ingredient."""
    text = (files("conformance.reference_ehr") / "cohort" / "products.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["ingredient"]: _product(row) for row in rows}


def earlier_drugs(person: Person, number: int) -> Sequence[Product]:
    """Return so many other drugs than the one begun, in an order that the person's id decides."""
    others = [one for name, one in products().items() if name != person.drug and one.mg is not None]
    first = sum(person.id.encode()) % len(others)
    return [others[(first + i) % len(others)] for i in range(number)]


def _product(row: Mapping[str, str]) -> Product:
    strength = float(row["mg"]) if row["mg"] else None
    return Product(row["ingredient"], row["system"], row["code"], row["display"], strength)
