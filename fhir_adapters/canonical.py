"""The canonical patient: frozen facts with their source, and named absences.

Adapters build these; rules, model, drafts and cards read nothing else of a chart. Facts are structs, because
a chart makes hundreds of them; change one with ``msgspec.structs.replace``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import msgspec

Scalar = float | str | bool
AbsenceStatus = Literal["missing", "conflicting", "stale", "refused"]
ListState = Literal["supplied", "partial", "not-supplied"]
Taking = Literal["taking", "ordered", "reported", "stopped", "unknown"]
GeneAttribute = Literal["diplotype", "phenotype", "activity_score", "allele"]


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Base of the facts: compared by value, never changed."""


class Original(Fact, frozen=True):
    """What the EHR wrote, before any conversion: value, unit and ``system|code`` as found."""

    value: Scalar | None = None
    unit: str | None = None
    code: str | None = None


class Source(Fact, frozen=True):
    """Where a value came from.

    ``reference`` is ``Type/id`` of the resource, ``path`` its element, ``rule`` the reader that took it
    (``observations.quantity``, ``scales.items``, …), ``repairs`` what had to be mended to read it.
    """

    reference: str
    path: str
    rule: str
    original: Original | None = None
    repairs: tuple[str, ...] = ()


class Refusal(Fact, frozen=True):
    """A resource or element that was seen but not used, and why (``reason`` is a stable short phrase).

    ``key`` names what it would have told (``sodium``, ``phq9.total``) and ``effective`` when, where they
    could be read: a feature then says why it is absent.
    """

    reference: str
    path: str
    reason: str
    key: str | None = None
    effective: date | None = None


class Label(Fact, frozen=True):
    """A security label (``system``, ``code``) that whatever is made from the chart inherits.

    ``references`` are the resources that carry it, where it forbids to pass them on unsaid (42 CFR Part 2).
    """

    system: str
    code: str
    display: str | None = None
    references: tuple[str, ...] = ()


class Measurement(Fact, frozen=True):
    """A lab, vital sign or ECG value in its canonical UCUM unit; ``key`` as in terminology/observations.csv.

    Coded results (pregnancy status, smoking) carry a string value and no unit.
    ``comparator`` keeps ``<``, ``<=``, ``>``, ``>=`` where the laboratory gave a bound only. ``moment`` is
    the instant in UTC (``2026-10-01T08:30:00+00:00``) where the resource gave a time with its zone.
    """

    key: str
    value: float | str
    unit: str | None
    effective: date | None
    source: Source
    comparator: str | None = None
    moment: str | None = None


class ScaleScore(Fact, frozen=True):
    """One answer or total of a rating scale; ``scale`` and ``part`` as in terminology/scales.csv.

    ``moment`` as in ``Measurement``.
    """

    scale: str
    part: str
    value: float
    effective: date | None
    source: Source
    moment: str | None = None


class MedicationCourse(Fact, frozen=True):
    """One drug over one time.

    ``ingredients`` are formulary names (empty when the drug could not be resolved; then ``unresolved`` says
    why). ``classes`` are those known from the code itself. ``dose_mg_per_day`` is None when the dosage
    cannot be read to milligrams a day. ``stop`` is kept for wash-outs, ``stopped_because`` is in the chart's words.
    ``route`` as in terminology/routes.csv. ``duplicates`` are further orders of the same ingredients at the same time.
    ``taken_for`` says in the chart's words what the drug is taken for, ``reasons`` by keys of
    terminology/conditions.csv (empty for a reason that no rule reads).
    """

    text: str
    ingredients: tuple[str, ...]
    classes: tuple[str, ...]
    taking: Taking
    start: date | None
    stop: date | None
    dose_mg_per_day: float | None
    source: Source
    rxnorm: str | None = None
    unresolved: str | None = None
    route: str | None = None
    as_needed: bool = False
    duplicates: tuple[str, ...] = ()
    stopped_because: str | None = None
    taken_for: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


class Diagnosis(Fact, frozen=True):
    """One problem. ``keys`` as in terminology/conditions.csv, empty for a problem that no rule reads.

    ``certain`` is False where the record itself doubts it (not confirmed, codes that contradict each other, words
    such as "rule out", an end beside an active status; ``source.repairs`` says which): such a problem still
    speaks against a drug, and is no indication for one.
    """

    keys: tuple[str, ...]
    active: bool
    onset: date | None
    text: str
    code: str | None
    source: Source
    certain: bool = True


