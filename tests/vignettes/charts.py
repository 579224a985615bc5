"""A vignette's chart, written in a few lines of TOML, as the prefetch values of a hook call.

Every list that a vignette does not name as missing is supplied, if need be empty. Days count back from ``AS_OF``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from tests.fixtures.resources import (
    AS_OF,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    Resource,
    allergy,
    concept,
    condition,
    consent,
    observation,
    patient,
    quantity,
    request,
    response,
    statement,
)

Table = Mapping[str, Any]
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
AI = ("https://undersign.dev/fhir/CodeSystem/consent", "ai-decision-support")
LAB_CODES = {
    "sodium": "2951-2", "potassium": "2823-3", "magnesium": "19123-9", "creatinine": "2160-0", "egfr": "98979-8",
    "qtc": "76634-5", "lithium": "14334-7", "lithium_mass": "3719-2", "anc": "751-8", "alt": "1742-6",
    "systolic": "8480-6", "diastolic": "8462-4", "pulse": "8867-4", "weight": "29463-7", "height": "8302-2",
    "bmi": "39156-5", "hba1c": "4548-4", "tsh": "3016-3", "platelets": "777-3", "magnesium_molar": "2601-3",
    "creatinine_molar": "14682-9", "bilirubin": "1975-2", "albumin": "1751-7", "inr": "34714-6",
}  # fmt: skip
SCORE_CODES = {
    "phq9": "44261-6", "item9": "44260-8", "gad7": "70274-6", "epds10": "71353-7", "cssrs1": "93246-7",
    "cssrs2": "93247-5", "cssrs3": "93248-3", "cssrs4": "93249-1", "cssrs5": "93250-9", "cssrs6": "93267-3",
    "cssrs6b": "93269-9", "mdq": "84773-1", "auditc": "75626-2",
}  # fmt: skip
SCORE_NAMES = {"isi": "Insomnia Severity Index"}
STATES = {
    "pregnant": ("82810-3", SNOMED, "77386006"),
    "not-pregnant": ("82810-3", SNOMED, "60001007"),
    "breastfeeding": ("63895-7", LOINC, "LA29252-6"),
    "smokes-daily": ("72166-2", SNOMED, "449868002"),
    "never-smoked": ("72166-2", SNOMED, "266919005"),
}
GENES = {"CYP2D6": "79715-9", "CYP2C19": "79714-2"}
HGNC, GENE_IDS = "http://www.genenames.org/geneId", {"HLA-B": "HGNC:4932"}
SUPPLIED = ("conditions", "medications", "statements", "allergies", "scores", "responses", "observations", "consents")


def adapted(vignette: Table) -> Adapted:
    """Return what the adapters make of a vignette's chart."""
    return adapt_prefetch(prefetch(vignette), "p1", AS_OF)


def prefetch(vignette: Table) -> dict[str, bytes]:
    """Return the prefetch values of a vignette."""
    missing = vignette.get("missing", ())
    found = {
        name: json.dumps(bundle(resources)).encode() for name, resources in _lists(vignette) if name not in missing
    }
    return {"patient": json.dumps(person(vignette)).encode(), **found}


