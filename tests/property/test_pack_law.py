"""The law of knowledge packs: what needs nobody's name lets nothing through."""

from collections.abc import Mapping
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_adapters import terminology
from fhir_adapters.canonical import Adapted
from recommender.assess import assess
from recommender.catalog import knowledge, packs, weakening
from recommender.catalog.consistency import key_columns
from recommender.catalog.knowledge import Knowledge
from recommender.errors import KnowledgeError
from tests import factories as make

TABLES = packs.shipped_tables()
MDD = make.diagnosis("mdd")
CHARTS = (
    (make.patient(MDD), make.adult()),
    (
        make.patient(MDD, make.course("phenelzine"), make.course("lithium"), make.course("ibuprofen")),
        make.adult(qtc=470.0, egfr=25.0, sodium=128.0, potassium=3.2, age=70.0),
    ),
    (
        make.patient(MDD, make.diagnosis("seizure_disorder"), make.diagnosis("liver_disease")),
        make.adult(sex="female", age=24.0, crcl=25.0, systolic_bp=185.0),
    ),
    (make.patient(MDD), make.adult(phq9_item9=1.0)),
)
Allowed = Mapping[tuple[int, str], tuple[float, float]]


def allowed(known: Knowledge) -> Allowed:
    """Return by chart and drug the start and ceiling, in mg a day, of what is not refused; ``gate`` where open."""
    found: dict[tuple[int, str], tuple[float, float]] = {}
    for at, (patient, features) in enumerate(CHARTS):
        assessment = assess(Adapted(patient, features, "base-r4"), known, None)
        if assessment.gate.status == "open":
            found[at, "gate"] = (0, 0)
        for one in assessment.candidates:
            if one.verdict not in ("excluded", "not-draftable") and one.dose:
                found[at, one.ingredient] = (one.dose.start_mg_per_day, one.dose.max_mg_per_day)
    return found


@cache
def shipped() -> Allowed:
    """Return what the shipped knowledge allows these charts."""
    return allowed(knowledge.load())


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_cell_that_may_be_changed_without_a_name_allows_nobody_more(data: st.DataObject) -> None:
    """No drug, dose or gate that the shipped tables close is opened by a change that counts as stricter."""
    name = data.draw(st.sampled_from(sorted(TABLES.keys() - {"sources"})))
    rows = TABLES[name]
    at = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.sampled_from([one for one in rows[at] if one not in key_columns(name, rows[at])]))
    cell = data.draw(st.sampled_from(sorted({row[column] for row in rows} | {"0", "1", "1000"})))
    changed = {**rows[at], column: cell}
    if weakening.changed(name, rows[at], changed):
        return
    try:
        known = knowledge.build({**TABLES, name: (*rows[:at], changed, *rows[at + 1 :])}, terminology.load())
    except KnowledgeError:
        return
    before = shipped()
    for key, (start, most) in allowed(known).items():
        assert key in before
        assert start <= before[key][0]
        assert most <= before[key][1]
