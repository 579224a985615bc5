"""What a Medication is made of: its ingredients as concepts, by code, by contained Substance, by reference."""

from collections.abc import Iterator

import msgspec

from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import Chart


class _Substance(msgspec.Struct):
    """A contained Substance or Medication, of which only the name is wanted."""

    id: str | None = None
    code: wire.CodeableConcept | None = None


def items(chart: Chart, held: wire.Medication) -> Iterator[wire.CodeableConcept]:
    """Return the concept of each active ingredient, an empty one where it cannot be found."""
    for one in held.ingredient:
        if one.isActive is not False:
            yield one.itemCodeableConcept or _referenced(chart, held, one.itemReference or wire.Reference())


def _referenced(chart: Chart, held: wire.Medication, reference: wire.Reference) -> wire.CodeableConcept:
    """http://hl7.org/fhir/R4/references.html#contained: a contained resource is known by its id."""
    target = reference.reference or ""
    if target.startswith("#"):
        code = next((one.code for one in _contained(held) if one.id == target[1:]), None)
    else:
        other = chart.medications.get(target)
        code = other.code if other is not None else None
    return code or wire.CodeableConcept(text=reference.display)


def _contained(held: wire.Medication) -> Iterator[_Substance]:
    for raw in held.contained:
        try:
            yield msgspec.json.decode(raw, type=_Substance)
        except msgspec.MsgspecError:  # another shape; it then has no name, and the drug stays unresolved
            continue
