"""A profile as it would be with suggested lines pasted into it: tried out on a chart before they are shown."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TypeVar

from fhir_adapters.dialect import code_maps
from fhir_adapters.dialect.code_maps import CodeMap, Row
from fhir_adapters.dialect.profile import Profile, plain_text, unit_text
from fhir_adapters.dialect.profile_file import Instruments, ProfileFile
from fhir_adapters.medication import local_codes
from fhir_adapters.survey.suggestions import MAPS, Suggestion, relationship, split

V = TypeVar("V")
Tables = Mapping[str, Mapping[str, str]]


def pasted(profile: Profile, suggestions: Collection[Suggestion]) -> Profile:
    """Return the profile with these lines in it, which must not contradict each other."""
    tables: dict[str, dict[str, str]] = defaultdict(dict)
    for one in suggestions:
        tables[one.table][one.left] = one.right
    systems = {**profile.systems, **tables["systems"]}
    texts = {plain_text(text): key for text, key in tables["observations.texts"].items()}
    return replace(
        profile,
        systems=systems,
        units=_over(profile.units, _under(tables, "units."), unit_text),
        link_ids={**profile.link_ids, **tables["instruments.link_ids"]},
        observation_texts={**profile.observation_texts, **texts},
        answer_texts=_over(profile.answer_texts, _scores(tables, "instruments.answer_texts."), plain_text),
        code_map=_code_map(profile, tables, systems),
    )


def _code_map(
    profile: Profile, tables: Tables, systems: Mapping[str, str]
) -> Mapping[code_maps.Code, tuple[code_maps.Code, ...]]:
    pairs = ((split(left), split(right)) for left, right in tables.get(MAPS, {}).items())
    rows = [Row(MAPS, *source, *target, relationship(target)) for source, target in pairs]
    own = Instruments(codes=dict(tables.get("instruments.codes", {})), answers=_scores(tables, "instruments.answers."))
    added = (
        code_maps.taken(rows, systems, MAPS),
        local_codes.inline_map(ProfileFile(systems=dict(systems), instruments=own)),
    )
    sources = {source for one in added for source in one.targets}
    held = CodeMap("", {source: profile.code_map[source] for source in sources if source in profile.code_map}, {})
    return {**profile.code_map, **code_maps.joined((held, *added))}


def _under(tables: Tables, prefix: str) -> dict[str, Mapping[str, str]]:
    return {name.removeprefix(prefix): table for name, table in tables.items() if name.startswith(prefix)}


def _scores(tables: Tables, prefix: str) -> dict[str, dict[str, float]]:
    found = _under(tables, prefix)
    return {name: {left: float(right) for left, right in table.items()} for name, table in found.items()}


def _over(
    base: Mapping[str, Mapping[str, V]], own: Mapping[str, Mapping[str, V]], key: Callable[[str], str]
) -> dict[str, Mapping[str, V]]:
    laid = {
        name: {**base.get(name, {}), **{key(text): value for text, value in table.items()}}
        for name, table in own.items()
    }
    return {**base, **laid}
