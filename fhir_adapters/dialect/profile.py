"""A dialect profile: what is odd about one EHR's FHIR, as one TOML file (``profiles/``), its base merged in.

A profile says how things are written and how they are asked for, never what they mean: aliases of code
systems, unit texts, code maps, the repairs that reading may make, which statuses count. docs/profiles.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal, TypeVar, cast

from fhir_adapters.canonical import Taking
from fhir_adapters.dialect import code_maps, map_files, profile_check, profile_read
from fhir_adapters.dialect.code_maps import CodeMap
from fhir_adapters.dialect.profile_file import FollowUp, Match, Search
from fhir_adapters.medication import local_codes
from fhir_adapters.terminology import Code

__all__ = ["Profile", "Search", "load", "match", "plain_text", "shipped", "unit_text"]

_DEFAULT_SEARCH = Search()
V = TypeVar("V")


@dataclass(frozen=True, slots=True, eq=False)  # the same object or another: a key of caches
class Profile:
    """One loaded dialect.

    ``fhir_versions``: those that the EHR writes; a resource that tells none is in the first. ``search``:
    resource type, or ``any``, → how it is asked for. ``systems``: alias of a code system → canonical URI.
    ``drug_resolvers``: what may tell a drug, in order; ``drug_agreement``: whether texts must agree with codes
    (``all``) or are asked only where no code tells (``codes``); ``none_known_drugs``: codes that say "no drug".
    ``units``: analyte key, or ``any`` → unit text as ``unit_text`` writes it → UCUM code. ``link_ids``:
    QuestionnaireResponse linkId → ``scale.part``. ``answer_texts``: answer list → ``plain_text`` → score.
    ``observation_texts``: Observation.code text as ``plain_text`` writes it → analyte key. ``statuses``: list
    name (``observation``, ``questionnaire_response``) → FHIR codes that count. ``taking``: see
    ``taking_of``. ``zone``: UTC offset or IANA name for times written without one. ``repairs``: names of the
    repairs that reading may make (``repairs.ALL``). ``notices``: codes of OperationOutcome.issue.details that stand
    behind every answer of this EHR. ``refuses``: the ways of writing orders that its API is documented not to take.
    ``code_map``: see ``translate``; ``maps``: where it is from. ``base``: the FHIR base of the one EHR that is read,
    which no file says; empty where it is not known.
    """

    name: str
    vendor: str | None
    version: str | None
    fhir_versions: tuple[str, ...]
    match: Match
    search: Mapping[str, Search]
    follow_up: FollowUp
    systems: Mapping[str, str]
    drug_resolvers: tuple[str, ...]
    drug_agreement: Literal["all", "codes"]
    none_known_drugs: frozenset[Code]
    units: Mapping[str, Mapping[str, str]]
    link_ids: Mapping[str, str]
    answer_texts: Mapping[str, Mapping[str, float]]
    observation_texts: Mapping[str, str]
    statuses: Mapping[str, frozenset[str]]
    taking: Mapping[str, Mapping[str, Taking]]
    zone: str | None
    repairs: frozenset[str]
    notices: frozenset[str]
    refuses: frozenset[str]
    code_map: Mapping[Code, tuple[Code, ...]]
    maps: tuple[CodeMap, ...]
    base: str = ""

    def translate(self, system: str | None, code: str) -> tuple[Code, ...]:
        """Return the codes that the profile's maps give for a (canonical) one; None for a code without system."""
        return self.code_map.get((system or "", code), ())

    def searching(self, resource_type: str) -> Search:
        """Return how resources of a type are asked for."""
        return self.search.get(resource_type) or self.search.get("any", _DEFAULT_SEARCH)

    def taking_of(self, resource_type: str, status: str, intent: str = "") -> Taking | None:
        """Return how a status, with its intent where there is one, reads; None where the profile does not say."""
        known = self.taking.get(resource_type, {})
        return known.get(f"{status}/{intent}") or known.get(status)


