"""What the patients' charts feed, over all of them, and the lines that would feed more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.checks import Acts, Told, Untested
from conformance.suites.ehr import charts
from conformance.suites.ehr.charts import Read
from conformance.suites.ehr.effects import effects
from conformance.suites.ehr.probe import Probe
from conformance.suites.ehr.reasons import IMPLAUSIBLE, cures
from fhir_adapters import terminology
from fhir_adapters.survey import feeds
from fhir_adapters.survey.coverage import OUTCOMES, Coverage, Help, sightings
from fhir_adapters.survey.suggestions import MAPS, NOTHING, Suggestion, heading, meanings
from fhir_adapters.vector.schema import BY_NAME, FEATURES

_NOTHING = ("absent", "not-supplied")
_MENDABLE = ("uncoded", "wrong-system", "wrong-unit", "conflicting", "refused")
FIXES = {  # what to do about an outcome for which no line is suggested
    "uncoded": "send it with a LOINC code, or map the local code to one in the profile's code map",
    "wrong-system": "name the code system by its canonical URI, or add its alias under [systems] in the profile",
    "wrong-unit": "send the UCUM unit beside the number, or name the EHR's spelling under [units] in the profile",
    "conflicting": "two values of one time contradict each other: correct the one that is wrong",
    "refused": "the value is there and cannot be used, for the reason beside it: see content in this report",
    "stale": "nothing to mend: the value is older than the feature's age limit",
    "absent": "not on record for these patients; if it is recorded elsewhere, serve it as an Observation",
    "not-supplied": "the list that it stands in was not served whole",
}


_CALM = ("fed", "absent", "not-supplied", "stale")
Place = tuple[tuple[int, ...], str]
# What a line is about, as a path from its resource.
_ELEMENTS = {"units": "valueQuantity", "observations": "code", "instruments": "code", "systems": "code", MAPS: "code"}


@dataclass(frozen=True, slots=True)
class Surveyed:
    """``narrow``: as the service reads the charts; ``wide``: with all Observations by category, known or not.

    ``unseen``: Observations that come by category and not by code. ``places``: line → the request that brought what
    it is about first, and the JSON path in its answer; ``first`` the same of features that something keeps from being
    fed. ``numbers``: the requests that the first chart was read by.
    """

    narrow: Coverage
    wide: Coverage
    unseen: int
    numbers: tuple[int, ...] = ()
    places: Mapping[Suggestion, Place] = field(default_factory=dict[Suggestion, Place])
    first: Mapping[str, Place] = field(default_factory=dict[str, Place])

    def seen(self, feature: str) -> Place:
        """Return where it was first seen that a feature is not fed, the whole first chart where nothing stands."""
        return self.first.get(feature, (self.numbers, f"feature {feature}"))

    def lines(self) -> list[tuple[Suggestion, Help]]:
        """Return the lines to paste, the most helpful first."""
        return self.wide.lines()

    def outcomes(self, feature: str) -> dict[str, int]:
        """Return outcome → patients; what only the wide search finds is there and uncoded."""
        found = {one: self.narrow.outcomes[feature][one] for one in OUTCOMES}
        if self.wide.patients == self.narrow.patients:
            hidden = found["absent"] - self.wide.outcomes[feature]["absent"]
            if hidden > 0:
                found["absent"] -= hidden
                found["uncoded"] += hidden
        return {name: count for name, count in found.items() if count}


_OF_PATIENT = {  # what stands in the Patient itself
    "age": "send birthDate with each Patient (content.people names the requests)",
    "sex": "send gender with each Patient (content.people names the requests)",
}


async def survey(probe: Probe) -> Surveyed:
    """Return what the charts feed; worked out once."""
    return await probe.session.once("surveyed", lambda: _survey(probe))


async def _survey(probe: Probe) -> Surveyed:
    profile = await probe.profile()
    narrow, wide = (Coverage(probe.now.date(), profile.name) for _ in range(2))
    unseen, numbers, places, first = 0, tuple[int, ...](), dict[Suggestion, Place](), dict[str, Place]()
    for one in await charts.reads(probe):
        narrow.add(one.reading, one.adapted)
        numbers = numbers or tuple(listing.numbers[0] for listing in one.lists.values())
        for refusal in one.adapted.patient.refusals:
            for name in feeds.features_of(refusal.key) if refusal.key else ():
                first.setdefault(name, charts.where(one, refusal.reference, refusal.path))
        try:
            more, count = await charts.widened(probe, one)
        except Untested:
            more, count = one, 0
        unseen += count
        wide.add(more.reading, more.adapted)
        for seen in sightings(more.reading, more.adapted):
            if seen.suggestion not in places:
                places[seen.suggestion] = _place(more, seen.suggestion, seen.reference)
            for name in feeds.features_of(seen.key):
                first.setdefault(name, places[seen.suggestion])
    return Surveyed(narrow, wide, unseen, numbers, places, first)


def _place(one: Read, line: Suggestion, reference: str) -> Place:
    """Return where what a line is about stands; the type alone where another search brought it."""
    kind = reference.partition("/")[0]
    named = _ELEMENTS[line.table.partition(".")[0]]
    element = "medicationCodeableConcept" if named == "code" and kind.startswith("Medication") else named
    if line.table == "instruments.link_ids":
        element = "item[*].linkId"
    numbers, path = charts.where(one, reference, element)
    return numbers, path if numbers else f"{kind}.{element}"


def fix_of(line: Suggestion, held: Help) -> str:
    """Return what to paste, and where."""
    where = (
        "the profile's code map (CSV)" if heading(line.table)[0] != "[" else f"the profile, under {heading(line.table)}"
    )
    return f"check and paste into {where}: {line.line(held.seen)}"


def undecided(found: Surveyed) -> list[Told]:
    """Return a finding for what may mean several things, or none that is known: what a person has to find out."""
    said: list[Told] = []
    for lines in found.wide.undecided():
        first, choices = lines[0], [one.line() for one in lines if one.right != NOTHING]
        where = heading(first.table) if heading(first.table)[0] == "[" else "the profile's code map (CSV)"
        fix = (
            f"find out what “{first.left}” means there (the laboratory's or the EHR's own catalogue says), then paste "
            f"one line into the profile under {where}: {' or '.join(choices)}; if it is none of these, leave it out"
        )
        what = f"the unit of {first.table.removeprefix('units.')}" if first.table.startswith("units.") else "the code"
        message = f"{what} is written “{first.left}”, which is not known and cannot be told from its looks"
        numbers, path = next((found.places[one] for one in lines if one in found.places), ((), ""))
        said.append(Told("warn", message, meanings(lines), first.left, path, fix, acts="integration-engineer",
                         exchanges=numbers))  # fmt: skip
    return said


def facts(found: Surveyed) -> dict[str, Any]:
    """Return the coverage of features for the report; names, codes and counts only."""
    by_feature: dict[str, list[str]] = {}
    for line, held in found.lines():
        for name in {name for key in held.keys for name in feeds.features_of(key)}:
            by_feature.setdefault(name, []).append(fix_of(line, held))
    return {
        "patients": found.narrow.patients,
        "profile": found.narrow.profile,
        "as_of": found.narrow.as_of.isoformat(),
        "features": [_feature(found, spec.name, by_feature.get(spec.name, ())) for spec in FEATURES],
        "lists": {name: dict(sorted(counts.items())) for name, counts in sorted(found.narrow.lists.items())},
        "entries": {name: dict(sorted(counts.items())) for name, counts in sorted(found.narrow.entries.items())},
        "lines": [_line(line, held, found.places) for line, held in found.lines()],
        "undecided": [_undecided(lines) for lines in found.wide.undecided()],
        "unseen": found.unseen,
    }


def _feature(found: Surveyed, name: str, lines: Sequence[str]) -> dict[str, Any]:
    outcomes = found.outcomes(name)
    worst = next((one for one in (*_MENDABLE, "stale", *_NOTHING) if outcomes.get(one)), "")
    fixes = list(lines[:3]) if worst in _MENDABLE else []
    told = cures(found.narrow.reasons[name])
    if not _is_read(name) and told[:1] == [IMPLAUSIBLE]:
        told = ["look at what it is worked out from, such as the date on which a drug was begun"]
    otherwise = told[:1] or ([_OF_PATIENT.get(name, "")] if worst == "absent" and name in _OF_PATIENT else [])
    otherwise = otherwise or ([FIXES[worst]] if worst else [])
    return {
        "name": name,
        "group": feeds.group_of(BY_NAME[name]),
        "meaning": BY_NAME[name].meaning,
        "outcomes": outcomes,
        "reasons": dict(sorted(found.narrow.reasons[name].items())),
        "read": name in effects(),
        "effect": effects().get(name, "") or _derived(name),
        "fix": fixes or otherwise,
    }


def unused(found: Surveyed, of: str = "") -> list[Told]:
    """Return a warning a feature that something reads, that is there, and that cannot be used; ``of`` how many."""
    said: list[Told] = []
    for one in facts(found)["features"]:
        bad = {name: n for name, n in one["outcomes"].items() if name not in _CALM}
        if bad and one["read"]:
            shown, why = ", ".join(f"{name} in {n}" for name, n in bad.items()), ", ".join(one["reasons"])
            message = f"{one['meaning']} ({one['name']}) is there and not fed: {shown}{of}"
            fix = "; ".join(one["fix"]) or FIXES[next(iter(bad))]
            got = f"{shown}: {why}" if why else shown
            numbers, path = found.seen(one["name"])
            message = f"{message}; {one['effect']}"
            said.append(Told("warn", message, "fed", got, path, fix, who_mends(fix), numbers))
    return said


def who_mends(fix: str) -> Acts:
    """Return who can: a profile is the engineer's, what the EHR sends is its team's."""
    return "integration-engineer" if "profile" in fix else "ehr-team"


def lacking(found: Surveyed, name: str) -> tuple[str, str, str]:
    """Return (outcome, outcome with its reasons, what to do) of a feature that no patient feeds."""
    one = next(one for one in facts(found)["features"] if one["name"] == name)
    outcome = next((each for each in one["outcomes"] if each not in _CALM), next(iter(one["outcomes"]), "absent"))
    why = ", ".join(one["reasons"])
    return outcome, f"{outcome}: {why}" if why else outcome, "; ".join(one["fix"]) or FIXES[outcome]


def _is_read(name: str) -> bool:
    """Say whether a feature is a number that somebody recorded, not one that is worked out from others."""
    terms = terminology.load()
    return name in terms.analytes or name.partition("_")[0] in terms.scales


def _derived(name: str) -> str:
    """Return what is worked out from a feature that nothing reads by itself."""
    others = [one for one in feeds.features_of(name) if one != name]
    return f"lacking in: {', '.join(others)}" if others else ""


def _line(line: Suggestion, held: Help, places: Mapping[Suggestion, Place]) -> dict[str, Any]:
    names = sorted({name for key in held.keys for name in feeds.features_of(key)})
    counts = {"patients": held.patients, "read": held.read, "fed": held.fed}
    numbers, path = places.get(line, ((), ""))
    place = {**({"at": path} if path else {}), **({"exchanges": list(numbers)} if numbers else {})}
    return {"table": heading(line.table), "line": line.line(held.seen), "problem": line.problem, **counts,
            "features": names, **place}  # fmt: skip


def _undecided(lines: Sequence[Suggestion]) -> dict[str, Any]:
    choices = [one.line() for one in lines if one.right != NOTHING]
    return {"table": heading(lines[0].table), "written": lines[0].left, "means": meanings(lines), "choices": choices}
