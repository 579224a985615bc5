"""What a drug is taken for: ``reasonCode`` and ``reasonReference`` of an order or a statement.

Words that nobody could read, and that may tell of a mental disorder, are no reason: what was meant is not known.
"""

from collections.abc import Iterable, Iterator

from fhir_adapters.facts import Reading
from fhir_adapters.problem import problem_tables
from fhir_adapters.problem.problem_codes import problem_of
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

Reasons = tuple[tuple[str, ...], tuple[str, ...]]  # in the chart's words, by keys of terminology/conditions.csv
NONE: Reasons = ((), ())


def of(reading: Reading, codes: Iterable[wire.CodeableConcept], references: Iterable[wire.Reference]) -> Reasons:
    """Return what a drug is taken for, in the chart's words and by keys; both empty where nothing tells."""
    words: dict[str, None] = {}
    keys: set[str] = set()
    for concept in (*codes, *_referenced(reading, references)):
        problem = problem_of(reading.profile, concept)
        if not problem.text or (problem.meaning.unread and problem_tables.load().may_tell(problem.text)):
            continue
        words[problem.text] = None
        keys |= problem.meaning.keys
    return tuple(words), tuple(sorted(keys))


def _referenced(reading: Reading, references: Iterable[wire.Reference]) -> Iterator[wire.CodeableConcept]:
    """Yield the problems that are meant: those of the chart, else what the reference itself shows."""
    for one in references:
        named = "/".join((one.reference or "").partition("/_history/")[0].split("/")[-2:])
        held = next((each.code for each in reading.chart.conditions if named and reference_of(each) == named), None)
        yield held or wire.CodeableConcept(text=one.display)
