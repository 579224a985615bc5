"""The login page of the authorisation server, and the page that asks for a patient; every choice is a link."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from conformance import plain_words as words
from conformance.reference_ehr.desk import rendering
from conformance.reference_ehr.oauth_facts import Ask


def page(request: Request, ask: Ask) -> Response:
    """Return the page for what the authorisation server has to ask; an app in a frame may come to it."""
    ehr, app = rendering.ehr_of(request), ask.query.get("client_id", "an app")
    if ask.what == "user":
        accounts = ehr.authorization.accounts.values()
        options = [("login_hint", one.username, one.display, one.role) for one in accounts]
        title, text = "Who are you?", f"The app {app} asks. There are no passwords: choose a synthetic user."
    else:
        people = [(one.id, words.full_name(one.resources[0])) for one in ehr.people]
        options = [("patient", id_, name, "") for id_, name in people]
        title, text = "Which patient?", f"The app {app} asked for a patient."
    links = [(f"/authorize?{urlencode({**ask.query, key: value})}", name, role) for key, value, name, role in options]
    return rendering.page(request, "login.html", {"title": title, "text": text, "links": links}, framed=True)
