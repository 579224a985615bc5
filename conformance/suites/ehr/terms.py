"""Terminology and units: what is known by its code, what by its words, and the line that would have the rest read."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from conformance.checks import Check, Told, Untested, passed, untested
from conformance.suites.ehr import charts, unknown
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.probe import Probe
from conformance.suites.ehr.surveyed import Surveyed, fix_of, survey, undecided
from conformance.wording import counted
from fhir_adapters import terminology
from fhir_adapters.dialect.code_systems import RXNORM, SNOMED

_TERMS, _UNITS = "terminology", "units"
_NAMES = 4  # of what one line is about
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
    reads = await charts.reads(probe)
    unread = [each for one in reads for each in unknown.drugs(one.adapted, partial(charts.where, one))]
    lines += unknown.told(unread, lines, "a drug", RXNORM)
    # A Medication that was not read (content.references) leaves its words alone.
    told = [one for one in reads for drug in one.adapted.patient.medications if "drug-from-text" in drug.source.repairs]
    words = 0 if await _unread(probe) else counts["text"]
    if words * 2 > total:
        said = f"{words} of {total} drugs are known by their words alone"
        fix = "send RxNorm codes beside the text; words are read with care, and a brand that is not known is not read"
        numbers = tuple(dict.fromkeys(n for one in told for n in one.lists["medications"].numbers[:1]))
        lines.append(Told("warn", said, "a code", "text", "$.entry[*].resource.medicationCodeableConcept.coding", fix,
                          "ehr-team", numbers))  # fmt: skip
    return lines or passed(f"{total} drugs: {counts['code']} known by code, {counts['text']} by words")


async def _unread(probe: Probe) -> bool:
    """Return whether some Medication that is referred to cannot be read."""
    named = [
        reference
        for _, one in await probe.listings("medications", "statements")
        for reference in (() if one.stopped else charts.references(one, probe.base))
    ]
    return any([(await charts.medication(probe, one)).stopped for one in dict.fromkeys(named)])


async def _problems(probe: Probe) -> Sequence[Told]:
    found = await survey(probe)
    said, reads = list[Told](), await charts.reads(probe)
    for name, what, to in (("conditions", "a problem", SNOMED), ("allergies", "an allergen", RXNORM)):
        of = unknown.problems if name == "conditions" else unknown.allergens
        lines = _lines(found, lambda keys, name=name: name in keys)
        unread = [each for one in reads for each in of(one.adapted, partial(charts.where, one))]
        said += lines + unknown.told(unread, lines, what, to)
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
    return _refused(await charts.reads(probe), ("unit-missing",), "a number without a unit", "a unit",
                    "send valueQuantity with UCUM code and system; a number without a unit is never used")  # fmt: skip


async def _unknown_units(probe: Probe) -> Sequence[Told]:
    reasons = ("unit-unknown", "unit-conflicting", "unit-not-convertible")
    said = _refused(await charts.reads(probe), reasons, "a unit that is not understood", "UCUM",
                    "send the UCUM code, or name the EHR's spelling under [units] in the profile")  # fmt: skip
    if said[0].verdict != "warn":
        return said
    found = await survey(probe)
    lines = [one for one in _lines(found, lambda _: True) if "[units" in one.fix]
    lines += [one for one in undecided(found) if "[units" in one.fix]
    return lines[:_MOST] or said


async def _plausible(probe: Probe) -> Sequence[Told]:
    reads = await charts.reads(probe)
    found = [(key, *charts.where(one, *place)) for one in reads for key, *place in unknown.implausible(one.adapted)]
    counts, first = Counter(key for key, *_ in found), {one[0]: one for one in reversed(found)}
    fix = "compare number and unit with what was recorded: it is probably another unit's number"
    said = [
        Told("fail", f"{_of(key)} has a value that cannot be in its unit ({counted(number, 'time')})", bounds(key),
             "a value outside", first[key][2], fix, exchanges=first[key][1])
        for key, number in counts.most_common(_MOST)
    ]  # fmt: skip
    return said or _measured(reads, "a value that cannot be in its unit")


def _measured(reads: Sequence[charts.Read], what: str) -> Sequence[Told]:
    measured = sum(len(one.adapted.patient.measurements) for one in reads)
    return passed(f"{measured} measurements: none has {what}") if measured else untested("no measurement came")


def bounds(key: str) -> str:
    """Return the least and the most that a value of this key is believed, with its unit; empty where none are known."""
    terms = terminology.load()
    scale, _, part = key.partition(".")
    held = terms.analytes.get(key) or terms.scales.get(scale, {}).get(part)
    if held is None or held.low is None or held.high is None:
        return ""
    unit = terms.analytes[key].unit if key in terms.analytes else "{score}"
    return f"{held.low:g} to {held.high:g} {unit or ''}".rstrip()


def _refused(
    reads: Sequence[charts.Read], reasons: Sequence[str], what: str, expected: str, fix: str
) -> Sequence[Told]:
    counts, first = Counter[tuple[str, str]](), dict[tuple[str, str], tuple[tuple[int, ...], str]]()
    for one in reads:
        for refusal in one.adapted.patient.refusals:
            if refusal.reason in reasons:
                key = refusal.key or "a value", refusal.reason
                counts[key] += 1
                first.setdefault(key, charts.where(one, refusal.reference, refusal.path))
    said = [
        Told("warn", f"{_of(name)} has {what} ({counted(number, 'time')})", expected, reason, first[name, reason][1],
             fix, exchanges=first[name, reason][0])
        for (name, reason), number in counts.most_common(_MOST)
    ]  # fmt: skip
    return said or _measured(reads, what)


def _of(key: str) -> str:
    return key if " " in key else f"the score {key}" if "." in key else f"the analyte {key}"


def _lines(found: Surveyed, about: Callable[[set[str]], bool], without: str = "") -> list[Told]:
    """Return a finding a line, the most helpful first."""
    lines = [(line, held) for line, held in found.lines() if about(held.keys) and line.problem != without]
    words = {"uncoded": "without a code that is known", "wrong-system": "with a name of its own for the code system",
             "wrong-unit": "with a spelling of its own for the unit"}  # fmt: skip
    return [
        Told("warn", f"{_named(held.keys)} {words[line.problem]} ({counted(held.patients, 'patient')})",
             line.right, line.left, found.places.get(line, ((), ""))[1], fix_of(line, held),
             acts="integration-engineer", exchanges=found.places.get(line, ((), ""))[0])
        for line, held in lines[:_MOST]
    ]  # fmt: skip


def _named(keys: set[str]) -> str:
    """Return what a line is about, in words."""
    entries = {"medications": "a drug", "conditions": "a problem", "allergies": "an allergy"}
    names = sorted(entries.get(key, key) for key in keys)
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more or "an entry"


CHECKS: tuple[Check[Probe], ...] = (
    Check("terms.drugs", "Drugs", _TERMS, must.M1, "degrades", "integration-engineer", _drugs),
    Check("terms.problems", "Problems and allergies", _TERMS, must.M2, "degrades", "integration-engineer", _problems),
    Check("terms.observations", "Observations", _TERMS, must.M3, "degrades", "integration-engineer", _observed),
    Check("units.present", "Numbers have units", _UNITS, must.U1, "degrades", "ehr-team", _missing_units),
    Check("units.known", "Units are UCUM", _UNITS, must.U2, "degrades", "integration-engineer", _unknown_units),
    Check("units.plausible", "Values fit their units", _UNITS, must.U3, "degrades", "ehr-team", _plausible),
)
