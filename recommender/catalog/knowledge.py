"""Knowledge as data: the tables of ``recommender/knowledge``, loaded once, indexed, checked, versioned.

``load`` is what everyone calls; ``build`` takes other tables (a site's own, a test's).
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from fhir_adapters import terminology
from fhir_adapters.terminology import Terminology
from recommender.assessment import Reason
from recommender.catalog import consistency, tables, waivers
from recommender.catalog.rows import (
    ClassRow,
    CrossReaction,
    Drug,
    GateRow,
    JurisdictionRow,
    Kind,
    Orderable,
    Rule,
    Source,
    StepRow,
    TreatedCondition,
    Trigger,
    TriggerRow,
)
from recommender.catalog.tables import Table
from recommender.dose import dose_tables
from recommender.dose.dose_rows import Doses
from recommender.gene import pgx_tables
from recommender.gene.pgx_rows import Pharmacogenomics
from recommender.step import step_tables
from recommender.step.step_rows import StepKnowledge

TriggerKey = tuple[Kind, str]
NAMES = (*tables.NAMES, *pgx_tables.NAMES, *step_tables.NAMES, *dose_tables.NAMES)
ORDERABLE_FORMS = frozenset({"tablet", "capsule"})


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All tables and the indexes over them.

    ``classes``: class → ingredient and formulary names. ``aliases``: ingredient name of a chart → formulary
    name, where they differ. ``combinations``: formulary name → its substances. ``rules_of``: ingredient or
    formulary name → the rules to judge, most serious first. ``orderables``: formulary name → what may be
    ordered. ``routes``: ingredient or formulary name → the gate rows that say who decides before it is begun.
    ``site_notes``: formulary name → what the site's pack allows for it that the shipped knowledge does not.
    """

    version: str
    drugs: Mapping[str, Drug]
    rules: tuple[Rule, ...]
    sources: Mapping[str, Source]
    classes: Mapping[str, frozenset[str]]
    orderables: Mapping[str, tuple[Orderable, ...]]
    gates: tuple[GateRow, ...]
    routes: Mapping[str, tuple[GateRow, ...]]
    jurisdictions: Mapping[str, JurisdictionRow]
    guideline_steps: tuple[StepRow, ...]
    cross_reactions: tuple[CrossReaction, ...]
    treated: Mapping[str, TreatedCondition]
    policies: Mapping[str, float]
    triggers: Mapping[TriggerKey, Trigger]
    aliases: Mapping[str, str]
    combinations: Mapping[str, frozenset[str]]
    rules_of: Mapping[str, tuple[Rule, ...]]
    longest_wash_out: float
    pgx: Pharmacogenomics
    doses: Doses
    reviewed: frozenset[str]
    steps: StepKnowledge
    site_notes: Mapping[str, tuple[Reason, ...]]

    def drug(self, ingredient: str) -> Drug | None:
        """Return the formulary row of an ingredient, None when the formulary has none."""
        return self.drugs.get(self.aliases.get(ingredient, ingredient))

    def in_class(self, ingredient: str, name: str) -> bool:
        """Say whether an ingredient or formulary name belongs to a class."""
        return ingredient in self.classes.get(name, frozenset())


@cache
def load() -> Knowledge:
    """Return the shipped knowledge; KnowledgeError when rows cannot be read or contradict each other."""
    return build({name: tables.read(name) for name in NAMES}, terminology.load())


