"""A decision worked out again from its record: same facts, same versions, same drafts, by the audit chain's word."""

from collections.abc import Mapping
from typing import Any

from fhir_adapters.vector.schema import SCHEMA_VERSION
from recommender.catalog import packs
from recommender.catalog.knowledge import Knowledge
from recommender.ranker import model as models
from recommender.ranker.model import Model
from recommender.training.site import record
from service.cds import holding
from service.drafts.canonical_json import digest, dumps, load_object
from service.drafts.records import Draft
from service.drafts.store import Store
from service.drafts.trail import inputs
from service.errors import Unprocessable
from service.settings import Settings


async def replay(store: Store, settings: Settings, ident: str) -> dict[str, Any]:
    """Return what came out: ``same`` where the draft is, byte for byte, and of what it says beside it (``context``).

    NotFound U-DRAFT-UNKNOWN; Unprocessable U-REPLAY-INPUTS, U-REPLAY-RECORD, U-REPLAY-VERSION.
    """
    draft = await store.read(ident)
    kept = inputs.unpacked(context := load_object(draft.context))
    knowledge = packs.load(settings.knowledge.pack)
    model = _model(settings) if kept.ranked else None
    check_versions(context.get("versions") or {}, knowledge, model)
    held = (await store.history(ident))[0].detail
    found = compared(draft, held, kept, knowledge, model)
    return {"draft": ident, **found, "versions": context["versions"]}


def check_versions(made: Mapping[str, str], knowledge: Knowledge, model: Model | None) -> None:
    """Refuse where the decision was made with other versions than those at hand: Unprocessable U-REPLAY-VERSION."""
    here = {"features": SCHEMA_VERSION, "knowledge": knowledge.version, "model": model.version if model else "none"}
    others = [
        f"{part} {made.get(part, 'unknown')} (here {here[part]})" for part in here if made.get(part) != here[part]
    ]
    if others:
        msg = f"it was made with {', '.join(others)}; replay it with the version, model and knowledge pack of that time"
        raise Unprocessable("U-REPLAY-VERSION", msg)


def compared(
    draft: Draft, held: Mapping[str, Any], kept: inputs.Inputs, knowledge: Knowledge, model: Model | None
) -> dict[str, Any]:
    """Return whether the draft and its context come out as the chain's first entry, ``held``, has them."""
    made = holding.new_drafts(kept.assessed(knowledge, model), kept.adapted(), knowledge, kept)
    for one in made:
        if (one.rank, one.ingredient) == (draft.rank, draft.ingredient):
            resource = dumps({**load_object(one.resource), "id": draft.id})
            same = digest(resource) == held["resource"]
            return {"same": same, "context": digest(one.context) == held["context"]}
    return {"same": False, "context": False}


def _model(settings: Settings) -> Model:
    folder = settings.model.folder
    return models.load() if folder is None else record.at_site(folder)
