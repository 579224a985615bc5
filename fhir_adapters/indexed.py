"""A patient's facts by what they tell, indexed once: what every feature is worked out from."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from fhir_adapters.canonical import CanonicalPatient, Feature, Measurement, Refusal, ScaleScore


@dataclass(frozen=True, slots=True)
class Indexed:
    """One patient on one day.

    ``measurements`` by key, ``scores`` by ``<scale>.<part>``, ``refusals`` by the key that they would have
    told, each newest first. ``known`` are the features worked out so far, in schema order.
    """

    patient: CanonicalPatient
    as_of: date
    measurements: Mapping[str, tuple[Measurement, ...]]
    scores: Mapping[str, tuple[ScaleScore, ...]]
    refusals: Mapping[str, tuple[Refusal, ...]]
    known: dict[str, Feature] = field(default_factory=dict[str, Feature])

    def measured(self, key: str) -> tuple[Measurement, ...]:
        """Return the measurements of one key, newest first."""
        return self.measurements.get(key, ())

    def scored(self, keys: Iterable[str]) -> list[ScaleScore]:
        """Return the scores of these ``<scale>.<part>``, newest first."""
        found = [self.scores.get(key, ()) for key in keys]
        present = [one for one in found if one]
        if len(present) < 2:
            return list(present[0]) if present else []
        wanted = {id(score) for scores in present for score in scores}
        return [score for score in self.patient.scales if id(score) in wanted]

    def refused(self, keys: Iterable[str]) -> list[Refusal]:
        """Return what would have told these keys and could not be used."""
        return [one for key in keys for one in self.refusals.get(key, ())]


def index(patient: CanonicalPatient, as_of: date) -> Indexed:
    """Return the patient's facts by key."""
    measurements: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in patient.measurements:
        measurements[measurement.key].append(measurement)
    scores: dict[str, list[ScaleScore]] = defaultdict(list)
    for score in patient.scales:
        scores[f"{score.scale}.{score.part}"].append(score)
    refusals: dict[str, list[Refusal]] = defaultdict(list)
    for refusal in patient.refusals:
        if refusal.key is not None:
            refusals[refusal.key].append(refusal)
    return Indexed(
        patient,
        as_of,
        {key: tuple(found) for key, found in measurements.items()},
        {key: tuple(found) for key, found in scores.items()},
        {key: tuple(found) for key, found in refusals.items()},
    )
