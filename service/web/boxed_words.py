"""The boxed warnings of the formulary in words: what each is about, not what its label says."""

from collections.abc import Iterable, Mapping

WORDS: Mapping[str, str] = {
    "suicidality_under_25": "suicidal thoughts under age 25",
    "suicidality_children_adolescents": "suicidal thoughts in children and adolescents",
    "suicidality": "suicidal thoughts",
    "dementia_mortality": "death in older people with psychosis of dementia",
    "abuse_misuse": "abuse and misuse",
    "abuse_misuse_addiction": "abuse, misuse and addiction",
    "opioid_coadministration": "use together with opioids",
    "dependence_withdrawal": "dependence and withdrawal",
    "complex_sleep_behaviours": "complex sleep behaviours",
    "hepatotoxicity": "injury of the liver",
    "sedation": "sedation",
    "dissociation": "dissociation",
    "respiratory_depression": "respiratory depression",
    "REMS": "a restricted programme (REMS)",
    "driving_impairment": "impaired driving",
    "hypertensive_crisis": "hypertensive crisis",
    "lithium_toxicity": "lithium toxicity",
    "fetal_risk": "risk to the fetus",
    "pancreatitis": "pancreatitis",
    "serious_rash": "serious rash",
    "SJS_TEN_HLA-B*1502": "SJS and TEN with HLA-B*15:02",
    "aplastic_anaemia": "aplastic anaemia",
    "severe_neutropenia": "severe neutropenia",
    "orthostatic_hypotension_bradycardia_syncope": "orthostatic hypotension, bradycardia and syncope",
    "seizures": "seizures",
    "myocarditis": "myocarditis",
    "qt_torsades": "QT prolongation and torsades de pointes",
    "abrupt_cessation": "stopping abruptly",
}


def said(keys: Iterable[str]) -> str:
    """Return boxed warnings in words; a key of a site's own pack without words here is told as it is."""
    return "; ".join(WORDS.get(key, key.replace("_", " ")) for key in keys)
