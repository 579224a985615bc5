"""How one EHR wants to be asked: a prefetch template turned into its own search, as its profile says."""

from dataclasses import dataclass
from urllib.parse import quote

from fhir_adapters.dialect.profile import Profile
from fhir_adapters.dialect.profile_file import Search
from fhir_adapters.survey.wanted import Template, templates

_SAFE = ",|:/-._$"  # stand in token searches as they are: http://hl7.org/fhir/R4/search.html#token
_HAS_MEDICATION = ("MedicationRequest", "MedicationStatement")


@dataclass(frozen=True, slots=True)
class Request:
    """A read (``Type/id``) or a search (``Type?…``), relative to the FHIR base; ``post`` by ``_search``."""

    query: str
    post: bool = False


def request(template: Template, patient_id: str, profile: Profile) -> Request | None:
    """Return what is asked for a template, None for a type that this EHR does not have."""
    query = template.query(patient_id)
    if "?" not in query:
        return Request(query)
    kind, _, parameters = query.partition("?")
    search = profile.searching(kind)
    if not search.supported:
        return None
    asked = search.type or kind
    spoken = {name: value for name, _, value in (pair.partition("=") for pair in parameters.split("&"))}
    spoken |= {name: quote(value, safe=_SAFE) for name, value in search.parameters.items()}
    spoken["patient"] = f"Patient/{patient_id}" if search.patient == "reference" else patient_id
    if search.include and kind in _HAS_MEDICATION:
        spoken["_include"] = f"{asked}:medication"
    _page(spoken, search)
    _sorted(spoken, search)
    kept = [f"{name}={value}" for name, value in spoken.items() if name not in search.omit]
    return Request(f"{asked}?{'&'.join(kept)}", search.post)


def kinds(profile: Profile) -> tuple[str, ...]:
    """Return the resource types that an evaluation reads from this EHR, Medications that orders refer to among them."""
    named = [one.template.partition("?")[0].partition("/")[0] for one in templates()]
    asked = [profile.searching(kind).type or kind for kind in named if profile.searching(kind).supported]
    return tuple(dict.fromkeys([*asked, "Medication"]))


def _page(spoken: dict[str, str], search: Search) -> None:
    """Ask for pages of the profile's size, never above the EHR's maximum: some refuse what is above."""
    if search.count is not None:
        spoken["_count"] = str(search.count)
    if search.max_count is not None and "_count" in spoken:
        spoken["_count"] = str(min(int(spoken["_count"]), search.max_count))


def _sorted(spoken: dict[str, str], search: Search) -> None:
    """DSTU2 writes the direction of a sort as a modifier of its name: http://hl7.org/fhir/DSTU2/search.html#sort."""
    if search.sort == "prefix" or "_sort" not in spoken:
        return
    by = spoken.pop("_sort")
    if search.sort == "modifier":
        spoken[f"_sort:{'desc' if by.startswith('-') else 'asc'}"] = by.removeprefix("-")
