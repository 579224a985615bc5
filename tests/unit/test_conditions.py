"""Conditions to diagnoses."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import Diagnosis
from fhir_adapters.problem import problem_tables
from tests.fixtures.resources import ICD10CM, SNOMED, Resource, adapted, concept, condition, fixture, patient

MDD_CODE = concept(ICD10CM, "F33.1")
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
IPS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
SURENESS = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
TABLES = problem_tables.load()


def read(code: Resource, clinical: str | None = "active", **fields: object) -> Diagnosis:
    """Read one Condition that is a diagnosis."""
    (found,) = adapted(condition("c", code, clinical, **fields)).patient.diagnoses
    return found


def reasons(*conditions: Resource) -> set[tuple[str, str]]:
    """Return reference and reason of all refusals."""
    return {(one.reference, one.reason) for one in adapted(*conditions).patient.refusals}


@pytest.mark.parametrize(
    ("clinical", "active"),
    [
        ("active", True),
        ("recurrence", True),
        ("relapse", True),
        ("inactive", False),
        ("remission", False),
        ("resolved", False),
    ],
)
def test_the_clinical_status_says_whether_a_problem_is_active(clinical: str, active: bool) -> None:
    """Active, recurrence and relapse are active; inactive, remission and resolved are not."""
    assert read(MDD_CODE, clinical).active is active


@pytest.mark.parametrize(
    ("clinical", "repair"), [(None, "clinical-status-missing"), ("sometimes", "clinical-status-unknown")]
)
def test_a_problem_without_a_readable_status_is_active(clinical: str | None, repair: str) -> None:
    """A missing or unknown clinical status counts as active and says so."""
    found = read(MDD_CODE, clinical)
    assert found.active
    assert repair in found.source.repairs


@pytest.mark.parametrize(
    "abatement",
    [
        {"abatementDateTime": "2020-01-01"},
        {"abatementPeriod": {"end": "2020"}},
        {"abatementAge": {"value": 30, "code": "a"}},
        {"abatementString": "last summer"},
        {"abatementBoolean": True},
    ],
)
def test_an_end_without_a_status_is_over_and_beside_an_active_one_a_doubt(abatement: Resource) -> None:
    """An abatement makes a problem without a status inactive, and one that is called active uncertain."""
    assert not read(MDD_CODE, None, **abatement).active
    doubted = read(MDD_CODE, **abatement)
    assert (doubted.active, doubted.certain) == (True, False)
    assert "abated-yet-active" in doubted.source.repairs


def test_an_end_that_is_denied_is_none() -> None:
    """``abatementBoolean`` false leaves a problem active and certain."""
    found = read(MDD_CODE, None, abatementBoolean=False)
    assert (found.active, found.certain) == (True, True)


@pytest.mark.parametrize("verification", ["refuted", "entered-in-error"])
def test_a_wrong_condition_is_no_diagnosis(verification: str) -> None:
    """Refuted and mistaken Conditions are refused."""
    found = adapted(condition("c", MDD_CODE, verificationStatus=concept("x", verification))).patient
    assert found.diagnoses == ()
    assert len(found.refusals) == 1


@pytest.mark.parametrize(
    ("verification", "certain", "repair"),
    [
        (None, True, None),
        (concept("x", "confirmed"), True, None),
        (concept("x", "unconfirmed"), False, "unconfirmed"),
        (concept("x", "provisional"), False, "provisional"),
        (concept("x", "differential"), False, "differential"),
        (concept("x", "unknown"), False, "verification-status-unknown"),
        ({"text": "to be seen"}, False, "verification-status-unknown"),
        ({"coding": [{"code": "confirmed"}, {"code": "refuted"}]}, False, "verification-status-unknown"),
    ],
)
def test_only_a_confirmed_problem_is_certain(verification: Resource | None, certain: bool, repair: str | None) -> None:
    """A verification status other than confirmed leaves the problem in doubt by name; none at all does not."""
    fields: Resource = {"verificationStatus": verification} if verification else {}
    found = read(MDD_CODE, "active", **fields)
    assert (found.active, found.certain, found.keys) == (True, certain, ("mdd",))
    assert repair is None or repair in found.source.repairs


def test_a_problem_in_doubt_is_no_feature() -> None:
    """A provisional depression makes the feature missing, not true and not false."""
    vector = adapted(condition("c", MDD_CODE, verificationStatus=concept("x", "provisional"))).features
    assert (vector.features["depression"].status, vector.features["depression"].reason) == (
        "missing",
        "diagnosis-not-certain",
    )


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        (concept(ICD10CM, "F33.1"), {"mdd"}),
        (concept(ICD10CM, "F331"), {"mdd"}),
        (concept(ICD10CM, "f33.1"), {"mdd"}),
        (concept(ICD10CM, "F33"), {"mdd"}),
        (concept(ICD10CM, "F33.8"), set()),
        (concept(ICD10CM, "F32.A"), {"depression_unspecified"}),
        (concept(ICD10CM, "F32.81"), set()),
        (concept(ICD10CM, "F32.3"), {"mdd", "psychotic_depression"}),
        (concept(ICD10CM, "F41.9"), {"anxiety_unspecified"}),
        (concept(ICD10CM, "F41.1"), {"gad"}),
        (concept(ICD10CM, "F41.0"), {"panic"}),
        (concept(ICD10CM, "F10.231"), {"alcohol_dependence", "alcohol_withdrawal"}),
        (concept(ICD10CM, "F10.10"), {"alcohol_abuse"}),
        (concept(ICD10CM, "I21.02"), {"acute_mi"}),
        (concept(ICD10CM, "H40.2211"), {"angle_closure_glaucoma"}),
        (concept(ICD10CM, "G90.81"), set()),
        (concept(ICD10CM, "Z3A.20"), {"pregnancy"}),
        (concept(ICD10CM, "Z33.2"), set()),
        (concept(ICD10CM, "F4"), set()),
        (concept(SNOMED, "370143000"), {"mdd"}),
        (concept(SNOMED, "231504006"), {"anxiety_unspecified", "depression_unspecified"}),
        (concept(SNOMED, "310495003"), {"depression_unspecified"}),
        (concept(SNOMED, "48694002"), {"anxiety_unspecified"}),
        (concept(SNOMED, "5602001"), {"substance_abuse"}),
        (concept(SNOMED, "361055000"), {"substance_use_unspecified"}),
        (concept(SNOMED, "709044004"), {"ckd"}),
        (concept(SNOMED, "67002003"), {"bipolar_disorder"}),
        (concept(SNOMED, "73867007"), {"mdd", "psychotic_depression"}),
        (concept("urn:oid:2.16.840.1.113883.6.96", "370143000"), {"mdd"}),
        (concept(SNOMED, "21897009"), {"gad"}),
        (concept(ICD10, "F32.9"), {"depression_unspecified"}),
        (concept(ICD10, "F41.2"), {"anxiety_unspecified", "depression_unspecified"}),
        (concept(ICD10, "F32.2"), {"mdd"}),
        (concept(ICD10, "G40.3"), {"seizure_disorder"}),
        (concept(ICD10GM, "F32.2"), {"mdd"}),
        (concept(ICD10GM, "F32.2 G"), {"mdd"}),
        (concept(ICD10GM, "F00.1*"), {"dementia"}),
        (concept(ICD10GM, "G30.1†"), {"dementia"}),
        (concept(ICD10GM, "I50.14"), {"heart_failure"}),
        (concept(ICD10GM, "J45.0"), {"asthma"}),
        (concept(ICD9CM, "296.32"), {"mdd"}),
        (concept(ICD9CM, "311"), {"depression_unspecified"}),
        (concept(ICD9CM, "296.44"), {"bipolar_disorder", "mania"}),
        (concept(ICD9CM, "295.70"), {"schizoaffective"}),
        ({"coding": [{"system": "urn:x", "code": "1"}, {"system": ICD10CM, "code": "F43.10"}]}, {"ptsd"}),
    ],
)
def test_a_problem_is_known_by_its_code_and_the_categories_above_it(code: Resource, keys: set[str]) -> None:
    """Codes of SNOMED CT and four ICDs give exactly these keys, whatever dots, marks and capitals they have."""
    assert set(read(code).keys) == keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Major depressive disorder", {"mdd"}),
        ("MDD", {"mdd"}),
        ("Major depressive disorder, recurrent, moderate (HCC)", {"mdd"}),
        ("Recurrent major depressive episodes (disorder)", {"mdd"}),
        ("bipolar I disorder", {"bipolar_disorder"}),
        ("Rezidivierende depressive Störung, gegenwärtig schwere Episode ohne psychotische Symptome", set()),
        ("Posttraumatische Belastungsstörung", {"ptsd"}),
        ("psychotic depression", {"mdd", "psychotic_depression"}),
        ("Thoughts of suicide", {"suicidal_ideation"}),
        ("Intentional paracetamol overdose", {"self_harm"}),
        ("Drug overdose", {"poisoning_undetermined"}),
        ("no depression", set()),
        ("rule out MDD", set()),
        ("history of depression", set()),
        ("Family history of bipolar disorder", set()),
        ("MDD?", set()),
        ("depression screening", set()),
        ("MDD vs bipolar disorder", set()),
    ],
)
def test_words_are_a_problem_only_as_they_stand(text: str, keys: set[str]) -> None:
    """A known phrase gives its key and says that words told it; one further word gives nothing."""
    found = read({"text": text})
    assert set(found.keys) == keys
    assert ("diagnosis-from-text" in found.source.repairs) is bool(keys)


@given(st.sampled_from(sorted(TABLES.texts)), st.sampled_from(sorted(TABLES.qualifiers)))
def test_no_qualified_phrase_is_a_problem(phrase: str, qualifier: str) -> None:
    """Whatever stands before a phrase to deny, doubt or date it keeps it from being read as present."""
    text = f"{qualifier} {phrase}"
    assert problem_tables.phrase(text) in TABLES.texts or TABLES.keys_of_texts([text]) == frozenset()
    assert problem_tables.phrase(text) in TABLES.texts or TABLES.qualifier(text) is not None


def test_words_count_only_where_no_code_tells() -> None:
    """A code of gout is gout, whatever its text says."""
    assert read({**concept(SNOMED, "370143000"), "text": "Bipolar disorder"}).keys == ("mdd",)
    assert read({**concept("urn:x", "1"), "text": "Bipolar disorder"}).keys == ("bipolar_disorder",)


@pytest.mark.parametrize(
    ("text", "certain"),
    [
        ("Major depressive disorder", True),
        ("Depression, seen by Dr. A", True),
        ("Rule out MDD", False),
        ("?MDD", False),
        ("Possible depression", False),
        ("H/o major depression", False),
        ("Family history of depression", False),
        ("No depression", False),
        ("Depression ruled out", False),
        ("Verdacht auf Depression", False),
    ],
)
def test_words_that_doubt_their_code_leave_the_problem_in_doubt(text: str, certain: bool) -> None:
    """The code's keys stay for the safety rules, and the problem is no indication."""
    found = read({**MDD_CODE, "text": text})
    assert (found.keys, found.certain) == (("mdd",), certain)
    assert any(repair.startswith("text-says-") for repair in found.source.repairs) is not certain


