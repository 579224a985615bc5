"""Drafts, people and a clock for the tests of the hold; all synthetic."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from service.drafts import claims
from service.drafts.canonical_json import digest, dumps
from service.drafts.records import Draft, NewDraft, Prepared, Signature
from service.drafts.sqlite.store import SqliteStore
from service.drafts.store import Store
from service.settings import Ehr

if TYPE_CHECKING:
    from service.smart.practitioner import Practitioner

T = TypeVar("T")
PUBLIC_URL = "https://undersign.example"
EHR = Ehr(id="north", name="North", fhir_base="https://ehr.north.example/fhir")
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
HOUR = 3600


def practitioner(number: int = 1) -> "Practitioner":
    """Return one of many prescribers."""
    from service.smart.practitioner import Practitioner

    return Practitioner(
        reference=f"Practitioner/p{number}",
        display=f"Dr Example {number}",
        ehr="north",
        role=f"PractitionerRole/r{number}",
        subject=f"user-{number}",
        method="smart-bearer",
        authenticated=START,
    )


@dataclass
class Clock:
    """A clock that moves only when told."""

    at: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def dosage(value: object = 50, **more: Any) -> dict[str, Any]:
    """Return a complete dosage instruction."""
    return {
        "text": f"{value} mg by mouth once a day",
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "route": {"text": "by mouth"},
        "doseAndRate": [
            {
                "doseQuantity": {
                    "value": value,
                    "unit": "mg",
                    "system": "http://unitsofmeasure.org",
                    "code": "mg",
                }
            }
        ],
        **more,
    }


def resource(**changes: Any) -> dict[str, Any]:
    """Return a draft MedicationRequest as the recommender writes it; None takes an element away."""
    draft: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "meta": {
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}]
        },
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {
            "coding": [
                {
                    "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                    "code": "312941",
                    "display": "sertraline 50 MG Oral Tablet",
                }
            ],
            "text": "sertraline 50 MG Oral Tablet",
        },
        "subject": {"reference": "Patient/example"},
        "authoredOn": "2026-11-22",
        "requester": {"type": "Device", "display": "Undersign"},
        "reasonReference": [{"reference": "Condition/mdd"}],
        "note": [{"text": "AI draft, not an order: a practitioner decides."}],
        "dosageInstruction": [dosage()],
    }
    return {name: value for name, value in {**draft, **changes}.items() if value is not None}


def bound(mg: float, rule: str = "FORMULARY") -> dict[str, Any]:
    """Return a bound of a dose as a draft's context keeps it."""
    return {"mg": mg, "rule": rule, "words": "Age 70, at most this", "source": "L-SERT", "verified": True}


DOSE: Mapping[str, Any] = {
    "strength_mg": 50.0,
    "bounds": {"drug": "sertraline", "start": bound(50.0), "ceiling": bound(100.0, "SR1"), "doses_per_day": 1},
}


def new_draft(rank: int = 1, *, acknowledge: Sequence[str] = (), **changes: Any) -> NewDraft:
    """Return a draft to hold."""
    context = dumps({"acknowledge": list(acknowledge)})
    return NewDraft(ingredient=f"drug-{rank}", rank=rank, resource=dumps(resource(**changes)), context=context)


def held_draft(**changes: Any) -> Draft:
    """Return a draft as a store would have it, for tests without a store."""
    identity = str(uuid4())
    acknowledge = changes.pop("acknowledge", ())
    return Draft(
        id=identity,
        ehr="north",
        patient="Patient/example",
        facts="facts-1",
        ingredient="sertraline",
        rank=1,
        state="presented",
        version=1,
        resource=dumps({**resource(**changes), "id": identity}),
        context=dumps({"acknowledge": list(acknowledge)}),
        created=START,
        expires=START + timedelta(hours=72),
        updated=START,
    )


def prepared_bytes(draft: Draft, who: str = "Practitioner/p1", *, version: int | None = None) -> Prepared:
    """Return prepared bytes with what verification looks for, without the models' validation."""
    at = draft.version if version is None else version
    order_id = str(uuid4())
    order = dumps(
        {
            "resourceType": "MedicationRequest",
            "identifier": [{"system": f"{PUBLIC_URL}/orders", "value": order_id}],
            "basedOn": [{"reference": f"{PUBLIC_URL}/fhir/MedicationRequest/{draft.id}/_history/{at}"}],
            "requester": {"reference": who},
        }
    )
    return Prepared(draft.id, at, digest(order), who, order, order_id, ("watch sodium",), START)


def signature_of(prepared: Prepared, jws: str = "header..value") -> Signature:
    """Return a signature record over prepared bytes."""
    provenance = dumps({"resourceType": "Provenance", "signature": [{"data": claims.carried(jws)}]})
    return Signature(
        draft=prepared.draft,
        version=prepared.version,
        digest=prepared.digest,
        practitioner=prepared.practitioner,
        order_id=prepared.order_id,
        order=prepared.order,
        jws=jws,
        provenance=provenance,
        signed=prepared.prepared,
    )


async def hold_one(store: Store, facts: str = "facts-1", patient: str = "Patient/example") -> Draft:
    """Hold one draft for an hour."""
    return (await store.hold("north", patient, facts, [new_draft()], HOUR, "Device/undersign"))[0]


async def sign_one(store: Store, draft: Draft, *, write_back: bool = True) -> Signature:
    """Prepare and sign a draft."""
    prepared = prepared_bytes(draft)
    await store.prepare(draft.id, draft.version, prepared, None)
    signature = signature_of(prepared)
    await store.sign(signature, write_back=write_back, detail={"method": "smart-bearer"})
    return signature


def with_store(
    path: Path, story: Callable[[SqliteStore, Clock], Coroutine[Any, Any, T]], clock: Clock | None = None
) -> T:
    """Run a story against an open store on ``path`` and close it."""
    ticking = clock or Clock()

    async def run() -> T:
        store = SqliteStore(path, ticking)
        await store.open()
        try:
            return await story(store, ticking)
        finally:
            await store.close()

    return asyncio.run(run())
