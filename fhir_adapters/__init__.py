"""FHIR in every version and dialect to canonical facts and the canonical feature vector; pure.

``fhir_adapters.adapt`` tells the story: ``adapt.adapt(raw, as_of)`` for files, ``adapt.adapt_prefetch(values,
patient_id, as_of)`` for hook calls. What comes out is named here.
"""

from fhir_adapters.canonical import (
    Adapted,
    Allergy,
    CanonicalPatient,
    ConsentDecision,
    DailyValue,
    Demographics,
    Diagnosis,
    FamilyHistory,
    Feature,
    FeatureVector,
    Genotype,
    Measurement,
    MedicationCourse,
    Original,
    Refusal,
    ScaleScore,
    Source,
)
from fhir_adapters.errors import InputError, ProfileError, UndersignError
from fhir_adapters.vector.schema import FEATURES, SCHEMA_VERSION, FeatureSpec

__all__ = [
    "FEATURES",
    "SCHEMA_VERSION",
    "Adapted",
    "Allergy",
    "CanonicalPatient",
    "ConsentDecision",
    "DailyValue",
    "Demographics",
    "Diagnosis",
    "FamilyHistory",
    "Feature",
    "FeatureSpec",
    "FeatureVector",
    "Genotype",
    "InputError",
    "Measurement",
    "MedicationCourse",
    "Original",
    "ProfileError",
    "Refusal",
    "ScaleScore",
    "Source",
    "UndersignError",
]
