"""Features of rating scales that are more than the latest total: the C-SSRS and PHQ-9 item 9.

An answer that could not be read, or that the form's own logic asks for and that is not there, makes the feature
absent by name: a question that was not answered is never a no.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from msgspec.structs import replace

from fhir_adapters.canonical import AbsenceStatus, Feature, Refusal, Scalar, ScaleScore, Source
from fhir_adapters.vector.indexed import Indexed
from fhir_adapters.vector.latest import absent, choose, is_reading, latest_score, of_score, present
from fhir_adapters.vector.schema import FeatureSpec

# Columbia screener, questions 1 to 5; "if the answer to question 2 is yes, ask questions 3, 4 and 5"
# (https://loinc.org/93245-9/panel, form coding instructions of 93278-0).
_QUESTIONS = (
    "cssrs_screener.q1_wish_dead",
    "cssrs_screener.q2_nonspecific_thoughts",
    "cssrs_screener.q3_method_no_intent",
    "cssrs_screener.q4_intent_no_plan",
    "cssrs_screener.q5_plan_and_intent",
)
_SEVEREST = "cssrs_full.most_severe_ideation_1_month"
_EVER, _RECENT = "cssrs_screener.q6_behaviour", "cssrs_screener.q6b_past_3_months"
_FREQUENCY, _PRESENCE = "phq9_mds.item9_self_harm_frequency", "phq9_mds.item9_self_harm_presence"
_ITEM9 = ("phq9.item9_self_harm", _FREQUENCY)


@dataclass(frozen=True, slots=True)
class _Given:
    """The latest administration: its answers by ``<scale>.<part>``, and what of its day could not be read."""

    spec: FeatureSpec
    answers: Mapping[str, ScaleScore]
    unread: Mapping[str, Refusal]

    def is_yes(self, key: str) -> bool:
        return key in self.answers and self.answers[key].value == 1

    def is_no(self, key: str) -> bool:
        return key in self.answers and self.answers[key].value == 0

    def present(self, value: Scalar) -> Feature:
        origin = self._source()
        return present(self.spec, value, next(iter(self.answers.values())).effective, origin)

    def absent(self, status: AbsenceStatus, reason: str) -> Feature:
        return absent(self.spec, status, reason, next(iter(self.answers.values())).effective, self._source())

    def without(self, lacking: Sequence[str]) -> Feature:
        """Return the absence for answers that are not there: what could not be read tells more than what is not."""
        refused = next((self.unread[key] for key in lacking if key in self.unread), None)
        if refused is None:
            return self.absent("refused", "items-missing")
        status = "missing" if refused.reason.startswith("data-absent") else "refused"
        origin = Source(refused.reference, refused.path, "features.refused")
        return absent(self.spec, status, refused.reason, refused.effective, origin)

    def _source(self) -> Source:
        """Return a source that names every answer; its reference is the first one's."""
        sources = [one.source for one in self.answers.values()]
        path = "; ".join(f"{key} {one.source.reference} {one.source.path}" for key, one in self.answers.items())
        repairs = sorted({repair for one in sources for repair in one.repairs})
        return Source(sources[0].reference, path, "features.administration", None, tuple(repairs))


def cssrs_ideation(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the most severe ideation of the latest administration: the highest question answered yes, 0 for none.

    Absent where a question above the highest yes was to be asked, or was asked and cannot be read.
    """
    given = _latest(spec, facts, (*_QUESTIONS, _SEVEREST))
    if isinstance(given, Feature):
        return given
    highest = max((level for level, key in enumerate(_QUESTIONS, start=1) if given.is_yes(key)), default=0)
    severest = given.answers.get(_SEVEREST)
    if severest is not None:
        alone = not any(key in given.answers for key in _QUESTIONS)
        agrees = alone or severest.value == highest
        return given.present(severest.value) if agrees else given.absent("conflicting", "values-disagree")
    # From question 3 on they are asked of who answered yes to question 2.
    asked = _QUESTIONS if not given.is_no(_QUESTIONS[1]) else _QUESTIONS[:2]
    above = [key for level, key in enumerate(_QUESTIONS, start=1) if level > highest and key not in given.answers]
    lacking = [key for key in above if key in asked or (key in given.unread and is_reading(given.unread[key]))]
    return given.without(lacking) if lacking else given.present(float(highest))


def cssrs_behaviour(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return ``recent`` (past 3 months), ``lifetime`` or ``none`` from question 6 of the latest screener."""
    given = _latest(spec, facts, (_EVER, _RECENT))
    if isinstance(given, Feature):
        return given
    if given.is_yes(_RECENT):
        return given.absent("conflicting", "answers-disagree") if given.is_no(_EVER) else given.present("recent")
    if given.is_no(_EVER):
        return given.present("none")
    lacking = [key for key in (_EVER, _RECENT) if key not in given.answers]
    return given.without(lacking) if lacking else given.present("lifetime")


def _latest(spec: FeatureSpec, facts: Indexed, keys: Sequence[str]) -> _Given | Feature:
    """Return the answers of the latest administration; a feature where there is none, or none that counts."""
    scores, refused = facts.scored(keys), facts.refused(keys)
    # Recency is decided in one place, whatever the answers are.
    found = choose(spec, facts, [of_score(replace(one, value=0.0)) for one in scores], refused)
    if found.status != "present":
        return found
    unread = {one.key or "": one for one in refused if one.effective == found.effective}
    day = [one for one in scores if one.effective == found.effective]
    answers = _by_key(day)
    if answers is None:  # answered twice on that day: the last time counts
        last = max((one.moment for one in day if one.moment), default=None)
        answers = _by_key([one for one in day if one.moment in (None, last)])
    if answers is None:
        return absent(spec, "conflicting", "values-disagree", found.effective, found.source)
    return _Given(spec, answers, unread)


def _by_key(scores: Sequence[ScaleScore]) -> dict[str, ScaleScore] | None:
    """Return the scores by ``<scale>.<part>`` in sorted order, None where one part has two values."""
    found: dict[str, ScaleScore] = {}
    for one in sorted(scores, key=lambda one: (one.scale, one.part, one.source.reference, one.source.path)):
        if found.setdefault(f"{one.scale}.{one.part}", one).value != one.value:
            return None
    return found


def phq9_item9(spec: FeatureSpec, facts: Indexed) -> Feature:
    """Return the latest answer to item 9, also of the nursing-home form.

    There a symptom that is not present has the frequency 0 ("No (enter 0 in column 2)"); one that is present
    without its frequency is known to be above 0 and no more.
    """
    presence = facts.scored((_PRESENCE,))
    if not presence and not facts.refused((_PRESENCE,)):
        return latest_score(spec, facts, _ITEM9)
    frequent = {one.effective for one in facts.scored((_FREQUENCY,))}
    alone = [one for one in presence if one.effective not in frequent]
    refusals = [*facts.refused(_ITEM9), *facts.refused((_PRESENCE,))]
    refusals += [
        Refusal(one.source.reference, one.source.path, "frequency-missing", _FREQUENCY, one.effective)
        for one in alone
        if one.value > 0
    ]
    scores = [*facts.scored(_ITEM9), *(one for one in alone if one.value == 0)]
    scores.sort(key=lambda one: (one.effective or date.min, one.moment or ""), reverse=True)
    return choose(spec, facts, [of_score(one) for one in scores], refusals)
