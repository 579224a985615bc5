"""Every gate on a laboratory value from the Observation on: in each unit the same, no alarm on what cannot be used.

Generated from gates.csv and the tables of the adapters: a new row or unit is tested the day it is added.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fhir_adapters.canonical import Adapted
from fhir_adapters.vector.schema import BY_NAME
from recommender.catalog.rows import GateRow
from tests.factories import course, diagnosis
from tests.fixtures.resources import quantity
from tests.spec import observed
from tests.spec.test_gates import MEASURED, hits, name


def feature(row: GateRow) -> str:
    """Return the feature that a row reads."""
    return row.reads.partition(":")[2]


LABORATORY = [row for row in MEASURED if feature(row) in observed.TABLES.analytes and BY_NAME[feature(row)].unit != "a"]


def holding(row: GateRow) -> float:
    """Return a value on the side of the threshold on which the row holds."""
    return float(row.value.split(";")[0]) + (-0.05 if row.operator.startswith("<") else 0.05)


def holds(row: GateRow, adapted: Adapted) -> bool:
    """Say whether this row alone holds in the adapted chart, of a depressed patient who takes what it asks for."""
    taken = (course(row.taking),) if row.taking else ()
    chart = replace(adapted.patient, diagnoses=(diagnosis("mdd"),), medications=taken)
    return hits(row, chart, adapted.features)


def units() -> Iterator[Any]:
    """Yield each row with each unit in which its value may come."""
    for row in LABORATORY:
        for unit, value in observed.units(feature(row), holding(row)):
            yield pytest.param(row, unit, value, id=f"{row.id}-{unit}")


@pytest.mark.parametrize(("row", "unit", "value"), list(units()))
def test_a_gate_holds_in_every_unit_of_its_value(row: GateRow, unit: str, value: float) -> None:
    """A value beyond the threshold makes the gate hold, whatever unit it is written in."""
    assert holds(row, observed.read(feature(row), quantity(value, unit)))


@pytest.mark.parametrize("row", LABORATORY, ids=name)
def test_a_value_that_cannot_be_used_raises_no_alarm(row: GateRow) -> None:
    """Without a unit, in a unit of something else, too old, entered in error or absent, no gate holds."""
    charts = observed.unusable(feature(row), holding(row))
    assert {why: holds(row, chart) for why, chart in charts.items()} == dict.fromkeys(charts, False)


def test_the_dangerous_values_are_among_them() -> None:
    """QTc, sodium, neutrophils, lithium and TSH are read by a gate, each from its own Observation."""
    assert {feature(row) for row in LABORATORY} >= {"qtc", "sodium", "anc", "lithium_level", "tsh"}
