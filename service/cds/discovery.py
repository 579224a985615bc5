"""Discovery: one service a hook, each with an id of its own, and the narrow searches that fill their prefetch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from fhir_adapters import terminology
from fhir_adapters.gene import gene_tables
from fhir_adapters.vector.schema import FEATURES
from service.errors import NotFound

SPECIFICATION = "2.0.1"
PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN = "patient-view", "order-select", "order-sign"
_PATIENT = "{{context.patientId}}"


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


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service: one hook, one id (CDS Hooks lets two hooks share an id; clients lose one of them)."""

    id: str
    hook: str
    title: str
    description: str
    usage: str
    templates: Sequence[Template]


_USAGE = "For practitioners. Works from prefetch alone; what is missing is read from fhirServer."


@cache
def services() -> Mapping[str, Service]:
    """Return the services by id. They share one prefetch, so that a client's cache fills it once."""
    shared = templates()
    options = Service(
        id="psychotropic-options",
        hook=PATIENT_VIEW,
        title="Psychotropic options",
        description=(
            "For an adult with major depression whose treatment is to be started or changed: at most one "
            "card with up to two draft prescriptions and no change, what was ruled out and why, and what is "
            "not known. Nothing becomes an order until a practitioner signs it."
        ),
        usage=_USAGE,
        templates=shared,
    )
    select = Service(
        id="psychotropic-order-select",
        hook=ORDER_SELECT,
        title="Psychotropic order: reasons and alternatives",
        description=(
            "For a psychotropic drug that was selected: at most one card with what speaks against it in this chart, "
            "how its dose stands to start and ceiling, what is not known, and drafts that could take its place."
        ),
        usage=f"{_USAGE} Orders may be half-written.",
        templates=shared,
    )
    sign = Service(
        id="psychotropic-order-sign",
        hook=ORDER_SIGN,
        title="Psychotropic order: safety before signing",
        description=(
            "For the whole order set about to be signed: at most one card with contraindications, warnings and doses "
            "above the ceiling. No new idea at this step, so no suggestion."
        ),
        usage=f"{_USAGE} Orders may be half-written.",
        templates=shared,
    )
    return {found.id: found for found in (options, select, sign)}


def service(service_id: str) -> Service:
    """Return a service; NotFound U-CDS-SERVICE."""
    found = services().get(service_id)
    if found is None:
        raise NotFound("U-CDS-SERVICE", "there is no such CDS service; GET /cds-services lists them")
    return found


@cache
def document() -> bytes:
    """Return the discovery answer."""
    listed = [
        {
            "hook": found.hook,
            "id": found.id,
            "title": found.title,
            "description": found.description,
            "usageRequirements": found.usage,
            "version": SPECIFICATION,
            "prefetch": {template.key: template.template for template in found.templates},
        }
        for found in services().values()
    ]
    return msgspec.json.encode({"services": listed})


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
    names = {spec.name for spec in FEATURES} | {"qt", "hcg_qualitative", "bp_panel", "tobacco_smoking_status"}
    names |= {"suicide_risk_assessment"}  # read by a gate
    return _codes_of(frozenset(names - _DAILY))


def _gene_codes() -> str:
    return ",".join(sorted(f"{system}|{code}" for system, code in gene_tables.load().results))


def _codes_of(names: frozenset[str]) -> str:
    codes = terminology.load().observation_codes.items()
    return ",".join(sorted(f"{system}|{code}" for (system, code), found in codes if found.key in names))
