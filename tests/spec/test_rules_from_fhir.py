"""Every measured rule from the Observation on: in each unit the same, without a readable unit or value unknown.

Generated from the tables of rules and of the adapters: a new row or unit is tested the day it is added.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fhir_adapters.canonical import Adapted
from recommender.catalog.rows import Rule
from tests.factories import course
from tests.fixtures.resources import quantity
from tests.spec import observed
from tests.spec.test_rules import JUDGED, K, asked, step, subject

COMPUTED = frozenset({"crcl"})  # worked out of creatinine, weight, age and sex: no Observation of its own


def feature(rule: Rule) -> str:
    """Return the feature that a rule measures."""
    return K.triggers[rule.kind, rule.trigger].row.feature


MEASURED = [rule for rule in JUDGED if rule.kind in ("lab", "vital") and feature(rule) not in COMPUTED]


def holding(rule: Rule) -> float:
    """Return a value on the side of the threshold on which the rule holds."""
    beside = step(rule) * 5
    return (rule.value or 0) + (beside if rule.operator.startswith(">") else -beside)


def person(rule: Rule) -> dict[str, Any]:
    """Return age and sex of somebody whom the rule is about."""
    return {"age": max(45, rule.age_from or 0), "sex": rule.sex or "male"}


def verdict(rule: Rule, adapted: Adapted) -> bool | None:
    """Return what this one rule says of the adapted chart; of a level, where its drug is taken."""
    taken = (course(subject(rule)),) if feature(rule).endswith("_level") else adapted.patient.medications
    return asked(rule, replace(adapted.patient, medications=taken), adapted.features)


def units() -> Iterator[Any]:
    """Yield each rule with each unit in which its value may come."""
    for rule in MEASURED:
        for unit, value in observed.units(feature(rule), holding(rule)):
            yield pytest.param(rule, unit, value, id=f"{rule.id}-{unit}")


@pytest.mark.parametrize(("rule", "unit", "value"), list(units()))
def test_a_rule_holds_in_every_unit_of_its_value(rule: Rule, unit: str, value: float) -> None:
    """A value beyond the threshold makes the rule hold, whatever unit it is written in."""
    chart = observed.read(feature(rule), quantity(value, unit), **person(rule))
    assert verdict(rule, chart) is True


@pytest.mark.parametrize("rule", [pytest.param(one, id=one.id) for one in MEASURED])
def test_a_value_that_cannot_be_used_is_unknown(rule: Rule) -> None:
    """Without a unit, in a unit of something else, too old, entered in error or absent: never true, never false."""
    charts = observed.unusable(feature(rule), holding(rule), **person(rule))
    skipped = ("entered in error", "absent") if rule.on_unknown == "skip" else ()
    expected = {why: False if why in skipped else None for why in charts}
    assert {why: verdict(rule, chart) for why, chart in charts.items()} == expected
