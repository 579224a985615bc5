"""Codes that a table knows under another system's name: an alias for the profile, or a line of a code map.

A code alone proves little, as any system may have a 1234: its shape must be its own (LOINC, ATC, ICD with its
dot, SNOMED CT's length), or the words beside it must mean the same.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from fhir_adapters import terminology
from fhir_adapters.dialect import code_systems
from fhir_adapters.dialect.code_systems import ATC, ICD9CM, ICD10, ICD10CM, ICD10GM, LOINC, NDC, SNOMED
from fhir_adapters.dialect.coding import canonical_system
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.reading import wire
from fhir_adapters.survey.suggestions import MAPS, Suggestion, can_be_written, coded
from fhir_adapters.terminology import Code

_ICD = re.compile(r"[A-Z]\d[0-9A-Z]\.[0-9A-Z]{1,4}", re.ASCII)
_SHAPES: Mapping[str, re.Pattern[str]] = {
    LOINC: re.compile(r"\d{1,7}-\d", re.ASCII),
    SNOMED: re.compile(r"\d{6,18}", re.ASCII),
    ATC: re.compile(r"[A-Z]\d\d[A-Z]{2}\d\d", re.ASCII),
    NDC: re.compile(r"\d{11}|\d{4,5}-\d{3,4}-\d{1,2}", re.ASCII),
    ICD10CM: _ICD,
    ICD10GM: _ICD,
    ICD10: _ICD,
    ICD9CM: re.compile(r"\d{3}\.\d{1,2}", re.ASCII),
}


# How a name tells which classification it is of; the more telling part first.
_TAGS = (("10cm", ICD10CM), ("10gm", ICD10GM), ("9cm", ICD9CM), ("icd10", ICD10), ("icd9", ICD9CM), ("snomed", SNOMED))


def told(system: str | None, code: str, agree: bool | None) -> bool:
    """Return whether a code of a table is meant by a code written alike under another name.

    ``agree``: whether the words beside it mean the same; None where they are not understood.
    """
    shape = _SHAPES.get(system or "")
    return bool(agree) or (agree is None and shape is not None and shape.fullmatch(code) is not None)


def line(profile: Profile, coding: wire.Coding, target: Code) -> Suggestion | None:
    """Return the line that has a coding read as ``target``; None where the profile says otherwise already.

    A system of its own is named as an alias; a code without a system, or under another known one, is mapped.
    """
    system, code = (coding.system or "").strip(), (coding.code or "").strip()
    canonical = canonical_system(system, profile)
    if canonical is not None and canonical not in known_systems():
        fits = can_be_written(system, code)
        return Suggestion("systems", system, target[0], "wrong-system") if fits else None
    return mapped(profile, coding, target, "wrong-system")


def mapped(profile: Profile, coding: wire.Coding, target: Code, problem: str = "uncoded") -> Suggestion | None:
    """Return the line of a code map from a coding to ``target``; None where a map says otherwise already."""
    system, code = (coding.system or "").strip(), (coding.code or "").strip()
    canonical = canonical_system(system, profile)
    held = profile.translate(canonical, code_systems.key_code(canonical, code)) if code else ()
    if not can_be_written(code) or (system and not can_be_written(system)) or any(one[0] == target[0] for one in held):
        return None
    wrong = "wrong-system" if problem == "wrong-system" else "uncoded"
    return Suggestion(MAPS, coded(system, code), coded(*target), wrong)


@cache
def known_systems() -> frozenset[str]:
    """Return the code systems that a table speaks for: none of them is ever another one's alias."""
    terms = terminology.load()
    tables = (terms.observation_codes, terms.scale_codes, terms.answer_codes, terms.status_codes, terms.none_known)
    held = {system for table in (*tables, terms.condition_codes, terms.drug_codes) for system, _ in table}
    return code_systems.ALL | held


@cache
def measured() -> Mapping[str, tuple[Code, ...]]:
    """Return the codes of analytes and scales by what stands behind the system."""
    terms = terminology.load()
    return _by_code((*terms.observation_codes, *terms.scale_codes))


@cache
def drugs() -> Mapping[str, tuple[Code, ...]]:
    """Return the codes of drugs by what stands behind the system."""
    return _by_code(terminology.load().drug_codes)


def named(system: str, targets: Iterable[str]) -> list[str]:
    """Return those of the code systems that a name may mean: "urn:x:icd10cm" is ICD-10-CM alone, an OID is any."""
    plain, held = re.sub(r"[^a-z0-9]", "", system.lower()), sorted(targets)
    told = next((target for tag, target in _TAGS if tag in plain and target in held), None)
    return [told] if told else held


def _by_code(codes: Iterable[Code]) -> dict[str, tuple[Code, ...]]:
    found: dict[str, list[Code]] = defaultdict(list)
    for code in codes:
        found[code[1]].append(code)
    return {value: tuple(sorted(held)) for value, held in found.items()}
