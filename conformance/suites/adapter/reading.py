"""What the samples give with the profile: whether they are read, what is left out, and the line that would mend it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from conformance.checks import Check, Told, Untested, failed, passed
from conformance.suites.adapter import requirements as must
from conformance.suites.adapter.probe import Probe
from conformance.suites.ehr import unknown
from conformance.suites.ehr.effects import effects
from conformance.suites.ehr.reasons import cures
from conformance.suites.ehr.surveyed import Surveyed, fix_of, lacking, undecided, unused
from conformance.suites.ehr.terms import bounds
from conformance.wording import counted
from fhir_adapters.dialect.code_systems import RXNORM, SNOMED

_GROUP, _CODES, _UNITS = "samples", "codes", "units"
_MOST = 8  # lines of a finding; all of them stand in the report's table
_LISTS: Mapping[str, str] = {"conditions": "GI03", "medications": "GI04"}
_UNREAD: Mapping[str, str] = {
    "U-FHIR-NO-PATIENT": "send the Patient with its resources in one file, or all files of a folder together",
    "U-PATIENT-MISMATCH": "keep one patient to a file, or let every resource name its patient",
    "U-FHIR-TYPE": "this is no FHIR resource, Bundle, NDJSON or prefetch; take it out of the folder",
}
# What other checks judge, and what is left out as it should be.
_ELSEWHERE = frozenset(
    {"unit-missing", "unit-unknown", "unit-conflicting", "unit-not-convertible", "implausible", "value-implausible"}
    | {"problem-not-understood", "code-unknown", "answer-unknown", "value-code-unknown", "condition-not-understood"}
)
_CALM = frozenset(
    {"notice-tolerated", "refuted", "superseded", "status-entered-in-error", "none-known", "not-asked", "cancelled"}
    | {"entered-in-error", "unknown", "registered", "preliminary", "in-progress", "stopped", "items-missing"}
    | {"not-a-blood-relative", "no-earlier-total"}
)


async def _read(probe: Probe) -> Sequence[Told]:
    ones = probe.ones()
    said: list[Told] = []
    for one in ones:
        if one.error is not None:
            fix = _UNREAD.get(one.error.code, f"{one.error.message}; docs/errors.md says more of {one.error.code}")
            said += failed(f"{one.sample.name} cannot be read", expected="read", got=one.error.code, fix=fix)
    counts = Counter(one.verdict for one in ones)
    if said:
        return said[:_MOST]
    versions = Counter(one.adapted.patient.fhir_version for one in ones if one.adapted)
    listed = ", ".join(f"{count} in {version}" for version, count in sorted(versions.items()))
    return passed(f"{counted(len(ones), 'sample')} are read ({listed}), {counts['whole']} of them whole")


async def _lists(probe: Probe) -> Sequence[Told]:
    said: list[Told] = []
    people = len(probe.readable())
    for name, gate in _LISTS.items():
        states = probe.survey().narrow.lists[name]
        if states["partial"]:
            why = _holes(probe, name)
            fix = "mend what makes the hole; a list with holes rules nothing out"
            if "OperationOutcome" in why:
                fix += "; a warning behind every answer may be accepted under [tolerance] notices, if the site says so"
            message = f"the list of {name} has holes in {states['partial']} of {counted(people, 'sample')}: {why}"
            said.append(Told("warn", message, "supplied", "partial", "$", fix))
        if states["not-supplied"] == people:
            fix = f"add the list to the samples, if the EHR can serve it: without it no drug is proposed ({gate})"
            said.append(Told("warn", f"no sample has a list of {name}", "supplied", "not-supplied", "$", fix))
    return said or passed(f"the lists of problems and drugs of {counted(people, 'sample')} are read without holes")


def _holes(probe: Probe, name: str) -> str:
    """Return what was left out of a list, or of everything, the commonest first."""
    kinds = ("OperationOutcome", "Bundle", *(("Condition",) if name == "conditions" else ("Medication",)))
    found = Counter[str]()
    for (place, reason, _), number in probe.left_out().items():
        if place.startswith(kinds) and reason not in _CALM:
            found[f"{place} ({reason})"] += number
    return (
        ", ".join(one for one, _ in found.most_common(3))
        or "an OperationOutcome among the entries, or a next link, says that there is more"
    )


async def _paths(probe: Probe) -> Sequence[Told]:
    counts = probe.left_out()
    merged: Counter[tuple[str, str]] = Counter()
    for (place, reason, _), number in counts.items():
        if reason not in _ELSEWHERE | _CALM:
            merged[place, reason] += number
    said = [
        Told("warn", f"{place} is left out ({reason}, {counted(number, 'time')})", "read", reason, f"$..{place}",
             "; ".join(cures([reason])) or "let the EHR write it as FHIR has it, or mend it under [tolerance]")
        for (place, reason), number in merged.most_common(_MOST)
    ]  # fmt: skip
    if said:
        return said
    calm = sum(number for (_, reason, _), number in counts.items() if reason in _CALM)
    return passed(f"nothing is left out that a feature could be read from ({calm} as they should be)")


async def _drugs(probe: Probe) -> Sequence[Told]:
    counts = probe.survey().narrow.entries["medications"]
    if not counts:
        raise Untested("no sample holds a drug")
    said = _lines(probe.survey(), lambda keys: "medications" in keys, "code")
    adapted = [one for _, _, one in probe.readable()]
    said += unknown.told([each for one in adapted for each in unknown.drugs(one, _where)], said, "a drug", RXNORM)
    lost = sum(drug.unresolved == "reference-not-found" for one in adapted for drug in one.patient.medications)
    if lost:
        fix = (
            "put the Medications that requests refer to into the same file, as prefetch or a follow-up would bring them"
        )
        said.append(Told("warn", f"{counted(lost, 'drug')} by a reference to what is in no sample", "a Medication",
                         "reference-not-found", "$..medicationReference", fix))  # fmt: skip
    return said[:_MOST] or passed(f"{counts.total()} drugs: {counts['code']} by code, {counts['text']} by words")


async def _problems(probe: Probe) -> Sequence[Told]:
    entries = probe.survey().narrow.entries
    total = entries["conditions"].total() + entries["allergies"].total()
    if not total:
        raise Untested("no sample holds a problem or an allergy")
    said = _lines(probe.survey(), lambda keys: bool(keys & {"conditions", "allergies"}), "code")
    adapted = [one for _, _, one in probe.readable()]
    problems = [each for one in adapted for each in unknown.problems(one, _where)]
    allergens = [each for one in adapted for each in unknown.allergens(one, _where)]
    said += [*unknown.told(problems, said, "a problem", SNOMED), *unknown.told(allergens, said, "an allergen", RXNORM)]
    return said or passed(f"{total} problems and allergies are understood")


async def _observed(probe: Probe) -> Sequence[Told]:
    listed = {"medications", "conditions", "allergies"}
    found = probe.survey()
    said = _lines(found, lambda keys: bool(keys - listed) and not keys & listed, "code", without="wrong-unit")
    said += [one for one in undecided(found) if "[units" not in one.fix]
    return said[:_MOST] or passed("every Observation and answer that looks like a feature is known")


async def _units(probe: Probe) -> Sequence[Told]:
    found = probe.survey()
    said = [one for one in _lines(found, lambda _: True, "valueQuantity") if "[units" in one.fix]
    said += [one for one in undecided(found) if "[units" in one.fix]
    missing: Counter[str] = Counter()
    for (_, reason, key), number in probe.left_out().items():
        if reason in ("unit-missing", "unit-conflicting", "unit-not-convertible"):
            missing[f"{key or 'a value'} {reason}"] += number
    for name, number in missing.most_common(_MOST):
        key, _, reason = name.partition(" ")
        fix = "send the UCUM unit beside the number; no profile can tell which unit was meant"
        message = f"{key} cannot be used: {reason} ({counted(number, 'time')})"
        said.append(Told("warn", message, "a unit", reason, "$..valueQuantity", fix, acts="ehr-team"))
    measured = sum(len(adapted.patient.measurements) for _, _, adapted in probe.readable())
    if not said and not measured:
        raise Untested("no sample holds a measurement")
    return said[:_MOST] or passed(f"{measured} measurements have units that their analytes come in")


async def _plausible(probe: Probe) -> Sequence[Told]:
    wrong = Counter(key for _, _, adapted in probe.readable() for key, *_ in unknown.implausible(adapted))
    fix = "compare value and unit with the source: it is probably another unit's number"
    said = [Told("fail", f"{key} is outside of what is possible in its unit ({counted(number, 'time')})", bounds(key),
                 "a value outside", "$..valueQuantity", fix, acts="ehr-team")
            for key, number in wrong.most_common(_MOST)]  # fmt: skip
    return said or passed("no value is outside of what is possible in its unit")


def _where(_: str, element: str) -> tuple[tuple[int, ...], str]:
    """Return the element in any sample: the names of their files and ids of resources stay out of a finding."""
    return (), f"$..{element}"


async def _decisive(probe: Probe) -> Sequence[Told]:
    narrow = probe.survey().narrow
    closing = [name for name, effect in effects().items() if effect.startswith("refused")]
    unfed = [name for name in closing if not narrow.outcomes[name]["fed"]]
    if not unfed:
        return passed(f"what a recommendation stands on is fed: {', '.join(closing)}")
    said: list[Told] = []
    for name in unfed:
        outcome, shown, cure = lacking(probe.survey(), name)
        if outcome not in ("absent", "stale", "not-supplied"):
            said.append(Told("fail", f"no sample feeds {name}: {effects()[name]}", "fed", shown, f"feature {name}",
                             cure))  # fmt: skip
        else:
            said.append(Told("not-tested", f"no sample holds {name}: add one that does ({effects()[name]})"))
    return sorted(said, key=lambda one: one.verdict)


async def _features(probe: Probe) -> Sequence[Told]:
    found = probe.survey()
    said = unused(found)
    fed = sum(bool(found.narrow.outcomes[name]["fed"]) for name in effects())
    return said[:_MOST] or passed(f"{fed} of the {len(effects())} features that are read are fed by some sample")


def _lines(found: Surveyed, about: Callable[[set[str]], bool], path: str, without: str = "") -> list[Told]:
    words = {"uncoded": "is there without a code that is known", "wrong-system": "names its code system in its own way",
             "wrong-unit": "has its own spelling of the unit"}  # fmt: skip
    return [
        Told("warn", f"{', '.join(sorted(held.keys)) or 'an entry'} {words[line.problem]} "
             f"({counted(held.patients, 'sample')}, {held.fed} more fed with the line)",
             line.right, line.left, f"$..{path}", fix_of(line, held))
        for line, held in found.lines()
        if about(held.keys) and line.problem != without
    ][:_MOST]  # fmt: skip


CHECKS: tuple[Check[Probe], ...] = (
    Check("samples.read", "They are read", _GROUP, must.R1, "blocks-start", "integration-engineer", _read),
    Check("samples.decisive", "What all stands on", _GROUP, must.R2, "blocks-start", "integration-engineer", _decisive),
    Check("samples.lists", "Lists are whole", _GROUP, must.R3, "degrades", "integration-engineer", _lists),
    Check("samples.paths", "Nothing is left out", _GROUP, must.R4, "degrades", "integration-engineer", _paths),
    Check("samples.features", "Features that are read", _GROUP, must.R4, "degrades", "integration-engineer", _features),
    Check("codes.drugs", "Drugs", _CODES, must.C1, "degrades", "integration-engineer", _drugs),
    Check("codes.problems", "Problems and allergies", _CODES, must.C2, "degrades", "integration-engineer", _problems),
    Check("codes.observations", "Observations and answers", _CODES, must.C3, "degrades", "integration-engineer",
          _observed),
    Check("units.known", "Units are known", _UNITS, must.U1, "degrades", "integration-engineer", _units),
    Check("units.plausible", "Values fit their units", _UNITS, must.V1, "degrades", "ehr-team", _plausible),
)  # fmt: skip
