"""The recommender's branch of the error tree (drawn in fhir_adapters.errors)."""

from collections.abc import Sequence

from fhir_adapters.errors import UndersignError


class KnowledgeError(UndersignError):
    """Knowledge rows that cannot be read or contradict each other."""


class PackError(KnowledgeError):
    """A site's knowledge pack that cannot be used: code and message are the first fault's, ``faults`` are all."""

    def __init__(self, faults: Sequence[KnowledgeError]) -> None:
        more = f" (and {len(faults) - 1} more: undersign knowledge check lists them)" if len(faults) > 1 else ""
        super().__init__(faults[0].code, faults[0].message + more)
        self.faults = tuple(faults)


class ModelError(UndersignError):
    """A model that does not fit its manifest or the feature schema."""


class TableError(UndersignError):
    """A site's table of predictions and outcomes that cannot be judged."""


class SimulationError(UndersignError):
    """A simulation that cannot be run as it was asked for, or not be written."""
