"""The Patient: birth date, sex, whether alive."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from fhir_adapters import dates
from fhir_adapters.canonical import Demographics, Original, Refusal, Source
from fhir_adapters.facts import Reading, source
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

Sex = Literal["female", "male", "other"]
# US Core (R4; its DSTU2 form has a concept in place of parts) and AU Core.
_RACE = frozenset(
    {
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "http://hl7.org.au/fhir/StructureDefinition/indigenous-status",
    }
)
# US Core, UK Core and the Care Connect profiles before it (STU3).
_ETHNICITY = frozenset(
    {
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
        "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory",
        "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-EthnicCategory-1",
    }
)
_SEXES: dict[str, Sex] = {"female": "female", "male": "male", "other": "other"}


@dataclass(frozen=True, slots=True)
class Person:
    """What a Patient resource says of the person."""

    reference: str
    birth_date: date | None
    birth_date_source: Source | None
    sex: Sex | None
    sex_source: Source | None
    deceased: bool
    refusals: tuple[Refusal, ...]


def read(reading: Reading, patient: wire.Patient, as_of: date) -> Person:
    """Return the person as known on ``as_of``."""
    reference = reference_of(patient)
    refusals: list[Refusal] = []
    born = _birth(patient.birthDate, as_of)
    if patient.birthDate and born is None:
        exactness = "date-not-exact" if dates.parse(patient.birthDate) else "date-unreadable"
        refusals.append(Refusal(reference, "birthDate", exactness, "age"))
    sex = _SEXES.get(patient.gender or "")
    if patient.gender and sex is None:
        reason = "unknown" if patient.gender == "unknown" else "code-unknown"
        refusals.append(Refusal(reference, "gender", reason, "sex"))
    birth = source(reading, reference, "birthDate", "patients.birth", Original(patient.birthDate))
    gender = source(reading, reference, "gender", "patients.gender", Original(patient.gender))
    return Person(
        reference,
        born,
        birth if born else None,
        sex,
        gender if sex else None,
        _deceased(patient, as_of),
        tuple(refusals),
    )


def demographics(reading: Reading) -> Demographics:
    """Return race and ethnicity, for fairness audits alone: the codes as written, or the text where there is none."""
    patient = reading.chart.patient
    if patient is None or not patient.extension:
        return Demographics()
    race = _told(patient, _RACE)
    ethnicity = _told(patient, _ETHNICITY)
    if not (race or ethnicity):
        return Demographics()
    return Demographics(race, ethnicity, source(reading, reference_of(patient), "extension", "patients.demographics"))


def _told(patient: wire.Patient, urls: frozenset[str]) -> tuple[str, ...]:
    found = [one for one in patient.extension if one.url in urls]
    codes = {code for one in found for code in _codes(one)}
    texts = {part.valueString for one in found for part in one.extension if part.url == "text" and part.valueString}
    return tuple(sorted(codes or texts))


def _codes(extension: wire.Extension) -> Iterator[str]:
    """Yield the codes of an extension itself and of its ``ombCategory`` parts; ``detailed`` only refines them."""
    for one in (extension, *(part for part in extension.extension if part.url == "ombCategory")):
        codings = [one.valueCoding, *(one.valueCodeableConcept.coding if one.valueCodeableConcept else ())]
        yield from (coding.code for coding in codings if coding is not None and coding.code)


def _birth(text: str | None, as_of: date) -> date | None:
    """Return the birth date; of a partial one its first day, if every day of it gives the same age."""
    found = dates.parse(text)
    if found is None or dates.age(found.first, as_of) != dates.age(found.last, as_of):
        return None
    return found.first


def _deceased(patient: wire.Patient, as_of: date) -> bool:
    died = dates.parse(patient.deceasedDateTime)
    if died is not None:
        return died.first <= as_of
    return bool(patient.deceasedBoolean or patient.deceasedDateTime)