class Allergy(Fact, frozen=True):
    """One recorded allergy or intolerance. ``ingredients`` and ``classes`` are empty when unresolved."""

    text: str
    ingredients: tuple[str, ...]
    classes: tuple[str, ...]
    source: Source


class Genotype(Fact, frozen=True):
    """One result of one gene: a diplotype, a phenotype, an activity score, or whether one allele is there.

    ``gene`` is the HGNC symbol, ``value`` as tables write it (``*1/*4``, ``Poor Metabolizer``, ``0.5``,
    ``positive``, ``negative``), ``allele`` the allele in question (``*15:02``), None for whole genes.
    ``from_text``: read from words, so that a person must confirm it.
    """

    gene: str
    attribute: GeneAttribute
    value: str
    effective: date | None
    source: Source
    allele: str | None = None
    from_text: bool = False
    moment: str | None = None


class DailyValue(Fact, frozen=True):
    """What a wearable told of one day: ``steps``, ``sleep_duration``, ``resting_heart_rate``, in canonical units.

    ``samples`` is the number of readings in it; ``source`` names the first of them.
    """

    key: str
    day: date
    value: float
    unit: str
    samples: int
    source: Source


class FamilyHistory(Fact, frozen=True):
    """One condition of one relative; ``keys`` as in terminology/conditions.csv, ``relation`` in v3-RoleCode."""

    relation: str
    keys: tuple[str, ...]
    text: str
    source: Source


class Preference(Fact, frozen=True):
    """How much one outcome of a drug matters to the patient: 0 not at all, 10 as much as anything can.

    ``outcome`` is the ranker's name of it: ``remission``, ``stopping``, ``weight-gain``, …
    """

    outcome: str
    importance: float
    effective: date | None
    source: Source


class Demographics(Fact, frozen=True):
    """What fairness audits group by; no rule and no model reads it.

    ``race`` and ``ethnicity`` are codes as the national extension writes them, sorted.
    """

    race: tuple[str, ...] = ()
    ethnicity: tuple[str, ...] = ()
    source: Source | None = None


class ConsentDecision(Fact, frozen=True):
    """One Consent: ``decision`` on AI use as it reads, with its period; a denial has begun by ``start_by`` at last."""

    decision: Literal["deny", "permit", "not-about-ai", "unreadable"]
    reason: str
    start: date | None
    end: date | None
    source: Source
    start_by: date | None = None


@dataclass(frozen=True, slots=True)
class CanonicalPatient:
    """Everything that the rest of the house knows of one patient.

    ``lists`` says for ``conditions``, ``medications``, ``allergies``, ``observations``, ``consents``,
    ``family_history`` whether the list was supplied whole, in part (something in it could not be read) or not
    at all: only a list supplied whole makes what it does not hold absent. All tuples are sorted, newest first, then by
    reference, so that the order of entries in the input changes nothing.
    """

    reference: str
    fhir_version: str
    birth_date: date | None
    deceased: bool
    sex: Literal["female", "male", "other"] | None
    measurements: tuple[Measurement, ...] = ()
    scales: tuple[ScaleScore, ...] = ()
    medications: tuple[MedicationCourse, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    consents: tuple[ConsentDecision, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    lists: Mapping[str, ListState] = field(default_factory=dict[str, ListState])
    birth_date_source: Source | None = None
    sex_source: Source | None = None
    genotypes: tuple[Genotype, ...] = ()
    daily: tuple[DailyValue, ...] = ()
    family_history: tuple[FamilyHistory, ...] = ()
    preferences: tuple[Preference, ...] = ()
    labels: tuple[Label, ...] = ()


class Feature(Fact, frozen=True):
    """One value of the feature vector, present with its source or absent with its reason."""

    name: str
    status: Literal["present", "missing", "conflicting", "stale", "refused"]
    value: Scalar | None = None
    unit: str | None = None
    reason: str | None = None
    effective: date | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """The canonical feature vector of one patient on one day, in schema order."""

    patient: str
    as_of: date
    schema: str
    features: Mapping[str, Feature]

    def number(self, name: str) -> float | None:
        """Return the number of a present feature (booleans as 0 or 1), else None."""
        value = self.features[name].value
        return float(value) if isinstance(value, int | float) else None

    def text(self, name: str) -> str | None:
        """Return the code of a present coded feature, else None."""
        value = self.features[name].value
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Adapted:
    """What ``adapt`` returns."""

    patient: CanonicalPatient
    features: FeatureVector
    profile: str
    demographics: Demographics = field(default_factory=Demographics)
