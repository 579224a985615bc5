"""What a drug is taken for, as orders and statements say it."""

from typing import Any

import pytest

from fhir_adapters.canonical import MedicationCourse
from tests.fixtures.resources import ICD10CM, RXNORM, adapted, concept, condition, request, statement

DRUG = concept(RXNORM, "36437", "sertraline")
DEPRESSION, NICOTINE = concept(ICD10CM, "F33.1", "Depression"), concept(ICD10CM, "F17.210", "Nicotine dependence")


def read(*resources: Any) -> MedicationCourse:
    """Return the one course of these resources."""
    (found,) = adapted(*resources).patient.medications
    return found


@pytest.mark.parametrize(
    ("reason", "words", "keys"),
    [
        ({"reasonCode": [DEPRESSION]}, ("Depression",), ("mdd",)),
        ({"reasonCode": [NICOTINE]}, ("Nicotine dependence",), ("nicotine_dependence",)),
        ({"reasonCode": [{"text": "migraine prophylaxis"}]}, ("migraine prophylaxis",), ()),
        ({"reasonCode": [{"text": "depressive symptoms, low mood"}]}, (), ()),
        ({"reasonReference": [{"reference": "Condition/c"}]}, ("Depression",), ("mdd",)),
        ({"reasonReference": [{"reference": "https://ehr.example/fhir/Condition/c"}]}, ("Depression",), ("mdd",)),
        ({"reasonReference": [{"reference": "Condition/other", "display": "Migraine"}]}, ("Migraine",), ()),
        ({"reasonReference": [{"reference": "Condition/other"}]}, (), ()),
        ({}, (), ()),
    ],
)
def test_the_reason_of_an_order_is_read(reason: Any, words: tuple[str, ...], keys: tuple[str, ...]) -> None:
    """A reason is kept in words and by key; one that may mean a depression and is not understood is none."""
    listed = condition("c", DEPRESSION)
    for found in (read(request("m", DRUG, **reason), listed), read(statement("m", DRUG, **reason), listed)):
        assert (found.taken_for, found.reasons) == (words, keys)


def test_joined_orders_keep_the_reasons_of_all() -> None:
    """Renewals of one drug are taken for what any of them says."""
    first = request("a", DRUG, authoredOn="2026-08-01", reasonCode=[NICOTINE])
    later = request("b", DRUG, authoredOn="2026-10-01", reasonCode=[DEPRESSION])
    assert read(first, later).taken_for == ("Depression", "Nicotine dependence")
