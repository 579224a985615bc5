"""What stands in the resources: can it be read, is it whole, does it hold together?"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

from conformance.checks import Check, Told, Untested, failed, passed, untested, warned
from conformance.suites.ehr import charts
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got
from conformance.suites.ehr.listings import Json
from conformance.suites.ehr.probe import Probe
from conformance.suites.ehr.reasons import cures
from conformance.wording import counted
from fhir_adapters.survey.searches import Request

_GROUP = "content"
# Why an element is refused for its form: a client that took it would guess.
_FORM = frozenset(
    {"unreadable", "id-missing", "id-invalid", "conflicting-versions", "mixed-versions", "version-mixed"}
    | {"modifier-extension", "no-code", "status-unknown", "not-finished"}
)
# What is left out as it should be, and what other checks judge.
_CALM = frozenset(
    {"notice-tolerated", "refuted", "superseded", "status-entered-in-error", "none-known", "not-asked"}
    | {"cancelled", "entered-in-error", "unknown", "registered", "preliminary", "in-progress", "stopped"}  # statuses
    | {"not-a-blood-relative", "unit-missing", "unit-unknown", "unit-conflicting", "unit-not-convertible"}
    | {"implausible", "problem-not-understood", "condition-not-understood", "items-missing", "no-earlier-total"}
)
# Why a chart is refused as a whole where another check says it already.
_ELSEWHERE: Mapping[str, str] = {"U-PATIENT-MISMATCH": "patient.own", "U-FHIR-NO-PATIENT": "search.patient"}
_FEW = 0.02  # of the resources: up to it, refusals are taken for the charts' own; policy
# http://hl7.org/fhir/R4: elements with cardinality 1..1 or 1..*, of the types that are read; a choice is any of it.
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "Observation": ("status", "code"),
    "Condition": ("subject",),
    "MedicationRequest": ("status", "intent", "subject", "medication"),
    "MedicationStatement": ("status", "subject", "medication"),
    "AllergyIntolerance": ("patient",),
    "QuestionnaireResponse": ("status",),
    "FamilyMemberHistory": ("status", "patient", "relationship"),
    "Consent": ("status", "scope", "category"),
}
# Required bindings: http://hl7.org/fhir/R4/valueset-observation-status.html, …-medicationrequest-status.html, …
_CODES: Mapping[tuple[str, str], frozenset[str]] = {
    ("Observation", "status"): frozenset(
        {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"}
    ),
    ("MedicationRequest", "status"): frozenset(
        {"active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown"}
    ),
    ("MedicationRequest", "intent"): frozenset(
        {"proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"}
    ),
}
_DATES = (
    "effectiveDateTime",
    "authoredOn",
    "recordedDate",
    "authored",
    "birthDate",
    "onsetDateTime",
    "effectiveInstant",
)
_WITHOUT = {
    "birthDate": "without an age nothing is drafted, and doses and risks are unknown",
    "gender": "doses by kidney function, and what holds for women alone, cannot be told",
}
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?")


async def _readable(probe: Probe) -> Sequence[Told]:
    patients, said, count, elsewhere = await probe.patients(), list[Told](), 0, list[str]()
    reasons, first = Counter[tuple[str, str]](), dict[tuple[str, str], tuple[tuple[int, ...], str]]()
    for patient in patients:
        try:
            one = await charts.read(probe, patient)
        except charts.Unreadable as none:
            if none.code in _ELSEWHERE:
                elsewhere.append(f"{none.why}: see {_ELSEWHERE[none.code]}")
                continue
            fix = "look at the lists of this patient: the service would refuse the call with the same code"
            said += failed(none.why, *none.exchanges, expected="a chart", fix=fix)
            continue
        count += sum(len(listing.matches()) for listing in one.lists.values() if not listing.stopped)
        for refusal in one.adapted.patient.refusals:
            key = refusal.reason, refusal.reference.partition("/")[0]
            reasons[key] += 1
            first.setdefault(key, charts.where(one, refusal.reference, refusal.path))
    said += [_told(*key, number, *first[key]) for key, number in reasons.most_common() if key[0] in _FORM]
    others = Counter({key: n for key, n in reasons.items() if key[0] not in _FORM | _CALM})
    if others.total() > _FEW * max(count, 1):
        listed = ", ".join(f"{reason} in {kind} ({n})" for (reason, kind), n in others.most_common(4))
        fix = "; ".join(cures(reason for reason, _ in others)) or "write these as FHIR has them; nothing is guessed"
        numbers, path = first[others.most_common(1)[0][0]]
        shown = f"{others.total()} of {count} resources"
        said += warned(f"not used: {listed}", *numbers, got=shown, path=path, fix=fix)
    if elsewhere and not said:
        raise Untested(elsewhere[0])
    return said or passed(
        f"{count} resources of {counted(len(patients), 'chart')} are read, {reasons.total()} elements left out"
    )


def _told(reason: str, kind: str, number: int, exchanges: tuple[int, ...], path: str) -> Told:
    fix = f"correct the form of {kind}: the service leaves these out and says so"
    return Told("fail", f"{kind} cannot be read ({reason}, {counted(number, 'time')})", "readable", reason, path, fix,
                exchanges=exchanges)  # fmt: skip


async def _required(probe: Probe) -> Sequence[Told]:
    profile = await probe.profile()
    if "R4" not in profile.fhir_versions:
        return untested(f"the profile {profile.name} reads {' and '.join(profile.fhir_versions)}, not R4")
    first, counts, seen = dict[str, Told](), Counter[str](), 0
    for number, path, one in await _resources(probe):
        kind = str(one.get("resourceType"))
        seen += 1
        for name, wrong, expected in _lacking(kind, one):
            bound = ", with a code of R4's value set" if (kind, name) in _CODES else ""
            fix, shown = f"send {name} with every {kind}{bound}", str(one.get(name, "absent"))
            told = Told("fail", f"{kind} {wrong}", expected, shown[:30], f"{path}.{name}", fix, exchanges=(number,))
            first.setdefault(told.message, told)
            counts[told.message] += 1
    if not seen:
        raise Untested("no resource came")
    said = [replace(one, message=f"{words} ({counted(counts[words], 'time')})") for words, one in first.items()]
    return said[:6] or passed(f"{seen} resources have what R4 requires of them")


def _lacking(kind: str, one: Json) -> Iterable[tuple[str, str, str]]:
    for name in ("id", *_REQUIRED.get(kind, ())):
        if not any(key == name or (name == "medication" and key.startswith(name)) for key in one):
            yield name, f"lacks {name}", "present"
    for (of, name), codes in _CODES.items():
        if of == kind and name in one and one[name] not in codes:
            yield name, f"has a {name} outside its value set", "a code of R4"


async def _references(probe: Probe) -> Sequence[Told]:
    lost, seen = dict[str, list[tuple[int, ...]]](), 0
    for _, one in await probe.listings("medications", "statements"):
        if one.stopped:
            continue
        for reference in charts.references(one, probe.base):
            found = await charts.medication(probe, reference)
            seen += 1
            if found.stopped:
                lost.setdefault(got(found.last), []).append((*one.numbers[:1], found.last.number))
    fix = "serve each Medication that a request refers to, and grant the client system/Medication.rs"
    said = [
        Told("fail", f"{len(numbers)} of {seen} Medications that requests refer to are not read", "200 Medication",
             shown, "$.entry[*].resource.medicationReference", fix, exchanges=numbers[0])
        for shown, numbers in lost.items()
    ]  # fmt: skip
    if not seen:
        return untested("every drug is named in its request, or came with it")
    return said or passed(f"{seen} Medications that requests refer to are read")


async def _include(probe: Probe) -> Sequence[Told]:
    """What a request refers to comes with it when that is asked for."""
    for key, one in await probe.listings("medications", "statements"):
        named = charts.references(one, probe.base) if not one.stopped and key == "medications" else []
        if named and "_include" not in one.request.query:
            kind = one.request.query.partition("?")[0]
            query = f"{one.request.query}&_include={kind}:medication"
            found = probe.unmixed(await probe.follow(Request(query, one.request.post)))
            left = charts.references(found, probe.base)
            if not left and not found.stopped:
                fix = f"nothing for the EHR; the profile may ask so: [search.{kind}] include = true"
                return passed(f"_include brings the {counted(len(named), 'Medication')} along; {fix}", *found.numbers)
            fix = "honour _include=MedicationRequest:medication; until then each Medication is one more read"
            shown = got(found.last) if found.stopped else f"{len(left)} of {len(named)} missing"
            return warned("_include does not bring Medications along", *found.numbers, got=shown, fix=fix)
    return untested("every drug is named in its request, or came with it")


async def _in_error(probe: Probe) -> Sequence[Told]:
    """Invariants con-5 and ait-2: what was entered in error has no clinical status."""
    said, seen = list[Told](), 0
    for number, path, one in await _resources(probe, "conditions", "allergies"):
        seen += 1
        if "entered-in-error" in _all_codes(one.get("verificationStatus")) and one.get("clinicalStatus"):
            kind = str(one.get("resourceType"))
            fix = (
                f"take clinicalStatus away from a {kind} that was entered in error; clients that read it see a problem"
            )
            shown, place = ", ".join(_all_codes(one["clinicalStatus"])), f"{path}.clinicalStatus"
            message = f"a {kind} that was entered in error has a clinical status"
            said += failed(message, number, expected="none", got=shown, path=place, fix=fix)
    if not seen:
        raise Untested("no problem and no allergy came")
    return said[:3] or passed(f"{seen} problems and allergies: what was entered in error is not served as current")


async def _dates(probe: Probe) -> Sequence[Told]:
    said, seen, tomorrow = dict[str, Told](), 0, probe.now.date() + timedelta(days=1)
    for number, path, one in await _resources(probe):
        for name in _DATES:
            if name not in one:
                continue
            seen += 1
            kind, value = one.get("resourceType"), str(one[name])
            wrong = _wrong_date(value, tomorrow, past=name in ("effectiveDateTime", "birthDate", "authored"))
            if wrong:
                fix = "write dates as FHIR does, of the day on which it was observed"
                told = Told("fail", f"{name} of {kind} {wrong}", "a day that was", value[:10], f"{path}.{name}", fix,
                            exchanges=(number,))  # fmt: skip
                said.setdefault(told.message, told)
    if not seen:
        raise Untested("no date came")
    return list(said.values())[:4] or passed(f"{seen} dates are dates, none of them to come")


def _wrong_date(value: str, tomorrow: date, *, past: bool) -> str:
    if not _DATE.fullmatch(value):
        return "is no FHIR date"
    return "is in the future" if past and value[:10] > tomorrow.isoformat() else ""


async def _people(probe: Probe) -> Sequence[Told]:
    said, lacking, patients = list[Told](), dict[str, list[int]](), await probe.patients()
    for patient in patients:
        answer = await probe.get(f"Patient/{patient}")
        one = answer.object()
        if one.get("resourceType") != "Patient":
            continue
        for name in ("birthDate", "gender"):
            if not one.get(name):
                lacking.setdefault(name, []).append(answer.number)
        links: Any = one.get("link")
        if any(cast("Json", link).get("type") == "replaced-by" for link in cast("list[Any]", links or [])):
            fix = "serve the record that replaces it"
            said += warned("a Patient was merged into another", answer.number, path="$.link", fix=fix)
    for name, numbers in lacking.items():
        message = f"{len(numbers)} of {counted(len(patients), 'Patient')} have no {name}: {_WITHOUT[name]}"
        said += failed(message, *numbers, expected=name, got="absent", path=f"$.{name}", fix=f"send {name}")
    return said[:4] or passed(f"{len(patients)} patients have birth date and gender")


async def _resources(probe: Probe, *keys: str) -> list[tuple[int, str, Json]]:
    """Return (request, JSON path, resource) of what the searches gave, of this run's templates."""
    found = await probe.listings(*keys)
    return [one for _, listing in found if not listing.stopped for one in listing.matches()]


def _all_codes(value: Any) -> list[str]:
    """Return the codes of a CodeableConcept, or the code itself where a version of FHIR has one."""
    if isinstance(value, str):
        return [value]
    codings: Any = cast("Json", value).get("coding") if isinstance(value, dict) else None
    return [str(cast("Json", one).get("code")) for one in cast("list[Any]", codings or []) if isinstance(one, dict)]


CHECKS: tuple[Check[Probe], ...] = (
    Check("content.readable", "The adapters read it", _GROUP, must.N1, "blocks-start", "ehr-team", _readable),
    Check("content.required", "Required elements", _GROUP, must.N2, "degrades", "ehr-team", _required),
    Check("content.references", "References resolve", _GROUP, must.N3, "degrades", "ehr-team", _references),
    Check("content.include", "_include", _GROUP, must.N3, "information", "ehr-team", _include),
    Check("content.in-error", "Entered in error", _GROUP, must.N4, "degrades", "ehr-team", _in_error),
    Check("content.dates", "Dates", _GROUP, must.N5, "degrades", "ehr-team", _dates),
    Check("content.people", "Birth date and gender", _GROUP, must.N6, "blocks-start", "ehr-team", _people),
)
