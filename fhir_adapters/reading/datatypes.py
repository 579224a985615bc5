"""The FHIR R4 data types that we touch, as typed structs; everything else in them is skipped unread.

Element names are FHIR's own (camelCase). ``gc=False``: the structs hold no cycles, and a served call makes
thousands of them. Lists are tuples: an empty one costs nothing, and most are empty.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Foreign = Annotated[int, msgspec.Meta(ge=1, le=0)]
"""An element that R4 does not have at its place, or that changes what everything beside it means.

No JSON value fits it: where it stands, the whole does not fit either, and is read with care (``resources``).
"""


class Element(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """Base of all structs: unknown elements are ignored."""


class Backbone(Element, frozen=True, kw_only=True):
    """An element that may hold a modifier.

    http://hl7.org/fhir/R4/extensibility.html#modifierExtension: it changes what the element around it means, so
    whoever does not know it may not read that element. In an element that we do not read it changes nothing.
    """

    modifierExtension: Foreign = 0  # noqa: N815


class Extension(Element, frozen=True):
    """http://hl7.org/fhir/R4/extensibility.html: the values that an extension which we read can have."""

    url: str | None = None
    valueString: str | None = None  # noqa: N815
    valueCode: str | None = None  # noqa: N815
    valueCoding: Coding | None = None  # noqa: N815
    valueDecimal: float | None = None  # noqa: N815
    valueInteger: int | None = None  # noqa: N815
    valueCodeableConcept: CodeableConcept | None = None  # noqa: N815
    extension: tuple[Extension, ...] = ()


class Coding(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Coding."""

    system: str | None = None
    code: str | None = None
    display: str | None = None
    extension: tuple[Extension, ...] = ()


class CodeableConcept(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#CodeableConcept."""

    coding: tuple[Coding, ...] = ()
    text: str | None = None


class Quantity(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Quantity."""

    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Period(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Period."""

    start: str | None = None
    end: str | None = None


class Ratio(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Range(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Range."""

    low: Quantity | None = None
    high: Quantity | None = None


class Annotation(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Annotation."""

    text: str | None = None


class Identifier(Element, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Identifier."""

    system: str | None = None
    value: str | None = None


class Reference(Element, frozen=True):
    """http://hl7.org/fhir/R4/references.html."""

    reference: str | None = None
    display: str | None = None
    identifier: Identifier | None = None
    type: str | None = None


class HumanName(Element, frozen=True):
    """Read for the clinician's page only."""

    text: str | None = None
    family: str | None = None
    given: tuple[str, ...] = ()
    use: str | None = None


class Repeat(Element, frozen=True):
    """Timing.repeat."""

    frequency: int | None = None
    frequencyMax: int | None = None  # noqa: N815
    period: float | None = None
    periodUnit: str | None = None  # noqa: N815
    boundsPeriod: Period | None = None  # noqa: N815
    boundsDuration: Quantity | None = None  # noqa: N815
    count: int | None = None
    periodMax: float | None = None  # noqa: N815
    dayOfWeek: tuple[str, ...] = ()  # noqa: N815
    timeOfDay: tuple[str, ...] = ()  # noqa: N815
    when: tuple[str, ...] = ()
    periodUnits: Foreign = 0  # noqa: N815 - DSTU2


class Timing(Backbone, frozen=True):
    """http://hl7.org/fhir/R4/datatypes.html#Timing."""

    event: tuple[str, ...] = ()
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Element, frozen=True):
    """Dosage.doseAndRate."""

    type: CodeableConcept | None = None
    doseQuantity: Quantity | None = None  # noqa: N815
    doseRange: Range | None = None  # noqa: N815


class SubjectReference(Element, frozen=True):
    """A Reference of which only whom it means is read."""

    reference: str | None = None
    identifier: Identifier | None = None


class Dosage(Backbone, frozen=True):
    """http://hl7.org/fhir/R4/dosage.html."""

    sequence: int | None = None
    text: str | None = None
    patientInstruction: str | None = None  # noqa: N815
    timing: Timing | None = None
    asNeededBoolean: bool | None = None  # noqa: N815
    asNeededCodeableConcept: CodeableConcept | None = None  # noqa: N815
    route: CodeableConcept | None = None
    doseAndRate: tuple[DoseAndRate, ...] = ()  # noqa: N815
    # Elements of other versions.
    quantityQuantity: Foreign = 0  # noqa: N815 - DSTU2
    doseQuantity: Foreign = 0  # noqa: N815 - DSTU2, STU3
    asNeeded: Foreign = 0  # noqa: N815 - R5
    asNeededFor: Foreign = 0  # noqa: N815 - R5


class Meta(Element, frozen=True):
    """http://hl7.org/fhir/R4/resource.html#Meta: the labels, as they stand; ``labels`` reads them."""

    security: msgspec.Raw = msgspec.Raw()


class Resource(Backbone, tag_field="resourceType", frozen=True):
    """What every resource has here."""

    id: str | None = None
    meta: Meta | None = None
    implicitRules: Foreign = 0  # noqa: N815
