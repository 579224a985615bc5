"""Terminology and units: what is known by its code, what by its words, and the line that would have the rest read."""

from collections import Counter
from collections.abc import Callable, Sequence

from conformance.checks import Check, Told, Untested, passed, untested
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import counted
from conformance.suites.ehr.charts import Read, where
from conformance.suites.ehr.probe import Probe
from conformance.suites.ehr.surveyed import Surveyed, fix_of, survey, undecided
from fhir_adapters import terminology
from fhir_adapters.dialect.code_systems import RXNORM

_TERMS, _UNITS = "terminology", "units"
_MOST = 5  # lines of a finding; all of them stand in the report's table
SEARCH_BY_CATEGORY = (
    "let the profile ask by category: [search.Observation] "
    'omit = ["code"], parameters = { category = "laboratory,vital-signs,survey,social-history" }'
)


async def _drugs(probe: Probe) -> Sequence[Told]:
    found = await survey(probe)
    counts = found.narrow.entries["medications"]
    if not counts:
        raise Untested("no patient has a drug on record")
    total = counts.total()
    lines = _lines(found, lambda keys: "medications" in keys)
    named = {fix for one in lines if (fix := one.fix)}
    unknown = Counter(
        (drug.source.original.code if drug.source.original and drug.source.original.code else drug.unresolved)
        for one in await probe.reads()
        for drug in one.adapted.patient.medications
        if drug.unresolved and drug.unresolved != "reference-not-found"  # content.references
    )
    for code, number in unknown.most_common(_MOST):
        if code and not any(code.rpartition("|")[2] in fix for fix in named):
            said = f"a drug is not known by its code or its words ({counted(number, 'time')})"
            lines.append(Told("warn", said, "an ingredient", code, "$..medicationCodeableConcept", empty_line(code),
                              acts="integration-engineer" if "|" in code else "ehr-team"))  # fmt: skip
    words = counts["text"]
    if words * 2 > total:
        said = f"{words} of {total} drugs are known by their words alone"
        fix = "send RxNorm codes beside the text; words are read with care, and a brand that is not known is not read"
        lines.append(Told("warn", said, "a code", "text", "$..medicationCodeableConcept.coding", fix, acts="ehr-team"))
    return lines or passed(f"{total} drugs: {counts['code']} known by code, {words} by words")


def empty_line(code: str) -> str:
    """Return what to do about a drug's code, ``system|code``, that no table knows."""
    system, _, value = code.rpartition("|")
    if not value or not system:
        return "send a code with its system beside the text"
    return f"fill in and put into the profile's code map: {system},{value},{RXNORM},<RxNorm code>,equivalent,"


async def _problems(probe: Probe) -> Sequence[Told]:
    found = await survey(probe)
    said: list[Told] = []
    for name, kind in (("conditions", "problem"), ("allergies", "allergy")):
        counts = found.narrow.entries[name]
        said += _lines(found, lambda keys, name=name: name in keys)
        unknown = counts["not-understood"]
        if unknown and not said:
            fix = "send SNOMED CT or ICD-10-CM codes (allergens: RxNorm), or map the local codes in the profile"
            message = f"{unknown} of {counts.total()} entries of the {kind} list are not understood"
            said.append(Told("warn", message, "a known code", "none", f"$..{kind}", fix))
    totals = ", ".join(f"{found.narrow.entries[name].total()} {name}" for name in ("conditions", "allergies"))
    return said or passed(f"{totals}: all understood")


async def _observed(probe: Probe) -> Sequence[Told]:
    found = await survey(probe)
    listed = {"medications", "conditions", "allergies"}
    said = _lines(found, lambda keys: bool(keys - listed) and not keys & listed, without="wrong-unit")
    if found.unseen and said:
        message = f"{found.unseen} Observations come by category and not by the LOINC codes that the service asks for"
        fix = f"with the lines above, {SEARCH_BY_CATEGORY}"
        said.append(Told("warn", message, "found by code", "found by category only", "$..code", fix))
    return said or passed("every Observation that looks like a feature is known by its code")


async def _missing_units(probe: Probe) -> Sequence[Told]:
    return _refused(await probe.reads(), ("unit-missing",), "a number without a unit", "a unit",
                    "send valueQuantity with UCUM code and system; a number without a unit is never used")  # fmt: skip


