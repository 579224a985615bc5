"""The columns that simulator, training and bedside share: outcomes, the patient's, the drug's.

The order is part of the contract: a model is refused when it was trained on another.
"""

EFFICACY = ("remission", "response")
STOPPING = ("stopping", "adverse-event-stopping")
CORE_OUTCOMES = (*EFFICACY, *STOPPING)
SIDE_EFFECTS = ("sexual-dysfunction", "weight-gain", "sedation", "gastrointestinal", "insomnia")
OUTCOMES = (*CORE_OUTCOMES, *SIDE_EFFECTS)

PATIENT_FEATURES = (
    "age",
    "sex",
    "phq9_total",
    "gad7_total",
    "anxiety_disorder",
    "chronic_depression",
    "substance_use",
    "antidepressant_trials",
    "bmi",
)


def term(outcome: str) -> str:
    """Return the name of the column that holds a drug's log-odds ratio on an outcome."""
    return f"log_or_{outcome.replace('-', '_')}"


DRUG_TERMS = tuple(term(outcome) for outcome in OUTCOMES)
ATTRIBUTES = ("ssri", "snri", "tca", "cyp2c19_guided", "cyp2d6_guided")
EXPOSURE = "log_exposure"
DRUG_FEATURES = (*DRUG_TERMS, *ATTRIBUTES, EXPOSURE)
MODEL_FEATURES = (*PATIENT_FEATURES, *DRUG_FEATURES)
