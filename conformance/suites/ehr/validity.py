"""Every resource against R4's definitions: elements, types, cardinalities, and dates as they must be written."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from conformance.checks import Check, Told, Untested, passed, untested
from conformance.suites.ehr import charts
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.listings import Json
from conformance.suites.ehr.probe import Probe
from conformance.wording import counted

_MOST = 6  # kinds of mistake that are named
_LACKS, _OTHER = "a required element is missing", "something else than the element it should be"
_ELSEWHERE = frozenset({_LACKS})  # content.required


async def _valid(probe: Probe) -> Sequence[Told]:
    profile = await probe.profile()
    if "R4" not in profile.fhir_versions:
        return untested(f"the profile {profile.name} reads {' and '.join(profile.fhir_versions)}, not R4")
    counts, first, seen = Counter[tuple[str, str]](), dict[tuple[str, str], Told](), 0
    unread = await _unreadable(probe)
    for _, listing in await probe.listings():
        for number, path, one in () if listing.stopped else listing.matches():
            seen += 1
            for place, wrong in mistakes(one):
                if wrong in _ELSEWHERE:
                    continue
                key = f"{one.get('resourceType')}.{_plain(place)}", wrong
                if key[0] in unread:
                    continue
                counts[key] += 1
                fix = f"write {key[0]} as http://hl7.org/fhir/R4/{str(one.get('resourceType')).lower()}.html has it"
                first.setdefault(key, Told("warn", "", "as R4 defines it", wrong, f"{path}.{place}", fix,
                                           exchanges=(number,)))  # fmt: skip
    if not seen:
        raise Untested("no resource came")
    said = [
        Told(one.verdict, f"{key[0]} is not R4: {key[1]} ({counted(number, 'time')})", one.expected, one.got, one.path,
             one.fix, exchanges=one.exchanges)
        for key, number in counts.most_common(_MOST)
        for one in (first[key],)
    ]  # fmt: skip
    return said or passed(f"{seen} resources are as R4 defines them (bindings to value sets: content.required)")


async def _unreadable(probe: Probe) -> set[str]:
    """Return the elements, ``Type.element``, that content.readable names."""
    try:
        reads = await charts.reads(probe)
    except Untested:
        return set()
    refusals = [each for one in reads for each in one.adapted.patient.refusals if each.reason == "unreadable"]
    return {f"{each.reference.partition('/')[0]}.{each.path}" for each in refusals}


def mistakes(resource: Json) -> list[tuple[str, str]]:
    """Return (path, what is wrong) of a resource by the R4B models, which read R4 too; none for types they lack."""
    model = _model(str(resource.get("resourceType")))
    if model is None:
        return []
    try:
        model.model_validate(resource)
    except ValidationError as error:
        # The values of a chart are in pydantic's messages: its kinds of error hold none.
        found = [(_place(one["loc"]), _words(one["type"])) for one in error.errors(include_input=False)]
        return list(dict.fromkeys(found))[:3]
    except (KeyError, RecursionError):
        return [("contained", "a contained resource of no known type")]
    return []


def _place(steps: Sequence[int | str]) -> str:
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in steps).lstrip(".") or "$"


def _plain(place: str) -> str:
    return "".join(part.partition("]")[2] if n else part for n, part in enumerate(place.split("[")))


def _words(kind: str) -> str:
    known = {
        "extra_forbidden": "an element that R4 does not have",
        "missing": _LACKS,
        "model_field_validation.missing": _LACKS,
        "json_invalid": _OTHER,
        "model_type": _OTHER,
        "model_attributes_type": _OTHER,
        "list_type": "one value where a list belongs",
        "string_pattern_mismatch": "text of another form",
        "value_error": "against a rule of R4",
    }
    return known.get(kind, kind.replace("_", " "))


@cache
def _model(kind: str) -> Any:
    """Import the model when it is first needed: the models cost half a second."""
    try:
        return getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    except (ImportError, AttributeError):
        return None


CHECKS: tuple[Check[Probe], ...] = (
    Check("content.valid", "As R4 defines it", "content", must.N7, "information", "ehr-team", _valid),
)
