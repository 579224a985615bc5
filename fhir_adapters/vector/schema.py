"""The schema of the canonical feature vector: name, meaning, unit, range, age limit and derivation.

Adding a feature appends a row. Any change changes ``SCHEMA_VERSION``'s hash, and a model trained on another
schema is refused. Age limits marked "policy" are this project's own choice, not a published figure.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature. ``low``/``high`` are plausible bounds: outside them the value is refused.

    ``kind`` is ``number`` (float), ``count`` (float without a unit), ``code`` (string) or ``flag`` (bool).
    A value older than ``max_age_days`` is ``stale``; None means that age does not matter.
    """

    name: str
    kind: Literal["number", "count", "code", "flag"]
    unit: str | None
    low: float | None
    high: float | None
    max_age_days: int | None
    meaning: str
    derivation: str


def _number(name: str, unit: str, low: float, high: float, age: int | None, meaning: str, how: str) -> FeatureSpec:
    return FeatureSpec(name, "number", unit, low, high, age, meaning, how)


def _code(name: str, age: int | None, meaning: str, how: str) -> FeatureSpec:
    return FeatureSpec(name, "code", None, None, None, age, meaning, how)


def _flag(name: str, meaning: str, how: str) -> FeatureSpec:
    return FeatureSpec(name, "flag", None, None, None, None, meaning, how)


def _scale(name: str, high: float, age: int, meaning: str, how: str) -> FeatureSpec:
    return FeatureSpec(name, "number", "{score}", 0, high, age, meaning, how)


def _gene(gene: str) -> tuple[FeatureSpec, FeatureSpec]:
    name = gene.lower()
    return (
        _code(f"{name}_diplotype", None, f"{gene} diplotype, star alleles", _GENE),
        _code(f"{name}_phenotype", None, f"{gene} metaboliser phenotype as reported, in CPIC's words", _GENE),
    )


_LATEST = "latest usable Observation"
_GENE = "latest genotype result; code, gene and text agree"
_DAILY = "mean of the days with data among the last 14, at least 4 of them"
_FAMILY = "FamilyMemberHistory"
_SCALE = "latest total: as recorded, or summed from all items (Observation or QuestionnaireResponse)"

