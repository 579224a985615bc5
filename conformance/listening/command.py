"""``undersign check cds-client``: listen as a CDS service, then judge what the EHR sent."""

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from conformance import kinds, options, running, tenants
from conformance.errors import CheckError
from conformance.exchanges import Replayed
from conformance.listening.plan import Plan
from conformance.options import Accepted, KeepPeople, Only, Out, Settings, Verbose
from conformance.running import Order


def check_cds_client(
    listen: Annotated[str, typer.Option(help="Where to listen.", metavar="HOST:PORT")] = "127.0.0.1:8050",
    public_url: Annotated[
        str, typer.Option(help="Our address as the EHR sees it, if it is another.", metavar="URL")
    ] = "",
    fhir_base: Annotated[
        str, typer.Option(help="The EHR's FHIR base, or a tenant's ehr.id, to compare prefetch with.", metavar="URL|ID")
    ] = "",
    issuer: Annotated[str, typer.Option(help="The iss that is expected in JWTs.", metavar="URL")] = "",
    jwks: Annotated[str, typer.Option(help="The EHR's keys; its jku else.", metavar="URL|FILE")] = "",
    minutes: Annotated[float, typer.Option(help="Listen at most so long.", min=0.01, metavar="N")] = 30,
    calls: Annotated[int, typer.Option(help="Stop after so many hook calls.", min=0, metavar="N")] = 0,
    trials: Annotated[
        bool, typer.Option("--trials", help="Answer later calls with no card, 412, 503, 429 and 500 in turn.")
    ] = False,
    slow: Annotated[float, typer.Option(help="Answer one later call so late.", min=0, metavar="SECONDS")] = 0,
    only: Only = None,
    out: Out = None,
    requests: Annotated[
        int, typer.Option(help="At most so many requests to the EHR, to compare.", min=1, metavar="N")
    ] = 200,
    config: Settings = None,
    accepted: Accepted = None,
    keep_people: KeepPeople = False,
    verbose: Verbose = False,
) -> None:
    """Judge an EHR as a CDS Hooks client: listen as our service, and compare what it sends with what it has.

    Answers are test cards, without anything about a patient. Example: undersign check cds-client
    --listen 0.0.0.0:8050 --public-url https://checks.hospital.example --fhir-base https://ehr.example/fhir --trials
    """
    from conformance.listening import attesting, serving  # a server: half a second that no other command needs
    from conformance.listening.telling import Telling

    host, port = _address(listen)
    plan = _plan(public_url or f"http://{listen}", fhir_base, issuer, jwks, config, trials=trials, slow=slow)
    kind = kinds.cds_client()
    running.checks(kind.suite, tuple(only or ()))  # a mistyped check is said before anybody opens a chart
    given = (("--public-url", public_url), ("--fhir-base", fhir_base), ("--issuer", issuer), ("--jwks", jwks),
             ("--config", config), ("--slow", f"{slow:g}" if slow else ""))  # fmt: skip
    started = options.now()
    heard = serving.listen(plan, serving.Heard(host, port, minutes, calls, requests), Telling(sys.stdout))
    order = Order(
        kind,
        plan.public_url,
        0,
        started,
        secrets.token_hex(8),
        options.command("cds-client --listen", listen, *given) + (" --trials" if trials else ""),
        {**plan.options(), **attesting.asked(heard)},
        {"recorded": heard},
        tuple(only or ()),
        out,
        accepted,
        keep_people,
        verbose,
    )
    raise typer.Exit(running.run(order, Replayed(())))


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise CheckError("U-CHECK-LISTEN", "give --listen as HOST:PORT, such as 127.0.0.1:8050")
    return host.strip("[]"), int(port)


def _plan(
    public_url: str, fhir_base: str, issuer: str, jwks: str, config: Path | None, *, trials: bool, slow: float
) -> Plan:
    tenant = tenants.find(fhir_base, config) if fhir_base else tenants.Tenant("")
    keys = jwks or tenant.jwks
    if keys and not keys.startswith(("https://", "http://")):
        keys = _keys(Path(keys))
    known = issuer or tenant.issuer
    return Plan(public_url.rstrip("/"), tenant.base, known, keys, trials, slow, tenant.profile)


def _keys(path: Path) -> str:
    from conformance.listening.tokens import jwk_set

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckError("U-CHECK-KEYS", "the file of --jwks cannot be read; give a file or an address") from error
    if not jwk_set(raw):
        raise CheckError("U-CHECK-KEYS", 'the file of --jwks is no JWK Set; it starts with {"keys": […]}')
    return raw.decode()