def test_codes_that_contradict_each_other_leave_the_problem_in_doubt() -> None:
    """Major depression and bipolar disorder in one Condition keep both keys, and neither is certain."""
    codings = [*MDD_CODE["coding"], *concept(ICD10CM, "F31.9")["coding"]]
    found = read({"coding": codings})
    assert (found.keys, found.certain) == (("bipolar_disorder", "mdd"), False)
    assert "codes-disagree" in found.source.repairs


@pytest.mark.parametrize(
    ("code", "clinical", "active", "certain"),
    [
        ("F33.42", None, False, True),
        ("F33.42", "remission", False, True),
        ("F33.42", "active", True, False),
        ("F33.41", "active", True, True),
        ("F31.76", None, True, True),
        ("Z91.51", "active", False, True),
        ("F10.21", None, False, True),
        ("F10.21", "active", True, False),
    ],
)
def test_codes_of_full_remission_and_of_history(code: str, clinical: str | None, active: bool, certain: bool) -> None:
    """Full remission without a status is past, beside an active one a doubt; bipolar disorder is never past."""
    found = read(concept(ICD10CM, code), clinical)
    assert (found.active, found.certain) == (active, certain)


@pytest.mark.parametrize(
    ("marks", "outcome"),
    [
        (["G"], (True, True)),
        (["V"], (True, False)),
        (["Z"], (False, True)),
        (["A"], None),
        (["A", "G"], (True, False)),
    ],
)
def test_the_german_sureness_of_a_diagnosis(marks: list[str], outcome: tuple[bool, bool] | None) -> None:
    """G is confirmed, V suspected, Z past, A refuted; A beside another mark is a doubt."""
    coding: Resource = {
        "system": ICD10GM,
        "code": "F32.2",
        "extension": [{"url": SURENESS, "valueCoding": {"code": mark}} for mark in marks],
    }
    found = adapted(condition("c", {"coding": [coding]})).patient.diagnoses
    assert [(one.active, one.certain) for one in found] == ([outcome] if outcome else [])


