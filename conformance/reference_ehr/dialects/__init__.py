"""One patient in every dialect: how each EHR, national guide and FHIR version would serve the same chart.

``write`` takes a patient's plain R4 resources and gives them as a dialect has them. The writers belong to the
reference EHR and know nothing of the adapters that read them: their code tables are their own, each row with
the source in which it was seen (``tables/``). Where no code was seen, they write the words; where the dialect
loses something, they lose it. They are pure: the same chart is always written alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from conformance.reference_ehr.dialects import (
    athenahealth,
    au_core,
    dstu2,
    eclinicalworks,
    envelopes,
    epic,
    ips,
    isik,
    meditech,
    nextgen,
    openemr,
    openmrs,
    oracle,
    r5,
    stu3,
    uk_core,
    us_core,
)
from conformance.reference_ehr.dialects.elements import Resource, rewritten

PLAIN = "base-r4"

__all__ = ["DIALECTS", "PLAIN", "Dialect", "Resource", "bundle", "names", "ndjson", "of", "pages", "write"]

LARGEST_PAGE = 500
_SUMMARY_LACKS = frozenset({"QuestionnaireResponse", "Consent", "FamilyMemberHistory"})
FhirVersion = Literal["DSTU2", "STU3", "R4", "R5"]
Writer = Callable[[Sequence[Resource]], list[Resource]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of serving a chart.

    ``total``: searches say how many there are. ``outcome``: an OperationOutcome stands among results.
    ``page``: the most that a page holds. ``document``: resources come as one document, not as search results.
    ``unserved``: resource types that its interface does not have (404). ``moved``: types whose contents stand
    under another name there, so that a search for them would look empty.
    """

    name: str
    fhir_version: FhirVersion
    write: Writer
    what: str
    total: bool = True
    outcome: bool = False
    page: int = LARGEST_PAGE
    document: bool = False
    unserved: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()


def _plain(resources: Sequence[Resource]) -> list[Resource]:
    return rewritten(resources, {})


_ALL = (
    Dialect(
        "base-dstu2",
        "DSTU2",
        dstu2.write,
        "FHIR DSTU2 as the specification has it",
        unserved=frozenset({"Consent"}),
        moved=frozenset({"MedicationRequest"}),
    ),
    Dialect("base-stu3", "STU3", stu3.write, "FHIR STU3 as the specification has it"),
    Dialect("base-r4", "R4", _plain, "FHIR R4 as the specification has it"),
    Dialect("base-r5", "R5", r5.write, "FHIR R5 as the specification has it"),
    Dialect("us-core-r4", "R4", us_core.write, "US Core on R4"),
    Dialect("epic-r4", "R4", epic.write, "Epic", outcome=True, unserved=frozenset({"MedicationStatement"})),
    Dialect("oracle-r4", "R4", oracle.write, "Oracle Health Millennium"),
    Dialect("athenahealth-r4", "R4", athenahealth.write, "athenahealth", total=False, page=envelopes.PAGE),
    Dialect("meditech-r4", "R4", meditech.write, "MEDITECH and MEDHOST"),
    Dialect("eclinicalworks-r4", "R4", eclinicalworks.write, "eClinicalWorks"),
    Dialect("nextgen-r4", "R4", nextgen.write, "NextGen"),
    Dialect("openemr-r4", "R4", openemr.write, "OpenEMR"),
    Dialect("openmrs-r4", "R4", openmrs.write, "OpenMRS"),
    Dialect("ips", "R4", ips.write, "International Patient Summary", document=True, unserved=_SUMMARY_LACKS),
    Dialect("uk-core", "R4", uk_core.write, "UK Core"),
    Dialect("au-core", "R4", au_core.write, "AU Core"),
    Dialect("isik", "R4", isik.write, "ISiK (German hospitals)"),
)
DIALECTS: Mapping[str, Dialect] = {one.name: one for one in _ALL}


def names() -> tuple[str, ...]:
    """Return the names of the dialects, versions first; they are those of the adapters' profiles."""
    return tuple(DIALECTS)


def of(name: str) -> Dialect:
    """Return the dialect of that name; KeyError for another."""
    return DIALECTS[name]


def write(resources: Sequence[Resource], dialect: str) -> list[Resource]:
    """Return a patient's plain R4 resources as a dialect has them, with the Medications that it refers to.

    The input is not changed. KeyError for an unknown dialect.
    """
    return DIALECTS[dialect].write(resources)


def bundle(resources: Sequence[Resource], dialect: str) -> Resource:
    """Return the written chart in one Bundle: a searchset, or the document of a summary."""
    style, written = DIALECTS[dialect], write(resources, dialect)
    if style.document:
        return envelopes.document(written)
    return envelopes.searchset(written, total=style.total, outcome=style.outcome)


def pages(resources: Sequence[Resource], dialect: str) -> list[Resource]:
    """Return the written chart as the pages of a search; a document has one."""
    style, written = DIALECTS[dialect], write(resources, dialect)
    if style.document:
        return [envelopes.document(written)]
    return envelopes.paged(written, total=style.total, outcome=style.outcome)


def ndjson(resources: Sequence[Resource], dialect: str) -> bytes:
    """Return the written chart as NDJSON, one resource a line."""
    return envelopes.lines(write(resources, dialect))
