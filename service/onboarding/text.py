"""Onboarding facts and dry runs on a terminal: whole unbroken values in a pipe, colour only where there is one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from fhir_adapters.canonical import Feature
from recommender.assessment import Assessment
from service.cds.cards import Card
from service.cds.words import denial
from service.errors import http_status
from service.onboarding.dry_run import DryRun, Key
from service.onboarding.samples import Sample
from service.onboarding.sheet import Row, Section
from service.terminal import escape

_INDICATOR: Mapping[str, str] = {"info": "bold cyan", "warning": "bold yellow", "critical": "bold red"}
_CAME: Mapping[str, str] = {"not": "yellow", "OperationOutcome:": "red", "null:": "dim"}
_SHORT = 320  # characters of a value on a terminal; the code lists of some searches are thousands long
_UNKNOWN = ("missing",)


def print_sheet(
    console: Console, title: str, warnings: Sequence[str], found: Iterable[Section], samples: Iterable[Sample]
) -> None:
    """Print what a hospital types in, section by section, and the sample answers."""
    console.print(f"[bold]{escape(title)}[/bold]")
    for warning in warnings:
        console.print(f"! {escape(warning)}", style="yellow")
    for section in found:
        console.print(f"\n[bold]{escape(section.title)}[/bold]")
        console.print(escape(section.lead), style="dim")
        _print_rows(console, [_cells_of(console, row) for row in section.rows])
    for sample in samples:
        console.print(f"\n[bold]Sample, {escape(sample.title)}[/bold]")
        _print_body(console, sample.body)


def print_dry_run(console: Console, name: str, found: DryRun) -> None:
    """Print what was made of one request, station by station, down to the one that ended it."""
    service = f"{found.service.hook} → {found.service.id}" if found.service else "no hook that could be told"
    console.print(f"[bold]{escape(name)}[/bold]  {escape(service)}  as {escape(found.ehr.name)}")
    _print_envelope(console, found)
    _print_keys(console, found.keys, found.unasked)
    _print_orders(console, found)
    _print_features(console, found)
    if found.assessment is not None:
        _print_gate(console, found.assessment)
    console.print()
    if found.error is not None:
        console.print(f"[bold red]answer {http_status(found.error)}[/bold red]  {found.error.code}")
        console.print(escape(_fitting(console, found.error.message)))
        if found.error.code == "U-CDS-PREFETCH" and found.call and found.call.fhir_server:
            console.print("The service would first read them from fhirServer; a dry run reads nothing.", style="dim")
        return
    console.print(f"[bold]answer 200[/bold]  {'one card' if found.card else 'no card: nothing to say'}")
    if found.card:
        print_card(console, found.card)
    console.print(f"{escape(found.timing)}; nothing was stored, fetched or logged", style="dim")


def print_card(console: Console, card: Card) -> None:
    """Print a card as an EHR shows it: summary, detail, buttons, links."""
    indicator = str(card["indicator"])
    console.print(f"[{_INDICATOR[indicator]}]{indicator:8}[/] [bold]{escape(card['summary'])}[/bold]\n")
    lines = "\n".join(map(escape, card["detail"].split("\n")))
    console.print(Markdown(card["detail"]) if console.is_terminal else lines)
    console.print()
    for suggestion in card.get("suggestions", ()):
        console.print(f"\\[ {escape(suggestion['label'])} ]", style="cyan")
    for link in card.get("links", ()):
        console.print(f"{escape(link['label'])}: {escape(link['url'])}", style="dim")
    reasons = [str(one["code"]) for one in card.get("overrideReasons", ())]
    if reasons:
        console.print(f"override reasons: {', '.join(reasons)}", style="dim")


def _print_body(console: Console, body: Mapping[str, Any]) -> None:
    for card in body.get("cards", ()):
        print_card(console, card)
    for issue in body.get("issue", ()):
        code = issue["details"]["coding"][0]["code"]
        console.print(f"[bold red]{code}[/bold red] {escape(_fitting(console, issue['details']['text']))}")
    if body.get("cards") == []:
        console.print("no card: nothing to say")


def _print_envelope(console: Console, found: DryRun) -> None:
    call = found.call
    if call is None:
        return
    lent = "with a token" if call.token else "without a token"
    server = f"{call.fhir_server}, {lent}" if call.fhir_server else "not sent: nothing could be read"
    told = (("hookInstance", call.hook_instance), ("user", call.user), ("patient", call.patient_id))
    _print_rows(console, [(name, escape(value)) for name, value in (*told, ("fhirServer", server))])


def _print_keys(console: Console, keys: Sequence[Key], unasked: Sequence[str]) -> None:
    if not keys:
        return
    console.print("\n[bold]Prefetch[/bold]")
    _print_rows(console, [(escape(key.name), _came(key), key.needed) for key in keys])
    for key in keys:
        if key.came.startswith(("not", "OperationOutcome")):
            search = _fitting(console, key.search or "this EHR has no such type")
            console.print(f"[dim]{escape(key.name)}: {escape(search)}[/dim]")
    if unasked:
        console.print(f"ignored, since no template asks for it: {escape(', '.join(unasked))}", style="dim")


def _came(key: Key) -> str:
    style = _CAME.get(key.came.partition(" ")[0], "")
    return f"[{style}]{escape(key.came)}[/]" if style else escape(key.came)


def _print_orders(console: Console, found: DryRun) -> None:
    if found.call is None or found.call.draft_orders is None:
        return
    console.print("\n[bold]Orders being written[/bold]")
    for order in found.orders:
        drug = ", ".join(order.course.ingredients) or f"unknown drug ({order.course.unresolved})"
        dose = f" {order.course.dose_mg_per_day:g} mg a day" if order.course.dose_mg_per_day else ""
        unread = f"; not read: {', '.join(order.unread)}" if order.unread else ""
        console.print(escape(f"{order.reference}: {drug}{dose}{unread}"))
    for refusal in found.unread_orders:
        console.print(escape(f"{refusal.reference} {refusal.path}: {refusal.reason}"), style="yellow")
    if not found.orders and not found.unread_orders:
        console.print("none with a drug", style="dim")


def _print_features(console: Console, found: DryRun) -> None:
    if found.adapted is None:
        return
    console.print("\n[bold]What fed each feature[/bold]")
    features = found.adapted.features.features.values()
    _print_rows(console, [_cells(one) for one in features if one.status not in _UNKNOWN])
    absent = [one.name for one in features if one.status in _UNKNOWN]
    console.print(f"not on record: {', '.join(absent)}", style="dim")
    if found.unread:
        console.print(f"not supplied: {escape(', '.join(found.unread))}", style="yellow")
    for refusal in found.adapted.patient.refusals:
        where = f"{refusal.reference} {refusal.path}".rstrip()
        console.print(escape(f"ignored: {where}: {refusal.reason}"), style="yellow")


def _cells(feature: Feature) -> tuple[str, str, str, str]:
    day = feature.effective.isoformat() if feature.effective else ""
    if feature.status != "present":
        return feature.name, f"[yellow]{feature.status}[/]", day, escape(feature.reason or "")
    value = f"{feature.value:g}" if isinstance(feature.value, float) else str(feature.value)
    source = f"{feature.source.reference} {feature.source.path}" if feature.source else ""
    return feature.name, escape(f"{value} {feature.unit or ''}".strip()), day, escape(source)


def _print_gate(console: Console, assessment: Assessment) -> None:
    gate = assessment.gate
    reasons = " ".join(map(denial, gate.reasons))
    console.print(f"\n[bold]Gate[/bold]  {gate.status}  {escape(reasons)}".rstrip())
    offered = ", ".join(assessment.offered) or "none"
    out = sum(one.verdict == "excluded" for one in assessment.candidates)
    console.print(f"offered: {escape(offered)}; {out} of {len(assessment.candidates)} excluded by rules", style="dim")


def _cells_of(console: Console, row: Row) -> tuple[str, str]:
    values = "\n".join(escape(_fitting(console, value)) for value in row.values)
    return escape(row.name), f"{values}\n[dim]({escape(row.note)})[/dim]" if row.note else values


def _print_rows(console: Console, rows: Sequence[tuple[str, ...]]) -> None:
    """Print cells of markup in columns; in a pipe a line ends with its last word."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for number in range(len(rows[0])):
        table.add_column(no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as lines:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in lines.get().splitlines()))


def _fitting(console: Console, value: str) -> str:
    if not console.is_terminal or len(value) <= _SHORT:
        return value
    return f"{value[:_SHORT]}… ({len(value)} characters; whole in a pipe)"
