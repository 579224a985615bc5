"""What an EHR's chart says of one patient, asked over FHIR and put in plain words, in whatever dialect it is."""

from conformance import plain_words as words
from conformance.practitioner import FhirClient, Json

PHQ9 = "44261-6"
# What the summary of the chart looks for, by LOINC code.
LATEST = (
    ("blood pressure", "85354-9"),
    ("BMI", "39156-5"),
    ("eGFR", "98979-8"),
    ("sodium", "2951-2"),
    ("QTc", "8636-3,76634-5,76635-2"),
)
_DRUG_LISTS = ("MedicationRequest", "MedicationOrder", "MedicationStatement")  # the second is DSTU2's
_CURRENT = "active,unknown,recorded"  # not every dialect says which of its orders are active


def facts(ehr: FhirClient, patient: str) -> list[tuple[str, str]]:
    """Return problems, drugs, scores and the latest results of a patient, each with its heading."""
    return [*_history(ehr, patient), *(_latest(ehr, patient, *one) for one in LATEST)]


def drug(ehr: FhirClient, order: Json) -> str:
    """Return the drug of an order, read from its Medication where it is named there only."""
    address = words.unnamed_medication(order)
    return words.concept(ehr.read(address).get("code", {})) if address else words.drug(order)


def _history(ehr: FhirClient, patient: str) -> list[tuple[str, str]]:
    problems = ehr.search(f"Condition?patient={patient}&clinical-status=active")
    served = {one["type"] for one in ehr.read("metadata")["rest"][0]["resource"]}
    kinds = [kind for kind in _DRUG_LISTS if kind in served]
    drugs = [one for kind in kinds for one in ehr.search(f"{kind}?patient={patient}&status={_CURRENT}")]
    scores = ehr.search(f"Observation?patient={patient}&code={PHQ9}&_sort=date")
    dated = [f"{words.concept(p['code'])}, since {words.day(p.get('onsetDateTime'))}" for p in problems]
    shown = [f"{words.result(s)} on {words.day(s['effectiveDateTime'])}" for s in scores]
    return [
        ("problems", words.listed(dated)),
        ("drugs", words.listed(_since(ehr, one) for one in drugs)),
        ("PHQ-9", words.listed(shown)),
    ]


def _latest(ehr: FhirClient, patient: str, name: str, codes: str) -> tuple[str, str]:
    found = ehr.search(f"Observation?patient={patient}&code={codes}&_sort=-date&_count=1")
    return name, words.listed(f"{words.result(one)} on {words.day(one['effectiveDateTime'])}" for one in found)


def _since(ehr: FhirClient, order: Json) -> str:
    begun = order.get("authoredOn") or order.get("dateWritten")
    start = begun or order.get("effectivePeriod", {}).get("start")
    instructions = [*order.get("dosageInstruction", []), *order.get("dosage", [])]
    text = f" ({instructions[0]['text']})" if instructions and "text" in instructions[0] else ""
    return f"{drug(ehr, order)}, since {words.day(start)}{text}"
