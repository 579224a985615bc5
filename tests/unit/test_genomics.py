"""Genes in the shapes that laboratories send: one gene said by code, component and text, or refused."""

import json
from typing import Any

import pytest

from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Adapted
from fhir_adapters.gene import star_alleles
from tests.fixtures.resources import AS_OF, LOINC, PATIENT, Resource, concept, patient

PHARMVAR, HGNC, SNOMED = "http://www.pharmvar.org", "http://www.genenames.org/geneId", "http://snomed.info/sct"
TBD = "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs"
DAY = "2026-05-04"


def result(code: str, value: Any = None, name: str = "g1", system: str = LOINC, **more: Any) -> Resource:
    """A final genomic Observation; ``value`` is a CodeableConcept or a string."""
    held = {} if value is None else {"valueString" if isinstance(value, str) else "valueCodeableConcept": value}
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": concept(system, code),
        "subject": {"reference": PATIENT},
        "effectiveDateTime": DAY,
        **held,
        **more,
    }


def studied(gene: str, hgnc: str = "") -> list[Resource]:
    """The gene component of the genomics guide."""
    coding = {"system": HGNC, "code": hgnc, "display": gene} if hgnc else {"system": HGNC, "display": gene}
    return [{"code": concept(LOINC, "48018-6"), "valueCodeableConcept": {"coding": [coding]}}]


def read(*resources: Resource) -> Adapted:
    """Adapt a patient with these resources."""
    return adapt(json.dumps([patient(), *resources]).encode(), AS_OF)


def told(adapted: Adapted) -> set[tuple[str, str, str | None, str]]:
    """Gene, attribute, allele and value of every genotype."""
    return {(one.gene, one.attribute, one.allele, one.value) for one in adapted.patient.genotypes}


