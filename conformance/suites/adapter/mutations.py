"""Ways in which a payload is wrong, as they are met: one element of one resource is changed, and nothing else.

What must follow is said with each: ``gone``, the resource tells nothing any more, and it is said why; ``same``,
nothing changes; ``calm``, it may tell what it told, or nothing, and never anything else.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

Json = dict[str, Any]
Change = Callable[[Json], Json | None]
Must = Literal["gone", "calm", "same"]
_RESULTS = ("Observation",)
_ORDERS = ("MedicationRequest", "MedicationStatement", "MedicationOrder")
_PROBLEMS = ("Condition",)
_ALL = (*_RESULTS, *_ORDERS, *_PROBLEMS, "AllergyIntolerance")
_NOWHERE = "urn:undersign:no-such-system"
_STRANGER = "Patient/undersign-somebody-else"
_LATER = "2999-01-01"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way: its id and what it does in words, on which types, what must follow, and the change.

    ``change`` returns the resource changed, None where there is nothing that could be changed so. ``only``: the
    features that it is about, all that the resource feeds where none are named.
    """

    id: str
    what: str
    types: tuple[str, ...]
    must: Must
    change: Change
    only: tuple[str, ...] = ()


def _copied(change: Callable[[Json], bool]) -> Change:
    """Return what changes a copy; ``change`` says whether there was anything to change."""

    def changed(one: Json) -> Json | None:
        copied = copy.deepcopy(one)
        return copied if change(copied) else None

    return changed


def _quantities(one: Json, change: Callable[[Json], object]) -> bool:
    found = [cast("Json", part["valueQuantity"]) for part in (one, *_components(one)) if _quantity(part)]
    for quantity in found:
        change(quantity)
    return bool(found)


def _quantity(part: Json) -> bool:
    held: Any = part.get("valueQuantity")
    return isinstance(held, dict) and isinstance(cast("Json", held).get("value"), int | float)


def _components(one: Json) -> list[Json]:
    return [cast("Json", part) for part in cast("list[Any]", one.get("component") or []) if isinstance(part, dict)]


def _drop_value(one: Json) -> bool:
    found = False
    for part in (one, *_components(one)):
        for name in [name for name in part if name.startswith("value")]:
            found = part.pop(name) is not None or found
    return found


def _null_value(one: Json) -> bool:
    return _quantities(one, lambda quantity: quantity.update(value=None))


def _drop_code(one: Json) -> bool:
    concepts = [
        name for name in ("code", "medicationCodeableConcept", "medicationReference", "medication") if name in one
    ]
    for name in concepts:
        del one[name]
    for part in _components(one):
        part.pop("code", None)
    _drop_hints(one)
    return bool(concepts)


def _drop_unit(one: Json) -> bool:
    with_unit = any(_quantity(part) and _has_unit(part["valueQuantity"]) for part in (one, *_components(one)))
    return with_unit and _quantities(one, lambda q: [q.pop(name, None) for name in ("unit", "system", "code")])


def _has_unit(quantity: Json) -> bool:
    return any(str(quantity.get(name) or "1") not in ("1", "{score}") for name in ("unit", "code"))


def _wrong_unit(one: Json) -> bool:
    """A unit of UCUM that no analyte comes in: candela, the unit of luminous intensity."""
    ucum = "http://unitsofmeasure.org"
    return _quantities(one, lambda q: q.update(unit="cd", code="cd", system=ucum))


def _comma(one: Json) -> bool:
    return _quantities(one, lambda quantity: quantity.update(value=f"{float(quantity['value']):.2f}".replace(".", ",")))


def _wrong_system(one: Json) -> bool:
    """Every coding of what it says, under a system that nobody knows, without words that tell the same."""
    found = False
    for name in ("code", "medicationCodeableConcept"):
        for part in (one, *_components(one)):
            concept: Any = part.get(name)
            if isinstance(concept, dict) and cast("Json", concept).get("coding"):
                part[name] = {"coding": [{"system": _NOWHERE, "code": "X-1"}]}
                found = True
    _drop_hints(one)
    return found


