"""What ``undersign audit`` does: verify, checkpoint, export, forget and replay, straight from the store."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import typer

from service.drafts import labels, operators, stores
from service.drafts.canonical_json import dumps, instant
from service.drafts.records import AuditEntry, Draft
from service.drafts.registers import KINDS, Registered
from service.drafts.signature import keys
from service.drafts.signature.signing import Signer
from service.drafts.stores import AnyStore
from service.drafts.trail import access, checkpoints, forgetting
from service.drafts.trail.verification import AuditReport
from service.errors import NotFound
from service.fhir.audit_events import About, audit_event
from service.fhir.resources import encode
from service.operations import settings_of
from service.settings import Ehr, Settings

T = TypeVar("T")
_EVERY = 1000  # chains between two words on how far it is


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the trail is asked for; ``since`` is in it, ``until`` is not."""

    since: datetime | None = None
    until: datetime | None = None
    ehr: str | None = None
    patient: str | None = None

    def has(self, entry: AuditEntry) -> bool:
        """Say whether an entry is in the time that is asked for."""
        return (self.since is None or entry.at >= self.since) and (self.until is None or entry.at < self.until)

    def is_of(self, ehr: str, patient: str | None) -> bool:
        """Say whether a chain is of the tenant and the patient that are asked for."""
        return self.ehr in (None, ehr) and self.patient in (None, patient)


@dataclass(frozen=True, slots=True)
class _Chain:
    """A chain with whose it is; ``what`` as AuditEvents name it, ``draft`` for a draft's."""

    id: str
    ehr: str
    patient: str | None
    what: str
    draft: Draft | None = None


def verify(config: Path | None, file: Path | None) -> int:
    """Walk every chain and checkpoint; prints each fault, or what was found whole. Returns 0 or 1."""
    settings = settings_of(config)
    jwks = keys.known(settings.sign, Signer.load(settings.sign.key_file))
    file = file or settings.audit.checkpoint_file

    async def walk(store: AnyStore) -> tuple[AuditReport, list[str], int]:
        report = await operators.verify(store, jwks)
        found = await checkpoints.faults(store, jwks, file)
        return report, found, len(await checkpoints.entries(store))

    report, found, count = _with_store(settings, walk)
    faults = [*report.faults, *found]
    for fault in faults:
        typer.echo(fault)
    walked = f"{report.entries} entries of {report.drafts} drafts and {report.flags} flags"
    if faults:
        typer.echo(f"{len(faults)} fault(s) found in {walked}")
        return 1
    checked = f"{report.signatures} signature(s) and {report.attestations} attestation(s) verified"
    typer.echo(f"whole: {walked} chained, {checked}")
    typer.echo(
        f"{count} checkpoint(s) in the store agree" + (f", and those of {file}" if file else "; none are kept outside")
    )
    return 0


def checkpoint(config: Path | None) -> int:
    """Make a checkpoint and say what is in it; returns 1 where a chain is not what an earlier one saw, else 0."""
    settings = settings_of(config)
    signer = Signer.load(settings.sign.key_file)

    async def make(store: AnyStore) -> checkpoints.Made:
        made = await checkpoints.make(store, signer)
        if settings.audit.checkpoint_file:
            checkpoints.append(settings.audit.checkpoint_file, await checkpoints.entries(store))
        return made

    made = _with_store(settings, make)
    for lost in made.lost:
        typer.echo(f"checkpoint: U-CHECKPOINT-CHANGED: the chain {lost} is gone or is not what it was: audit verify")
    typer.echo(f"{made.entries} checkpoint(s) made over {made.chains} chains" if made.entries else "nothing has moved")
    return 1 if made.lost else 0


def forget(config: Path | None, by: str, reason: str) -> None:
    """Remove what is older than it has to be kept of who looked at what, and say how much that was."""
    settings = settings_of(config)
    signer, years = Signer.load(settings.sign.key_file), settings.audit.keep_accesses_years
    word = forgetting.Word(by, reason)
    gone = _with_store(settings, lambda store: forgetting.forget(store, signer, years, word))
    typer.echo(f"{gone} chain(s) of accesses removed" if gone else f"nothing is older than {years} years")


