"""Features of genes: the diplotype, phenotype or HLA allele that all results of one gene agree on.

What was read from words alone is not used until a person confirms it.
"""

from msgspec.structs import replace

from fhir_adapters.canonical import Feature, GeneAttribute
from fhir_adapters.gene.genomics import key_of
from fhir_adapters.vector.indexed import Indexed
from fhir_adapters.vector.latest import absent, choose, present
from fhir_adapters.vector.schema import FeatureSpec


def diplotype(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the diplotype of the gene in the feature's name."""
    return _latest(spec, facts, spec.name.removesuffix("_diplotype"), "diplotype")


def phenotype(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the phenotype of the gene in the feature's name, as reported."""
    return _latest(spec, facts, spec.name.removesuffix("_phenotype"), "phenotype")


def hla(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return whether the HLA allele in the feature's name (``hla_b_1502``) is there."""
    key, _, digits = spec.name.rpartition("_")
    return _latest(spec, facts, key, "allele", f"*{digits[:2]}:{digits[2:]}")


def _latest(
    spec: FeatureSpec, facts: Indexed, key: str, attribute: GeneAttribute, allele: str | None = None
) -> Feature:
    """Return what all results of the gene say: genes do not change, so that two answers are a conflict at any age."""
    found = [
        one
        for one in facts.patient.genotypes
        if one.attribute == attribute
        and one.allele == allele
        and key_of(one.gene) == key
        and (one.effective is None or one.effective <= facts.as_of)
    ]
    confirmed = [one for one in found if not one.from_text]
    if not confirmed:
        unread = facts.refused((key,))
        if not found or unread:
            return choose(spec, facts, (), unread)
        return absent(spec, "refused", "from-text-unconfirmed", found[0].effective, found[0].source)
    first = confirmed[0]
    if len({one.value for one in confirmed}) > 1:
        places = "; ".join(sorted({f"{one.source.reference} {one.source.path}" for one in confirmed}))
        origin = replace(first.source, path=places, rule="features.conflict", original=None)
        return absent(spec, "conflicting", "values-disagree", first.effective, origin)
    return present(spec, first.value, first.effective, first.source)
