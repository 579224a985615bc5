"""``undersign check …``: what a hospital runs before it goes live, and after every change."""

import asyncio
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from conformance import compare, har, runner, waivers
from conformance.checks import Suite
from conformance.exchanges import Live, Replayed, Sender
from conformance.report import as_json, badge, fhir_report, junit, markdown
from conformance.report.terminal import Terminal
from conformance.session import Session
from conformance.suites import service as services
from conformance.suites.service.probe import Client, Probe
from fhir_adapters.errors import InputError

check_app = typer.Typer(
    help="Conformance: what works, what does not, who has to act.\n\nExample: undersign check service http://127.0.0.1:8040",
    no_args_is_help=True,
)
Only = Annotated[
    list[str] | None,
    typer.Option(help="Only checks of this id, or whose id starts so; again for more.", metavar="ID"),
]
Out = Annotated[Path | None, typer.Option(help="Folder for the reports and the evidence.", metavar="DIR")]
Requests = Annotated[int, typer.Option(help="At most so many requests.", min=1, metavar="N")]
Accepted = Annotated[
    Path | None, typer.Option("--waivers", help="TOML of accepted findings: reason, owner, end.", metavar="FILE")
]
KeepPeople = Annotated[
    bool, typer.Option("--keep-people", help="Leave names and numbers of people in the evidence; tokens never stay.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print passed checks too.")]
KeyFile = Annotated[Path | None, typer.Option(help="Private JWK that signs calls (ES384, RS384).", metavar="FILE")]


@dataclass(frozen=True, slots=True)
class _Order:
    """What to run, on what, and what to write of it. ``seed`` and ``now`` make a run that can be made again."""

    suite: Suite[Any]
    target: str
    budget: int
    now: datetime
    seed: str
    only: Sequence[str] = ()
    out: Path | None = None
    waivers: Path | None = None
    keep_people: bool = False
    verbose: bool = False
    client: Client | None = None

    def about(self) -> dict[str, Any]:
        """Return what a report says of the run, and a recording needs to be judged again."""
        return {
            "suite": self.suite.name,
            "target": self.target,
            "started": self.now.isoformat(timespec="seconds"),
            "seed": self.seed,
            "only": list(self.only),
            "signed": self.client is not None,
        }


@check_app.command("service")
def check_service(
    url: Annotated[str, typer.Argument(help="Base address, without /cds-services.", metavar="URL")],
    issuer: Annotated[str, typer.Option(help="Issuer of the calls' tokens.", metavar="URL")] = "",
    key: KeyFile = None,
    only: Only = None,
    out: Out = None,
    requests: Requests = 400,
    accepted: Accepted = None,
    keep_people: KeepPeople = False,
    verbose: Verbose = False,
) -> None:
    """Judge a CDS Hooks service, ours or not, from outside with synthetic charts.

    Example: undersign check service https://undersign.hospital.example --issuer https://ehr.example/fhir --key jwk.json
    """
    order = _Order(
        services.SUITE,
        url.rstrip("/"),
        requests,
        datetime.now(UTC).replace(microsecond=0),
        secrets.token_hex(8),
        tuple(only or ()),
        out,
        accepted,
        keep_people,
        verbose,
        _client(issuer, key) if issuer or key else None,
    )
    raise typer.Exit(_run(order, Live()))


@check_app.command("replay")
def check_replay(
    recording: Annotated[Path, typer.Argument(help="The .har of an earlier run.", metavar="RUN.HAR")],
    out: Out = None,
    accepted: Accepted = None,
    verbose: Verbose = False,
) -> None:
    """Judge recorded answers again, without any network.

    Example: undersign check replay report/service.har
    """
    exchanges, about = har.read(recording)
    # Tokens are no part of what a request is known by, so any key will do.
    client = Client("", ECKey.generate_key("P-384", auto_kid=True), "ES384") if about.get("signed") else None
    order = _Order(
        services.SUITE,
        str(about["target"]),
        len(exchanges) + 1,
        datetime.fromisoformat(str(about["started"])),
        str(about["seed"]),
        tuple(about.get("only", ())),
        out,
        accepted,
        keep_people=True,  # what was to be masked is masked already
        verbose=verbose,
        client=client,
    )
    raise typer.Exit(_run(order, Replayed(exchanges)))


@check_app.command("diff")
def check_diff(
    before: Annotated[Path, typer.Argument(help="The .json of the earlier run.", metavar="A")],
    after: Annotated[Path, typer.Argument(help="The .json of the later run.", metavar="B")],
) -> None:
    """Compare two runs: what is new, fixed, changed, no longer tested. Status 1 when something got worse.

    Example: undersign check diff march/service.json april/service.json
    """
    found = compare.differences(compare.load(before), compare.load(after))
    for one in found:
        typer.echo(f"{one.kind:17} {one.check:28} {one.before or '–'} → {one.after or '–'}  {one.message}")
    if not found:
        typer.echo("no difference")
    raise typer.Exit(1 if any(one.worse for one in found) else 0)


def _run(order: _Order, sender: Sender) -> int:
    return runner.EXIT[asyncio.run(_judged(order, sender)).status]


async def _judged(order: _Order, sender: Sender) -> runner.Run:
    checks = list(runner.chosen(order.suite, only=order.only))
    if not checks:
        raise InputError("U-CHECK-UNKNOWN", f"no check of {order.suite.name} has this id; a report lists them")
    accepted, about = waivers.load(order.waivers), order.about()
    terminal, session = Terminal(sys.stdout, verbose=order.verbose), Session(order.target, sender, budget=order.budget)
    terminal.begin(order.suite.title, order.target, len(checks), order.budget)
    probe = Probe(session, order.now, order.seed, order.client)
    try:
        run = await runner.run(
            order.suite, probe, checks, about, today=order.now.date(), waivers=accepted, told=terminal.told
        )
    finally:
        await session.close()
    terminal.end(run, _written(order, run, har.as_har(session.exchanges, about, keep_people=order.keep_people)))
    return run


def _written(order: _Order, run: runner.Run, evidence: Mapping[str, Any]) -> dict[str, str]:
    if order.out is None:
        return {}
    order.out.mkdir(parents=True, exist_ok=True)
    documents = {
        "json": _json(as_json.document(run)),
        "har": _json(evidence),
        "junit.xml": junit.document(run),
        "testreport.json": _json(fhir_report.document(run)),
        "md": markdown.document(run).encode(),
        "svg": badge.document(run).encode(),
    }
    paths = {ending: order.out / f"{run.suite}.{ending}" for ending in documents}
    for ending, path in paths.items():
        path.write_bytes(documents[ending])
    return {ending: str(path) for ending, path in paths.items()}


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _client(issuer: str, key: Path | None) -> Client:
    if not issuer or key is None:
        raise InputError("U-CHECK-CLIENT", "give both --issuer and --key, or neither")
    try:
        found = import_key(msgspec.json.decode(key.read_bytes(), type=dict[str, Any]))
    except (JoseError, ValueError, msgspec.MsgspecError) as error:
        raise InputError("U-CHECK-CLIENT", "the key is no private JWK (EC P-384 or RSA)") from error
    if not isinstance(found, ECKey | RSAKey) or not found.is_private:
        raise InputError("U-CHECK-CLIENT", "the key is no private JWK (EC P-384 or RSA)")
    return Client(issuer, found, "ES384" if isinstance(found, ECKey) else "RS384")