def load(name_or_path: str) -> Profile:
    """Return the shipped profile of that name, or the one in that ``.toml`` file.

    Raises ProfileError U-PROFILE-UNKNOWN (no such profile), U-PROFILE-FILE (not TOML), U-PROFILE-KEY (an
    unknown key, with the nearest known one), U-PROFILE-VALUE (a value that cannot be), U-PROFILE-MAP and
    U-PROFILE-MAP-CONFLICT (a code map that cannot be used).
    """
    return _shipped(name_or_path) if name_or_path in profile_read.shipped_files() else _load(name_or_path)


def shipped() -> tuple[str, ...]:
    """Return the names of the profiles that come with this version."""
    return tuple(sorted(profile_read.shipped_files()))


def match(software: str | None, base_url: str | None) -> str:
    """Return the shipped profile for an EHR, else the base of its version, else ``base-r4``.

    ``software`` is ``CapabilityStatement.software.name``; ``base_url`` its FHIR base, which a hook call names
    ``fhirServer``. The software tells before the address. A version that the path names (``/DSTU2/``) must be
    one that the profile reads.
    """
    told = _told_version(base_url)
    known = [one for one in map(load, shipped()) if told is None or told in one.fhir_versions]
    named = (software or "").strip().lower()
    place = (base_url or "").lower().partition("://")[2].rstrip("/")
    for one in known:
        if named and any(named.startswith(name.lower()) for name in one.match.software):
            return one.name
    for one in known:
        if place and any(fnmatchcase(place, pattern.lower()) for pattern in one.match.base_urls):
            return one.name
    return f"base-{(told or 'R4').lower()}"


def _told_version(base_url: str | None) -> str | None:
    parts = (base_url or "").upper().split("/")
    names = {"DSTU2": "DSTU2", "STU3": "STU3", "R3": "STU3", "R4": "R4", "R5": "R5"}
    return next((names[part] for part in parts if part in names), None)


@cache
def _shipped(name: str) -> Profile:
    return _load(name)


def _load(name_or_path: str) -> Profile:
    read = profile_check.checked(profile_read.merged(name_or_path), name_or_path)
    maps = (*map_files.load_all(read), local_codes.inline_map(read))
    return Profile(
        name=read.name or name_or_path,
        vendor=read.vendor,
        version=read.version,
        fhir_versions=read.fhir_versions,
        match=read.match,
        search=read.search,
        follow_up=read.follow_up,
        systems=read.systems,
        drug_resolvers=read.drugs.resolvers,
        drug_agreement=read.drugs.agreement,
        none_known_drugs=frozenset(local_codes.code_of(text, read) for text in read.drugs.none_known),
        units={key: {unit_text(text): ucum for text, ucum in table.items()} for key, table in read.units.items()},
        link_ids=read.instruments.link_ids,
        answer_texts={key: _plain(table) for key, table in read.instruments.answer_texts.items()},
        observation_texts=_plain(read.observations.texts),
        statuses={
            "observation": frozenset(read.statuses.observation),
            "questionnaire_response": frozenset(read.statuses.questionnaire_response),
        },
        taking=cast("Mapping[str, Mapping[str, Taking]]", read.taking),
        zone=read.dates.zone,
        repairs=frozenset(read.tolerance.repairs),
        notices=frozenset(read.tolerance.notices),
        refuses=frozenset(read.writing.refuses),
        code_map=code_maps.joined(maps),
        maps=tuple(one for one in maps if one.targets or one.refused),
    )


def _plain(table: Mapping[str, V]) -> dict[str, V]:
    return {plain_text(text): value for text, value in table.items()}


def unit_text(text: str) -> str:
    """Return a unit text as profiles key it: small letters, no blanks, one micro sign, plain powers."""
    plain = "".join(text.lower().split())
    return plain.replace("µ", "u").replace("μ", "u").replace("²", "2").replace("³", "3")


def plain_text(text: str) -> str:
    """Return a text as profiles key it: small letters, single blanks, no colon or full stop at its end."""
    return " ".join(text.lower().split()).rstrip(".: ")