CYP2D6_1_4 = ("CYP2D6", "diplotype", None, "*1/*4")
SHAPES: dict[str, tuple[list[Resource], tuple[str, str, str | None, str]]] = {
    "genotype, PharmVar code": (
        [result("84413-4", concept(PHARMVAR, "CYP2D6_*1/*4"), component=studied("CYP2D6", "HGNC:2625"))],
        CYP2D6_1_4,
    ),
    "genotype, display only": (
        [
            result(
                "84413-4", {"coding": [{"system": PHARMVAR, "code": "CYP2D6", "display": "CYP2D6 *4/*1"}]}
            )
        ],
        CYP2D6_1_4,
    ),
    "genotype, text beside the gene": (
        [result("84413-4", {"text": "*1/*4"}, component=studied("CYP2D6", "HGNC:2625"))],
        CYP2D6_1_4,
    ),
    "gene allele code, string": ([result("40425-1", "*1/*4")], CYP2D6_1_4),
    "two alleles": ([result("73682-7", "*4"), result("73681-9", "*1", "g2")], CYP2D6_1_4),
    "phenotype by gene code": (
        [result("79714-2", concept(LOINC, "LA9657-3"))],
        ("CYP2C19", "phenotype", None, "Poor Metabolizer"),
    ),
    "phenotype by gene code, text": (
        [result("79715-9", {"text": "CYP2D6 Likely Poor Metaboliser"})],
        ("CYP2D6", "phenotype", None, "Likely Poor Metabolizer"),
    ),
    "older words": (
        [result("72879-0", {"text": "Extensive metabolizer"})],
        ("CYP2C19", "phenotype", None, "Normal Metabolizer"),
    ),
    "phenotype derived from its genotype": (
        [
            result("84413-4", {"text": "*1/*17"}, component=studied("CYP2C19", "HGNC:2621")),
            result("53040-2", concept(LOINC, "LA25390-8"), "g2", derivedFrom=[{"reference": "Observation/g1"}]),
        ],
        ("CYP2C19", "phenotype", None, "Rapid Metabolizer"),
    ),
    "therapeutic implication": (
        [
            result("therapeutic-implication", None, system=TBD, component=[
                {"code": concept(TBD, "predicted-therapeutic-implication"),
                 "valueCodeableConcept": {"text": "CYP2C19 Rapid Metabolizer"}},
            ])
        ],
        ("CYP2C19", "phenotype", None, "Rapid Metabolizer"),
    ),
    "HLA carrier, LOINC answer": (
        [result("57979-7", concept(LOINC, "LA9633-4"))],
        ("HLA-B", "allele", "*15:02", "positive"),
    ),
    "HLA carrier, SNOMED": (
        [result("79712-6", concept(SNOMED, "260385009"))],
        ("HLA-A", "allele", "*31:01", "negative"),
    ),
    "HLA typing": (
        [result("84413-4", {"text": "HLA-B*15:02:01/HLA-B*40:01"}, component=studied("HLA-B", "HGNC:4932"))],
        ("HLA-B", "allele", "*15:02", "positive"),
    ),
    "HLA typing as a GL string": (
        [
            result(
                "84413-4",
                concept("http://glstring.org", "hla#3.23.0#HLA-B*57:01+HLA-B*40:01"),
                component=studied("HLA-B", "HGNC:4932"),
            )
        ],
        ("HLA-B", "allele", "*15:02", "negative"),
    ),
    "STU3 extensions": (
        [
            result("84413-4", None, extension=[
                {"url": "http://hl7.org/fhir/StructureDefinition/observation-geneticsGene",
                 "valueCodeableConcept": {"coding": [{"system": "http://www.genenames.org", "code": "2621"}]}},
                *({"url": "http://hl7.org/fhir/StructureDefinition/observation-geneticsAlleleName",
                   "valueCodeableConcept": {"text": allele}} for allele in ("*3", "*2")),
            ])
        ],
        ("CYP2C19", "diplotype", None, "*2/*3"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_tells_its_gene(name: str) -> None:
    """Every shape seen gives the gene, the attribute and the value that it says."""
    resources, expected = SHAPES[name]
    assert expected in told(read(*resources))


REFUSED: dict[str, tuple[Resource, str]] = {
    "code of one gene, text of another": (result("79713-4", {"text": "CYP2D6 Poor Metabolizer"}), "genes-disagree"),
    "code and component of two genes": (
        result("79714-2", concept(LOINC, "LA9657-3"), component=studied("CYP2D6", "HGNC:2625")),
        "genes-disagree",
    ),
    "no gene at all": (result("84413-4", {"text": "*1/*4"}), "gene-missing"),
    "alleles that are no diplotype": (result("40425-1", "heterozygous"), "alleles-unknown"),
    "an answer of another list": (result("79714-2", concept(LOINC, "LA6576-8")), "value-code-unknown"),
    "code and words of two answers": (
        result("79714-2", {"coding": [{"system": LOINC, "code": "LA9657-3"}], "text": "Normal metabolizer"}),
        "codes-disagree",
    ),
    "one allele of two": (result("73682-7", "*4"), "one-allele-only"),
    "not final": (result("79714-2", concept(LOINC, "LA9657-3"), status="preliminary"), "preliminary"),
    "typed to one field": (
        result("84413-4", {"text": "HLA-B*15/HLA-B*40"}, component=studied("HLA-B", "HGNC:4932")),
        "resolution-too-low",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_agree_is_refused_by_name(name: str) -> None:
    """A result that says two things, or no gene, becomes a named refusal and no allele or phenotype."""
    resource, reason = REFUSED[name]
    found = read(resource)
    assert reason in {one.reason for one in found.patient.refusals}
    assert not [one for one in found.patient.genotypes if one.attribute in ("phenotype", "allele")]


def test_a_refused_result_shows_in_the_feature() -> None:
    """A phenotype of unknown meaning makes the gene's feature refused, not missing."""
    feature = read(result("79714-2", concept(LOINC, "LA6576-8"))).features.features["cyp2c19_phenotype"]
    assert (feature.status, feature.reason) == ("refused", "value-code-unknown")


def implied(words: str) -> Resource:
    """A therapeutic implication that names no gene."""
    part = {"code": concept(TBD, "predicted-therapeutic-implication"), "valueCodeableConcept": {"text": words}}
    return result("therapeutic-implication", system=TBD, component=[part])


@pytest.mark.parametrize(("words", "named"), [("poor metabolizer", True), ("resistant to gefitinib", False)])
def test_what_is_implied_for_no_gene_is_named_only_of_a_metaboliser(words: str, named: bool) -> None:
    """A metaboliser of no gene is refused by name; what a tumour's variant implies for a drug is no gene's matter."""
    found = read(implied(words)).patient
    assert ("gene-missing" in {one.reason for one in found.refusals}) is named
    assert found.genotypes == ()


def test_genes_do_not_change_with_time() -> None:
    """Two different diplotypes of one gene are a conflict whatever their dates; two equal ones are one."""
    old = result("57132-3", "*1/*2", "g1", effectiveDateTime="2019-01-01")
    new = result("57132-3", "*1/*1", "g2")
    assert read(old, new).features.features["cyp2c19_diplotype"].status == "conflicting"
    same = result("57132-3", "*2/*1", "g2")
    assert read(old, same).features.features["cyp2c19_diplotype"].value == "*1/*2"


def test_a_result_without_a_date_counts() -> None:
    """Germline genes have no age: an undated result is present."""
    undated = result("57132-3", "*1/*2")
    del undated["effectiveDateTime"]
    assert read(undated).features.features["cyp2c19_diplotype"].value == "*1/*2"


def test_words_must_be_confirmed() -> None:
    """A diplotype read from a report's conclusion is a fact from text, and the feature waits for a person."""
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": concept(LOINC, "51969-4"),
        "subject": {"reference": PATIENT},
        "conclusion": "CYP2C19 *1/*17 - Rapid Metabolizer\nCYP2D6: *4/*4, Poor metabolizer\nno change advised",
    }
    found = read(report)
    assert ("CYP2D6", "phenotype", None, "Poor Metabolizer") in told(found)
    assert all(one.from_text for one in found.patient.genotypes)
    assert found.features.features["cyp2c19_diplotype"].reason == "from-text-unconfirmed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*1/*4", "*1/*4"),
        ("*4/*1", "*1/*4"),
        ("CYP2D6 *1/CYP2D6 *4", "*1/*4"),
        ("*1x2/*4", "*1x2/*4"),
        ("*1X3/*2", "*1x3/*2"),
        ("*36+*10/*1", "*1/*36+*10"),
        ("*1.001/*17", "*1/*17"),
        ("*1|*2", "*1/*2"),
        ("*1/*2A", "*1/*2A"),
        ("*1", None),
        ("*1/*2/*3", None),
        ("1/4", None),
        ("*1/*4 or *1/*5", None),
        ("", None),
    ],
)
def test_diplotypes_in_one_spelling(text: str, expected: str | None) -> None:
    """Two star alleles come out in one order and spelling, anything else as nothing."""
    assert star_alleles.diplotype(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HLA-B*15:02", "*15:02"),
        ("B*15:02:01:01", "*15:02"),
        ("*15:02", "*15:02"),
        ("HLA-B*15", "*15"),
        ("HLA-B*57:01:01G", "*57:01"),
        ("HLA00162", None),
        ("", None),
    ],
)
def test_hla_alleles_by_their_first_two_fields(text: str, expected: str | None) -> None:
    """An HLA allele keeps the two fields that name the protein."""
    assert star_alleles.hla(text) == expected
