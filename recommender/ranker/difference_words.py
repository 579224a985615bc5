"""The sentences that explain a difference between two drugs: what trials found, and what stands in the chart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fhir_adapters.canonical import Feature, FeatureVector
from fhir_adapters.vector.schema import BY_NAME
from recommender.cohort.evidence import EXPOSURE, PATIENT_FEATURES, Evidence, term
from recommender.gene.gene_states import GeneState
from recommender.ranker.record import Phenotypes
from recommender.ranker.words import drug_words


@dataclass(frozen=True, slots=True)
class Between:
    """Two drugs for one patient: ``phenotypes`` as the model read them, ``states`` what they were derived from."""

    evidence: Evidence
    features: FeatureVector
    pair: tuple[str, str]
    phenotypes: Phenotypes
    states: Mapping[str, GeneState]

    @property
    def genes(self) -> tuple[str, ...]:
        """Return the genes whose phenotype gives a level of one of the two drugs."""
        known = sorted(self.phenotypes.items())
        levels = self.evidence.exposure
        return tuple(gene for gene, found in known if any((name, gene, found) in levels for name in self.pair))


def facts(column: str, between: Between) -> tuple[str, ...]:
    """Return the references of the chart resources behind a column; none for what trials or labels say."""
    if column == EXPOSURE:
        return tuple(sorted({fact for gene in between.genes for fact in _gene_facts(gene, between)}))
    feature = between.features.features.get(column)
    return (feature.source.reference,) if feature is not None and feature.source is not None else ()


def why(column: str, outcome: str, between: Between) -> str:
    """Return what a column says of the two drugs, or of the patient: value, reference, date."""
    if column == term(outcome):
        first, second = (_ratio(name, outcome, between.evidence) for name in between.pair)
        return f"odds ratio against placebo in trials {first}, {second}"
    if column == EXPOSURE:
        return _levels(between)
    if column in PATIENT_FEATURES:
        return _trait(between.features.features[column])
    return f"what is known of the drugs themselves ({column})"


def _ratio(ingredient: str, outcome: str, evidence: Evidence) -> str:
    return f"{math.exp(evidence.drugs[ingredient][outcome].log_or):.2f} with {drug_words(ingredient)}"


def _trait(feature: Feature) -> str:
    meaning = BY_NAME[feature.name].meaning
    if feature.value is None:
        return f"the {meaning} is not known"
    return f"{meaning} {_shown(feature)}{_from((feature.source.reference,) if feature.source else (), feature)}"


def _shown(feature: Feature) -> str:
    if isinstance(feature.value, bool):
        return "yes" if feature.value else "no"
    return f"{feature.value:g}" if isinstance(feature.value, float) else str(feature.value)


def _from(references: tuple[str, ...], feature: Feature | None) -> str:
    """Return references and date in brackets, nothing where neither is known."""
    dated = (feature.effective.isoformat(),) if feature is not None and feature.effective else ()
    return f" ({', '.join((*references, *dated))})" if references or dated else ""


def _levels(between: Between) -> str:
    if not between.genes:
        return "no level by genotype is known"
    genes = ", ".join(
        f"{gene} {between.phenotypes[gene]}{_from(_gene_facts(gene, between), _gene_feature(gene, between.features))}"
        for gene in between.genes
    )
    first, second = (_level(name, between) for name in between.pair)
    return f"{genes}: {first}, {second}"


def _level(ingredient: str, between: Between) -> str:
    folds = [between.evidence.exposure.get((ingredient, gene, between.phenotypes[gene])) for gene in between.genes]
    known = [fold for fold in folds if fold is not None]
    level = f"{math.prod(known):.2g} times the usual level" if known else "no known level"
    return f"{level} of {drug_words(ingredient)}"


def _gene_feature(gene: str, features: FeatureVector) -> Feature | None:
    names = (f"{gene.lower()}_phenotype", f"{gene.lower()}_diplotype")
    found = [features.features[name] for name in names if name in features.features]
    return next((one for one in found if one.value is not None), None)


def _gene_facts(gene: str, between: Between) -> tuple[str, ...]:
    state, feature = between.states.get(gene), _gene_feature(gene, between.features)
    if state is not None and state.facts:
        return state.facts
    return (feature.source.reference,) if feature is not None and feature.source is not None else ()
