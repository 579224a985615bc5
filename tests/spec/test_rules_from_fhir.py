"""Every measured rule from the Observation on: in each unit the same, without a readable unit or value unknown.

Generated from the tables of rules and of the adapters: a new row or unit is tested the day it is added.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from fhir_adapters.measuring import observation_tables
from fhir_adapters.measuring.observation_tables import Analyte
from fhir_adapters.vector.schema import BY_NAME
from recommender.library.rows import Rule
from tests.fixtures.resources import AS_OF, LOINC, Resource, concept, observation, patient, quantity
from tests.spec.test_rules import JUDGED, K, asked, step

TABLES = observation_tables.load()
MEASURED = [rule for rule in JUDGED if rule.kind in ("lab", "vital")]
COMPUTED = frozenset({"crcl"})  # worked out of creatinine, weight, age and sex: no Observation of its own
ANOTHER = "Cel"  # the unit of no laboratory value or vital sign that a rule reads


def feature(rule: Rule) -> str:
    """Return the feature that a rule measures."""
    return K.triggers[rule.kind, rule.trigger].row.feature


def analyte(rule: Rule) -> Analyte:
    """Return what is observed for a rule."""
    return TABLES.analytes[feature(rule)]


def loinc(rule: Rule) -> str:
    """Return the code that is preferred for what a rule measures."""
    found = [
        (of.preference, code)
        for (system, code), of in TABLES.codes.items()
        if of.key == feature(rule) and of.refused is None and system == LOINC
    ]
    return min(found)[1]


def holding(rule: Rule) -> float:
    """Return a value on the side of the threshold on which the rule holds."""
    beside = step(rule) * 5
    return (rule.value or 0) + (beside if rule.operator.startswith(">") else -beside)


def read(rule: Rule, said: Resource, when: date | None = None, **fields: Any) -> Adapted:
    """Adapt one Observation of what the rule measures, of a person whom the rule is about."""
    born = AS_OF.replace(year=AS_OF.year - int(max(45, rule.age_from or 0)) - 1)
    person = patient(gender=rule.sex or "male", birthDate=born.isoformat())
    day = (when or AS_OF - timedelta(days=2)).isoformat()
    found = {**observation("o1", loinc(rule), day, valueQuantity=said), **fields}
    empty: Resource = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    lists = dict.fromkeys(("conditions", "medications", "allergies", "consents"), empty)
    values = {"patient": person, "observations": {**empty, "entry": [{"resource": found}]}, **lists}
    return adapt_prefetch({name: json.dumps(value).encode() for name, value in values.items()}, "p1", AS_OF)


def verdict(rule: Rule, adapted: Adapted) -> bool | None:
    """Return what this one rule says of the adapted chart."""
    return asked(rule, adapted.patient, adapted.features)


def units() -> Iterator[Any]:
    """Yield each rule with each unit in which its value may come."""
    for rule in MEASURED:
        if feature(rule) not in COMPUTED:
            for unit, (factor, offset) in {analyte(rule).unit or "": (1.0, 0.0), **analyte(rule).factors}.items():
                value = (holding(rule) - offset) / factor
                yield pytest.param(rule, unit, value, id=f"{rule.id}-{unit}")


@pytest.mark.parametrize(("rule", "unit", "value"), list(units()))
def test_a_rule_holds_in_every_unit_of_its_value(rule: Rule, unit: str, value: float) -> None:
    """A value beyond the threshold makes the rule hold, whatever unit it is written in."""
    assert verdict(rule, read(rule, quantity(value, unit))) is True


def unreadable(rule: Rule) -> dict[str, Adapted]:
    """Return charts in which the value of a rule must not be used."""
    value, unit = holding(rule), analyte(rule).unit
    limit = BY_NAME[feature(rule)].max_age_days or 0
    why = concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown")
    return {
        "without a unit": read(rule, quantity(value)),
        "in another unit": read(rule, quantity(value, ANOTHER)),
        "too old": read(rule, quantity(value, unit), AS_OF - timedelta(days=limit + 1)),
        "entered in error": read(rule, quantity(value, unit), status="entered-in-error"),
        "absent": read(rule, {}, valueQuantity=None, dataAbsentReason=why),
    }


@pytest.mark.parametrize("rule", [pytest.param(one, id=one.id) for one in MEASURED if feature(one) not in COMPUTED])
def test_a_value_that_cannot_be_used_is_unknown(rule: Rule) -> None:
    """Without a unit, in a unit of something else, too old, entered in error or absent: never true, never false."""
    assert {why: verdict(rule, chart) for why, chart in unreadable(rule).items()} == dict.fromkeys(unreadable(rule))
