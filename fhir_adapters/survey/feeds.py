"""Which features a fact feeds, and the groups in which features are shown."""

from collections.abc import Mapping
from functools import cache

from fhir_adapters import terminology
from fhir_adapters.vector.schema import FEATURES, FeatureSpec

_MORE: Mapping[str, tuple[str, ...]] = {
    "bp_panel": ("systolic_bp", "diastolic_bp"),
    "creatinine": ("creatinine", "crcl"),
    "height": ("height", "bmi"),
    "sleep_awake": ("sleep_hours",),
    "sleep_deep": ("sleep_hours",),
    "sleep_duration": ("sleep_hours",),
    "sleep_light": ("sleep_hours",),
    "sleep_rem": ("sleep_hours",),
    "steps": ("steps_per_day",),
    "steps_day": ("steps_per_day",),
    "tobacco_smoking_status": ("smoking_status",),
    "weight": ("weight", "bmi", "crcl"),
    "medications": ("antidepressant_trials", "antidepressant_days", "medication_count"),
    "conditions": ("depression", "anxiety_disorder", "ptsd", "substance_use", "chronic_depression"),
    # By scale, for all its parts.
    "phq9": ("phq9_total", "phq9_previous", "phq9_change"),
    "cssrs_screener": ("cssrs_ideation", "cssrs_behaviour"),
    "cssrs_full": ("cssrs_ideation", "cssrs_behaviour"),
    "qids_c16": ("qids_total",),
    "qids_sr16": ("qids_total",),
    # By part.
    "phq9.item9_self_harm": ("phq9_item9",),
    "phq9.item1_interest": ("phq2_total",),
    "phq9.item2_mood": ("phq2_total",),
    "epds.item10_self_harm": ("epds_item10",),
}
GROUPS = ("Patient", "Scales", "Problems", "Drugs", "Vital signs", "Laboratory", "Social history", "Wearables", "Genes")
_NAMED = {
    **dict.fromkeys(("age", "sex"), "Patient"),
    **dict.fromkeys(("depression", "anxiety_disorder", "ptsd", "substance_use", "chronic_depression"), "Problems"),
    **dict.fromkeys(("family_bipolar", "family_depression", "family_suicide"), "Problems"),
    **dict.fromkeys(("antidepressant_trials", "antidepressant_days", "medication_count"), "Drugs"),
    **dict.fromkeys(("steps_per_day", "sleep_hours"), "Wearables"),
    "crcl": "Laboratory",
    "smoking_status": "Social history",
}
_BY_ANALYTE = {
    "lab": "Laboratory",
    "vital": "Vital signs",
    "ecg": "Vital signs",
    "social": "Social history",
    "daily": "Wearables",
}


@cache
def features_of(key: str) -> tuple[str, ...]:
    """Return the features that an analyte, a ``<scale>.<part>`` or a list feeds; none for what no feature reads."""
    scale, _, part = key.partition(".")
    names = [*_MORE.get(key, ()), *(_MORE.get(scale, (f"{scale}_total",)) if part else ())]
    known = {spec.name for spec in FEATURES}
    return tuple(dict.fromkeys(name for name in (key, *names) if name in known))


def group_of(spec: FeatureSpec) -> str:
    """Return the group in which a feature is shown."""
    analyte = terminology.load().analytes.get(spec.name)
    if spec.name in _NAMED:
        return _NAMED[spec.name]
    if analyte is not None:
        return _BY_ANALYTE.get(analyte.group, "Laboratory")
    return "Genes" if spec.name.startswith(("cyp", "hla")) else "Scales"
