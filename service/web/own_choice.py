"""The clinician's own choice, asked before the ranking of a high-risk assessment opens.

Deciding first is what keeps people from leaning on advice (Bucinca and others 2021, arXiv 2102.09692: forcing
functions reduce over-reliance where explanations do not). What was opened, when and by whom, and the choice, are
entries of the drafts' histories; nothing is compared or scored.
"""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from recommender.catalog.knowledge import Knowledge
from service.drafts.decision import authority
from service.drafts.decision.decisions import Seen
from service.drafts.records import AuditEntry, Draft
from service.errors import BadRequest
from service.web import figures, forms, opening, record, scores, view
from service.web.opening import Opened, acting
from service.web.rendering import PageRoute, page

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_PAGE: Final = "review"
_DRUG: Final = "drug:"
_BESIDE: Final = ("fact", "edit", "sheet", "consent")  # pages beside the options that somebody may open or not
CHOICES: Final = {
    "no-change": "Change nothing now",
    "without-drug": "A treatment without a drug",
    "refer": "Ask a psychiatrist first",
    "undecided": "I have not decided: I want to see the options first",
}
_SAID: Final = {"undecided": "not decided yet"}


@router.post("/review/{draft_id}/own")
async def choose(request: Request, draft_id: str) -> Response:
    """Record what this practitioner would do, and open the ranking."""
    opened, form = await acting(request, draft_id)
    choice = forms.one(form, "own")
    if choice == "drug":
        choice = _DRUG + forms.one(form, "drug")
    if words(choice, opened.services.knowledge) is None:
        raise BadRequest("U-REQUEST", "Choose what you would do, or that you have not decided.")
    await _record(opened, {"page": _PAGE, "own": choice})
    return RedirectResponse(f"/review/{draft_id}", status_code=303)


async def made(opened: Opened) -> str | None:
    """Return this practitioner's recorded choice on the draft's assessment, None where there is none."""
    entries = await opened.services.store.history(opened.draft.id)
    return next((choice for entry in reversed(entries) if (choice := _choice(entry, opened))), None)


async def is_owed(opened: Opened) -> bool:
    """Say whether this practitioner has to choose before anything of the draft's assessment opens."""
    drafts, now = view.together(opened.draft, await opening.of_patient(opened)), await opened.services.store.now()
    waiting = [draft for draft in drafts if view.is_open(draft, now)]
    risky = authority.risks_of(waiting, opened.services.knowledge)
    return bool(risky) and await made(opened) is None


async def remember_opening(opened: Opened) -> None:
    """Record, once for each practitioner, that the options were opened on the page."""
    entries = await opened.services.store.history(opened.draft.id)
    if not any(_is_opening(entry, opened) for entry in entries):
        await _record(opened, {"page": _PAGE})


async def seen(opened: Opened) -> Seen:
    """Return what this practitioner has looked at, and the seconds since the options were first opened."""
    store = opened.services.store
    mine = [entry for entry in await store.history(opened.draft.id) if _is_opening(entry, opened)]
    if not mine:
        return Seen(("order",))
    chosen = ("own-choice",) if any(_choice(entry, opened) for entry in mine) else ()
    looked_at = await opening.looked_at(opened, mine[0].at)
    beside = [name for name in _BESIDE if name in looked_at]
    return Seen((*chosen, "options", *beside, "order"), int((await store.now() - mine[0].at).total_seconds()))


def words(choice: str, knowledge: Knowledge) -> str | None:
    """Return a choice in words; None for one that the page does not offer."""
    if choice.startswith(_DRUG):
        drug = choice.removeprefix(_DRUG)
        return drug.replace("_", " ") if drug in knowledge.drugs else None
    return None if choice not in CHOICES else _SAID.get(choice, CHOICES[choice].lower())


def show(request: Request, opened: Opened, drafts: Sequence[Draft], risks: Sequence[str]) -> Response:
    """Return the page that has the facts of the chart and the question, and no option, figure or order of them."""
    context = record.read(opened.draft.context)
    knowledge = opened.services.knowledge
    return page(
        request,
        opened.session,
        "own_choice.html",
        person=opened.person,
        draft=opened.draft.id,
        risks=risks,
        why=scores.why(context),
        warnings=record.warnings(context),
        present=record.present(context),
        unknowns=record.unknowns(context),
        chart=figures.chart(context),
        choices=list(CHOICES.items()),
        drugs=[(name, name.replace("_", " ")) for name in sorted(knowledge.drugs)],
        waiting=len(drafts),
    )


async def _record(opened: Opened, detail: dict[str, str]) -> None:
    store, actor = opened.services.store, opened.session.practitioner.reference
    drafts, now = view.together(opened.draft, await opening.of_patient(opened)), await store.now()
    waiting = [draft.id for draft in drafts if view.is_open(draft, now)]
    if waiting:
        await store.mark(waiting, "presented", actor, detail)


def _is_opening(entry: AuditEntry, opened: Opened) -> bool:
    mine = entry.event == "presented" and entry.actor == opened.session.practitioner.reference
    return mine and entry.detail.get("given", {}).get("page") == _PAGE


def _choice(entry: AuditEntry, opened: Opened) -> str | None:
    return entry.detail.get("given", {}).get("own") if _is_opening(entry, opened) else None