def export(config: Path | None, wanted: Wanted, *, as_fhir: bool, comments: bool) -> None:
    """Write the entries that are asked for to standard output, one JSON object a line, chain by chain."""
    settings = settings_of(config)

    async def write(store: AnyStore) -> int:
        written = 0
        async for chain in _chains(store, wanted):
            about = _about(settings, chain)
            words: Mapping[int, str] = await store.comments(chain.id) if comments and chain.draft else {}
            for entry in await checkpoints.chain_of(store, chain.id):
                if wanted.has(entry):
                    line = encode(audit_event(entry, about)) if as_fhir else _line(chain, entry, words)
                    sys.stdout.buffer.write(line + b"\n")
                    written += 1
        sys.stdout.flush()
        return written

    typer.echo(f"{_with_store(settings, write)} entries written", err=True)


async def _chains(store: AnyStore, wanted: Wanted) -> AsyncIterator[_Chain]:
    """Yield the chains that are asked for, by id; long work says how far it is on standard error."""
    registers = {one.id: one for kind in KINDS for one in await store.registered(kind)}
    ids = sorted({ident for ident, _, _ in await store.heads()} | registers.keys())
    for place, ident in enumerate(ids):
        if place and place % _EVERY == 0:
            typer.echo(f"{place} of {len(ids)} chains", err=True)
        found = await _chain(store, ident, registers)
        if wanted.is_of(found.ehr, found.patient):
            yield found


async def _chain(store: AnyStore, ident: str, registers: Mapping[str, Registered]) -> _Chain:
    if (register := registers.get(ident)) is not None:
        if register.kind == access.KIND:
            patient = access.patient_of(register)
            return _Chain(ident, register.ehr, patient, patient)
        patient = register.subject if register.kind == "consent" else None
        return _Chain(ident, register.ehr, patient, f"Consent/{ident}" if patient else f"Basic/{ident}")
    try:
        draft = await store.read(ident)
    except NotFound:
        flag = await store.flag(ident)
        return _Chain(ident, flag.ehr, flag.patient, flag.patient)
    return _Chain(ident, draft.ehr, draft.patient, f"MedicationRequest/{ident}", draft)


def _about(settings: Settings, chain: _Chain) -> About:
    """Return what a chain is about; of a tenant that is no longer configured its id stands for its address."""
    tenant = next((ehr for ehr in settings.ehr if ehr.id == chain.ehr), None)
    base = _base(tenant, chain.ehr)
    return About(
        what=f"{base}/{chain.what}" if chain.what == chain.patient else chain.what,
        public_url=settings.server.public_url,
        base=base,
        client=tenant.smart_client_id if tenant else "",
        patient=f"{base}/{chain.patient}" if chain.patient else None,
        labels=labels.inherited(chain.draft.resource) if chain.draft else (),
    )


def _base(tenant: Ehr | None, ident: str) -> str:
    return tenant.fhir_base.rstrip("/") if tenant else f"urn:undersign:tenant:{ident}" if ident else ""


def _line(chain: _Chain, entry: AuditEntry, words: Mapping[int, str]) -> bytes:
    told: dict[str, Any] = {"chain": entry.draft, "ehr": chain.ehr, "seq": entry.seq, "at": instant(entry.at)}
    told |= {"event": entry.event, "actor": entry.actor, "detail": dict(entry.detail)}
    comment = {"comment": words[entry.seq]} if entry.seq in words else {}
    return dumps({**told, "previous": entry.previous, "hash": entry.hash, **comment})


def replay(config: Path | None, draft: str) -> int:
    """Work a decision out again from its record and say what came out; returns 0 where it is the same, else 1."""
    from service import replay as again

    settings = settings_of(config)
    found = _with_store(settings, lambda store: again.replay(store, settings, draft))
    typer.echo(json.dumps(found, indent=2))
    return 0 if found["same"] else 1


def _with_store(settings: Settings, use: Callable[[AnyStore], Awaitable[T]]) -> T:
    async def run() -> T:
        store = stores.of(settings)
        await store.open()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())