@pytest.mark.parametrize("mark", ["G", "V", "Z", "A"])
def test_the_sureness_behind_a_code_is_that_beside_it(mark: str) -> None:
    """ "F32.2 V" reads as F32.2 with the extension V."""
    beside: Resource = {
        "system": ICD10GM,
        "code": "F32.2",
        "extension": [{"url": SURENESS, "valueCoding": {"code": mark}}],
    }
    behind = adapted(condition("c", concept(ICD10GM, f"F32.2 {mark}"))).patient.diagnoses
    same = adapted(condition("c", {"coding": [beside]})).patient.diagnoses
    assert [(one.keys, one.active, one.certain, one.code) for one in behind] == [
        (one.keys, one.active, one.certain, one.code) for one in same
    ]


@pytest.mark.parametrize(
    ("code", "understood"),
    [
        (concept(SNOMED, "57019003", "Verruca plana"), True),
        (concept(SNOMED, "57019003", "Depressed fracture of skull"), True),
        (concept(SNOMED, "57019003", "Respiratory depression"), True),
        (concept(SNOMED, "57019003", "Nicotine dependence"), True),
        (concept(SNOMED, "57019003", "No suicidal thoughts"), True),
        (concept(SNOMED, "57019003", "Severe depressive illness"), False),
        (concept(SNOMED, "57019003", "Post-schizophrenic state"), False),
        ({**concept(SNOMED, "57019003"), "text": "Opioid use disorder, other"}, False),
        (concept(ICD10CM, "M54.5"), True),
        (concept(ICD10CM, "M54.5", "Severe depressive illness"), True),
        ({"text": "low mood"}, False),
        (concept("http://hl7.org/fhir/sid/icpc-2", "P76"), False),
        ({**concept("urn:x", "1"), "text": "asthma"}, True),
        ({"text": "family history of gout"}, True),
        ({"text": "no seizures"}, True),
    ],
)
def test_a_problem_that_no_table_knows_stays_and_is_named_where_it_is_not_understood(
    code: Resource, understood: bool
) -> None:
    """An unmapped problem is a diagnosis; one that no table speaks for, or of telling words, is named besides."""
    assert len(adapted(condition("c", code)).patient.diagnoses) == 1
    assert (("Condition/c", "problem-not-understood") not in reasons(condition("c", code))) is understood


