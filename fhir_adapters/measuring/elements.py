"""The coded values of a chart's Observations: their own and their components'.

What each is of is read from its codes; a text alone counts only where no LOINC or SNOMED CT code stands beside
it, and then only if the profile, or the table of texts that mean one thing wherever they stand, knows it.
"""

from collections.abc import Mapping
from datetime import date

import msgspec
from msgspec.structs import replace

from fhir_adapters import dates
from fhir_adapters.canonical import Refusal
from fhir_adapters.dialect.profile import plain_text
from fhir_adapters.facts import Concept, Reading, concept
from fhir_adapters.measuring import observation_tables
from fhir_adapters.measuring.observation_tables import ObservationCode
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of
from fhir_adapters.terminology import Code

_NOTHING = Concept({})
_TEXT_PREFERENCE = 50  # after every code
# http://hl7.org/fhir/R4/valueset-observation-status.html
_RESULT = frozenset({"final", "amended", "corrected"})
_NO_RESULT = frozenset({"registered", "preliminary", "cancelled", "entered-in-error", "unknown"})
# http://hl7.org/fhir/R4/valueset-data-absent-reason.html
_ABSENT = frozenset(
    {
        *("unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked", "not-applicable"),
        *("unsupported", "as-text", "error", "not-a-number", "negative-infinity", "positive-infinity"),
        *("not-performed", "not-permitted"),
    }
)


class Element(msgspec.Struct, frozen=True, gc=False):
    """One coded value: an Observation's own (``path`` is empty) or one of its components.

    ``codes`` are its codes in sorted order, each with the repairs made to read it; ``concept`` what they mean.
    ``dated``: what was mended to read ``effective`` and ``moment`` (``dates.When``).
    """

    of: wire.Observation
    value: wire.Observation | wire.Component
    codes: Mapping[Code, tuple[str, ...]]
    reference: str
    path: str
    effective: date | None
    moment: str | None
    concept: Concept = _NOTHING
    dated: tuple[str, ...] = ()

    def refuse(self, key: str, path: str, reason: str) -> Refusal:
        """Return the refusal of this element; a component has the status of its Observation."""
        where = path if path == "status" else self.path + path
        return Refusal(self.reference, where, reason, key, self.effective)


def elements(reading: Reading) -> list[Element]:
    """Return the values of the chart's Observations whose codes a table knows, components after their Observation."""
    found: list[Element] = []
    text, when = None, dates.When()
    for of in reading.chart.observations:
        meant = _meant(reading, of.code)
        parts = [(at, part, _meant(reading, part.code)) for at, part in enumerate(of.component)] if of.component else ()
        if meant is None and not parts:
            continue
        if of.effectiveDateTime is None or of.effectiveDateTime != text:  # what was taken at one time stands together
            text, when = of.effectiveDateTime, when_of(reading, of)
        reference, (day, moment, mended) = reference_of(of), when
        if meant is not None:
            found.append(Element(of, of, meant.codes, reference, "", day, moment, meant, mended))
        for at, part, said in parts:
            if said is not None:
                path = f"component[{at}]."
                found.append(Element(of, part, said.codes, reference, path, day, moment, said, mended))
    return found


def _meant(reading: Reading, code: wire.CodeableConcept) -> Concept | None:
    """Return what a code means, None where no table knows it."""
    found = concept(reading.profile, code.coding)
    if found.measured or found.parts:
        return found
    if found.standard or not code.text:
        return None
    text = plain_text(code.text)
    key = reading.profile.observation_texts.get(text) or observation_tables.load().texts.get(text)
    if key is None:
        return None
    repairs = tuple(sorted({*found.repairs, "code-from-text"}))
    return replace(found, measured=(ObservationCode(key, _TEXT_PREFERENCE),), repairs=repairs)


def when_of(reading: Reading, observation: wire.Observation) -> dates.When:
    """Return when an Observation holds: its effective time; ``issued`` only where the profile says so."""
    text = observation.effectiveDateTime or _other_time(observation)
    if text:
        return dates.when(text, reading.profile.zone)
    if observation.issued and "date-from-issued" in reading.profile.repairs:
        when = dates.when(observation.issued, reading.profile.zone)
        return when._replace(repairs=(*when.repairs, "date-from-issued"))
    return dates.When()


def _other_time(observation: wire.Observation) -> str | None:
    if observation.effectiveInstant:
        return observation.effectiveInstant
    period, timing = observation.effectivePeriod, observation.effectiveTiming
    if period is None and timing is not None:
        if timing.event:
            return max(timing.event)
        period = timing.repeat.boundsPeriod if timing.repeat else None
    return (period.end or period.start) if period else None


def refused_status(reading: Reading, status: str | None) -> str | None:
    """Return why an Observation of this status is no result, None when it is one by the profile's list."""
    if status in reading.profile.statuses.get("observation", _RESULT):
        return None
    return status if status in _NO_RESULT else "status-unknown" if status else "status-missing"


def absent_reason(absent: wire.CodeableConcept | None) -> str | None:
    """Return ``data-absent-<code>`` for a dataAbsentReason, ``data-absent`` for one outside R4's list."""
    if absent is None:
        return None
    found = sorted({one.code for one in absent.coding if one.code} & _ABSENT)
    return f"data-absent-{found[0]}" if found else "data-absent"
