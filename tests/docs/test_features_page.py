"""docs/features.md against the schema and against what reads it."""

from pathlib import Path

from fhir_adapters.vector.schema import BY_NAME
from fhir_adapters.vector.schema_doc import features_page
from recommender.catalog import knowledge
from recommender.catalog.feature_uses import uses

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_features_page_is_the_schema_and_its_uses() -> None:
    """docs/features.md is what features_page() writes of the schema and the knowledge."""
    assert PAGE.read_text(encoding="utf-8") == features_page(uses(knowledge.load()))


def test_only_features_of_the_schema_are_read() -> None:
    """No rule, gate, step or model reads a feature that the schema does not hold."""
    assert set(uses(knowledge.load())) <= set(BY_NAME)
