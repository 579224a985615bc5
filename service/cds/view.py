"""What a card is made of, and the links of a card to the clinician's page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment
from recommender.catalog.rows import Source
from service.cds import language
from service.cds.language import Phrases
from service.drafts.records import Draft
from service.settings import Ehr, Settings
from service.smart.app_context import AppContext

Card = dict[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """What a card is made of. ``drafts`` are the held ones, in rank order; ``now`` is local time.

    ``unread`` names in plain words what was neither sent nor could be read; ``flag`` is the id under which a
    practitioner can record that a person has looked into what closes drafting. ``sources`` are the knowledge's, by
    key. ``sealed`` makes the text that a ``smart`` link hands to the page through the EHR.
    """

    ehr: Ehr
    settings: Settings
    adapted: Adapted
    assessment: Assessment
    drafts: Sequence[Draft]
    now: datetime
    uuid: str
    unread: Sequence[str] = ()
    flag: str | None = None
    sources: Mapping[str, Source] = field(default_factory=dict[str, Source])
    sealed: Callable[[AppContext], str] | None = None

    @property
    def say(self) -> Phrases:
        """The phrases of the tenant's language."""
        return language.of(self.ehr.language)


def to_draft(view: View, draft: str) -> dict[str, str]:
    """Return the link to a draft's page."""
    # Where the EHR signs, the page is for reading and declining.
    label = view.say.link_compare if view.ehr.write_back == "card" else view.say.link_sign
    return {"label": label, **_page(view, f"review/{draft}", AppContext(draft=draft))}


def to_flag(view: View, flag: str) -> dict[str, str]:
    """Return the link to the page where an assessment by a person is recorded."""
    return {"label": view.say.link_record, **_page(view, f"crisis/{flag}", AppContext(flag=flag))}


def worked_out(view: View) -> dict[str, str]:
    """Return the link to the model card, which is public and needs no sign-in."""
    url = f"{view.settings.server.public_url}/model-card"
    return {"label": view.say.link_how, "url": url, "type": "absolute"}


def _page(view: View, path: str, opens: AppContext) -> dict[str, str]:
    public = view.settings.server.public_url
    if view.ehr.page_link == "absolute":
        return {"url": f"{public}/{path}", "type": "absolute"}
    if view.sealed is None:
        msg = "a smart link needs what it hands over sealed"
        raise ValueError(msg)
    return {"url": f"{public}/launch", "type": "smart", "appContext": view.sealed(opens)}
