"""An EHR as the client of a CDS service: what it sends, judged from what came while a service of ours listened."""

from conformance.checks import Suite
from conformance.suites.cds_client import access, contexts, feedback, prefetched, requests, shown, timing, tokens
from conformance.suites.cds_client.probe import Probe

SUITE: Suite[Probe] = Suite(
    "cds-client",
    "EHR as a CDS client",
    (
        *requests.CHECKS,
        *tokens.CHECKS,
        *contexts.CHECKS,
        *access.CHECKS,
        *prefetched.CHECKS,
        *timing.CHECKS,
        *feedback.CHECKS,
        *shown.CHECKS,
    ),
    notes=("The cards of the run are test cards: nothing was worked out of a chart, and no suggestion had an action.",),
)
