"""The suites by name, each with its probe: for the commands, and for recordings of them.

A suite is imported when it is asked for, since the command line is imported by every other command too.
"""

from collections.abc import Callable, Mapping
from typing import Any

from joserfc.jwk import ECKey

from conformance.running import Kind


def service() -> Kind:
    """Return how a CDS service is judged. Options: ``client`` or ``signed``."""
    from conformance.suites.service import SUITE
    from conformance.suites.service.probe import Client, Probe

    return Kind(
        SUITE,
        lambda session, now, seed, options: Probe(session, now, seed, options.get("client") or _again(options, Client)),
    )


def ehr() -> Kind:
    """Return how an EHR is judged.

    Options: ``patients``, ``profile``, ``write``; ``backend`` or ``signed``; ``token`` or ``with_token``.
    """
    from conformance.suites.ehr import SUITE, afterwards
    from conformance.suites.ehr.backend import Backend
    from conformance.suites.ehr.probe import Access, Probe

    def access(options: Mapping[str, Any]) -> Access:
        return Access(
            tuple(options.get("patients", ())),
            str(options.get("profile", "")),
            options.get("backend") or _again(options, Backend),
            str(options.get("token") or ("masked" if options.get("with_token") else "")),
            str(options.get("write", "")),
        )

    return Kind(
        SUITE,
        lambda session, now, seed, options: Probe(session, now, seed, access(options)),
        afterwards.finish,
        afterwards.facts,
    )


KINDS: Mapping[str, Callable[[], Kind]] = {"service": service, "ehr": ehr}


def _again(options: Mapping[str, Any], client: Callable[..., Any]) -> Any:
    """Return a client for a recording of signed requests: a signature is no part of what they are known by."""
    return client("", ECKey.generate_key("P-384", auto_kid=True), "ES384") if options.get("signed") else None