FEATURES: tuple[FeatureSpec, ...] = (
    _number("age", "a", 0, 130, None, "age in whole years", "Patient.birthDate to the date of assessment"),
    _code("sex", None, "administrative gender", "Patient.gender: female, male, other"),
    _number("phq9_total", "{score}", 0, 27, 90, "PHQ-9 total", _SCALE),
    _number(
        "phq9_item9",
        "{score}",
        0,
        3,
        90,
        "PHQ-9 item 9, thoughts of death or self-harm",
        "latest answer by code",
    ),
    _number(
        "phq9_previous",
        "{score}",
        0,
        27,
        365,
        "PHQ-9 total before the latest one",
        "total next before the latest",
    ),
    _number("gad7_total", "{score}", 0, 21, 90, "GAD-7 total", _SCALE),
    _number("audit_c_total", "{score}", 0, 12, 365, "AUDIT-C total", _SCALE),
    _number("systolic_bp", "mm[Hg]", 60, 260, 180, "systolic blood pressure", _LATEST + " or component"),
    _number("diastolic_bp", "mm[Hg]", 30, 160, 180, "diastolic blood pressure", _LATEST + " or component"),
    _number("heart_rate", "/min", 25, 250, 180, "heart rate", _LATEST),
    _number("weight", "kg", 20, 400, 365, "body weight", _LATEST),
    _number("height", "cm", 100, 250, None, "body height", _LATEST),
    _number("bmi", "kg/m2", 10, 100, 365, "body mass index", "recorded, else weight over height squared"),
    _number("sodium", "mmol/L", 100, 180, 365, "serum sodium", _LATEST),
    _number("potassium", "mmol/L", 1.5, 9, 365, "serum potassium", _LATEST),
    _number("magnesium", "mmol/L", 0.2, 4, 365, "serum magnesium", _LATEST),
    _number("creatinine", "mg/dL", 0.1, 25, 365, "serum creatinine", _LATEST),
    _number(
        "egfr",
        "mL/min/1.73m2",
        1,
        200,
        365,
        "estimated glomerular filtration rate",
        _LATEST + ", CKD-EPI 2021 first",
    ),
    _number(
        "crcl",
        "mL/min",
        1,
        300,
        365,
        "creatinine clearance",
        "Cockcroft-Gault from age, sex, weight, creatinine",
    ),
    _number("alt", "U/L", 1, 10000, 365, "alanine aminotransferase", _LATEST),
    _number("ast", "U/L", 1, 10000, 365, "aspartate aminotransferase", _LATEST),
    _number("platelets", "10*9/L", 1, 2000, 365, "platelet count", _LATEST),
    _number("anc", "10*9/L", 0, 100, 365, "absolute neutrophil count", _LATEST),
    _number("hba1c", "%", 3, 20, 365, "haemoglobin A1c", _LATEST),
    _number("tsh", "m[IU]/L", 0, 500, 365, "thyroid stimulating hormone", _LATEST),
    _number("qtc", "ms", 200, 800, 365, "corrected QT interval", _LATEST),
    _number("lithium_level", "mmol/L", 0, 10, 180, "serum lithium", _LATEST),
    _number("prolactin", "ng/mL", 0, 5000, 365, "serum prolactin", _LATEST),
    _code(
        "pregnancy_status", 60, "pregnant, not_pregnant", "latest coded Observation, or an active pregnancy Condition"
    ),
    _code("smoking_status", 1095, "smoking status", "latest coded Observation"),
    _flag("depression", "major depressive disorder on the problem list", "active Condition"),
    _flag("anxiety_disorder", "anxiety disorder on the problem list", "active Condition: GAD, panic, social anxiety"),
    _flag("ptsd", "post-traumatic stress disorder on the problem list", "active Condition"),
    _flag("substance_use", "alcohol or substance use disorder", "active Condition"),
    _flag("chronic_depression", "depression for two years or more, or dysthymia", "onset of the active Condition"),
    FeatureSpec(
        "antidepressant_trials",
        "count",
        "{trials}",
        0,
        50,
        None,
        "earlier antidepressant courses that ended",
        "stopped courses of four weeks or more, one a drug",
    ),
    _number(
        "antidepressant_days",
        "d",
        0,
        20000,
        None,
        "days on the present antidepressant",
        "start of the active course to the date of assessment",
    ),
    FeatureSpec(
        "medication_count",
        "count",
        "{drugs}",
        0,
        200,
        None,
        "drugs being taken or ordered",
        "active courses, one an ingredient",
    ),
    # The rating scales beyond PHQ-9, GAD-7 and AUDIT-C.
    _scale("phq2_total", 6, 90, "PHQ-2 total", _SCALE),
    FeatureSpec(
        "phq9_change",
        "number",
        "{score}",
        -27,
        27,
        90,
        "change of the PHQ-9 total, below 0 is better",
        "phq9_total minus phq9_previous",
    ),
    _scale("cssrs_ideation", 5, 90, "C-SSRS most severe ideation, 0 none to 5 plan and intent", "latest screener"),
    _code("cssrs_behaviour", 90, "C-SSRS suicidal behaviour: recent, lifetime, none", "latest screener, question 6"),
    _scale("mdq_total", 13, 365, "MDQ, symptoms answered yes", _SCALE),
    _scale("epds_total", 30, 90, "EPDS total", _SCALE),
    _scale("epds_item10", 3, 90, "EPDS item 10, thoughts of self-harm", "latest answer by code"),
    _scale("isi_total", 28, 90, "Insomnia Severity Index total", _SCALE),
    _scale("pcl5_total", 80, 90, "PCL-5 total", _SCALE),
    _scale("ymrs_total", 60, 30, "Young Mania Rating Scale total", _SCALE),
    _scale("madrs_total", 60, 90, "MADRS total", _SCALE),
    _scale("hamd17_total", 52, 90, "Hamilton depression rating, 17 items, total", _SCALE),
    _scale("qids_total", 27, 90, "QIDS (self-report or clinician) total", _SCALE),
    # Laboratory values and signs that monitoring reads.
    _number("calcium", "mg/dL", 3, 20, 365, "serum calcium", _LATEST),
    _number("albumin", "g/dL", 0.5, 7, 365, "serum albumin", _LATEST),
    _number("bilirubin_total", "mg/dL", 0, 60, 365, "total bilirubin", _LATEST),
    _number("hemoglobin", "g/dL", 2, 25, 365, "haemoglobin", _LATEST),
    _number("wbc", "10*9/L", 0, 500, 365, "white blood cell count", _LATEST),
    _number("glucose", "mg/dL", 10, 2000, 365, "glucose, any time", _LATEST),
    _number("glucose_fasting", "mg/dL", 10, 2000, 365, "fasting glucose", _LATEST),
    _number("cholesterol_total", "mg/dL", 30, 1000, 365, "total cholesterol", _LATEST),
    _number("ldl", "mg/dL", 5, 800, 365, "LDL cholesterol", _LATEST),
    _number("hdl", "mg/dL", 5, 300, 365, "HDL cholesterol", _LATEST),
    _number("triglycerides", "mg/dL", 10, 10000, 365, "triglycerides", _LATEST),
    _number("t4_free", "ng/dL", 0, 20, 365, "free thyroxine", _LATEST),
    _number("ammonia", "umol/L", 0, 1000, 30, "ammonia", _LATEST),
    _number("inr", "{INR}", 0.5, 20, 90, "international normalised ratio", _LATEST),
    _number("valproate_level", "ug/mL", 0, 500, 180, "serum valproate", _LATEST),
    _number("clozapine_level", "ng/mL", 0, 5000, 180, "serum clozapine", _LATEST),
    _number("respiratory_rate", "/min", 3, 80, 180, "respiratory rate", _LATEST),
    _number("spo2", "%", 40, 100, 180, "oxygen saturation", _LATEST),
    _number("body_temperature", "Cel", 30, 44, 30, "body temperature", _LATEST),
    # Reproduction and substances.
    _code("breastfeeding_status", 180, "breastfeeding, not_breastfeeding", "latest coded Observation or Condition"),
    _number("alcohol_drinks_per_day", "{drinks}/d", 0, 60, 365, "alcoholic drinks a day", _LATEST),
    # Wearables: daily series, never single samples.
    _number("steps_per_day", "{steps}/d", 0, 100000, 14, "steps a day", _DAILY),
    _number("sleep_hours", "h", 0, 24, 14, "sleep a day", _DAILY),
    _number("resting_heart_rate", "/min", 25, 250, 14, "resting heart rate", _DAILY),
    # Genes.
    *_gene("CYP2D6"),
    *_gene("CYP2C19"),
    *_gene("CYP2B6"),
    *_gene("CYP2C9"),
    _code("hla_b_1502", None, "HLA-B*15:02: positive, negative", _GENE),
    _code("hla_a_3101", None, "HLA-A*31:01: positive, negative", _GENE),
    # Family history: false only where the whole history was supplied.
    _flag("family_bipolar", "bipolar disorder in a blood relative", _FAMILY),
    _flag("family_depression", "depression in a blood relative", _FAMILY),
    _flag("family_suicide", "suicide or attempt in a blood relative", _FAMILY),
)

BY_NAME = {spec.name: spec for spec in FEATURES}


def _digest() -> str:
    return hashlib.sha256("\n".join(repr(spec) for spec in FEATURES).encode()).hexdigest()[:12]


SCHEMA_VERSION = f"1+{_digest()}"
