"""What is required of a profile and of the adapters that read with it, in our words, with where it is written."""

from conformance.checks import Requirement

_R4 = "http://hl7.org/fhir/R4"


def _ours(id_: str, text: str, page: str) -> Requirement:
    return Requirement(f"UNDERSIGN-A{id_}", text, f"{_R4}/{page}")


R1 = _ours("1", "A sample is read: it is JSON, FHIR, and of one patient.", "json.html")
R2 = _ours("2", "What a recommendation stands on is fed by some sample.", "patient.html")
R3 = _ours("3", "Lists of problems and drugs are read whole.", "condition.html")
R4 = _ours(
    "4", "Every element that a feature would be read from is read, or is known to be of no use.", "resource.html"
)
C1 = _ours("5", "Drugs have codes that lead to an ingredient.", "medicationrequest.html")
C2 = _ours("6", "Problems and allergies have codes that are understood.", "condition.html")
C3 = _ours("7", "Observations and answers have codes that are known.", "observation.html#code-interop")
U1 = _ours("8", "Every number has a unit that its analyte may come in.", "datatypes.html#Quantity")
V1 = _ours("9", "No value contradicts its unit or another value.", "observation.html")
G1 = _ours("10", "A sample gives what its golden file says.", "conformance-module.html")
M1 = _ours("11", "What is wrong with a payload becomes an absence with a name, never another value.", "nulls.html")
