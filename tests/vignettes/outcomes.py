"""What came of a vignette, against what its author expected: by verdicts and chart facts, never by wording.

A reason is recognised by the chart entry that it stands on (``because = "warfarin"`` names the entry of the chart);
where it stands on none, by ``age``, ``sex`` or ``drug`` (the label of the drug itself), read from the kind of its
rule. Themes are stems that no sentence on the theme can do without.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhir_adapters.canonical import Adapted
from recommender.assess import assess
from recommender.assessment import Assessment, Dose, Reason
from recommender.catalog import knowledge
from recommender.dose import dosing
from recommender.ranker import model
from recommender.safety import rules
from tests.vignettes import charts

K = knowledge.load()
M = model.load()
RULES = {rule.id: rule for rule in K.rules}
GRAVE = ("contraindicated", "warning")
WITHOUT_FACT = {"age": ("age",), "sex": ("sex",), "drug": ("boxed", "setting"), "pregnancy": ("pregnancy",)}
THEMES = {
    "bleeding": ("bleed", "haemorrhag"),
    "serotonin": ("serotonin",),
    "qt": ("qt", "arrhythm"),
    "sodium": ("sodium", "hyponatr"),
    "suicidality": ("suicid",),
    "seizure": ("seizure",),
    "sedation": ("sedat", "cns", "respirat"),
    "duplicate": ("class", "taper", "replaces", "two "),
    "overdose": ("overdose",),
    "thyroid": ("thyroid", "tsh"),
    "liver": ("child-pugh",),
}
# What an adult without a reason against it may be begun on for depression (VA/DoD 2022, NICE NG222).
FIRST_LINE = (
    *("sertraline", "escitalopram", "citalopram", "fluoxetine", "mirtazapine"),
    *("venlafaxine", "duloxetine", "bupropion", "vortioxetine"),
)

Expected = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One vignette, adapted and assessed."""

    vignette: Mapping[str, Any]

    @cached_property
    def adapted(self) -> Adapted:
        """The canonical patient and the features."""
        return charts.adapted(self.vignette)

    @cached_property
    def found(self) -> Assessment:
        """The assessment."""
        default = self.vignette.get("consent_default", "opt-out")
        return assess(
            self.adapted, K, M, jurisdiction=self.vignette.get("jurisdiction", "US-MA"), consent_default=default
        )

    def reasons(self, drug: str) -> tuple[Reason, ...]:
        """Return what is said of a drug: as a candidate, else as any order for it would be judged."""
        for one in self.found.candidates:
            if one.ingredient == drug:
                return one.reasons
        patient, features = self.adapted.patient, self.adapted.features
        return tuple(one.reason for one in rules.evaluate(drug, patient, features, K))

    def present(self, drug: str) -> tuple[Reason, ...]:
        """Return what is said of a drug that the patient takes."""
        return next((one.reasons for one in self.found.current if one.ingredient == drug), ())

    def dose(self, drug: str) -> Dose | Reason | None:
        """Return the dose of a drug: of the candidate, else as an order for it would be dosed."""
        for one in self.found.candidates:
            if one.ingredient == drug and one.dose:
                return one.dose
        patient, features = self.adapted.patient, self.adapted.features
        return dosing.dose(drug, rules.evaluate(drug, patient, features, K), features, K)

    def stands_on(self, reason: Reason, fact: str) -> bool:
        """Say whether a reason stands on the chart entry ``fact``, or on what ``WITHOUT_FACT`` names."""
        if any(one.rpartition("/")[2] == fact for one in reason.facts):
            return True
        rule = RULES.get(reason.rule)
        return fact in WITHOUT_FACT and rule is not None and rule.kind in WITHOUT_FACT[fact]


def disagreements(vignette: Mapping[str, Any]) -> list[str]:
    """Return in words where the outcome is not what the author expected; empty where it is."""
    outcome = Outcome(vignette)
    expected: Expected = {name: told for name, told in vignette.get("expect", {}).items() if name != "allowed"}
    unknown = expected.keys() - CHECKS.keys()
    assert not unknown, f"no such expectation: {unknown}"
    found = [said for name, told in expected.items() for said in CHECKS[name](outcome, told)]
    return [*found, *(_unharmed(outcome, expected) if vignette.get("clean") else ())]


def _gate(outcome: Outcome, told: str) -> Iterator[str]:
    status = outcome.found.gate.status
    if status != told and not (told == "closed" and status != "open"):
        yield f"gate is {status}, not {told}: {'; '.join(outcome.found.gate.reasons)}"


