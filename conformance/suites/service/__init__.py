"""Any CDS Hooks service as a black box, ours or not: what the standard asks of it, seen from outside."""

from conformance.checks import Suite
from conformance.suites.service import browsers, calls, cards, discovery, feedback, refusals, safety, tokens
from conformance.suites.service.probe import Probe

SUITE: Suite[Probe] = Suite(
    "service",
    "CDS Hooks service",
    (
        *discovery.CHECKS,
        *calls.CHECKS,
        *cards.CHECKS,
        *refusals.CHECKS,
        *tokens.CHECKS,
        *browsers.CHECKS,
        *feedback.CHECKS,
        *safety.CHECKS,
    ),
    notes=("Charts are synthetic: those of the reference EHR. Nothing of a real patient is sent.",),
)