@pytest.mark.parametrize(
    "code", [{}, concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "masked"), {"coding": [{}]}]
)
def test_a_condition_that_says_nothing_leaves_the_list_incomplete(code: Resource) -> None:
    """A Condition without code and text, or with a masked one, is refused, and the problem list is partial."""
    found = adapted(condition("c", code)).patient
    assert found.diagnoses == ()
    assert found.lists["conditions"] == "partial"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (concept(IPS, "no-known-problems"), "supplied"),
        (concept(SNOMED, "160245001"), "supplied"),
        (concept(IPS, "no-problem-info"), "partial"),
    ],
)
def test_no_known_problems_is_a_whole_list_and_no_information_none(code: Resource, state: str) -> None:
    """ "No known problems" supplies an empty list; "no information" leaves it open."""
    found = adapted(condition("c", code)).patient
    assert (found.diagnoses, found.lists["conditions"]) == ((), state)


def test_no_known_problems_beside_a_problem_is_named_and_the_problem_stays() -> None:
    """The statement is refused by name; beside a problem that is over it is not."""
    none = condition("none", concept(IPS, "no-known-problems"))
    assert ("Condition/none", "none-known-beside-listed") in reasons(none, condition("c", MDD_CODE))
    assert reasons(none, condition("c", MDD_CODE, "resolved")) == set()


@pytest.mark.parametrize(
    ("onset", "day", "inexact"),
    [
        ({"onsetDateTime": "2022-03-04"}, date(2022, 3, 4), False),
        ({"onsetDateTime": "2022"}, date(2022, 1, 1), True),
        ({"onsetPeriod": {"start": "2022-03"}}, date(2022, 3, 1), True),
        ({"onsetString": "2022"}, date(2022, 1, 1), True),
        ({"onsetString": "approximately November 2012"}, None, False),
        ({"onsetAge": {"value": 30, "code": "a"}}, date(2014, 3, 12), True),
        ({"onsetAge": {"value": 30, "unit": "years"}}, date(2014, 3, 12), True),
        ({"onsetAge": {"value": 30}}, None, False),
        ({"onsetAge": {"value": 30, "code": "a", "comparator": "<"}}, None, False),
        ({"onsetAge": {"value": 1e300, "code": "a"}}, None, False),
        ({"onsetAge": {"value": -3, "code": "a"}}, None, False),
    ],
)
def test_an_onset_is_its_first_day_and_says_when_it_is_not_exact(
    onset: Resource, day: date | None, inexact: bool
) -> None:
    """Dates, periods and ages give a day; an age counts from the birth date and is never exact."""
    found = read(MDD_CODE, **onset)
    assert (found.onset, "onset-not-exact" in found.source.repairs) == (day, inexact)


