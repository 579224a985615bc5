"""A bulk export: from the kick-off to lines of NDJSON, and the same features as by REST."""

from conformance.checks import Suite
from conformance.suites.bulk import content, ending, files, kick_off, status
from conformance.suites.bulk.probe import Probe

SUITE: Suite[Probe] = Suite(
    "bulk",
    "Bulk export",
    (*kick_off.CHECKS, *status.CHECKS, *files.CHECKS, *content.CHECKS, *ending.CHECKS),
    notes=("Exports that this run began are given back at its end.",),
)