def build(read: Mapping[str, Table], terms: Terminology, pack: str = "") -> Knowledge:
    """Return the knowledge in ``read`` (a table for each of ``NAMES``), checked against ``terms``.

    ``pack`` names the site's pack and its version where one was merged in (``packs``).
    KnowledgeError: U-KNOWLEDGE-COLUMN, -VALUE, -DUPLICATE, -SOURCE, -OPERATOR, -TRIGGER, -DRUG, -UNIT.
    """
    consistency.check_keys(read)
    version, whole = _version(read, pack), read
    read = {name: waivers.in_force(name, rows) for name, rows in whole.items()}
    drugs = {drug.ingredient: drug for drug in map(tables.drug, read["formulary"])}
    classes, within = _classes(tuple(map(tables.drug_class, read["classes"])), drugs, terms)
    crosses = tuple(map(tables.cross_reaction, read["cross_reactions"]))
    ruled = (*read["safety_rules"], *read[dose_tables.RULES])
    rules = tuple(map(tables.rule, ruled)) + _cross_rules(crosses)
    rows = tuple(map(tables.trigger, read["triggers"]))
    triggers: dict[TriggerKey, Trigger] = {
        (row.kind, row.key): _trigger(row, classes, within) for row in _allergens(crosses) + rows
    }
    gates = tuple(map(tables.gate, read["gates"]))
    knowledge = Knowledge(
        version=version,
        drugs=drugs,
        rules=rules,
        sources={one.key: one for one in map(tables.source, read["sources"])},
        classes=classes,
        orderables=_orderables(drugs.values(), tuple(map(tables.orderable, read["orderables"]))),
        gates=gates,
        routes=_routes(gates, classes, drugs),
        jurisdictions={one.jurisdiction: one for one in map(tables.jurisdiction, read["jurisdictions"])},
        guideline_steps=tuple(map(tables.step, read["guideline_steps"])),
        cross_reactions=crosses,
        treated={one.key: one for one in map(tables.treated, read["conditions"])},
        policies={row["key"]: tables.number(row, "value") or 0.0 for row in read["policies"]},
        triggers=triggers,
        aliases=_aliases(drugs.values()),
        combinations={name: drug.substances for name, drug in drugs.items() if drug.combination},
        rules_of=_rules_of(rules, classes, drugs),
        pgx=pgx_tables.build(read),
        doses=dose_tables.build(read, classes, drugs),
        reviewed=terms.drugs.reviewed,
        steps=step_tables.build(read, classes, drugs),
        site_notes=waivers.notes(whole, drugs, classes),
        longest_wash_out=max(rule.value or 0 for rule in rules if rule.operator == "active_or_within_days"),
    )
    pgx_tables.check(knowledge.pgx, drugs)
    dose_tables.check(knowledge.doses, rules, triggers.values(), drugs, classes, gates)
    consistency.check_rules(rules, triggers, classes, drugs)
    consistency.check_triggers(rows, classes, drugs, terms)
    step_tables.check(knowledge.guideline_steps, gates, knowledge.steps, knowledge.treated.values(), classes, drugs)
    consistency.check_readings(knowledge.gates, knowledge.guideline_steps, classes, drugs, terms)
    return knowledge


def _version(read: Mapping[str, Table], pack: str) -> str:
    digest = hashlib.sha256()
    for name in sorted(read):
        digest.update(repr((name, [sorted(row.items()) for row in read[name]])).encode())
    newest = max(row.get("date", "") for rows in read.values() for row in rows)
    return "+".join((newest, digest.hexdigest()[:12], *([pack] if pack else [])))


def _aliases(drugs: Iterable[Drug]) -> dict[str, str]:
    names = {drug.ingredient for drug in drugs}
    return {
        substance: drug.ingredient
        for drug in drugs
        if not drug.combination
        for substance in drug.substances
        if substance not in names
    }


Members = dict[str, frozenset[str]]


def _classes(rows: tuple[ClassRow, ...], drugs: Mapping[str, Drug], terms: Terminology) -> tuple[Members, Members]:
    """Return class → names and class → the classes it is made of, itself included."""
    parts: defaultdict[str, set[str]] = defaultdict(set)
    for name, members in terms.class_members.items():
        parts[name] |= members
    for drug in drugs.values():
        parts[drug.drug_class].add(drug.ingredient)
    for row in rows:
        parts[row.name] |= set(drugs) if row.members == ("*",) else set(row.members)
    for name in {name for held in terms.class_orderables.values() for name in held}:
        parts.setdefault(name, set())
    aliases = _aliases(drugs.values())
    within = {name: frozenset(_closure(name, parts)) for name in parts}
    named = {name: {one for part in within[name] for one in parts[part]} - set(parts) for name in parts}
    for held in named.values():
        held |= {substance for substance, drug in aliases.items() if drug in held}
    return {name: frozenset(held) for name, held in named.items()}, within