def _silent(outcome: Outcome, told: bool) -> Iterator[str]:
    if outcome.found.gate.silent != told or (told and outcome.found.candidates):
        yield f"silent is {outcome.found.gate.silent} with {len(outcome.found.candidates)} candidates"


def _excluded(outcome: Outcome, told: Mapping[str, str]) -> Iterator[str]:
    for drug, fact in told.items():
        blocking = [one for one in outcome.reasons(drug) if one.blocks and not one.missing]
        yield from _with_fact(outcome, drug, fact, blocking, "excluded")


def _blocked(outcome: Outcome, told: Mapping[str, str]) -> Iterator[str]:
    for drug, stem in told.items():
        missing = [f"{one.missing} {one.gap}" for one in outcome.reasons(drug) if one.blocks and one.missing]
        if not any(stem.lower() in one.lower() for one in missing):
            yield f"{drug} is not withheld until {stem} is known: {missing}"


def _asked(outcome: Outcome, told: Mapping[str, str]) -> Iterator[str]:
    for drug, stem in told.items():
        missing = [f"{one.missing} {one.gap}" for one in outcome.reasons(drug) if one.missing]
        if not any(stem.lower() in one.lower() for one in missing):
            yield f"{drug}: {stem} is not asked for: {missing}"


def _warned(outcome: Outcome, told: Mapping[str, str]) -> Iterator[str]:
    for drug, fact in told.items():
        grave = [one for one in outcome.reasons(drug) if not one.unknown and one.severity in GRAVE]
        yield from _with_fact(outcome, drug, fact, grave, "warned of")


def _mentioned(outcome: Outcome, told: Mapping[str, str]) -> Iterator[str]:
    for drug, fact in told.items():
        known = [one for one in outcome.reasons(drug) if not one.unknown]
        yield from _with_fact(outcome, drug, fact, known, "spoken of")


def _present(outcome: Outcome, told: Mapping[str, str]) -> Iterator[str]:
    for drug, fact in told.items():
        grave = [one for one in outcome.present(drug) if not one.unknown and one.severity in GRAVE]
        yield from _with_fact(outcome, drug, fact, grave, "warned of as a present drug")


def _with_fact(outcome: Outcome, drug: str, fact: str, reasons: Iterable[Reason], what: str) -> Iterator[str]:
    fact, _, theme = fact.partition("/")
    said = [one for one in reasons if outcome.stands_on(one, fact)]
    if theme:
        said = [one for one in said if any(stem in one.message.lower() for stem in THEMES[theme])]
    if not said:
        heard = "; ".join(f"{one.severity}: {one.message}" for one in outcome.reasons(drug)) or "nothing is said"
        yield f"{drug} is not {what} because of {fact} {theme}({heard})"


def _silent_on(outcome: Outcome, told: Mapping[str, list[str]]) -> Iterator[str]:
    """Nothing is said of a drug, present or considered, because of these chart entries."""
    for drug, facts in told.items():
        for one in (*outcome.present(drug), *outcome.reasons(drug)):
            yield from (
                f"false alarm on {drug} because of {fact}: {one.message}"
                for fact in facts
                if not one.unknown and outcome.stands_on(one, fact)
            )


