"""Codes that a profile writes itself, as ``system|code``, and the map of its local item and answer codes."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from fhir_adapters import terminology
from fhir_adapters.dialect import code_maps
from fhir_adapters.dialect.code_maps import CodeMap, Row
from fhir_adapters.dialect.code_systems import key_code
from fhir_adapters.dialect.profile_file import ProfileFile
from fhir_adapters.errors import ProfileError
from fhir_adapters.terminology import Code

Meaning = TypeVar("Meaning")


def code_of(text: str, read: ProfileFile) -> Code:
    """Return the code that a profile writes as ``system|code``; U-PROFILE-VALUE for another shape."""
    system, bar, code = text.rpartition("|")
    if not bar or not code:
        raise ProfileError("U-PROFILE-VALUE", f"{text} must be a code, written system|code")
    canonical = read.systems.get(system, system)
    return canonical, key_code(canonical, code)


def inline_map(read: ProfileFile) -> CodeMap:
    """Return ``instruments.codes`` and ``instruments.answers`` as a map to the codes that the tables know."""
    return code_maps.taken([*_part_rows(read), *_answer_rows(read)], read.systems, "instruments")


def _part_rows(read: ProfileFile) -> Iterable[Row]:
    known = _first({code: f"{part.scale}.{part.part}" for code, part in terminology.load().scale_codes.items()})
    for text, part in read.instruments.codes.items():
        if part not in known:
            raise ProfileError("U-PROFILE-VALUE", f"instruments.codes: {part} has no code of its own to map to")
        yield Row(f"instruments.codes {text}", *code_of(text, read), *known[part])


def _answer_rows(read: ProfileFile) -> Iterable[Row]:
    answers = terminology.load().answer_codes.items()
    known = _first({code: (answer.answer_list, answer.ordinal) for code, answer in answers})
    for name, table in read.instruments.answers.items():
        for text, ordinal in table.items():
            if (name, ordinal) not in known:
                raise ProfileError("U-PROFILE-VALUE", f"instruments.answers.{name}: no answer scores {ordinal:g}")
            yield Row(f"instruments.answers {text}", *code_of(text, read), *known[name, ordinal])


def _first(meanings: Mapping[Code, Meaning]) -> dict[Meaning, Code]:
    """Return the first code, in order, of each meaning; LOINC stands before SNOMED CT."""
    ordered = sorted((code for code in meanings if code[0]), reverse=True)
    return {meanings[code]: code for code in ordered}
