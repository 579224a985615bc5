"""The folder of an updated model: the prior's files, what the site changed, and a manifest that says both."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from importlib.resources.abc import Traversable
from pathlib import Path

from recommender.ranker import manifest as manifests
from recommender.ranker.manifest import Manifest, ModelFile, SiteUpdate
from recommender.ranker.model import Model, load
from recommender.training.site import gates
from recommender.training.site.plan import Plan
from recommender.training.site.update import KEEP, RECALIBRATE, OutcomeUpdate

# What says of itself what was changed, and what is compared file by file and outcome by outcome.
_SAYS_SO = frozenset({"created", "statement", "limits", "update", "digest"})
_BY_OUTCOME = frozenset({"files", "calibration"})


def changed(found: Sequence[OutcomeUpdate]) -> bool:
    """Return whether anything of an update differs from what is in force."""
    return any(one.change != KEEP for one in found)


def write(
    store: Path,
    found: Sequence[OutcomeUpdate],
    prior: tuple[Model, Traversable],
    present: tuple[Model, Traversable],
    plan: Plan,
    *,
    site: str,
    rows: int,
    created: date,
) -> tuple[Path, Manifest]:
    """Write the model folder of an update into ``store``, return it with its manifest; its name starts the digest.

    ``prior`` and ``present`` (what is in force) come with their folders: what an update keeps is taken from the
    second, what it recalibrates from the first. The folder is read back by the loader and compared with the prior:
    ModelError U-PLAN-CHANGE where it differs by more than the plan has, U-MODEL-… where the loader refuses it.
    """
    texts, parent = _texts(found, prior, present), prior[0].manifest
    files = {name: ModelFile(f"{name}.txt", manifests.sha256(raw)) for name, raw in texts.items()}
    calibration = {**present[0].manifest.calibration, **{one.outcome: one.platt for one in found if one.change != KEEP}}
    done = _changes(found, present[0].manifest)
    manifest = manifests.sealed(
        replace(
            parent,
            created=created.isoformat(),
            statement=f"{parent.statement} {_said(done, rows, site)}",
            files=files,
            calibration=calibration,
            update=SiteUpdate(site, plan.version, parent.digest, done, verdicts(found), rows),
        )
    )
    check(plan, parent, manifest)
    folder = store / manifest.digest[:12]
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in texts.items():
        (folder / f"{name}.txt").write_bytes(raw)
    (folder / manifests.FILE).write_bytes(manifests.encode(manifest))
    load(folder)
    return folder, manifest


def _texts(
    found: Sequence[OutcomeUpdate], prior: tuple[Model, Traversable], present: tuple[Model, Traversable]
) -> dict[str, bytes]:
    texts = {name: _text(present, name) for name in present[0].manifest.files}
    for one in found:
        if one.booster is not None:
            texts[one.outcome] = one.booster.model_to_string().encode()
        elif one.change == RECALIBRATE:
            texts[one.outcome] = _text(prior, one.outcome)
    return texts


def _text(model: tuple[Model, Traversable], name: str) -> bytes:
    return (model[1] / model[0].manifest.files[name].path).read_bytes()


def _changes(found: Sequence[OutcomeUpdate], present: Manifest) -> dict[str, str]:
    """Return what differs from the prior, by outcome: what was changed now, and what was kept as changed before."""
    before = changes_of(present)
    now = {one.outcome: before.get(one.outcome, KEEP) if one.change == KEEP else one.change for one in found}
    return {outcome: change for outcome, change in {**before, **now}.items() if change != KEEP}


def changes_of(manifest: Manifest) -> dict[str, str]:
    """Return what differs from the prior in a model, by outcome."""
    return dict(manifest.update.changes) if manifest.update else dict[str, str]()


def verdicts(found: Sequence[OutcomeUpdate]) -> dict[str, tuple[str, ...]]:
    """Return what each gate found, by outcome and kind of change."""
    return {
        f"{one.outcome} {kind}": tuple(verdict.sentence for verdict in attempt.verdicts)
        for one in found
        for kind, attempt in one.attempts.items()
    }


def _said(done: Mapping[str, str], rows: int, site: str) -> str:
    words = ", ".join(f"{outcome} by {change}" for outcome, change in sorted(done.items()))
    return f"Updated on the records of {rows} patients of {site} ({words}), by a predetermined change plan."


def check(plan: Plan, prior: Manifest, new: Manifest) -> None:
    """Pass a manifest that differs from the prior's by what the plan has for its update; ModelError U-PLAN-CHANGE."""
    done = changes_of(new)
    others = {
        one.name
        for one in fields(Manifest)
        if one.name not in _SAYS_SO | _BY_OUTCOME and getattr(prior, one.name) != getattr(new, one.name)
    }
    touched = {name for name in {*prior.files, *new.files} if _parts(prior, new, name)}
    for outcome in sorted(touched | done.keys()) or ([""] if others else []):
        parts = others | _parts(prior, new, outcome)
        gates.permitted(plan, done.get(outcome, "an unnamed change"), parts=parts, outcomes=(outcome,))


def _parts(prior: Manifest, new: Manifest, outcome: str) -> set[str]:
    trees = prior.files.get(outcome) != new.files.get(outcome)
    calibration = prior.calibration.get(outcome) != new.calibration.get(outcome)
    return {name for name, differs in (("trees", trees), ("calibration", calibration)) if differs}
