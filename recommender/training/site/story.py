"""``train --site``: from an export to a model in force, or to the reasons why nothing changes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from recommender.training.site import folder, plan, reasons, record, rows
from recommender.training.site.record import Entry
from recommender.training.site.rows import Row, SiteRows
from recommender.training.site.update import OutcomeUpdate, update


@dataclass(frozen=True, slots=True)
class Story:
    """What is told of an update: the line of the record, each outcome's fate, and the model's folder, if new."""

    entry: Entry
    outcomes: tuple[OutcomeUpdate, ...]
    folder: Path | None


def from_export(
    patients: Iterable[Row | str], store: Path, *, site: str, exported: date, report: Callable[[str], None]
) -> Story:
    """Update by what each patient of an export gave, as ``from_rows``; who gave no row is counted with the reason."""
    found, left_out = rows.collected(patients, record.shipped()[0])
    report(f"{len(found)} patients with a first antidepressant and a PHQ-9 before it")
    for reason, count in left_out.items():
        report(reasons.said(reason, count))
    return from_rows(found, store, site=site, day=exported, left_out=left_out, report=report)


def from_rows(
    found: SiteRows,
    store: Path,
    *,
    site: str,
    day: date,
    left_out: Mapping[str, int] | None = None,
    report: Callable[[str], None],
) -> Story:
    """Update the model in force in ``store`` by a site's rows as the change plan has it, and record the decision.

    ModelError U-SITE-… for rows that nothing may be learned from, U-RECORD-… and U-MODEL-… for a store whose model
    is not as recorded, U-PLAN-CHANGE for a change that the plan does not have.
    """
    prior, present, chosen = record.shipped(), record.in_force(store), plan.load()
    outcomes = update(found, prior[0], present[0], chosen, site, report)
    refused = Entry(
        day=day.isoformat(),
        event="refused",
        before=present[0].manifest.digest,
        model=present[0].manifest.digest,
        folder=present[1].name if present[0].manifest.update else record.SHIPPED,
        site=site,
        plan=chosen.version,
        rows=len(found),
        gates=folder.verdicts(outcomes),
        left_out=left_out or {},
    )
    if not folder.changed(outcomes):
        return Story(record.append(store, refused), outcomes, None)
    made, manifest = folder.write(store, outcomes, prior, present, chosen, site=site, rows=len(found), created=day)
    changes = folder.changes_of(manifest)
    entry = replace(refused, event="updated", model=manifest.digest, folder=made.name, changes=changes)
    return Story(record.append(store, entry), outcomes, made)
