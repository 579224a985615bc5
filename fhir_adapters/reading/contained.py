"""Resources inside resources: Medications of an order, Observations of a report.

http://hl7.org/fhir/R4/references.html#contained: a contained resource has no life outside its owner and is known
by its id there only; what an Observation leaves unsaid, its report says.
"""

import msgspec

from fhir_adapters.canonical import Refusal
from fhir_adapters.reading import quick, wire
from fhir_adapters.reading.opened import Entry
from fhir_adapters.reading.resources import Read, Refused, decode, finished

_KINDS = frozenset({"Medication", "Observation"})
_HEAD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REPORTED = "from-report"


def read(raw: msgspec.Raw, allowed: frozenset[str]) -> Read | Refused | None:
    """Return a contained Medication or Observation, None for other types; its reference is not yet its owner's."""
    found = quick.decode(bytes(raw))
    if isinstance(found, (wire.Medication, wire.Observation)):
        return finished(found, None, allowed)
    if found is not None:
        return None
    try:
        head = _HEAD.decode(raw)
        kind = msgspec.json.decode(head["resourceType"], type=str)
    except (msgspec.ValidationError, KeyError):
        return Refused(Refusal("", "", "unreadable"))
    return decode(Entry(kind, bytes(raw), head), allowed, "R4") if kind in _KINDS else None


def refused_in(owner: str, refused: Refused) -> Refused:
    """Return the refusal under its owner's reference; whatever is not read there is missing."""
    path = f"contained.{refused.refusal.path}".rstrip(".")
    return Refused(Refusal(owner, path, refused.refusal.reason))


def reported(held: Read, owner: wire.DiagnosticReport | wire.Observation, reference: str) -> Read | None:
    """Return a contained Observation as ``<owner>#<id>``, with the owner's status and time where it has none.

    OpenEMR and the LHC-Forms converter write a scale's items so, without a time of their own
    (https://github.com/openemr/openemr/issues/5967). None for a Medication.
    """
    found = held.resource
    if not isinstance(found, wire.Observation):
        return None
    name = f"{reference}#{found.id or ''}"
    timed = found.effectiveDateTime or found.effectivePeriod or found.effectiveInstant
    given = owner if not timed else found
    status = found.status or owner.status
    full = msgspec.structs.replace(
        found,
        id=name,
        status=status,
        effectiveDateTime=given.effectiveDateTime,
        effectivePeriod=given.effectivePeriod,
        issued=found.issued or owner.issued,
        contained=(),
    )
    taken = not timed or status != found.status
    return Read(full, name, tuple(sorted({*held.repairs, _REPORTED})) if taken else held.repairs)
