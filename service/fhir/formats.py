"""What the FHIR API answers in, R4 JSON, and the refusal of a request that takes nothing of it.

http://hl7.org/fhir/R4/http.html#mime-type, http://hl7.org/fhir/R4/http.html#parameters: ``_format`` goes before Accept.
"""

from typing import Final

from service.errors import NotAcceptable

JSON: Final = ("json", "application/json", "application/fhir+json")
_TAKEN: Final = frozenset({*JSON, "application/json+fhir", "application/*", "*/*"})
_R4: Final = ("", "4.0", "4.0.1")


def check(accept: str, asked: str | None) -> None:
    """Raise NotAcceptable U-FHIR-ACCEPT where neither ``_format`` (``asked``) nor Accept takes FHIR R4 as JSON."""
    if asked is not None:
        if asked not in JSON:
            raise _refused()
    elif accept.strip() and not any(map(_takes, accept.split(","))):
        raise _refused()


def _takes(choice: str) -> bool:
    kind, *rest = (part.strip() for part in choice.split(";"))
    parameters = {name.strip().lower(): value.strip(' "') for name, _, value in (one.partition("=") for one in rest)}
    return kind.lower() in _TAKEN and not _is_zero(parameters.get("q", "")) and parameters.get("fhirversion", "") in _R4


def _is_zero(weight: str) -> bool:
    return weight != "" and not weight.strip("0.")


def _refused() -> NotAcceptable:
    return NotAcceptable("U-FHIR-ACCEPT", "This API answers FHIR 4.0 as JSON only; accept application/fhir+json.")
