"""The suites by name, each with its probe: for the commands, and for recordings of them.

A suite is imported when it is asked for, since the command line is imported by every other command too.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.checks import Suite
from conformance.session import Session

if TYPE_CHECKING:
    from conformance.suites.ehr.probe import Access


async def _nothing(_: Any) -> None:
    """A suite that leaves nothing behind."""


def _none(_: Any) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Kind:
    """How a suite is run: its checks, its probe, and what follows them.

    ``probe`` takes the session, the instant and seed of the run, and the options that a report keeps of it
    (``running.Order.options``): with them a recording is judged again. ``finish`` takes back what the run left behind;
    ``facts`` is what a report says beside the verdicts.
    """

    suite: Suite[Any]
    probe: Callable[[Session, datetime, str, Mapping[str, Any]], Any]
    finish: Callable[[Any], Awaitable[None]] = _nothing
    facts: Callable[[Any], Mapping[str, Any]] = _none


def service() -> Kind:
    """Return how a CDS service is judged. Options: ``client`` or ``signed``; ``origin``."""
    from conformance.suites.service import SUITE
    from conformance.suites.service.probe import Client, Probe

    return Kind(
        SUITE,
        lambda session, now, seed, options: Probe(
            session, now, seed, options.get("client") or _again(options, Client), origin=str(options.get("origin", ""))
        ),
    )


def ehr() -> Kind:
    """Return how an EHR is judged.

    Options: ``patients``, ``profile``, ``write``; ``backend`` or ``signed``; ``token`` or ``with_token``.
    """
    from conformance.suites.ehr import SUITE, afterwards
    from conformance.suites.ehr.probe import Probe

    return Kind(
        SUITE,
        lambda session, now, seed, options: Probe(session, now, seed, _access(options)),
        afterwards.finish,
        afterwards.facts,
    )


def bulk() -> Kind:
    """Return how a bulk export is judged. Options as of an EHR, without ``write``; and ``group``."""
    from conformance.suites.bulk import SUITE, afterwards
    from conformance.suites.bulk.probe import Probe
    from conformance.suites.ehr.probe import Probe as Rest

    def probe(session: Session, now: datetime, seed: str, options: Mapping[str, Any]) -> Probe:
        group = str(options.get("group", ""))
        return Probe(Rest(session, now, seed, _access(options, *(("Group",) if group else ()))), group)

    return Kind(SUITE, probe, Probe.finish, afterwards.facts)


def cds_client() -> Kind:
    """Return how an EHR's CDS client is judged, from ``recorded``. Options: those of a plan, and ``attested``."""
    from conformance.suites.cds_client import SUITE, afterwards
    from conformance.suites.cds_client.probe import Probe

    return Kind(
        SUITE,
        lambda session, _now, _seed, options: Probe(session, options, options.get("recorded", ())),
        facts=afterwards.facts,
    )


def adapter() -> Kind:
    """Return how a profile is judged over samples. Options: those of ``adapter.probe.Given``, as texts."""
    from conformance.suites.adapter import SUITE, afterwards
    from conformance.suites.adapter.probe import Given, Probe

    def probe(_: Session, now: datetime, __: str, options: Mapping[str, Any]) -> Probe:
        kept = str(options.get("golden", ""))
        samples, update, mutate = Path(str(options["samples"])), bool(options["update"]), bool(options["mutate"])
        given = Given(str(options["profile"]), samples, Path(kept) if kept else None, update, mutate)
        return Probe(given, date.fromisoformat(str(options.get("day") or now.date())))

    return Kind(SUITE, probe, facts=afterwards.facts)


KINDS: Mapping[str, Callable[[], Kind]] = {"service": service, "ehr": ehr, "cds-client": cds_client, "bulk": bulk}


def _access(options: Mapping[str, Any], *more: str) -> "Access":
    from conformance.suites.ehr.backend import Backend
    from conformance.suites.ehr.probe import Access

    return Access(
        tuple(options.get("patients", ())),
        str(options.get("profile", "")),
        options.get("backend") or _again(options, Backend),
        str(options.get("token") or ("masked" if options.get("with_token") else "")),
        str(options.get("write", "")),
        more,
    )


def _again(options: Mapping[str, Any], client: Callable[..., Any]) -> Any:
    """Return a client for a recording of signed requests: a signature is no part of what they are known by."""
    if not options.get("signed"):
        return None
    from joserfc.jwk import ECKey

    return client("", ECKey.generate_key("P-384", auto_kid=True), "ES384")
