"""What follows for recommendations where a feature is not fed, as the knowledge that reads it tells."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

from conformance.wording import counted


@cache
def effects() -> Mapping[str, str]:
    """Return feature → what follows for recommendations where it is not fed; none for what nothing reads."""
    from recommender.catalog import feature_uses, knowledge  # knowledge and numbers: not needed to begin a run

    known = knowledge.load()
    rules = {rule.id: rule for held in known.rules_of.values() for rule in held}
    blocking = {id_ for id_, rule in rules.items() if rule.on_unknown == "block"}
    closing = {
        name: gate.id
        for gate in known.gates
        if gate.effect == "insufficient-data" and gate.operator == "absent" and gate.reads.startswith("feature:")
        for name in (gate.reads.partition(":")[2],)
    }
    return {
        name: _effect(readers, closing.get(name, ""), blocking, set(rules), feature_uses.MODEL)
        for name, readers in feature_uses.uses(known).items()
    }


def _effect(readers: Sequence[str], gate: str, blocking: set[str], rules: set[str], model: str) -> str:
    said: list[str] = []
    if gate:
        said.append(f"refused: no recommendation at all ({gate})")
    dropped = [one for one in readers if one in blocking]
    if dropped:
        said.append(f"dropped: drugs are left out ({', '.join(dropped[:3])})")
    asked = [one for one in readers if one in rules and one not in blocking]
    if asked:
        said.append(f"asked: {counted(len(asked), 'rule')} with “not known”")
    steps = [one for one in readers if one.startswith("GS")]
    if steps:
        said.append(f"weaker: {counted(len(steps), 'guideline step')} untold")
    if model in readers:
        said.append("wider: predictions are less sure")
    others = Counter(one[:2] for one in readers if one.startswith("G") and one not in (gate, *steps))
    if others and not gate:
        said.append(f"silent: {counted(sum(others.values()), 'gate')}")
    return "; ".join(said)
