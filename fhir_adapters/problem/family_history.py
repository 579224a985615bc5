"""FamilyMemberHistory, and problems that name a family history, to facts of blood relatives; and their features.

http://hl7.org/fhir/R4/familymemberhistory.html. A spouse, an in-law, a step or adopted relative shares no genes and
is refused by name. What a relative's record leaves open makes the list partial: no feature is then false.
"""

from collections.abc import Iterator

from fhir_adapters.canonical import FamilyHistory, Feature, Refusal, Source
from fhir_adapters.facts import Reading, codes, display, newest_first, source, status_code
from fhir_adapters.problem import problem_tables
from fhir_adapters.problem.problem_codes import meaning_of, plain_codes
from fhir_adapters.problem.problem_tables import UNDERSTOOD, ProblemTables, Relative
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of
from fhir_adapters.vector.indexed import Indexed
from fhir_adapters.vector.latest import absent, present
from fhir_adapters.vector.schema import FeatureSpec

_STATUS = frozenset({"completed", "partial"})  # http://hl7.org/fhir/R4/valueset-history-status.html
_NO_HISTORY = frozenset({"entered-in-error", "health-unknown"})
_WRONG = frozenset({"refuted", "entered-in-error"})
_SOMEBODY = "FAMMEMB"  # v3-RoleCode: a family member who is not named further
_PREFIXES = ("family history of ", "fh of ", "fh: ", "fhx of ", "fhx: ", "family hx of ")
_FIRST_LETTERS = frozenset({"F", "f"})  # of every prefix
_FLAGS = {
    "family_bipolar": frozenset({"bipolar_disorder", "mania"}),
    "family_depression": frozenset(
        {"mdd", "depression_unspecified", "dysthymia", "postpartum_depression", "psychotic_depression"}
    ),
    "family_suicide": frozenset({"suicide", "suicide_attempt"}),
}

Read = FamilyHistory | Refusal


def read(reading: Reading) -> tuple[tuple[FamilyHistory, ...], tuple[Refusal, ...]]:
    """Return the conditions of blood relatives, by reference, and what is none or leaves the history open."""
    tables = problem_tables.load()
    read_all: list[Read] = []
    for history in reading.chart.family_histories:
        read_all.extend(_relative(reading, tables, history))
    for condition in reading.chart.conditions:
        read_all.extend(_problem(reading, tables, condition))
    facts = newest_first(
        (one for one in read_all if isinstance(one, FamilyHistory)),
        lambda _: (None, None),
        lambda fact: (fact.source.reference, fact.source.path),
    )
    return facts, tuple(one for one in read_all if isinstance(one, Refusal))


def _relative(reading: Reading, tables: ProblemTables, history: wire.FamilyMemberHistory) -> Iterator[Read]:
    reference = reference_of(history)
    if history.status and history.status not in _STATUS:
        yield Refusal(reference, "status", history.status if history.status in _NO_HISTORY else "status-unknown")
        return
    relative = _relationship(reading, tables, history.relationship or wire.CodeableConcept())
    if relative is None or relative.kind == "unknown":
        yield Refusal(reference, "relationship", "relation-unknown")
        return
    if relative.kind == "other":
        yield Refusal(reference, "relationship", "not-a-blood-relative")
        return
    if history.status == "partial":
        yield Refusal(reference, "status", "history-partial")
    for index, condition in enumerate(history.condition):
        yield from _condition(reading, tables, relative, reference, f"condition[{index}].code", condition.code)


def _relationship(reading: Reading, tables: ProblemTables, concept: wire.CodeableConcept) -> Relative | None:
    """Return the relationship by its code, else by exact words; None where none or several are meant."""
    by_code = {tables.relatives[code] for code in codes(reading, concept.coding) if code in tables.relatives}
    words = (text for text in (concept.text, *(one.display for one in concept.coding)) if text)
    spoken = (problem_tables.phrase(text) for text in words)
    found = by_code or {tables.relative_words[word] for word in spoken if word in tables.relative_words}
    kinds = {one.kind for one in found}
    return min(found, key=lambda one: one.relation) if len(kinds) == 1 else None


def _condition(
    reading: Reading,
    tables: ProblemTables,
    relative: Relative,
    reference: str,
    path: str,
    code: wire.CodeableConcept | None,
) -> Iterator[Read]:
    concept = code or wire.CodeableConcept()
    found, sureness = plain_codes(codes(reading, concept.coding), concept.coding)
    if not (found or display(concept)):
        yield Refusal(reference, path, "no-code")
        return
    meaning = meaning_of(tables, found, concept)
    doubted = sureness in ("A", "V") or (concept.text and tables.qualifier(concept.text) in ("absent", "unconfirmed"))
    if meaning.unread or doubted:
        yield Refusal(reference, path, "condition-not-understood")
    if not doubted:
        origin = source(reading, reference, path, "family-history.condition")
        yield FamilyHistory(relative.relation, tuple(sorted(meaning.keys)), display(concept), origin)


def _problem(reading: Reading, tables: ProblemTables, condition: wire.Condition) -> Iterator[Read]:
    """Yield what a problem says of the family: a code for it, or "family history of" and a known phrase."""
    concept = condition.code or wire.CodeableConcept()
    if not _may_be_of_the_family(reading, tables, concept) or status_code(condition.verificationStatus, _WRONG):
        return
    found, _ = plain_codes(codes(reading, concept.coding), concept.coding)
    named = {key for code in found if (key := tables.family.get(code))}
    words = [text for text in (concept.text, *(one.display for one in concept.coding)) if text]
    spoken = [problem for text in words if (problem := _of_the_family(text))]
    named |= tables.keys_of_texts(spoken)
    unnamed = any(code in tables.family for code in found)
    unread = bool(spoken) and not any(system in UNDERSTOOD for system, _ in found)
    if named or unnamed or unread:
        origin = source(reading, reference_of(condition), "code", "family-history.problem")
        yield FamilyHistory(_SOMEBODY, tuple(sorted(named)), display(concept), origin)


def _may_be_of_the_family(reading: Reading, tables: ProblemTables, concept: wire.CodeableConcept) -> bool:
    """Return False for nearly all problems, at a glance: neither a code of a family history nor its first word."""
    if reading.profile.code_map or (concept.text and concept.text.lstrip()[:1] in _FIRST_LETTERS):
        return True
    for one in concept.coding:
        if one.code and one.code.strip() in tables.family_codes:
            return True
        if one.display and one.display.lstrip()[:1] in _FIRST_LETTERS:
            return True
    return False


def _of_the_family(text: str) -> str | None:
    """Return what the family has by "family history of depression"; None for any other text."""
    plain = problem_tables.phrase(text)
    return next((plain.removeprefix(one) for one in _PREFIXES if plain.startswith(one)), None)


def flag(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return whether a blood relative had it; false only of a history supplied whole that names all it means."""
    patient = facts.patient
    keys = _FLAGS[spec.name]
    found = next((one for one in patient.family_history if keys.intersection(one.keys)), None)
    if found is not None:
        return present(spec, True, None, found.source)
    state = patient.lists.get("family_history", "not-supplied")
    if state != "supplied":
        return absent(spec, "missing", f"family_history-{state}")
    unnamed = next((one for one in patient.family_history if one.relation == _SOMEBODY and not one.keys), None)
    if unnamed is not None:
        return absent(spec, "missing", "family-condition-not-named", None, unnamed.source)
    return present(spec, False, None, Source(patient.reference, "family_history", "features.not-listed"))
