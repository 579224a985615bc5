"""The named operators of the version tables, one row each."""

import copy

import pytest

from fhir_adapters.fhir_versions import code_operators as on_codes
from fhir_adapters.fhir_versions import operators, r5
from fhir_adapters.fhir_versions.operators import Element, Operator


@pytest.mark.parametrize(
    ("operator", "old", "new"),
    [
        (operators.rename("a", "b"), {"a": 1}, {"b": 1}),
        (operators.rename("a", "b"), {"a": 1, "b": 2}, {"b": 2}),
        (operators.choose(("a", "x"), ("b", "y")), {"b": 2}, {"y": 2}),
        (operators.choose(("a", "x"), ("b", "y")), {"a": 1, "b": 2}, {"x": 1}),
        (operators.drop("a", "c"), {"a": 1, "b": 2}, {"b": 2}),
        (operators.default("a", 1), {}, {"a": 1}),
        (operators.default("a", 1), {"a": None}, {"a": None}),
        (operators.replace("a", 1), {"a": 2}, {"a": 1}),
        (operators.each("a", operators.rename("x", "y")), {"a": {"x": 1}}, {"a": {"y": 1}}),
        (operators.each("a", operators.rename("x", "y")), {"a": [{"x": 1}, 2, None]}, {"a": [{"y": 1}, 2, None]}),
        (operators.move_into("t", "a", "b"), {"a": 1, "t": {"b": 2}}, {"t": {"a": 1, "b": 2}}),
        (operators.move_into("t", "a"), {"a": 1, "t": [1]}, {"a": 1, "t": [1]}),
        (operators.move_into_list("t", "a", "b"), {"a": 1, "b": 2}, {"t": [{"a": 1, "b": 2}]}),
        (operators.move_into_list("t", "a"), {"a": 1, "t": []}, {"t": []}),
        (operators.move_out("s", "a"), {"s": {"a": 1, "b": 2}}, {"a": 1}),
        (operators.lift("a", "x"), {"a": {"x": 1, "y": 2}}, {"a": 1}),
        (operators.lift("a", "x"), {"a": {"y": 2}}, {"a": {"y": 2}}),
        (operators.lift("a", "x"), {"a": [{"x": 1}, {"y": 2}, 3]}, {"a": [1, {"y": 2}, 3]}),
        (operators.put_at("a", "b", "c"), {"a": 1, "b": {"d": 2}}, {"b": {"d": 2, "c": 1}}),
        (operators.put_at("a", "b", "c"), {"a": 1, "b": 2}, {"b": {"c": 1}}),
        (operators.bound_dosage("p", "d"), {"p": {}, "d": [{}, {}]}, {"d": [{}, {}]}),
        (
            operators.bound_dosage("p", "d"),
            {"p": {"end": "1"}, "d": [{"timing": {"repeat": {"boundsDuration": {}}}}]},
            {"d": [{"timing": {"repeat": {"boundsDuration": {}}}}]},
        ),
        (operators.wrap_list("a", "b"), {"a": 1, "b": [2]}, {"a": [1], "b": [2]}),
        (operators.first_of("a"), {"a": [1, 2]}, {"a": 1}),
        (operators.first_of("a"), {"a": []}, {}),
        (operators.join_list("a"), {"a": ["x", None, "y"]}, {"a": "x y"}),
        (on_codes.code_map("a", {"x": "y"}), {"a": " x "}, {"a": "y"}),
        (on_codes.code_map("a", {"x": "y"}), {"a": "z"}, {"a": "z"}),
        (on_codes.drop_code("a", "x"), {"a": ["x", "y"]}, {"a": ["y"]}),
        (on_codes.drop_code("a", "x"), {"a": "x"}, {}),
        (on_codes.split_code("a", b={"x": "1"}, c={"x": "2"}), {"a": "x"}, {"b": "1", "c": "2"}),
        (on_codes.split_code("a", b={"x": "1"}), {"a": "y"}, {"a": "y"}),
        (
            on_codes.code_from_concept("a", frozenset("xy")),
            {"a": {"coding": [{"code": "x"}, {"code": "z"}]}},
            {"a": "x"},
        ),
        (on_codes.code_from_concept("a", frozenset("xy")), {"a": {"coding": [{"code": "x"}, {"code": "y"}]}}, {}),
        (
            on_codes.concept_from_coding("a"),
            {"a": [{"code": "1"}, {"coding": []}]},
            {"a": [{"coding": [{"code": "1"}]}, {"coding": []}]},
        ),
        (on_codes.reference_to_canonical("a"), {"a": {"display": "x"}}, {}),
        (
            on_codes.split_reference("a", "c", "r"),
            {"a": {"concept": 1, "reference": {"reference": "x"}}},
            {"c": 1, "r": {"reference": "x"}},
        ),
        (on_codes.split_reference("a", "c", "r"), {"a": {"reference": "x"}}, {"r": {"reference": "x"}}),
        (on_codes.sort_related("a", {"k": "b"}), {"a": [{"type": "k", "target": {}}, {"target": {}}, 1]}, {"b": [{}]}),
        (on_codes.text_to_note("a"), {"a": "x"}, {"note": [{"text": "x"}]}),
        (on_codes.group_to_items("g"), {"g": [{"question": {"linkId": "1"}}]}, {"item": [{"item": [{"linkId": "1"}]}]}),
        (r5.rules_from_decision(), {"decision": "permit"}, {"provision": {"type": "permit"}}),
        (r5.rules_from_decision(), {"provision": {"type": "deny"}}, {"provision": {"type": "deny"}}),
    ],
)
def test_operators(operator: Operator, old: Element, new: Element) -> None:
    """Each operator does what its name says, and leaves what it was given as it was."""
    before = copy.deepcopy(old)
    assert operator(old) == new
    assert old == before
