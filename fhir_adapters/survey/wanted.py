"""What is wanted from an EHR for one patient: prefetch keys with the narrow, portable searches that fill them.

The service asks for it, and a conformance run says whether an EHR can give it.
"""

from dataclasses import dataclass

from fhir_adapters import terminology
from fhir_adapters.gene import gene_tables
from fhir_adapters.vector.schema import FEATURES

_PATIENT = "{{context.patientId}}"
_ASSESSMENT = "http://snomed.info/sct|225337009"  # suicide risk assessment: terminology/procedures.csv


@dataclass(frozen=True, slots=True)
class Template:
    """One prefetch key: its template, and whether an evaluation can do without it.

    ``holds`` says in plain words what it fills. ``decisive``: an evaluation can do without it where the EHR has
    none, but not where reading it failed.
    """

    key: str
    template: str
    required: bool
    holds: str
    decisive: bool = False

    def query(self, patient_id: str) -> str:
        """Return the read or search for one patient, relative to the FHIR base."""
        return self.template.replace(_PATIENT, patient_id)


def templates() -> tuple[Template, ...]:
    """Return the prefetch templates: reads, type searches, token equality, ``_sort`` and ``_count`` only.

    This is the subset that CDS Hooks 2.0.1 "Prefetch query restrictions" asks clients to support.
    """
    of = f"patient={_PATIENT}"
    scores, analytes = _scale_codes(), _analyte_codes()
    return (
        Template("patient", f"Patient/{_PATIENT}", required=True, holds="the patient"),
        Template("conditions", f"Condition?{of}&_count=200", required=True, holds="problems"),
        Template("medications", f"MedicationRequest?{of}&_count=200", required=True, holds="prescriptions"),
        Template("statements", f"MedicationStatement?{of}&_count=200", required=False, holds="reported drugs"),
        Template("allergies", f"AllergyIntolerance?{of}&_count=100", required=False, holds="allergies"),
        Template("scores", f"Observation?{of}&code={scores}&_sort=-date&_count=100", required=True, holds="scores"),
        Template(
            "responses",
            f"QuestionnaireResponse?{of}&_sort=-authored&_count=20",
            required=False,
            holds="questionnaire answers",
        ),
        Template(
            "observations",
            f"Observation?{of}&code={analytes}&_sort=-date&_count=200",
            required=False,
            holds="laboratory values and vital signs",
        ),
        Template(
            "genes",
            f"Observation?{of}&code={_gene_codes()}&_sort=-date&_count=50",
            required=False,
            holds="gene results",
        ),
        Template(
            "daily",
            f"Observation?{of}&code={_codes_of(_DAILY)}&_sort=-date&_count=200",
            required=False,
            holds="steps, sleep and resting heart rate",
        ),
        Template(
            "procedures",
            f"Procedure?{of}&code={_ASSESSMENT}&_count=20",
            required=False,
            holds="assessments of suicide risk",
        ),
        Template("family_history", f"FamilyMemberHistory?{of}&_count=50", required=False, holds="family history"),
        # A search that failed must not outvote a refusal that it would have found.
        Template("consents", f"Consent?{of}&_count=50", required=False, holds="consents", decisive=True),
    )


# Scales that a feature, a gate or a rule reads; a scale outside them would only make the answer larger.
_SCALES = (
    *("phq9", "phq9_mds", "phq9_ov", "phq2", "gad7", "audit_c", "cssrs_screener", "cssrs_full", "epds", "mdq", "pcl5"),
    *("hamd17", "madrs", "qids_sr16", "qids_c16"),
)
_DAILY = frozenset(
    {"steps", "steps_day", "sleep_duration", "sleep_awake", "sleep_deep", "sleep_light", "sleep_rem"}
) | {"resting_heart_rate"}


def _scale_codes() -> str:
    codes = terminology.load().scale_codes.items()
    return ",".join(sorted(f"{system}|{code}" for (system, code), part in codes if part.scale in _SCALES))


def _analyte_codes() -> str:
    names = {spec.name for spec in FEATURES} | {"qt", "bp_panel", "tobacco_smoking_status"}
    names |= {"hcg_qualitative", "hcg_quantitative"}  # they make a pregnancy possible
    names |= {"suicide_risk_assessment"}  # read by a gate
    return _codes_of(frozenset(names - _DAILY))


def _gene_codes() -> str:
    return ",".join(sorted(f"{system}|{code}" for system, code in gene_tables.load().results))


def _codes_of(names: frozenset[str]) -> str:
    codes = terminology.load().observation_codes.items()
    return ",".join(sorted(f"{system}|{code}" for (system, code), found in codes if found.key in names))
