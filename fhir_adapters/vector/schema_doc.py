"""The page of the canonical features, written from the schema so that it cannot drift from it."""

from collections.abc import Mapping

from fhir_adapters.vector.schema import FEATURES, SCHEMA_VERSION, FeatureSpec

_HEAD = f"""# The canonical feature vector

Schema `{SCHEMA_VERSION}`. This page is written from `fhir_adapters/vector/schema.py` and from what reads the features,
by `fhir_adapters.vector.schema_doc.features_page(uses)`; a test compares the two.

Each feature is either *present*, with a value, its unit, its date and the element it came from, or absent by
name: `missing`, `conflicting`, `stale` or `refused`, with a reason. A value outside its range is refused, one
older than its age limit is stale. Absent is never zero. Ranges and age limits are policies of this project,
not published figures. Race and ethnicity are no features: audits alone read them.

| feature | kind | unit | range | age limit | meaning | derivation |
|---|---|---|---|---|---|---|
"""

_USES = """
## What reads a feature

Rules (`SR…`), gates (`GC…`), guideline steps (`GS…`) and models. A feature without a line here is shown to people
and kept with the assessment, and nothing decides by it yet. Conditions, drugs, allergies and answers to single
questions are read by rules from the patient's lists, not from the vector.

| feature | read by |
|---|---|
"""


def features_page(uses: Mapping[str, tuple[str, ...]]) -> str:
    """Return ``docs/features.md`` as Markdown; ``uses``: feature → ids of what reads it."""
    readers = (f"| `{name}` | {', '.join(ids)} |\n" for name, ids in uses.items())
    return _HEAD + "".join(_row(spec) for spec in FEATURES) + _USES + "".join(readers)


def _row(spec: FeatureSpec) -> str:
    unit = f"`{spec.unit}`" if spec.unit else "–"
    bounds = "–" if spec.low is None or spec.high is None else f"{spec.low:g} to {spec.high:g}"
    age = "–" if spec.max_age_days is None else f"{spec.max_age_days} days"
    cells = (f"`{spec.name}`", spec.kind, unit, bounds, age, spec.meaning, spec.derivation)
    return f"| {' | '.join(cells)} |\n"
