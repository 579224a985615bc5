"""A patient's facts by what they tell, indexed once: what every feature is worked out from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

import msgspec

from fhir_adapters.canonical import CanonicalPatient, Diagnosis, Feature, Measurement, Refusal, ScaleScore


class Indexed(msgspec.Struct, frozen=True):
    """One patient on one day.

    ``measurements`` by key, ``scores`` by ``<scale>.<part>``, ``refusals`` by the key that they would have
    told, each newest first. ``problems`` are the active diagnoses of a known kind up to that day, newest first.
    ``unrecorded`` says why what no Observation tells is missing. ``known`` are the features worked out so far, in
    schema order.
    """

    patient: CanonicalPatient
    as_of: date
    measurements: Mapping[str, Sequence[Measurement]]
    scores: Mapping[str, Sequence[ScaleScore]]
    refusals: Mapping[str, Sequence[Refusal]]
    problems: Sequence[Diagnosis]
    unrecorded: str
    known: dict[str, Feature] = msgspec.field(default_factory=dict[str, Feature])

    def measured(self, key: str) -> Sequence[Measurement]:
        """Return the measurements of one key, newest first."""
        return self.measurements.get(key, ())

    def scored(self, keys: Sequence[str]) -> Sequence[ScaleScore]:
        """Return the scores of these ``<scale>.<part>``, newest first."""
        present = [self.scores[key] for key in keys if key in self.scores]
        if len(present) < 2:
            return present[0] if present else ()
        wanted = {id(score) for scores in present for score in scores}
        return [score for score in self.patient.scales if id(score) in wanted]

    def refused(self, keys: Sequence[str]) -> Sequence[Refusal]:
        """Return what would have told these keys and could not be used."""
        return [one for key in keys if key in self.refusals for one in self.refusals[key]]


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
    problems = [
        one for one in patient.diagnoses if one.active and one.keys and (one.onset is None or one.onset <= as_of)
    ]
    supplied = patient.lists.get("observations", "not-supplied") != "not-supplied"
    unrecorded = "not-recorded" if supplied else "observations-not-supplied"
    return Indexed(patient, as_of, measurements, scores, refusals, problems, unrecorded)
