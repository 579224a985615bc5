"""Which FHIR version a resource is written in, told by elements that only that version has.

This version of the adapters reads R4 and R4B; a resource of another version is refused by name and never
misread: an STU3 MedicationStatement with ``taken: "n"`` would look active. The seam for more versions is
``READ``: a version enters it together with operators that turn a decoded resource (a dict, as the repairs
take it) into its R4 shape.

Elements: http://hl7.org/fhir/R4/diff.html, http://hl7.org/fhir/R5/diff.html and each resource's own page.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

Version = Literal["DSTU2", "STU3", "R4", "R5"]
Head = Mapping[str, msgspec.Raw]  # the elements of a resource, unread

READ: frozenset[Version] = frozenset({"R4"})


class Marker(NamedTuple):
    """An element that no R4 resource of this kind has; ``shape`` is its first byte, empty for any."""

    version: Version
    element: str
    shape: bytes = b""


class Written(NamedTuple):
    """The version found and the element that tells it."""

    version: Version
    element: str


_OBJECT, _TEXT = b"{", b'"'

# The first marker found tells: those of DSTU2 stand before those that STU3 shares with it.
_MARKERS: Mapping[str, tuple[Marker, ...]] = {
    "MedicationOrder": (Marker("DSTU2", "resourceType"),),
    "Observation": (
        Marker("DSTU2", "comments"),
        Marker("STU3", "comment"),
        Marker("STU3", "context"),
        Marker("STU3", "related"),
        Marker("R5", "triggeredBy"),
        Marker("R5", "bodyStructure"),
        Marker("R5", "instantiatesCanonical"),
        Marker("R5", "instantiatesReference"),
    ),
    "Condition": (
        Marker("DSTU2", "patient"),
        Marker("DSTU2", "dateRecorded"),
        Marker("STU3", "context"),
        Marker("STU3", "clinicalStatus", _TEXT),
        Marker("STU3", "verificationStatus", _TEXT),
        Marker("R5", "participant"),
    ),
    "MedicationRequest": (
        Marker("STU3", "context"),
        Marker("STU3", "definition"),
        Marker("R5", "medication"),
        Marker("R5", "reason"),
        Marker("R5", "reported"),
        Marker("R5", "informationSource"),
        Marker("R5", "effectiveDosePeriod"),
        Marker("R5", "renderedDosageInstruction"),
    ),
    "MedicationStatement": (
        Marker("DSTU2", "wasNotTaken"),
        Marker("DSTU2", "patient"),
        Marker("STU3", "taken"),
        Marker("STU3", "reasonNotTaken"),
        Marker("R5", "medication"),
        Marker("R5", "adherence"),
        Marker("R5", "reason"),
        Marker("R5", "renderedDosageInstruction"),
        Marker("R5", "relatedClinicalInformation"),
    ),
    "Medication": (
        Marker("DSTU2", "product"),
        Marker("STU3", "isBrand"),
        Marker("STU3", "isOverTheCounter"),
        Marker("STU3", "package"),
        Marker("R5", "doseForm"),
        Marker("R5", "totalVolume"),
    ),
    "AllergyIntolerance": (
        Marker("DSTU2", "substance"),
        Marker("DSTU2", "status"),
        Marker("STU3", "clinicalStatus", _TEXT),
        Marker("STU3", "verificationStatus", _TEXT),
        Marker("R5", "participant"),
        Marker("R5", "type", _OBJECT),
    ),
    "QuestionnaireResponse": (
        Marker("DSTU2", "group"),
        Marker("STU3", "context"),
        Marker("STU3", "parent"),
        Marker("STU3", "questionnaire", _OBJECT),
    ),
    "Consent": (
        Marker("R5", "decision"),
        Marker("R5", "subject"),
        Marker("R5", "grantor"),
        Marker("R5", "grantee"),
        Marker("R5", "date"),
        Marker("STU3", "except"),
        Marker("STU3", "actor"),
        Marker("STU3", "action"),
        Marker("STU3", "purpose"),
        Marker("STU3", "consentingParty"),
        Marker("STU3", "period"),
    ),
}


_OTHERS = {
    "MedicationRequest": {"requester"},
    "Condition": {"assertedDate"},
    "AllergyIntolerance": {"assertedDate"},
}
_TELLING = {kind: {one.element for one in markers} | _OTHERS.get(kind, set()) for kind, markers in _MARKERS.items()}
_NOTHING: frozenset[str] = frozenset()
_R4 = Written("R4", "")


def written_in(kind: str, head: Head) -> Written:
    """Return the version that a resource of this type is written in; R4 where nothing speaks against it."""
    if _TELLING.get(kind, _NOTHING).isdisjoint(head):
        return _R4
    for version, element, shape in _MARKERS.get(kind, ()):
        if element in head and bytes(head[element]).startswith(shape):
            return Written(version, element)
    if kind == "MedicationRequest" and _has_agent(head.get("requester")):
        return Written("STU3", "requester.agent")
    if kind in ("Condition", "AllergyIntolerance") and _old_date(head):
        return Written("STU3", "assertedDate")
    return _R4


def _has_agent(requester: msgspec.Raw | None) -> bool:
    """In R4 the requester is a Reference; in STU3 it has an ``agent`` (and ``onBehalfOf``)."""
    return requester is not None and b'"agent"' in bytes(requester)


def _old_date(head: Head) -> bool:
    """STU3 has ``assertedDate``; some R4 feeds keep it beside a status of the shape that only R4 has."""
    statuses = (head.get("clinicalStatus"), head.get("verificationStatus"))
    return "assertedDate" in head and not any(status and bytes(status).startswith(_OBJECT) for status in statuses)
