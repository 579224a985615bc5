"""The recommender's branch of the error tree (drawn in fhir_adapters.errors)."""

from fhir_adapters.errors import UndersignError


class KnowledgeError(UndersignError):
    """Knowledge rows that cannot be read or contradict each other."""


class ModelError(UndersignError):
    """A model that does not fit its manifest or the feature schema."""
