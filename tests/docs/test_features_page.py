"""docs/features.md against the schema."""

from pathlib import Path

from fhir_adapters.schema_doc import features_page

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_features_page_is_the_schema() -> None:
    """docs/features.md is what features_page() writes."""
    assert PAGE.read_text(encoding="utf-8") == features_page()
