"""One Observation of a feature, in any unit, adapted as a hook's prefetch values: for tables of thresholds."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from fhir_adapters.measuring import observation_tables
from fhir_adapters.measuring.observation_tables import Analyte
from fhir_adapters.vector.schema import BY_NAME
from tests.fixtures.resources import AS_OF, LOINC, Resource, concept, observation, patient, quantity

TABLES = observation_tables.load()
ANOTHER = "Cel"  # the unit of no laboratory value or vital sign that is read


def analyte(feature: str) -> Analyte:
    """Return what is observed."""
    return TABLES.analytes[feature]


def loinc(feature: str) -> str:
    """Return the code that is preferred."""
    found = [
        (of.preference, code)
        for (system, code), of in TABLES.codes.items()
        if of.key == feature and of.refused is None and system == LOINC
    ]
    return min(found)[1]


def units(feature: str, value: float) -> Iterator[tuple[str, float]]:
    """Yield each unit in which a value may come, with the number that it then is."""
    for unit, (factor, offset) in {analyte(feature).unit or "": (1.0, 0.0), **analyte(feature).factors}.items():
        yield unit, (value - offset) / factor


def read(
    feature: str, said: Resource, when: date | None = None, *, age: float = 45, sex: str = "male", **fields: Any
) -> Adapted:
    """Adapt one Observation of a person of this age and sex, every other list supplied empty."""
    born = AS_OF.replace(year=AS_OF.year - int(age) - 1)
    day = (when or AS_OF - timedelta(days=2)).isoformat()
    found = {**observation("o1", loinc(feature), day, valueQuantity=said), **fields}
    empty: Resource = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    lists = dict.fromkeys(("conditions", "medications", "allergies", "consents"), empty)
    person = patient(gender=sex, birthDate=born.isoformat())
    values = {"patient": person, "observations": {**empty, "entry": [{"resource": found}]}, **lists}
    return adapt_prefetch({name: json.dumps(value).encode() for name, value in values.items()}, "p1", AS_OF)


def unusable(feature: str, value: float, **person: Any) -> dict[str, Adapted]:
    """Return charts in which this value must not be used, by the reason why."""
    unit, limit = analyte(feature).unit, BY_NAME[feature].max_age_days or 0
    why = concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown")
    return {
        "without a unit": read(feature, quantity(value), **person),
        "in another unit": read(feature, quantity(value, ANOTHER), **person),
        "too old": read(feature, quantity(value, unit), AS_OF - timedelta(days=limit + 1), **person),
        "entered in error": read(feature, quantity(value, unit), status="entered-in-error", **person),
        "absent": read(feature, {}, valueQuantity=None, dataAbsentReason=why, **person),
    }
