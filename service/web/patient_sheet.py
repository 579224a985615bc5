"""The sheet for the patient: what the program did and did not do, in plain words, to print and take home."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.assessment import Prediction
from service.cds import language
from service.cds.words import capital, day, plain
from service.drafts.canonical_json import load_object
from service.drafts.order import order_elements
from service.drafts.records import Draft
from service.drafts.states import AWAITING, SIGNED
from service.web import outcomes, record, sheet_texts
from service.web.sheet_texts import Texts

# A medicine that is in force, or was signed here; what was accepted in the EHR still waits for its signature.
_DECIDED = tuple(state for state in SIGNED if state != AWAITING)
_TIMES = tuple(f"timing.repeat.{name}" for name in ("frequency", "period", "periodUnit"))
_TOLD = frozenset(
    {"text", *_TIMES, *(f"doseAndRate.doseQuantity.{name}" for name in ("value", "unit", "system", "code"))}
)
EFFECTS = ("sedation", "insomnia", "gastrointestinal", "weight-gain", "sexual-dysfunction")


@dataclass(frozen=True, slots=True)
class Medicine:
    """One choice: its name, what is taken of it, its side effects in words, and those that have no figure."""

    name: str
    taken: str
    effects: Sequence[str]
    unknown: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the sheet says beyond its fixed texts. ``outcome`` is what was signed, or that nothing is left to sign.

    ``choices`` are all that was drafted, ``medicines`` those that are left: the signed one once there is one.
    ``warnings`` are those that labels carry, each with the medicines that it is about.
    """

    choices: Sequence[Medicine]
    medicines: Sequence[Medicine]
    warnings: Mapping[str, str]
    present: str
    outcome: str
    read_on: str
    read: Sequence[str]
    missing: str
    made: str


def sheet(
    drafts: Sequence[Draft], boxed: Mapping[str, Collection[str]], name: str, texts: Texts, *, is_open: bool
) -> Sheet:
    """Return the sheet of one assessment's drafts; ``boxed`` are the boxed warnings' keys by drug."""
    context = record.read(drafts[0].context)
    date = day(drafts[0].created.date(), language.of(texts.language))
    versions = context.get("versions", {})
    made_with = ", ".join(_part(key, versions[key], texts) for key in texts.parts if key in versions)
    left = [draft for draft in drafts if draft.state in _DECIDED] or drafts
    return Sheet(
        choices=[_medicine(draft, texts) for draft in drafts],
        medicines=[_medicine(draft, texts) for draft in left],
        warnings=_warnings({_name(draft.ingredient): boxed.get(draft.ingredient, ()) for draft in left}, texts),
        present=", ".join(_name(one["ingredient"]) for one in context.get("present", [])),
        outcome=_outcome(drafts, texts, is_open=is_open),
        read_on=texts.read_on.format(date=date),
        read=_read(context, texts),
        missing=_missing(len(context.get("unknowns", [])), texts),
        made=texts.made.format(date=date, name=name, versions=made_with or "-"),
    )


def _part(name: str, version: str, texts: Texts) -> str:
    return f"{texts.parts[name]} {plain(version.partition('+')[0], language.of(texts.language))}"


def _medicine(draft: Draft, texts: Texts) -> Medicine:
    found = outcomes.predictions(record.read(draft.context))
    unknown = [texts.effects[name] for name in EFFECTS if name not in found]
    known = [_effect(texts.effects[name], found[name], texts) for name in EFFECTS if name in found]
    said = texts.effects_unknown.format(effects=", ".join(unknown)) if known and unknown else ""
    dosages = load_object(draft.resource).get("dosageInstruction", [])
    return Medicine(
        name=_name(draft.ingredient),
        taken="; ".join(_taken(one, texts) for one in dosages),
        effects=known,
        unknown=said if known else texts.effects_none,
    )


def _taken(dosage: Mapping[str, Any], texts: Texts) -> str:
    """Return how a dose is taken, from its codes; one that is not so many times each day stays as it was written."""
    repeat: Mapping[str, Any] = dosage.get("timing", {}).get("repeat", {})
    doses: Sequence[Mapping[str, Any]] = dosage.get("doseAndRate", ())
    times, amount = repeat.get("frequency"), _amount(doses)
    # What the template does not say (as needed, when, how long, up to how often) is never left off.
    plain = all(path in _TOLD or path.startswith("route.") for path, _ in order_elements.leaves(dosage))
    daily = plain and (repeat.get("period"), repeat.get("periodUnit")) == (1, "d")
    if not (daily and times and {"value", "unit"} <= amount.keys()):
        return dosage.get("text", "")
    template = texts.taken_once if times == 1 else texts.taken_more
    return template.format(dose=f"{amount['value']} {amount['unit']}", times=times)


def _amount(doses: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return doses[0].get("doseQuantity", {}) if len(doses) == 1 else {}


def _warnings(boxed: Mapping[str, Collection[str]], texts: Texts) -> dict[str, str]:
    said: dict[str, list[str]] = {}
    for drug, keys in boxed.items():
        for words in dict.fromkeys(texts.boxed.get(key, texts.boxed_other) for key in keys):
            said.setdefault(words, []).append(drug)
    return {words: ", ".join(drugs) for words, drugs in said.items()}


def _name(ingredient: str) -> str:
    return ingredient.replace("_", " ")


def _effect(words: str, found: Prediction, texts: Texts) -> str:
    low, middle, high = (round(100 * value) for value in (found.low, found.p, found.high))
    template = texts.effect if middle else texts.effect_few
    return template.format(effect=capital(words), middle=middle, low=low, high=high)


def _outcome(drafts: Sequence[Draft], texts: Texts, *, is_open: bool) -> str:
    signed = [_name(draft.ingredient) for draft in drafts if draft.state in _DECIDED]
    if signed:
        return texts.signed.format(option=", ".join(signed))
    return "" if is_open else texts.ended


def _read(context: Mapping[str, Any], texts: Texts) -> list[str]:
    names = {fact["name"] for fact in context.get("facts", [])}
    kept: Mapping[str, Sequence[str]] = context.get("chart") or {}
    lists = kept.get("lists", ())
    found = [texts.groups[group] for group, features in sheet_texts.reading().items() if names & set(features)]
    return [*found, *(words for name, words in texts.read_lists.items() if name in lists)]


def _missing(count: int, texts: Texts) -> str:
    if not count:
        return ""
    return texts.missing_one if count == 1 else texts.missing.format(count=count)
