"""A profile over sample payloads, without any server: what is read, what is not, and whether it lasts."""

from conformance.checks import Suite
from conformance.suites.adapter import lasting, reading
from conformance.suites.adapter.probe import Probe

SUITE: Suite[Probe] = Suite(
    "adapter",
    "Adapter",
    (*reading.CHECKS, *lasting.CHECKS),
    notes=("No server was asked. The names of sample files stand in this report, their values do not.",),
)
