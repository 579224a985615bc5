"""The Patient: what audits group by, and that nothing else reads it."""

import ast
from pathlib import Path

import pytest

from recommender.cohort.evidence import MODEL_FEATURES
from tests.fixtures.resources import Resource, adapted, patient

CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core"
OMB = "urn:oid:2.16.840.1.113883.6.238"
ROOT = Path(__file__).parents[2]


def us_core(kind: str, *codes: str, text: str | None = None, detailed: str | None = None) -> Resource:
    """A US Core race or ethnicity extension."""
    parts: list[Resource] = [{"url": "ombCategory", "valueCoding": {"system": OMB, "code": code}} for code in codes]
    parts += [{"url": "detailed", "valueCoding": {"system": OMB, "code": detailed}}] if detailed else []
    parts += [{"url": "text", "valueString": text}] if text else []
    return {"url": f"{CORE}-{kind}", "extension": parts}


def concept_of(url: str, code: str) -> Resource:
    """An extension whose value is a concept of one code."""
    return {"url": url, "valueCodeableConcept": {"coding": [{"code": code}]}}


WRITTEN = [
    ([us_core("race", "2106-3", "1002-5", text="Mixed")], ("1002-5", "2106-3"), ()),
    ([us_core("race", "2028-9", detailed="2036-2", text="Filipino")], ("2028-9",), ()),
    ([us_core("ethnicity", "2135-2", text="Hispanic or Latino")], (), ("2135-2",)),
    ([us_core("race", text="Asked but no answer")], ("Asked but no answer",), ()),
    ([concept_of(f"{CORE}-race", "2106-3"), concept_of(f"{CORE}-ethnicity", "2186-5")], ("2106-3",), ("2186-5",)),
    (
        [{"url": "http://hl7.org.au/fhir/StructureDefinition/indigenous-status", "valueCoding": {"code": "4"}}],
        ("4",),
        (),
    ),
    (
        [concept_of("https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory", "A")],
        (),
        ("A",),
    ),
    ([{"url": f"{CORE}-birthsex", "valueCode": "F"}], (), ()),
    ([], (), ()),
]


@pytest.mark.parametrize(("extensions", "race", "ethnicity"), WRITTEN)
def test_demographics_are_the_codes_of_the_national_extension(
    extensions: list[Resource], race: tuple[str, ...], ethnicity: tuple[str, ...]
) -> None:
    """Race and ethnicity are the codes as written, sorted, or the text where there is no code."""
    found = adapted(person=patient(extension=extensions)).demographics
    assert (found.race, found.ethnicity) == (race, ethnicity)
    assert (found.source is None) == (not race and not ethnicity)


def test_demographics_change_no_feature() -> None:
    """The same patient with another race and ethnicity has the same facts and the same features."""
    plain = adapted(person=patient())
    marked = adapted(person=patient(extension=[us_core("race", "2106-3"), us_core("ethnicity", "2186-5")]))
    assert (marked.patient, marked.features) == (plain.patient, plain.features)


def test_no_rule_and_no_model_can_read_demographics() -> None:
    """Nothing in the recommender reads them but a site's audit of its groups, and no column of the model is one."""
    audited = ROOT / "recommender/training/site/rows.py"
    assert not {"race", "ethnicity", "language"} & set(MODEL_FEATURES)
    for path in sorted(set((ROOT / "recommender").rglob("*.py")) - {audited}):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add(node.name)
        assert not {"demographics", "Demographics", "race", "ethnicity"} & names, path
