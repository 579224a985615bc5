"""How many drug entries of the corpus are resolved to ingredients: ``python -m tests.bench.drugs``.

Every MedicationRequest, MedicationOrder, MedicationStatement, MedicationDispense and MedicationAdministration
of every file is read through the reader, in whatever version it is written, as the chart of one patient. An
entry is in scope when it carries a code or a text that may name a drug and the reader does not refuse it (entered in
error); what names none ("medicinal product", a reference to nothing) is listed, not counted.
``--without-corpus`` leaves out the codes that were learned from these files, so that only names and codes from
elsewhere tell.
"""

import argparse
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from fhir_adapters import terminology
from fhir_adapters.dialect import profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.medication import drug_tables, drugs
from fhir_adapters.reading import reader, wire
from fhir_adapters.reading.reader import Chart, reference_of
from fhir_adapters.terminology import Terminology

Resource = dict[str, Any]
Entry = wire.MedicationRequest | wire.MedicationStatement | wire.MedicationDispense | wire.MedicationAdministration

CORPUS = Path(os.environ.get("UNDERSIGN_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
TARGET = 0.97
KINDS = frozenset(
    {"MedicationRequest", "MedicationOrder", "MedicationStatement", "MedicationDispense", "MedicationAdministration"}
)
PROFILES = {"dstu2": "base-dstu2", "stu3": "base-stu3", "r5": "base-r5", "isik": "isik", "nhs": "uk-core",
            "au-core": "au-core", "ips": "ips"}  # fmt: skip
# Texts that name no drug: a person who reads them knows no more.
NAMELESS = frozenset({"medicinal product", "prescribed medication", "pillen om te proberen", "medication"})


@dataclass(slots=True)
class Tally:
    """What was found in one source."""

    entries: int = 0
    none_known: int = 0
    nameless: int = 0
    unread: int = 0
    resolvers: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    @property
    def resolved(self) -> int:
        """Entries with ingredients."""
        return self.resolvers.total()

    @property
    def in_scope(self) -> int:
        """Entries that name a drug."""
        return self.entries - self.none_known - self.nameless - self.unread


def main() -> None:
    """Count and print; the exit code says whether the target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.drugs", description=__doc__)
    parser.add_argument("--without-corpus", action="store_true", help="without the codes learned from these files")
    terms = terminology.load()
    if parser.parse_args().without_corpus:
        terms = _without_corpus(terms)
    raise SystemExit(0 if report(Console(width=140), terms, reasons=True) >= TARGET else 1)


def report(console: Console, terms: Terminology, *, reasons: bool) -> float:
    """Print the table, and with ``reasons`` what was not resolved; return the share that was."""
    tallies = count(terms)
    whole = Tally()
    for one in tallies.values():
        _add(whole, one)
    console.print(_table({**tallies, "all": whole}))
    listed = whole.reasons if reasons else {}
    for (reason, text), number in sorted(listed.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
        console.print(f"{number:5d}  {reason}: {text or '(nothing)'}", markup=False, highlight=False)
    share = whole.resolved / max(whole.in_scope, 1)
    console.print(f"{whole.resolved} of {whole.in_scope} entries that name a drug are resolved: {share:.1%}.")
    return share


def count(terms: Terminology) -> Mapping[str, Tally]:
    """Return the tally of each source (folder) of the corpus."""
    found: dict[str, Tally] = defaultdict(Tally)
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        held = list(_files(folder))
        shared = [one for _, resources in held for one in resources if one["resourceType"] == "Medication"]
        for _, resources in held:
            entries = [one for one in resources if one["resourceType"] in KINDS]
            if entries:
                _count(found[folder.name], folder.name, entries, resources, shared, terms)
    return found


def _count(
    tally: Tally,
    folder: str,
    entries: list[Resource],
    resources: list[Resource],
    shared: list[Resource],
    terms: Terminology,
) -> None:
    tally.entries += len(entries)
    dialect = profile.load(next((name for part, name in PROFILES.items() if part in folder), "base-r4"))
    try:
        chart = reader.read(_chart(entries, resources, shared), repairs=dialect.repairs)
    except InputError as error:
        tally.unread += len(entries)
        tally.reasons[f"unread {error.code}", ""] += len(entries)
        return
    reading = Reading(chart, dialect, terms)
    listed = _listed(chart)
    for one in listed:
        _tell(tally, one, _drug(reading, one))
    lost = {one.reference: f"{one.path}: {one.reason}" for one in chart.refusals if not one.reference.startswith("Med")}
    lost |= {one.reference: f"{one.path}: {one.reason}" for one in chart.refusals if "/e" in one.reference}
    tally.unread += len(entries) - len(listed)
    for why in list(lost.values())[: len(entries) - len(listed)]:
        tally.reasons["refused", why] += 1


def _tell(tally: Tally, entry: Entry, drug: drugs.Drug) -> None:
    if drug.none_known is not None:
        tally.none_known += 1
    elif drug.ingredients:
        where = "inline" if drug.path.startswith("medicationCode") else "reference"
        tally.resolvers[f"{drug.resolver} {where}"] += 1
    elif not (drug.text or drug.code) or drug.text.strip().lower() in NAMELESS:
        tally.nameless += 1
        tally.reasons["names no drug", drug.text or f"({drug.unresolved})"] += 1
    else:
        tally.reasons[drug.unresolved or "", f"{drug.text} [{drug.code or 'no code'}]"] += 1


def _drug(reading: Reading, entry: Entry) -> drugs.Drug:
    return drugs.resolve(reading, reference_of(entry), entry.medicationCodeableConcept, entry.medicationReference)


def _listed(chart: Chart) -> list[Entry]:
    return [*chart.medication_requests, *chart.medication_statements, *chart.dispenses, *chart.administrations]


def _chart(entries: list[Resource], resources: list[Resource], shared: list[Resource]) -> bytes:
    """Return a Bundle of these entries as one patient's, with every Medication that they may mean."""
    own = [one for one in resources if one["resourceType"] == "Medication"]
    known = {one.get("id") for one in own}
    others = [one for one in shared if one.get("id") not in known]
    patient = {"resourceType": "Patient", "id": "bench"}
    bundle = [{"resource": patient}, *(_entry(one) for one in (*own, *others))]
    for place, one in enumerate(entries):
        kept = {name: value for name, value in one.items() if name not in ("subject", "patient", "_url", "meta")}
        old = "patient" in one or one["resourceType"] == "MedicationOrder"
        kept |= {"id": f"e{place}", "patient" if old else "subject": {"reference": "Patient/bench"}}
        bundle.append({"resource": kept})
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": bundle}).encode()


def _entry(medication: Resource) -> Resource:
    kept = {name: value for name, value in medication.items() if name != "_url"}
    return {"resource": kept} | ({"fullUrl": medication["_url"]} if medication.get("_url") else {})


def _files(folder: Path) -> Iterator[tuple[Path, list[Resource]]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            yield path, list(_resources(json.loads(path.read_bytes()), None))
        elif path.suffix == ".ndjson":
            for number, line in enumerate(path.read_text().splitlines()):
                yield path.with_name(f"{path.name}:{number}"), list(_resources(json.loads(line), None))


def _resources(value: object, url: str | None) -> Iterator[Resource]:
    """Return the resources of a file: the entries of a Bundle, whatever it nests, or the one that it is."""
    if isinstance(value, list):
        for one in cast("list[object]", value):
            yield from _resources(one, None)
    elif isinstance(value, dict):
        held = cast("Resource", value)
        if held.get("resourceType") == "Bundle":
            for entry in held.get("entry") or []:
                yield from _resources(entry.get("resource"), entry.get("fullUrl"))
        elif isinstance(held.get("resourceType"), str):
            yield held | {"_url": url}


def _without_corpus(terms: Terminology) -> Terminology:
    """Return the tables without the rows of drug_codes.csv that were read in these files."""
    learned = drug_tables.codes_from("secondary")
    codes = {code: drug for code, drug in terms.drug_codes.items() if code not in learned}
    return replace(terms, drug_codes=codes)


def _add(whole: Tally, one: Tally) -> None:
    whole.entries += one.entries
    whole.none_known += one.none_known
    whole.nameless += one.nameless
    whole.unread += one.unread
    whole.resolvers += one.resolvers
    whole.reasons += one.reasons


def _table(tallies: Mapping[str, Tally]) -> Table:
    table = Table(title="Drug entries of the corpus", title_justify="left")
    for name in ("source", "entries", "refused", "none known", "no name", "in scope", "resolved", "share", "by"):
        table.add_column(name, justify="left" if name in ("source", "by") else "right", overflow="fold")
    for name, one in tallies.items():
        by = ", ".join(f"{resolver} {number}" for resolver, number in one.resolvers.most_common())
        share = f"{one.resolved / one.in_scope:.1%}" if one.in_scope else ""
        numbers = (one.entries, one.unread, one.none_known, one.nameless, one.in_scope, one.resolved)
        table.add_row(name, *map(str, numbers), share, by)
    return table


if __name__ == "__main__":
    main()