def _drop_hints(one: Json) -> None:
    """Leave out where else an allergen is read from: its reactions, and whether it is of the environment."""
    if one["resourceType"] == "AllergyIntolerance":
        for name in ("reaction", "category"):
            one.pop(name, None)


def _status(value: str) -> Change:
    def change(one: Json) -> bool:
        known = "status" in one
        one["status"] = value
        return known

    return _copied(change)


def _verification(one: Json) -> bool:
    old = isinstance(one.get("verificationStatus"), str)  # before R4 a code
    coding = {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "entered-in-error"}
    if one.get("resourceType") == "AllergyIntolerance":
        coding["system"] = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    one["verificationStatus"] = "entered-in-error" if old else {"coding": [coding]}
    one.pop("clinicalStatus", None)
    return True


def _stranger(one: Json) -> bool:
    name = "subject" if "subject" in one else "patient" if "patient" in one else ""
    if name:
        one[name] = {"reference": _STRANGER}
    return bool(name)


def _drop_subject(one: Json) -> bool:
    return one.pop("subject", None) is not None or one.pop("patient", None) is not None


def _future(one: Json) -> bool:
    for name in ("effectiveDateTime", "effectiveInstant"):
        if name in one:
            one[name] = _LATER if name.endswith("DateTime") else f"{_LATER}T00:00:00Z"
            return True
    return False


def _drop_status(one: Json) -> bool:
    return one.pop("status", None) is not None


def _drop_birth_date(one: Json) -> bool:
    return one.pop("birthDate", None) is not None


def _born_later(one: Json) -> bool:
    return bool(one.get("birthDate")) and one.update(birthDate=_LATER) is None


def _drop_gender(one: Json) -> bool:
    return one.pop("gender", None) is not None


def struck(one: Json) -> Json | None:
    """Return a resource as one that was entered in error: on a list that is otherwise whole."""
    change = _copied(_verification) if one["resourceType"] in ("Condition", "AllergyIntolerance") else None
    return (change or _status("entered-in-error"))(one)


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("no-value", "the value is left out", _RESULTS, "gone", _copied(_drop_value)),
    Mutation("null-value", "the number is null", _RESULTS, "gone", _copied(_null_value)),
    Mutation("comma-decimal", "the number has a decimal comma", _RESULTS, "gone", _copied(_comma)),
    Mutation("no-unit", "the unit is left out", _RESULTS, "gone", _copied(_drop_unit)),
    Mutation("wrong-unit", "the unit is one that the value cannot have", _RESULTS, "gone", _copied(_wrong_unit)),
    Mutation("future", "the date is in the future", _RESULTS, "gone", _copied(_future)),
    Mutation("cancelled", "the result was cancelled", _RESULTS, "gone", _status("cancelled")),
    Mutation("in-error", "it was entered in error", (*_RESULTS, *_ORDERS), "gone", _status("entered-in-error")),
    Mutation("refuted", "the problem or allergy was entered in error", (*_PROBLEMS, "AllergyIntolerance"), "gone",
             _copied(_verification)),
    Mutation("no-status", "the status is left out", (*_RESULTS, *_ORDERS), "calm", _copied(_drop_status)),
    Mutation("odd-status", "the status is no status", (*_RESULTS, *_ORDERS), "gone", _status("undersign-no-status")),
    Mutation("no-code", "what it is of is left out", _ALL, "gone", _copied(_drop_code)),
    Mutation("wrong-system", "the code is of a system that nobody knows", _ALL, "gone", _copied(_wrong_system)),
    Mutation("other-patient", "it is another patient's", _ALL, "gone", _copied(_stranger)),
    Mutation("no-patient", "whose it is is left out", _ALL, "calm", _copied(_drop_subject)),
    Mutation("twice", "it comes twice", _ALL, "same", lambda one: one),
    Mutation("no-birth-date", "the birth date is left out", ("Patient",), "gone", _copied(_drop_birth_date), ("age",)),
    Mutation("born-later", "the birth date is in the future", ("Patient",), "gone", _copied(_born_later), ("age",)),
    Mutation("no-gender", "the gender is left out", ("Patient",), "gone", _copied(_drop_gender), ("sex",)),
)  # fmt: skip
BY_ID: Mapping[str, Mutation] = {one.id: one for one in MUTATIONS}