def bundle(resources: Iterable[Resource]) -> Resource:
    """Return a searchset Bundle."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in resources]}


def day(ago: int) -> date:
    """Return the day so many days before the assessment."""
    return AS_OF - timedelta(days=ago)


def person(vignette: Table) -> Resource:
    """Return the Patient: ``person = "woman 34"``, or with a birth date that is only a year or missing."""
    sex, age = vignette["person"].split()
    gender = {"man": "male", "woman": "female"}.get(sex, sex)
    if age == "?":
        return {**patient(gender=gender), "birthDate": None}
    return patient(gender=gender, birthDate=date(AS_OF.year - int(age), 3, 12).isoformat())


def _lists(vignette: Table) -> Iterator[tuple[str, list[Resource]]]:
    observed = [*labs(vignette), *states(vignette), *genes(vignette)]
    taken = list(drugs(vignette))
    given = {
        "conditions": list(problems(vignette)),
        "medications": [one for one in taken if one["resourceType"] == "MedicationRequest"],
        "statements": [one for one in taken if one["resourceType"] == "MedicationStatement"],
        "allergies": [allergy(name, _coded(told)) for name, told in vignette.get("allergies", {}).items()],
        "scores": list(scores(vignette)),
        "responses": list(forms(vignette)),
        "observations": observed,
        "consents": list(consents(vignette)),
    }
    yield from ((name, given[name]) for name in SUPPLIED)


def _told(words: Any, key: str) -> dict[str, Any]:
    return dict(words) if isinstance(words, Mapping) else {key: words}


def _coded(words: Any) -> Resource:
    """Return ``"F33.1 text"``, ``"370143000 text"``, ``"RXNORM:312941 text"`` or plain text as a CodeableConcept."""
    code, _, text = str(words).partition(" ")
    if code.startswith("RXNORM:"):
        return {**concept(RXNORM, code.removeprefix("RXNORM:"), text), "text": text}
    if re.fullmatch(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]+)?", code):
        return {**concept(ICD10CM, code, text), "text": text}
    if re.fullmatch(r"\d{6,18}", code):
        return {**concept(SNOMED, code, text), "text": text}
    return {"text": str(words)}


def problems(vignette: Table) -> Iterator[Resource]:
    """Yield the problems: ``name = "code text"``, or a table with ``is``, ``since``, ``status``, ``certainty``."""
    for name, words in vignette.get("problems", {}).items():
        told = _told(words, "is")
        certainty = told.get("certainty", "confirmed")
        onset = {"onsetDateTime": day(told["since"]).isoformat()} if "since" in told else {}
        verified = {"verificationStatus": concept(VERIFICATION, certainty)}
        yield condition(name, _coded(told["is"]), told.get("status", "active"), **verified, **onset)


def drugs(vignette: Table) -> Iterator[Resource]:
    """Yield the drugs: ordered, or with ``stopped`` (days ago, "?" for nobody knows) as the patient tells."""
    for name, words in vignette.get("drugs", {}).items():
        told = _told(words, "is")
        if "stopped" not in told:
            start = day(told.get("since", 120)).isoformat()
            yield request(name, _coded(told["is"]), authoredOn=start, **_dosage(told))
            continue
        stop = {} if told["stopped"] == "?" else {"end": day(told["stopped"]).isoformat()}
        period = {"effectivePeriod": {"start": day(told.get("since", 400)).isoformat(), **stop}}
        yield statement(name, _coded(told["is"]), status="stopped", **period)


def _dosage(told: Table) -> Resource:
    if "mg" not in told:
        return {}
    repeat = {"frequency": told.get("times", 1), "period": 1, "periodUnit": "d"}
    dose = {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": quantity(told["mg"], "mg")}]}
    return {"dosageInstruction": [dose]}


def _dated(words: Any) -> tuple[Any, int]:
    told = _told(words, "value")
    return told["value"], told.get("ago", 14)


def labs(vignette: Table) -> Iterator[Resource]:
    """Yield the measurements: ``name = "128 mmol/L"`` or with ``ago``."""
    for name, words in vignette.get("labs", {}).items():
        value, ago = _dated(words)
        number, _, unit = value.partition(" ")
        measured = quantity(float(number), unit or None)
        yield observation(name, LAB_CODES[name], day(ago).isoformat(), valueQuantity=measured)


def scores(vignette: Table) -> Iterator[Resource]:
    """Yield the scores; a depressed adult of this house has a PHQ-9 of 17 with no thought of death."""
    told = {"phq9": 17, "item9": 0} if vignette.get("usual_scores", True) else {}
    for name, words in {**told, **vignette.get("scores", {})}.items():
        for index, one in enumerate(words if isinstance(words, list) else [words]):
            value, ago = _dated(one)
            said = (
                {"valueQuantity": quantity(value, "{score}")} if not isinstance(value, str) else {"valueString": value}
            )
            found = observation(
                f"{name}-{index}" if index else name, SCORE_CODES.get(name, ""), day(ago).isoformat(), **said
            )
            yield found if name in SCORE_CODES else {**found, "code": {"text": SCORE_NAMES[name]}}


def forms(vignette: Table) -> Iterator[Resource]:
    """Yield whole forms: ``forms.first = { ago = 3, answers = { "93246-7" = "yes" } }``."""
    for name, told in vignette.get("forms", {}).items():
        answers = {f"/{code}": {"valueBoolean": answer == "yes"} for code, answer in told["answers"].items()}
        yield response(name, answers, authored=day(told.get("ago", 14)).isoformat())


def states(vignette: Table) -> Iterator[Resource]:
    """Yield what is said of pregnancy, breastfeeding and smoking: ``states = ["pregnant"]``."""
    for name in vignette.get("states", ()):
        code, system, value = STATES[name]
        yield observation(name, code, valueCodeableConcept=concept(system, value))


def genes(vignette: Table) -> Iterator[Resource]:
    """Yield gene results: a metaboliser phenotype in words, or the two alleles of an HLA gene."""
    for name, words in vignette.get("genes", {}).items():
        if name in GENES:
            yield observation(name, GENES[name], day(300).isoformat(), valueCodeableConcept={"text": words})
            continue
        told = {"code": concept(LOINC, "48018-6"), "valueCodeableConcept": concept(HGNC, GENE_IDS[name], name)}
        yield observation(name, "84413-4", day(300).isoformat(), valueCodeableConcept={"text": words}, component=[told])


def consents(vignette: Table) -> Iterator[Resource]:
    """Yield Consents: ``consents.c1 = { ai = "deny", ago = 30 }`` or ``{ all = "deny" }``."""
    for name, told in vignette.get("consents", {}).items():
        named = {"code": [concept(*AI)]} if "ai" in told else {}
        provision = {"type": told.get("ai") or told.get("all"), **named}
        yield consent(name, provision, dateTime=day(told.get("ago", 30)).isoformat())
