"""Security labels of what was read: how confidential it is, what it is sensitive for, what may not be passed on.

What is made from a chart is as confidential as the most confidential resource in it, and has every other label of
them. R4 ``meta.security``: http://hl7.org/fhir/R4/security-labels.html; codes of v3-Confidentiality and v3-ActCode as
R4 4.0.1 has them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from fhir_adapters.canonical import Label, Refusal
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import Chart, reference_of

CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
OBSERVATION_VALUE: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
# How DSTU2 and STU3 named the same systems.
_OLD, _NOW = "http://hl7.org/fhir/v3/", "http://terminology.hl7.org/CodeSystem/v3-"
_LEVELS: Final = ("U", "L", "M", "N", "R", "V")
# Who carries these on has to say of what: 42 CFR 2.32 (notice with each disclosure), and the refrain codes.
NOT_PASSED_ON: Final = frozenset({"42CFRPart2", "NORDSCLCD", "NORDSCLCDS", "NORDSCLW"})


class _Coding(msgspec.Struct, frozen=True, gc=False):
    system: str | None = None
    code: str | None = None
    display: str | None = None


_DECODER: Final = msgspec.json.Decoder(tuple[_Coding, ...])


def read(chart: Chart) -> tuple[tuple[Label, ...], tuple[Refusal, ...]]:
    """Return the labels that anything made from this chart inherits, by system and code, and what cannot be read."""
    found: dict[tuple[str, str], str | None] = {}
    carriers: dict[tuple[str, str], set[str]] = defaultdict(set)
    refused: list[Refusal] = []
    for one in _labelled(chart):
        reference = reference_of(one)
        try:
            codings = _DECODER.decode(one.meta.security if one.meta else b"[]")
        except msgspec.DecodeError:
            refused.append(Refusal(reference, "meta.security", "unreadable"))
            continue
        for key, display in _inherited(codings):
            found[key] = found.get(key) or display
            carriers[key].add(reference)
    kept = _highest(found)
    named = {key: tuple(sorted(carriers[key])) if key[1] in NOT_PASSED_ON else () for key in kept}
    return tuple(Label(*key, found[key], named[key]) for key in kept), tuple(refused)


def _labelled(chart: Chart) -> Iterator[wire.AnyResource]:
    """Yield the resources that have labels; nearly none has."""
    person = (chart.patient,) if chart.patient is not None else ()
    groups: tuple[Iterable[wire.AnyResource], ...] = (
        person,
        chart.observations,
        chart.conditions,
        chart.medication_requests,
        chart.medication_statements,
        chart.dispenses,
        chart.administrations,
        chart.allergies,
        chart.questionnaire_responses,
        chart.consents,
        chart.family_histories,
        chart.diagnostic_reports,
        chart.procedures,
        chart.encounters,
        chart.flags,
    )
    for group in groups:
        for one in group:
            if one.meta is not None and one.meta.security:
                yield one


def _inherited(codings: Iterable[_Coding]) -> Iterator[tuple[tuple[str, str], str | None]]:
    """Yield what passes on; v3-ObservationValue says who asserted the resource itself, and does not."""
    for one in codings:
        system = one.system or ""
        system = _NOW + system.removeprefix(_OLD) if system.startswith(_OLD) else system
        if one.code and system != OBSERVATION_VALUE:
            yield (system, one.code.strip()), one.display


def _highest(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the labels without the lower levels of confidentiality."""
    levels = [code for system, code in found if system == CONFIDENTIALITY and code in _LEVELS]
    highest = max(levels, key=_LEVELS.index, default=None)
    return sorted(key for key in found if key[0] != CONFIDENTIALITY or key[1] not in _LEVELS or key[1] == highest)
