"""The shape of a profile's TOML file: one struct a table, field names are its keys (docs/profiles.md).

Struct defaults are what holds where neither a profile nor its base says anything.
"""

from typing import Literal

import msgspec

Texts = dict[str, str]


class Match(msgspec.Struct, frozen=True):
    """[match]: by what an EHR is known; not inherited."""

    software: tuple[str, ...] = ()
    base_urls: tuple[str, ...] = ()


class Search(msgspec.Struct, frozen=True):
    """[search.TYPE], over [search.any]: how resources of one type are asked for."""

    supported: bool = True
    type: str | None = None
    parameters: Texts = {}
    omit: tuple[str, ...] = ()
    count: int | None = None
    max_count: int | None = None
    patient: Literal["bare", "reference"] = "bare"
    sort: Literal["prefix", "modifier", "none"] = "prefix"
    post: bool = False
    include: bool = False


class FollowUp(msgspec.Struct, frozen=True):
    """[follow_up]: reading the Medications that requests refer to and no answer held."""

    cap: int = 40
    batch: int = 10


class Drugs(msgspec.Struct, frozen=True):
    """[drugs]: what may tell which drug is meant, in order, and whether all that tells must agree."""

    resolvers: tuple[str, ...] = ("rxnorm", "code-map", "ndc", "atc", "snomed", "text")
    agreement: Literal["all", "codes"] = "all"
    none_known: tuple[str, ...] = ()


class Instruments(msgspec.Struct, frozen=True):
    """[instruments]: what stands for an item, a total or an answer of a rating scale."""

    link_ids: Texts = {}
    codes: Texts = {}
    answers: dict[str, dict[str, float]] = {}
    answer_texts: dict[str, dict[str, float]] = {}


class Observations(msgspec.Struct, frozen=True):
    """[observations]: Observations that have a text and no code."""

    texts: Texts = {}


class Statuses(msgspec.Struct, frozen=True):
    """[statuses]: which FHIR statuses count as a result."""

    observation: tuple[str, ...] = ("final", "amended", "corrected")
    questionnaire_response: tuple[str, ...] = ("completed", "amended")


class Dates(msgspec.Struct, frozen=True):
    """[dates]: the site's zone, for times that are written without one."""

    zone: str | None = None


class Tolerance(msgspec.Struct, frozen=True):
    """[tolerance]: the repairs that reading may make, and notices behind every answer that make no list partial."""

    repairs: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class Writing(msgspec.Struct, frozen=True):
    """[writing]: the ways of writing orders (``ehr.write_back``) that the EHR's API is documented not to take."""

    refuses: tuple[str, ...] = ()


class ProfileFile(msgspec.Struct, frozen=True):
    """One profile, its bases merged in."""

    name: str = ""
    vendor: str | None = None
    version: str | None = None
    extends: str | None = None
    fhir_versions: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    match: Match = Match()
    search: dict[str, Search] = {}
    follow_up: FollowUp = FollowUp()
    systems: Texts = {}
    drugs: Drugs = Drugs()
    units: dict[str, Texts] = {}
    instruments: Instruments = Instruments()
    observations: Observations = Observations()
    statuses: Statuses = Statuses()
    taking: dict[str, Texts] = {}
    dates: Dates = Dates()
    tolerance: Tolerance = Tolerance()
    writing: Writing = Writing()
