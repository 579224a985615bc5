"""Chart facts for laws: each with the ways in which the same fact may be written, and charts made of them.

A chart is a vignette's table, so that the adapters read it; values stand well away from every threshold, because
the last digits of two units differ.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

Vignette = dict[str, Any]


class Fact(NamedTuple):
    """One fact: in which part of a vignette it stands, its id there, and its equal writings, the plain one first."""

    part: str
    id: str
    writings: tuple[Any, ...]


def _problem(name: str, *writings: str) -> Fact:
    return Fact("problems", name, writings)


def _drug(name: str, *writings: str) -> Fact:
    return Fact("drugs", name, tuple({"is": one, "since": 90} for one in writings))


def _lab(name: str, *writings: tuple[str, str]) -> Fact:
    """Return a value; a writing is the code's name in charts.LAB_CODES and the value with its unit."""
    return Fact("labs", name, writings)


GRAVE_PROBLEMS = (
    _problem("epilepsy", "G40.909 Epilepsy, unspecified, not intractable", "84757009 Epilepsy", "Epilepsy"),
    _problem("bulimia", "F50.20 Bulimia nervosa, unspecified", "78004001 Bulimia nervosa"),
    _problem("glaucoma", "H40.20X0 Primary angle-closure glaucoma", "30041005 Acute angle-closure glaucoma"),
    _problem("cirrhosis", "K74.60 Unspecified cirrhosis of liver", "19943007 Cirrhosis of liver"),
    _problem("infarction", "I21.4 Non-ST elevation (NSTEMI) myocardial infarction", "22298006 Myocardial infarction"),
    _problem("long_qt", "I45.81 Long QT syndrome", "442917000 Congenital long QT syndrome"),
    _problem("asthma", "J45.909 Unspecified asthma, uncomplicated", "195967001 Asthma"),
    _problem("alcohol", "F10.20 Alcohol dependence, uncomplicated", "66590003 Alcohol dependence"),
    _problem("retention", "R33.9 Retention of urine, unspecified", "R33.9 urinary retention"),
    _problem("narcolepsy", "G47.419 Narcolepsy without cataplexy", "60380001 Narcolepsy"),
    _problem("tachycardia", "I47.20 Ventricular tachycardia, unspecified", "25569003 Ventricular tachycardia"),
    _problem("kidney", "N17.9 Acute kidney failure, unspecified", "14669001 Acute renal failure syndrome"),
    _problem("thyroid", "E05.90 Thyrotoxicosis, unspecified", "34486009 Hyperthyroidism", "90739004 Thyrotoxicosis"),
    _problem("falls", "Z91.81 History of falling", "161898004 Falls"),
)
GRAVE_DRUGS = (
    _drug("phenelzine", "RXNORM:312347 phenelzine 15 MG Oral Tablet", "RXNORM:8123 phenelzine", "Nardil 15 mg tablet"),
    _drug("linezolid", "linezolid 600 MG Oral Tablet", "RXNORM:190376 linezolid", "Zyvox 600 mg"),
    _drug("warfarin", "RXNORM:855332 warfarin sodium 5 MG Oral Tablet", "RXNORM:11289 warfarin", "Coumadin 5 mg"),
    _drug("ibuprofen", "ibuprofen 600 MG Oral Tablet", "RXNORM:5640 ibuprofen", "Motrin 600 mg"),
    _drug("tramadol", "tramadol hydrochloride 50 MG Oral Tablet", "RXNORM:10689 tramadol", "Ultram 50 mg"),
    _drug("methadone", "methadone hydrochloride 10 MG Oral Tablet", "RXNORM:6813 methadone"),
    _drug("tamoxifen", "tamoxifen 20 MG Oral Tablet", "Nolvadex 20 mg"),
    _drug("pimozide", "pimozide 2 MG Oral Tablet", "RXNORM:8331 pimozide", "Orap 2 mg"),
    _drug("clarithromycin", "clarithromycin 500 MG Oral Tablet", "RXNORM:21212 clarithromycin", "Biaxin 500 mg"),
    _drug("oxycodone", "oxycodone hydrochloride 10 MG Oral Tablet", "RXNORM:7804 oxycodone"),
    _drug("carbamazepine", "carbamazepine 200 MG Oral Tablet", "RXNORM:2002 carbamazepine"),
)
MILD_DRUGS = (
    _drug("sumatriptan", "sumatriptan 50 MG Oral Tablet", "RXNORM:37418 sumatriptan", "Imitrex 50 mg"),
    _drug("thiazide", "hydrochlorothiazide 25 MG Oral Tablet", "RXNORM:5487 hydrochlorothiazide", "Microzide 25 mg"),
    _drug("paracetamol", "acetaminophen 500 MG Oral Tablet", "RXNORM:161 acetaminophen"),
    _drug("loratadine", "loratadine 10 MG Oral Tablet", "RXNORM:28889 loratadine"),
)
GRAVE_LABS = (
    _lab("sodium", ("sodium", "124 mmol/L"), ("sodium", "124 meq/L")),
    _lab("potassium", ("potassium", "2.8 mmol/L"), ("potassium", "2.8 meq/L")),
    _lab("magnesium", ("magnesium_molar", "0.5 mmol/L"), ("magnesium", "1.21524 mg/dL")),
    _lab("qtc", ("qtc", "530 ms"), ("qtc", "0.53 s")),
    _lab(
        "egfr",
        ("egfr", "9 mL/min/{1.73_m2}"),
    ),
    _lab("anc", ("anc", "0.3 10*9/L"), ("anc", "300 /uL"), ("anc", "0.3 10*3/uL")),
    _lab("systolic", ("systolic", "190 mm[Hg]"), ("systolic", "25.3311 kPa")),
)
USUAL_LABS = (
    _lab("sodium", ("sodium", "140 mmol/L"), ("sodium", "140 meq/L")),
    _lab("potassium", ("potassium", "4.3 mmol/L"), ("potassium", "4.3 meq/L")),
    _lab("qtc", ("qtc", "410 ms"), ("qtc", "0.41 s")),
    _lab("creatinine", ("creatinine", "0.9 mg/dL"), ("creatinine_molar", "79.56 umol/L")),
    _lab("weight", ("weight", "80 kg"), ("weight", "176.37 [lb_av]")),
    _lab(
        "egfr",
        ("egfr", "92 mL/min/{1.73_m2}"),
    ),
    _lab(
        "systolic",
        ("systolic", "122 mm[Hg]"),
    ),
    _lab("hba1c", ("hba1c", "5.4 %"), ("hba1c", "35.5 mmol/mol")),
    _lab("lithium", ("lithium", "0.7 mmol/L"), ("lithium_mass", "0.4858 mg/dL")),
)
ALLERGIES = tuple(
    Fact("allergies", name.split()[0], (name, brand))
    for name, brand in (("sertraline", "Zoloft"), ("fluoxetine", "Prozac"), ("bupropion", "Wellbutrin"))
)
ANSWERS = (
    Fact("scores", "item9", ({"value": 2, "ago": 3},)),
    Fact("scores", "cssrs4", ({"value": 1, "ago": 3},)),
    Fact("scores", "epds10", ({"value": 1, "ago": 3},)),
    Fact("scores", "mdq", ({"value": 10, "ago": 3},)),
)
GENES = (
    Fact("genes", "CYP2D6", ("CYP2D6 Poor Metabolizer", "CYP2D6 poor metaboliser")),
    Fact("genes", "CYP2C19", ("CYP2C19 Poor Metabolizer", "Poor metabolizer")),
    Fact("genes", "HLA-B", ("HLA-B*15:02/HLA-B*40:01", "HLA-B*40:01/HLA-B*15:02")),
)
GRAVE = (*GRAVE_PROBLEMS, *GRAVE_DRUGS, *GRAVE_LABS, *ALLERGIES, *ANSWERS, *GENES)
COMMON = (*GRAVE_PROBLEMS, *GRAVE_DRUGS, *MILD_DRUGS, *USUAL_LABS, *ALLERGIES, *GENES)
PERSONS = ("man 45", "woman 62", "man 72", "man 22")


def chart(person: str, facts: Sequence[Fact], writings: Sequence[int] = ()) -> Vignette:
    """Return a chart with these facts, each in the writing of the same place (the first where none is given)."""
    made: Vignette = {"person": person, "problems": {"mdd": "F33.1 Major depressive disorder, recurrent, moderate"}}
    for index, fact in enumerate(facts):
        chosen = writings[index] if index < len(writings) else 0
        written = fact.writings[chosen % len(fact.writings)]
        name, value = written if fact.part == "labs" else (fact.id, written)
        made.setdefault(fact.part, {})[name] = value
    return made


def some(pool: Sequence[Fact], most: int = 5) -> st.SearchStrategy[list[Fact]]:
    """Draw some facts, no two of one id: a chart with two values of one test is another matter."""
    return st.lists(st.sampled_from(pool), max_size=most, unique_by=lambda fact: (fact.part, fact.id))


persons = st.sampled_from(PERSONS)
