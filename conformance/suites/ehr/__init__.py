"""An EHR's FHIR endpoint: can it feed the service, and can an order be written back?"""

from conformance.checks import Suite
from conformance.suites.ehr import (
    belonging,
    capability,
    content,
    honouring,
    limits,
    reach,
    searching,
    smart,
    terms,
    tokens,
    validity,
    writing,
)
from conformance.suites.ehr.probe import Probe

SUITE: Suite[Probe] = Suite(
    "ehr",
    "EHR",
    (
        *reach.CHECKS,
        *capability.CHECKS,
        *smart.CHECKS,
        *tokens.CHECKS,
        *searching.CHECKS,
        *honouring.CHECKS,
        *belonging.CHECKS,
        *content.CHECKS,
        *validity.CHECKS,
        *terms.CHECKS,
        *limits.CHECKS,
        *writing.CHECKS,
    ),
    notes=("Nothing is written unless --write names a test patient.",),
)
