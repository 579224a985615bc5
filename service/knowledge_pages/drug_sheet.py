"""One drug on a terminal, as a pharmacist reads it: what it is, what can be ordered, every rule with its source."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from recommender.drafts import times_a_day
from service.knowledge_pages.genes import in_words as genes_in_words
from service.knowledge_pages.page import SOURCING, entry, head, line

_STYLE = {"contraindicated": "bold red", "warning": "yellow", "caution": "cyan", "monitor": "dim", "none": "dim"}
_SEEN = {"yes": "verified", "secondary": "secondary source", "no": "not verified", "site": "approved by the site"}


def print_sheet(console: Console, found: Mapping[str, Any]) -> None:
    """Print one drug as a pharmacist reads it."""
    row: Mapping[str, str] = found["formulary"]
    console.print(
        f"[bold]{escape(found['drug'].replace('_', ' '))}[/bold]  {escape(row.get('drug_class', ''))}".rstrip()
    )
    console.print(f"knowledge {escape(found['version'])}", style="dim")
    if found["draftable"]:
        console.print("can be drafted", style="green")
    else:
        console.print(escape(f"not draftable: {'; '.join(found['why_not_draftable'])}"), style="bold yellow")
    for text in found["site"]:
        line(console, text, style="yellow")
    if row:
        _print_formulary(console, row)
    _print_products(console, found["products"], row.get("rxnorm_scd", ""))
    _print_rule_lines(console, found)
    _print_genes(console, found["genes"])
    _print_evidence(console, found["evidence"])
    for table, rows in found["other"].items():
        _print_rows(console, table.replace("_", " ").capitalize(), rows, found["drug"])
    _print_sources(console, found["sources"])


def _print_formulary(console: Console, row: Mapping[str, str]) -> None:
    head(console, "Codes and doses")
    for text in (
        f"RxNorm {row.get('rxnorm', 'none')}, ATC {row.get('atc', 'none')} (code {_seen(row, 'code_verified')})",
        _doses(row),
        _later_life(row),
        _indications(row),
        f"boxed warnings: {row.get('boxed_warnings', 'none').replace('_', ' ').replace(';', ', ')}",
        f"half-life: {row['half_life']}" if row.get("half_life") else "",
        f"notes: {row['dose_notes']}" if row.get("dose_notes") else "",
        f"{_seen(row, 'verified')}, {row['source']}, {row['date']}",
    ):
        if text:
            line(console, text)


def _seen(row: Mapping[str, str], column: str) -> str:
    cell = row.get(column, "")
    return {**_SEEN, "label": "seen on a label", "partial": "seen in part"}.get(cell, cell)


def _doses(row: Mapping[str, str]) -> str:
    usual = f"{row.get('usual_min_mg_day', '?')} to {row.get('usual_max_mg_day', '?')}"
    daily = f"start {row.get('start_mg_day', '?')} mg a day, usual {usual}, at most {row.get('max_mg_day', '?')}"
    times = row.get("doses_per_day", "")
    often = times_a_day(int(times)) if times.isdecimal() else "no daily schedule"
    return f"{daily}, {often} (dose {_seen(row, 'dose_verified')})"


def _later_life(row: Mapping[str, str]) -> str:
    if not row.get("geriatric_start_mg_day") and not row.get("geriatric_max_mg_day"):
        return ""
    start, most = row.get("geriatric_start_mg_day"), row.get("geriatric_max_mg_day")
    told = [f"start {start}" if start else "", f"at most {most}" if most else ""]
    return f"from age {row.get('geriatric_from_age', '?')}: {', '.join(part for part in told if part)} mg a day"


def _indications(row: Mapping[str, str]) -> str:
    pairs = [part.partition(":") for part in row.get("indications", "").split(";") if part]
    labelled = ", ".join(name.replace("_", " ") for name, _, how in pairs if how == "yes")
    off = ", ".join(name.replace("_", " ") for name, _, how in pairs if how != "yes")
    return f"labelled for {labelled or 'nothing here'}" + (f"; used without a label for {off}" if off else "")


def _print_products(console: Console, rows: Sequence[Mapping[str, Any]], usual: str) -> None:
    fitting = [row for row in rows if row["fits"]]
    others = [row["name"] for row in rows if not row["fits"]]
    if rows:
        head(console, f"Products that a draft may ask for ({len(fitting)})")
    for row in fitting:
        mark = ", the usual one" if row["rxnorm"] == usual else ""
        line(console, f"{row['rxnorm']}  {row['name']} ({_seen(row, 'verified')}{mark})")
    if others:
        line(console, f"not for this row: {', '.join(others)}", style="dim")


def _print_rule_lines(console: Console, found: Mapping[str, Any]) -> None:
    head(console, f"Rules ({len(found['rules'])}), most serious first")
    for rule in found["rules"]:
        most = rule["cap_mg_day"]
        cap = "" if most is None or f"{most:g} mg" in rule["message"] else f" At most {most:g} mg a day."
        gap = "closes when not known" if rule["unknown"] == "block" else "asks when not known"
        said = f"{rule['id']}  {rule['when']}: {rule['message']}{cap}"
        where = f"{gap}; {rule['source']}, {_seen(rule, 'verified')}, {rule['date']}"
        severity = "told only" if rule["waived"] else rule["severity"]
        waived = f" {rule['waived']}." if rule["waived"] else ""
        entry(console, severity, said + waived, where, _STYLE[rule["severity"]])
    for rule in found["not_judged"]:
        entry(console, "not judged", f"{rule['id']}  {rule['label']}", rule["why_not"], "dim")


def _print_genes(console: Console, rows: Sequence[Mapping[str, str]]) -> None:
    if rows:
        head(console, f"Genes ({len(rows)} rows, alike ones together)")
    for said, where in genes_in_words(rows):
        entry(console, "", said, where)


def _print_evidence(console: Console, rows: Sequence[Mapping[str, str]]) -> None:
    if rows:
        head(console, "Evidence against placebo")
    for row in rows:
        ratio = f"log odds ratio {row['log_or']} (SE {row['se_log_or']}, between trials {row['tau']})"
        size = f"{row['trials']} trials, {int(row['randomised']):,} patients"
        entry(console, "", f"{row['outcome']}: {ratio}, {size}", f"{row['source']}, {_seen(row, 'verified')}")


def _print_rows(console: Console, title: str, rows: Iterable[Mapping[str, str]], drug: str) -> None:
    held = list(rows)
    if held:
        head(console, f"{title} ({len(held)})")
    for row in held:
        cells = ((name, cell) for name, cell in row.items() if name not in SOURCING and name != "id" and cell != drug)
        said = row.get("message") or ", ".join(f"{name} {cell}" for name, cell in cells)
        key = f"{row['id']}  " if "id" in row else ""
        entry(console, "", f"{key}{said}", f"{row.get('source', '')}, {_seen(row, 'verified')}")


def _print_sources(console: Console, sources: Mapping[str, str]) -> None:
    head(console, f"Sources ({len(sources)})")
    for key, address in sources.items():
        line(console, f"{key}  {address}", style="dim")
