"""What was proved of a draft as FHIR Parameters, and as lines for operators."""

from typing import Any

from service.drafts.trail.proof import Finding, Proof, Signed


def parameters_of(proof: Proof) -> dict[str, Any]:
    """Return the answer of ``$verify``: ``result`` is true where something is signed and no check of it failed.

    Checks that are unknown are told beside it; ``signed`` is what was signed, byte for byte, with its JWS.
    """
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "result", "valueBoolean": proof.holds},
            {"name": "subject", "valueCode": proof.subject},
            {"name": "state", "valueCode": proof.state},
            *map(_check, proof.findings),
            *map(_signed, proof.signed),
        ],
    }


def _signed(signed: Signed) -> dict[str, Any]:
    parts = [
        {"name": "what", "valueCode": signed.what},
        {"name": "payload", "valueBase64Binary": signed.payload},
        {"name": "jws", "valueString": signed.jws},
    ]
    return {"name": "signed", "part": parts}


def _check(finding: Finding) -> dict[str, Any]:
    told = (("code", "valueCode", finding.code), ("text", "valueString", finding.text))
    parts = [{"name": name, element: value} for name, element, value in told if value]
    named = [{"name": "name", "valueCode": finding.check}, {"name": "outcome", "valueCode": finding.outcome}]
    return {"name": "check", "part": [*named, *parts]}
