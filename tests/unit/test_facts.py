"""What all readers share: the order of facts, concepts, and what is remembered."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters import facts, remember
from fhir_adapters.dialect.coding import LOINC
from fhir_adapters.dialect.profile import load
from fhir_adapters.reading import wire

BASE = load("base-r4")
DAYS = st.sampled_from([None, date(2026, 1, 1), date(2026, 2, 1)])
FACTS = st.lists(st.tuples(DAYS, st.sampled_from([None, "a", "b"]), st.sampled_from("xyz"), st.integers(0, 2)))


@given(FACTS, st.randoms(use_true_random=False))
def test_facts_stand_newest_first_whatever_their_order(given_facts: list[tuple[object, ...]], shuffle: object) -> None:
    """Any order of the same facts, and any repeats of them, give the same tuple: newest first, then by their tie."""

    def ordered(some: list[tuple[object, ...]]) -> tuple[tuple[object, ...], ...]:
        return facts.newest_first(some, lambda one: (one[0], one[1]), lambda one: (one[2],))  # type: ignore[return-value]

    found = ordered(given_facts)
    shuffled = [*given_facts, *given_facts]
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ordered(shuffled) == found
    assert set(found) == set(given_facts)
    assert len(found) == len(set(found))
    newest = [(one[0] or date.min, one[1] or "") for one in found]
    assert newest == sorted(newest, reverse=True)  # type: ignore[type-var]


def coding(system: str | None, code: str | None) -> wire.Coding:
    """One coding."""
    return wire.Coding(system=system, code=code)


CONCEPTS: list[tuple[list[wire.Coding], set[str], str | None]] = [
    ([coding(LOINC, "2951-2")], {"sodium"}, f"{LOINC}|2951-2"),
    ([coding("http://loinc.org/", " 2951-2 ")], {"sodium"}, "http://loinc.org/| 2951-2 "),
    ([coding("a:local", "9"), coding(LOINC, "2951-2")], {"sodium"}, f"{LOINC}|2951-2"),
    ([coding(LOINC, "2951-2"), coding(LOINC, "2823-3")], {"sodium", "potassium"}, f"{LOINC}|2823-3"),
    ([coding(None, "2951-2")], {"sodium"}, "|2951-2"),
    ([coding(None, "2951-3")], set(), None),
    ([coding(LOINC, None)], set(), None),
    ([], set(), None),
]


@pytest.mark.parametrize(("codings", "keys", "told"), CONCEPTS)
def test_a_concept_is_what_its_codings_are(codings: list[wire.Coding], keys: set[str], told: str | None) -> None:
    """A concept names its analytes and the coding that did, in whatever order its codings stand, once and again."""
    for some in (codings, codings[::-1], codings):
        found = facts.concept(BASE, some)
        assert ({one.key for one in found.measured}, found.told) == (keys, told)


def test_a_long_concept_is_read_and_not_remembered() -> None:
    """A concept with a code of a thousand letters is read like any other and takes no memory."""
    long = [coding(LOINC, "2951-2"), coding("urn:local", "x" * 1000)]
    assert {one.key for one in facts.concept(BASE, long).measured} == {"sodium"}
    assert not any("x" * 1000 in key for key in facts._known)


def test_what_is_remembered_is_bounded() -> None:
    """However many keys are kept, the table stays small, and texts that are too long are not kept at all."""
    table: dict[int, int] = {}
    assert [remember.keep(table, number, -number) for number in range(10000)][-1] == -9999
    assert len(table) < 5000
    calls: list[str] = []

    @remember.by_text(5)
    def length(text: str) -> int:
        calls.append(text)
        return len(text)

    assert [length("abc"), length("abc"), length("abcdefg"), length("abcdefg")] == [3, 3, 7, 7]
    assert calls == ["abc", "abcdefg", "abcdefg"]