def _closure(name: str, parts: Mapping[str, set[str]]) -> set[str]:
    found, waiting = {name}, [name]
    while waiting:
        inner = {part for part in parts[waiting.pop()] if part in parts} - found
        found |= inner
        waiting.extend(inner)
    return found


def _trigger(row: TriggerRow, classes: Members, within: Members) -> Trigger:
    drugs = frozenset(one for part in row.drugs for one in classes.get(part, frozenset({part})))
    names = frozenset(one for part in row.drugs for one in within.get(part, frozenset()))
    # A drug of which only the class is known may be any member of it.
    overlapping = frozenset(name for name, held in classes.items() if held & drugs) - names
    scale = None
    if row.scale:
        part, _, low = row.scale.partition(">=")
        name, _, item = part.partition("/")
        scale = (name, item, float(low))
    asked = frozenset(one.partition(":")[2] for one in row.asked_with)
    risks = asked.union(*(classes.get(one, frozenset()) for one in asked), *(within.get(one, ()) for one in asked))
    return Trigger(row, drugs, names, frozenset(row.possible) | overlapping, scale, risks)


def _cross_rules(crosses: tuple[CrossReaction, ...]) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            id=one.id, drug=one.drug, kind="allergy", trigger=one.allergen, operator="present", value=None,
            unit="", sex="", age_from=None, severity=one.severity, grounds="cross_reaction", cap_mg=None,
            label=one.allergen, message=one.message, message_replacing="", on_unknown="ask", evaluable=True,
            why_not="", basis=one.basis, waived=one.waived,
        )
        for one in crosses
    )  # fmt: skip


def _allergens(crosses: tuple[CrossReaction, ...]) -> tuple[TriggerRow, ...]:
    return tuple(
        TriggerRow("allergy", one.allergen, (), (one.allergen,), "", "", (), (), True, one.basis) for one in crosses
    )


def _orderables(drugs: Iterable[Drug], rows: tuple[Orderable, ...]) -> dict[str, tuple[Orderable, ...]]:
    return {drug.ingredient: tuple(row for row in rows if _belongs(row, drug)) for drug in drugs}


def _belongs(row: Orderable, drug: Drug) -> bool:
    """Say whether an orderable is this row's product: same salt and release; unless immediate, same form."""
    if not row.basis.verified or row.ingredient not in drug.substances or not drug.product:
        return False
    same = (row.product, row.release) == (drug.product, drug.release)
    forms = ORDERABLE_FORMS if drug.release == "immediate" else {drug.form}
    return same and row.form in forms and drug.form in ORDERABLE_FORMS


def _rules_of(rules: Iterable[Rule], classes: Members, drugs: Mapping[str, Drug]) -> dict[str, tuple[Rule, ...]]:
    found: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.evaluable:
            for name in classes.get(rule.drug, frozenset({rule.drug})):
                found[name].append(rule)
    return {name: tuple(found[name]) for name in sorted(set(found) | set(drugs))}


def _routes(gates: Iterable[GateRow], classes: Members, drugs: Mapping[str, Drug]) -> dict[str, tuple[GateRow, ...]]:
    found: defaultdict[str, tuple[GateRow, ...]] = defaultdict(tuple)
    for row in gates:
        kind, _, name = row.reads.partition(":")
        if row.effect == "route" and kind == "start":
            begun = classes.get(name, frozenset({name}))
        elif row.effect == "route":
            begun = frozenset(one for one, drug in drugs.items() if drug.schedule in row.value.split(";"))
        else:
            continue
        for one in begun:
            found[one] += (row,)
    return dict(found)
