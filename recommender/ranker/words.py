"""The words in which a person reads outcomes, drugs and points."""

from collections.abc import Sequence

_OUTCOMES = {
    "remission": "remission",
    "response": "response",
    "stopping": "stopping the drug",
    "adverse-event-stopping": "stopping for an adverse effect",
    "sexual-dysfunction": "sexual dysfunction",
    "weight-gain": "weight gain",
    "sedation": "sedation",
    "gastrointestinal": "nausea and other gastrointestinal trouble",
    "insomnia": "insomnia",
}


def outcome_words(outcome: str) -> str:
    """Return an outcome in words."""
    return _OUTCOMES[outcome]


def drug_words(ingredient: str) -> str:
    """Return an ingredient as it is spoken."""
    return ingredient.replace("_", " ")


def listed(drugs: Sequence[str]) -> str:
    """Return drugs in words: ``a``, ``a and b``, ``a, b and c``."""
    words = [drug_words(one) for one in drugs]
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]


def moves(enter: Sequence[str], leave: Sequence[str]) -> str:
    """Return who would come into the first band and who would fall out of it, in words."""
    parts = [f"{listed(enter)} would come into the first band"] if enter else []
    parts += [f"{listed(leave)} would fall out of {'it' if enter else 'the first band'}"] if leave else []
    return " and ".join(parts)