async def _unknown_units(probe: Probe) -> Sequence[Told]:
    reasons = ("unit-unknown", "unit-conflicting", "unit-not-convertible")
    said = _refused(await probe.reads(), reasons, "a unit that is not understood", "UCUM",
                    "send the UCUM code, or name the EHR's spelling under [units] in the profile")  # fmt: skip
    if said[0].verdict != "warn":
        return said
    found = await survey(probe)
    lines = [one for one in _lines(found, lambda _: True) if "[units" in one.fix]
    lines += [one for one in undecided(found) if "[units" in one.fix]
    return lines[:_MOST] or said


async def _plausible(probe: Probe) -> Sequence[Told]:
    return _refused(await probe.reads(), ("implausible",), "a value that cannot be in its unit", "",
                    "compare number and unit with what was recorded: it is probably another unit's number",
                    verdict="fail")  # fmt: skip


def _bounds(key: str) -> str:
    """Return the least and the most that a value of this key is believed, with its unit; empty where none are known."""
    terms = terminology.load()
    scale, _, part = key.partition(".")
    held = terms.analytes.get(key) or terms.scales.get(scale, {}).get(part)
    if held is None or held.low is None or held.high is None:
        return ""
    unit = terms.analytes[key].unit if key in terms.analytes else "{score}"
    return f"{held.low:g} to {held.high:g} {unit or ''}".rstrip()


def _refused(
    reads: Sequence[Read], reasons: Sequence[str], what: str, expected: str, fix: str, *, verdict: str = "warn"
) -> list[Told]:
    counts, first = Counter[tuple[str, str]](), dict[tuple[str, str], tuple[tuple[int, ...], str]]()
    for one in reads:
        for refusal in one.adapted.patient.refusals:
            if refusal.reason in reasons:
                key = refusal.key or "a value", refusal.reason
                counts[key] += 1
                first.setdefault(key, where(one, refusal.reference, refusal.path))
    said = [
        Told("fail" if verdict == "fail" else "warn", f"{_of(key[0])} has {what} ({counted(number, 'time')})",
             expected or _bounds(key[0]), key[1] if expected else "a value outside", first[key][1], fix,
             exchanges=first[key][0])
        for key, number in counts.most_common(_MOST)
    ]  # fmt: skip
    measured = sum(len(one.adapted.patient.measurements) for one in reads)
    if not said and not measured:
        return list(untested("no measurement came"))
    return said or list(passed(f"{measured} measurements: none has {what}"))


def _of(key: str) -> str:
    return key if " " in key else f"the score {key}" if "." in key else f"the analyte {key}"


def _lines(found: Surveyed, about: Callable[[set[str]], bool], without: str = "") -> list[Told]:
    """Return a finding a line, the most helpful first."""
    lines = [(line, held) for line, held in found.lines() if about(held.keys) and line.problem != without]
    words = {"uncoded": "is there without a code that is known", "wrong-system": "names its code system in its own way",
             "wrong-unit": "has its own spelling of the unit"}  # fmt: skip
    return [
        Told("warn", f"{_named(held.keys)} {words[line.problem]} ({counted(held.patients, 'patient')})",
             line.right, line.left, found.places.get(line, ((), ""))[1], fix_of(line, held),
             acts="integration-engineer", exchanges=found.places.get(line, ((), ""))[0])
        for line, held in lines[:_MOST]
    ]  # fmt: skip


def _named(keys: set[str]) -> str:
    """Return what a line is about, in words."""
    entries = {"medications": "a drug", "conditions": "a problem", "allergies": "an allergy"}
    return ", ".join(sorted(entries.get(key, key) for key in keys)) or "an entry"


CHECKS: tuple[Check[Probe], ...] = (
    Check("terms.drugs", "Drugs", _TERMS, must.M1, "degrades", "integration-engineer", _drugs),
    Check("terms.problems", "Problems and allergies", _TERMS, must.M2, "degrades", "integration-engineer", _problems),
    Check("terms.observations", "Observations", _TERMS, must.M3, "degrades", "integration-engineer", _observed),
    Check("units.present", "Numbers have units", _UNITS, must.U1, "degrades", "ehr-team", _missing_units),
    Check("units.known", "Units are UCUM", _UNITS, must.U2, "degrades", "integration-engineer", _unknown_units),
    Check("units.plausible", "Values fit their units", _UNITS, must.U3, "degrades", "ehr-team", _plausible),
)
