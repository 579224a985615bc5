"""Where the ranker abstains: a record too thin, or outside what the model has seen, with what is missing by name."""

from fhir_adapters.canonical import FeatureVector
from fhir_adapters.vector.schema import BY_NAME
from recommender.ranker.manifest import Manifest

# Age bounds the population; severity moves remission more than anything else, and every trial measured it.
REQUIRED = ("age", "phq9_total")


def support(manifest: Manifest, features: FeatureVector) -> tuple[str, ...]:
    """Return why the record is outside what this model was trained on; empty means that it is inside."""
    reasons: list[str] = []
    for name, (low, high) in manifest.ranges.items():
        spec, value = BY_NAME[name], features.number(name)
        if value is None:
            if name in REQUIRED:
                reasons.append(f"The {spec.meaning} is not known ({features.features[name].status}).")
        elif not low <= value <= high:
            reasons.append(f"The {spec.meaning} is outside {low:g} to {high:g}, which is all that the model has seen.")
    return tuple(reasons)