def _possible(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    for drug in told:
        blocking = [one.message for one in outcome.reasons(drug) if one.blocks]
        if blocking or outcome.found.gate.silent:
            yield f"{drug} is excluded: {blocking}"


def _capped(outcome: Outcome, told: Mapping[str, float]) -> Iterator[str]:
    for drug, most in told.items():
        dose = outcome.dose(drug)
        if isinstance(dose, Dose) and dose.max_mg_per_day > most:
            yield f"{drug} may rise to {dose.max_mg_per_day:g} mg a day, above {most:g}"
        elif not isinstance(dose, Dose):
            yield f"{drug} has no dose: {dose.message if dose else None}"


def _started(outcome: Outcome, told: Mapping[str, float]) -> Iterator[str]:
    for drug, most in told.items():
        dose = outcome.dose(drug)
        if not isinstance(dose, Dose) or dose.start_mg_per_day > most:
            yield f"{drug} starts at {dose}, above {most:g}"


def _uncapped(outcome: Outcome, told: Mapping[str, float]) -> Iterator[str]:
    for drug, at_least in told.items():
        dose = outcome.dose(drug)
        if not isinstance(dose, Dose) or dose.max_mg_per_day < at_least:
            yield f"{drug} is held below {at_least:g}: {dose}"


def _told(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    """Each is a person, or a person with the urgency where the source gives one."""
    said = {words for one in outcome.found.escalations for words in (one.to, f"{one.to} {one.urgency}")}
    yield from (f"{one} is not told, only {sorted(said)}" for one in told if one not in said)


def _told_of(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    """Each is a theme that somebody is told of."""
    said = " | ".join(one.reason for one in outcome.found.escalations).lower()
    yield from (f"nobody is told of {theme}: {said}" for theme in told if not _on(theme, said))


def _not_told_of(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    said = " | ".join(one.reason for one in outcome.found.escalations).lower()
    yield from (f"somebody is told of {theme}: {said}" for theme in told if _on(theme, said))


def _on(theme: str, said: str) -> bool:
    return any(stem in said for stem in THEMES[theme])


def _gate_says(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    said = " | ".join(outcome.found.gate.reasons).lower()
    yield from (f"the gate does not say {stem}: {said}" for stem in told if stem.lower() not in said)


def _offered(outcome: Outcome, told: str | list[str]) -> Iterator[str]:
    found = outcome.found.offered
    if told == "none" and found:
        yield f"{found} are offered"
    if told == "some" and not found:
        yield f"nothing is offered: {_why(outcome)}"
    if isinstance(told, list) and not (found and set(found) <= set(told)):
        yield f"{found} are offered, not of {told}: {_why(outcome)}"


def _why(outcome: Outcome) -> str:
    found = outcome.found
    return (
        f"gate {found.gate.status} {found.gate.reasons}, step {found.step}, {[r.message for r in found.step_reasons]}"
    )


def _not_offered(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    yield from (f"{drug} is offered" for drug in told if drug in outcome.found.offered)


def _unknown(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    """Every stem is among what the card says is missing for the offered drugs."""
    said = " | ".join(outcome.found.unknowns).lower()
    yield from (f"{stem} is not named as missing: {said}" for stem in told if stem.lower() not in said)


def _quiet(outcome: Outcome, told: Iterable[str]) -> Iterator[str]:
    """No known warning or contraindication is said of these drugs, whatever the rest of the chart."""
    allowed = outcome.vignette.get("expect", {}).get("allowed", {})
    for drug in told:
        alarms = (one for one in outcome.reasons(drug) if one.blocks or (not one.unknown and one.severity in GRAVE))
        for one in alarms:
            if not any(outcome.stands_on(one, fact) for fact in allowed.get(drug, ())):
                yield f"false alarm on {drug}: {one.rule} {one.severity}: {one.message}"


def _focus(outcome: Outcome, told: str) -> Iterator[str]:
    if outcome.found.focus != told:
        yield f"{outcome.found.focus} is planned for"


def _psychotherapy(outcome: Outcome, told: bool) -> Iterator[str]:
    rows = {row.id for row in K.guideline_steps if row.kind == "psychotherapy"}
    said = any(one.rule in rows for one in outcome.found.step_reasons)
    words = " ".join(one.message.lower() for one in outcome.found.step_reasons)
    said = said or any(stem in words for stem in ("therapy", "cbt", "self-help"))
    if said != told:
        yield f"psychotherapy is {'' if said else 'not '}named: {[one.message for one in outcome.found.step_reasons]}"


def _supply(outcome: Outcome, told: float) -> Iterator[str]:
    days = outcome.found.gate.supply_days
    if days is None or days > told:
        yield f"supply is {days} days"


def _unharmed(outcome: Outcome, expected: Expected) -> Iterator[str]:
    """A patient with nothing wrong: open, offered, nobody alarmed, and no false alarm on a usual drug."""
    yield from _gate(outcome, "open")
    yield from _offered(outcome, "some")
    yield from () if "quiet" in expected else _quiet(outcome, FIRST_LINE)
    alarmed = [one for one in outcome.found.escalations if one.urgency != "routine"]
    yield from (f"{one.to} is told {one.urgency}: {one.reason}" for one in alarmed)


CHECKS: Mapping[str, Callable[[Outcome, Any], Iterator[str]]] = {
    "gate": _gate,
    "silent": _silent,
    "silent_on": _silent_on,
    "excluded": _excluded,
    "blocked": _blocked,
    "asked": _asked,
    "warned": _warned,
    "mentioned": _mentioned,
    "present": _present,
    "possible": _possible,
    "capped": _capped,
    "started": _started,
    "uncapped": _uncapped,
    "told": _told,
    "told_of": _told_of,
    "not_told_of": _not_told_of,
    "gate_says": _gate_says,
    "offered": _offered,
    "not_offered": _not_offered,
    "unknown": _unknown,
    "quiet": _quiet,
    "focus": _focus,
    "psychotherapy": _psychotherapy,
    "supply": _supply,
}