def test_an_age_without_an_exact_birth_date_is_no_onset() -> None:
    """Born in 1984 and thirty then is no day."""
    aged = condition("c", MDD_CODE, onsetAge={"value": 30, "code": "a"})
    (found,) = adapted(aged, person=patient(birthDate="1984")).patient.diagnoses
    assert found.onset is None


def test_the_fixture_of_shapes() -> None:
    """Of six Conditions four are diagnoses, an encounter diagnosis among them, and two are refused."""
    found = fixture("conditions_shapes").patient
    assert {one.source.reference.split("/")[1]: one.active for one in found.diagnoses} == {
        "mdd": True,
        "gad-old": False,
        "ptsd": True,
        "wart": True,
    }
    assert {one.reference for one in found.refusals} == {"Condition/refuted", "Condition/error"}


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        ("Z91.81", {"falls"}),
        ("R29.6", {"falls"}),
        ("E05.00", {"hyperthyroidism"}),
        ("E05.90", {"hyperthyroidism"}),
        ("E03.9", {"hypothyroidism"}),
        ("D35.00", {"adrenal_neoplasm"}),
        ("C74.11", {"adrenal_neoplasm"}),
        ("E22.2", {"siadh"}),
        ("I47.20", {"ventricular_arrhythmia"}),
        ("I47.21", {"ventricular_arrhythmia", "torsades"}),
        ("I47.1", set[str]()),
        ("I49.01", {"ventricular_arrhythmia"}),
        ("R94.31", {"abnormal_ecg"}),
        ("N17.9", {"acute_kidney_injury"}),
        ("K76.0", {"fatty_liver"}),
        ("T39.1X2A", {"self_harm"}),
        ("T39.1X1A", set[str]()),
        ("T36.92XD", {"self_harm"}),
        ("T36.91XA", set[str]()),
        ("T71.162A", {"self_harm"}),
        ("X78.1XXA", {"self_harm"}),
        ("X70.1XXA", set[str]()),
        ("R45.88", {"nonsuicidal_self_harm"}),
        ("Z91.51", {"suicide_attempt"}),
        ("Z91.52", {"nonsuicidal_self_harm"}),
        ("T39.1X4A", {"poisoning_undetermined"}),
        ("T50.904D", {"poisoning_undetermined"}),
        ("Y28.1XXA", {"poisoning_undetermined"}),
        ("F34.0", {"cyclothymia"}),
        ("F30.9", {"bipolar_disorder", "mania"}),
        ("R44.0", {"hallucinations"}),
        ("O99.340", {"pregnancy"}),
        ("O99.343", {"pregnancy"}),
        ("O99.344", set[str]()),
        ("O99.345", set[str]()),
        ("O24.410", {"pregnancy"}),
        ("O24.430", set[str]()),
        ("O14.12", {"pregnancy"}),
        ("O14.15", set[str]()),
        ("O60.02", {"pregnancy"}),
        ("O60.12X0", set[str]()),
        ("O15.9", {"pregnancy_possible"}),
        ("Z32.01", {"pregnancy"}),
        ("Z32.02", set[str]()),
        ("F41.9", {"anxiety_unspecified"}),
    ],
)
def test_codes_that_rules_and_gates_read(code: str, keys: set[str]) -> None:
    """An ICD-10-CM code has the keys of its category: self-harm by intent, a tumour of the adrenal gland as no more."""
    assert set(read(concept(ICD10CM, code)).keys) == keys


@pytest.mark.parametrize(
    ("code", "active"), [("T39.1X2A", True), ("T39.1X2D", True), ("T39.1X2S", False), ("X78.9XXS", False)]
)
def test_a_sequela_is_a_history(code: str, active: bool) -> None:
    """What an injury left behind is no present one: ICD-10-CM ends its code with S."""
    assert read(concept(ICD10CM, code)).active is active


def test_a_code_that_ends_with_s_elsewhere_is_no_history() -> None:
    """Only codes of injuries and their causes end with S for a sequela."""
    assert TABLES.said_of_past((ICD10CM, "F33100S")) is None
    assert TABLES.said_of_past((ICD10, "T391X2S")) is None


@pytest.mark.parametrize(("code", "keys"), [("X64", {"self_harm"}), ("X84", {"self_harm"}), ("Z91.5", {"self_harm"})])
def test_self_harm_in_the_whos_icd(code: str, keys: set[str]) -> None:
    """The WHO's ICD-10 has self-harm at X60 to X84 and its history at Z91.5, and ICD-10-GM as the WHO."""
    for system in (ICD10, ICD10GM):
        assert set(read(concept(system, code)).keys) == keys
    assert not read(concept(ICD10, "Z91.5")).active
