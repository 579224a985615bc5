"""What a card says, and what it never says."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fhir_adapters.problem import consents
from recommender.assess import STOPPED
from recommender.assessment import Assessment, Candidate, Escalation, Gate, GateStatus, Prediction, Reason, Switch
from recommender.catalog.rows import Source
from service.cds import cards, language, words
from service.cds.language import ENGLISH, LANGUAGES
from service.cds.lint import check_card
from service.drafts.canonical_json import dumps, load_object
from service.drafts.decision import consenting
from service.settings import Ehr, Server, Settings
from tests.contract import samples
from tests.fixtures import assessments as made

URL = made.SETTINGS.server.public_url


def card_of(found: Assessment, **more: object) -> cards.Card:
    """Return the card, which has to be there."""
    card = cards.card(made.view(found, **more))  # type: ignore[arg-type]
    assert card is not None
    return card


def test_the_summary_names_problem_finding_and_count() -> None:
    """The summary says problem, score, present treatment and how many options, and chooses none."""
    card = card_of(made.assessment())
    assert card["summary"] == (
        "Depression, PHQ-9 17 after 9 weeks of citalopram 20 mg: three options to review, none chosen"
    )


def test_an_options_card_is_clean() -> None:
    """The options card passes every check of the card linter."""
    assert check_card(card_of(made.assessment()), URL) == ()


def test_no_change_is_offered_like_the_drugs() -> None:
    """No change is the last of three suggestions and has no action."""
    suggestions = card_of(made.assessment())["suggestions"]
    assert [s["label"] for s in suggestions] == [
        "Switch to sertraline 50 mg a day",
        "Switch to venlafaxine 37.5 mg a day",
        ENGLISH.keep,
    ]
    assert [len(s.get("actions", [])) for s in suggestions] == [1, 1, 0]


@pytest.mark.parametrize(
    "line",
    [
        "**Why now.** PHQ-9 17 on 3 Nov 2026 (19 on 3 Nov 2026). Citalopram 20 mg since 1 Sep 2026.",
        "| Switch to sertraline 50 mg a day | 3 in 10 (2 to 4) | 8 in 100 (5 to 12) | Bleeding risk with ibuprofen |",
        "| No change: stay on citalopram 20 mg | not estimated | not estimated | 20 mg a day is the ceiling above 60 |",
        "The two drugs are as good as tied: preferences decide. "
        "**Ruled out:** bupropion (Seizure disorder on record, 2019).",
        "**Not known:** serum sodium.",
        "*AI draft, not an order. Trained on published trials, not on patients of this hospital. "
        "Model depression-1+def, knowledge 2026-11+abc, record as of 22 Nov 2026 10:42 UTC.*",
    ],
)
def test_the_detail_holds_each_line_of_the_design(line: str) -> None:
    """The detail holds why now, the table, what was ruled out, what is not known and the disclaimer."""
    assert line in card_of(made.assessment())["detail"].replace("\n\n", "\n").split("\n")


def test_what_holds_for_each_option_is_said_once() -> None:
    """A warning with the same words for both drugs stands below the table, not in each of its rows."""
    taper = Reason("D-1", "warning", "Replaces citalopram: taper plan needed.", "SRC-5", verified=True)
    found = made.assessment()
    both = tuple(replace(c, reasons=(taper, *c.reasons)) if c.verdict == "offered" else c for c in found.candidates)
    detail = card_of(replace(found, candidates=both))["detail"]
    assert "**Either way.** Replaces citalopram: taper plan needed." in detail
    assert detail.count("Replaces citalopram") == 1
    assert "| Bleeding risk with ibuprofen |" in detail


def test_ranked_drugs_that_are_not_offered_are_named_with_what_weighs_against_them() -> None:
    """Drugs left out of the three options stand in one line, grouped by the reason."""
    found = made.assessment()
    more = [
        replace(made.offered(name, 20, made.BLEEDING, band=2), verdict="eligible")
        for name in ("fluoxetine", "paroxetine")
    ]
    detail = card_of(replace(found, candidates=(*found.candidates, *more)))["detail"]
    assert "**Also possible:** fluoxetine, paroxetine (Bleeding risk with ibuprofen)." in detail


def test_a_rejected_option_is_not_shown_again() -> None:
    """A card with one draft left shows that one and no change, and counts two options."""
    view = made.view(made.assessment())
    card = cards.card(replace(view, drafts=view.drafts[1:]))
    assert card is not None
    assert len(card["suggestions"]) == 2
    assert "two options" in card["summary"]
    assert "sertraline" not in card["detail"]


def test_a_crisis_card_has_its_own_shape() -> None:
    """A crisis card is critical, says what was answered and whom to call, and has no suggestion or figure."""
    card = card_of(made.crisis(), drafts=False)
    assert check_card(card, URL) == ()
    assert card["indicator"] == "critical"
    assert "suggestions" not in card
    assert "**What was answered.** PHQ-9 question 9 was answered above 0." in card["detail"]
    assert "**Who to call.** Your site's crisis team." in card["detail"]
    assert "sertraline" not in card["detail"]


@pytest.mark.parametrize("contact", ["Crisis line 1234", "Ward 3"])
def test_a_crisis_card_names_the_sites_contact(contact: str) -> None:
    """Where the site names a crisis contact, the card calls that one."""
    view = made.view(made.crisis(), drafts=False)
    card = cards.card(replace(view, ehr=view.ehr.model_copy(update={"crisis_contact": contact})))
    assert card is not None
    assert f"**Who to call.** {contact}." in card["detail"]


def test_withheld_consent_is_named_without_detail() -> None:
    """A consent card says that suggestions are off and names no drug, score or internal reason."""
    card = card_of(made.assessment("consent-withheld", "names-ai-decision-support"), drafts=False)
    assert card["summary"] == "AI suggestions are switched off for this patient by consent"
    assert "A Consent on record says no to AI decision support for this patient." in card["detail"]
    assert "citalopram" not in card["detail"]
    assert "PHQ" not in card["detail"]
    assert "names-ai" not in card["detail"]
    assert check_card(card, URL) == ()


def test_a_missing_permission_is_not_called_a_denial() -> None:
    """Where a site asks for a permission first, the card claims no Consent that nobody has given."""
    missing = "No permission for AI suggestions is on record, and this site asks for one first."
    card = card_of(made.assessment("consent-withheld", missing), drafts=False)
    assert missing in card["detail"]
    assert "switched off" not in card["summary"]
    assert "A Consent on record" not in card["detail"]


def test_every_reason_of_a_consent_has_words() -> None:
    """No internal code of a denial or of an unreadable Consent can reach a card."""
    source = Path(consents.__file__).read_text("utf-8")
    codes = set(re.findall(r'(?:"deny"|"unreadable"), "([a-z-]+)"', source))
    codes |= set(re.findall(r'return "([a-z]+-[a-z-]+)"', source))
    codes -= {"permit"}
    known = ENGLISH.denials.keys() | ENGLISH.unreadable_consents.keys()
    assert {"status-unknown", "permission-undated", "denies-treatment-use"} <= codes
    assert codes <= known
    assert all(f'"{code}"' in source for code in known - {consenting.RECORDED})
    assert all(words.denial(code).endswith(".") and "-" not in words.denial(code) for code in known)


def test_consent_hides_no_alarm() -> None:
    """Whom a person must tell today stands on a consent card and, where the law closes drafting, on one of its own."""
    told = Escalation("prescriber", "today", "QTc 510 ms: review.", "GE02")
    later = Escalation("psychiatrist", "routine", "Refer.", "GE06")
    for status in ("consent-withheld", "jurisdiction"):
        found = made.assessment(status, "names-ai-decision-support")
        card = card_of(replace(found, escalations=(told,)), drafts=False)
        assert "QTc 510 ms" in card["detail"]
        assert card["indicator"] == "warning"
        quiet = cards.card(made.view(replace(found, escalations=(later,)), drafts=False))
        assert quiet is None or "Refer" not in quiet["detail"]


FLAG = "5b0e3a52-0000-4000-8000-000000000001"
TOLD = Escalation("prescriber", "today", "QTc 510 ms on 2026-11-03: review.", "GE02")
LATER = Escalation("psychiatrist", "routine", "Age 16: a specialist decides.", "GE06")
# Every card of a patient-view, by a name: how it comes about.
KINDS: Mapping[str, Callable[[Ehr], cards.Card | None]] = {
    "options": lambda ehr: cards.card(made.view(made.assessment(), ehr=ehr)),
    "no option": lambda ehr: cards.card(made.view(_without(made.assessment()), drafts=False, ehr=ehr)),
    "finding": lambda ehr: cards.card(made.view(_finding(), drafts=False, ehr=ehr)),
    "told": lambda ehr: cards.card(
        made.view(replace(_without(made.assessment()), step="continue", escalations=(TOLD,)), drafts=False, ehr=ehr)
    ),
    "crisis now": lambda ehr: cards.card(replace(made.view(made.crisis(), drafts=False, ehr=ehr), flag=FLAG)),
    "crisis today": lambda ehr: cards.card(
        made.view(replace(made.crisis(), escalations=(TOLD,)), drafts=False, ehr=ehr)
    ),
    "denied": lambda ehr: _closed("consent-withheld", "denies-treatment-use", ehr),
    "consent unreadable": lambda ehr: _closed("consent-withheld", "status-unknown", ehr),
    "no permission": lambda ehr: _closed("consent-withheld", "No permission is on record.", ehr),
    "too little": lambda ehr: _closed("insufficient-data", "No PHQ-9 total within 90 days: ask for one.", ehr),
    "too little, unnamed": lambda ehr: _closed("insufficient-data", "x" * 140, ehr),
    "outside": lambda ehr: _closed("out-of-scope", "Age 16: a specialist decides.", ehr, LATER),
    "outside, urgent": lambda ehr: _closed("out-of-scope", "Age 16: a specialist decides.", ehr, LATER, TOLD),
    "outside, long": lambda ehr: _closed("out-of-scope", "x" * 140, ehr, LATER),
    "denied, urgent": lambda ehr: _closed("consent-withheld", "denies-treatment-use", ehr, TOLD),
    "law": lambda ehr: _closed("jurisdiction", "A notice.", ehr, TOLD),
    "order pending": lambda ehr: cards.order_pending(made.view(_without(made.assessment()), drafts=False, ehr=ehr)),
}


def _without(found: Assessment) -> Assessment:
    return replace(found, offered=(), drafts=(), candidates=found.candidates[2:3])


def _finding() -> Assessment:
    taken = replace(made.assessment().current[0], reasons=(made.BLEEDING,))
    return replace(_without(made.assessment()), step="continue", current=(taken,))


def _closed(status: GateStatus, reason: str, ehr: Ehr, *told: Escalation) -> cards.Card | None:
    return cards.card(made.view(replace(made.assessment(status, reason), escalations=told), drafts=False, ehr=ehr))


@pytest.mark.parametrize("page_link", ["absolute", "smart"])
@pytest.mark.parametrize("spoken", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_card_is_clean_in_every_language(kind: str, spoken: str, page_link: str) -> None:
    """Whatever a card is about and however it links, it passes the linter of its language."""
    ehr = made.EHR.model_copy(update={"language": spoken, "page_link": page_link})
    card = KINDS[kind](ehr)
    assert card is not None
    assert check_card(card, URL, spoken) == ()


@pytest.mark.parametrize(
    ("kind", "summary"),
    [
        ("no option", "Depression: no option drafted, see why"),
        ("finding", "Bleeding risk with ibuprofen"),
        ("told", "QTc 510 ms on 3 Nov 2026. To tell: Prescriber (today)"),
        ("too little", "Depression, too little for options: No PHQ-9 total within 90 days"),
        ("too little, unnamed", "Depression: too little on record for options, see what is missing"),
        ("outside", "Age 16: nothing drafted. To tell: Psychiatrist"),
        ("outside, urgent", "QTc 510 ms on 3 Nov 2026. To tell: Prescriber (today)"),
        ("outside, long", "Nothing drafted, outside what this service drafts for: a person to tell, see whom"),
        ("law", "QTc 510 ms on 3 Nov 2026. To tell: Prescriber (today)"),
        ("denied, urgent", "QTc 510 ms on 3 Nov 2026. To tell: Prescriber (today)"),
    ],
)
def test_a_summary_says_why_where_it_fits(kind: str, summary: str) -> None:
    """A card without options names in its summary what the chart shows, else that the detail does."""
    card = KINDS[kind](made.EHR)
    assert card is not None
    assert card["summary"] == summary


def test_what_rules_out_most_stands_in_the_summary() -> None:
    """Where the chart rules out every drug, the summary says by what, and the detail says it once for all of them."""
    out = [
        Candidate(name, None, "excluded", "contraindicated", (_after_maoi(name),))
        for name in ("sertraline", "fluoxetine", "paroxetine", "duloxetine", "venlafaxine", "vortioxetine")
    ]
    found = replace(made.assessment(), offered=(), drafts=(), candidates=tuple(out))
    card = card_of(found, drafts=False)
    assert card["summary"] == "Depression, no option drafted: Phenelzine stopped on 16 Nov 2026"
    names = "sertraline, fluoxetine, paroxetine, duloxetine, venlafaxine and 1 other"
    said = "(Phenelzine stopped on 16 Nov 2026: it may start after 14 days)"
    assert f"**Ruled out:** {names} {said}." in card["detail"]


def _after_maoi(drug: str) -> Reason:
    message = f"Phenelzine stopped on 2026-11-16: {drug} may start after 14 days."
    return Reason("SR001", "contraindicated", message, "S", verified=True, blocks=True, facts=("MedicationRequest/m",))


def test_a_card_in_another_language_says_what_is_english_in_it() -> None:
    """Where words of the knowledge stand in a German card it says so; where all of it is ours it does not."""
    german = made.EHR.model_copy(update={"language": "de"})
    note = language.of("de").untranslated
    held = {kind: str((make(german) or {})["detail"]) for kind, make in KINDS.items()}
    assert {kind for kind, detail in held.items() if note not in detail} == {
        "denied",
        "consent unreadable",
        "order pending",
    }
    assert "Auf Englisch" not in card_of(made.assessment())["detail"]


def test_a_german_card_reads_german() -> None:
    """A German tenant's options card is German in its summary, its table, its buttons and its links."""
    card = cards.card(made.view(made.assessment(), ehr=made.EHR.model_copy(update={"language": "de"})))
    assert card is not None
    assert card["summary"].startswith("Depression, PHQ-9 17 nach 9 Wochen citalopram 20 mg: drei Optionen")
    assert (
        "| Umstellung auf venlafaxine 37,5 mg pro Tag | 3 von 10 (2 bis 4) | 8 von 100 (5 bis 12) |" in card["detail"]
    )
    assert card["suggestions"][-1]["label"] == "Keine Änderung: bisherige Behandlung fortführen"
    assert [link["label"] for link in card["links"]] == ["Optionen vergleichen", "Wie dies zustande kam"]


def test_the_page_keeps_english_whatever_the_card_speaks() -> None:
    """What a draft keeps in words for the page is the same for every tenant's language."""
    from service.cds.options import new_drafts

    first, _ = new_drafts(made.assessment(), made.adapted(), "summary")
    assert b'"option":"Switch to sertraline 50 mg a day"' in first.context


@pytest.mark.parametrize(
    ("write_back", "label"), [("card", "Compare the options"), ("sign-and-write", "Compare and sign")]
)
def test_the_link_offers_what_the_page_can_do(write_back: str, label: str) -> None:
    """Where the EHR signs, the link does not promise a signature on the page."""
    view = made.view(made.assessment(), ehr=made.EHR.model_copy(update={"write_back": write_back}))
    card = cards.card(view)
    assert card is not None
    assert card["links"][0]["label"] == label


def test_a_smart_link_hands_over_what_to_open() -> None:
    """With smart links the draft and the flag go through the EHR, sealed, and the address is the launch."""
    smart = made.EHR.model_copy(update={"page_link": "smart"})
    options, crisis = KINDS["options"](smart), KINDS["crisis now"](smart)
    assert options is not None
    assert crisis is not None
    link, public = options["links"]
    assert link | {"label": ""} == {
        "label": "",
        "url": f"{URL}/launch",
        "type": "smart",
        "appContext": options["suggestions"][0]["uuid"],
    }
    assert (public["type"], "appContext" in public) == ("absolute", False)
    assert [one["appContext"] for one in crisis["links"]] == [FLAG]


def test_a_source_is_named_and_not_keyed() -> None:
    """A change-over says its source by name where the knowledge has one."""
    found = made.assessment()
    first, *rest = found.candidates
    changing = replace(found, candidates=(replace(first, switch=(PLAN,)), *rest))
    known = {"T-TAM": Source("T-TAM", "https://example.org/taper", "Taper table: steps by drug")}
    card = cards.card(replace(made.view(changing), sources=known))
    assert card is not None
    assert "taper first, then start (Taper table, not verified)" in card["detail"]


def test_a_flagged_card_leads_to_where_an_assessment_is_recorded() -> None:
    """Where a person's assessment would settle what closes drafting, the card links to the flag and nothing else."""
    for found in (made.crisis(), made.assessment("insufficient-data", "An answer could not be used.")):
        view = replace(made.view(found, drafts=False), flag=FLAG)
        card = cards.card(view)
        assert card is not None
        assert [link["url"] for link in card["links"]] == [f"{URL}/crisis/{FLAG}"]
        assert check_card(card, URL) == ()


def test_what_an_assessment_leaves_to_be_done_is_said_first() -> None:
    """The gate's warnings open the card of options and a finding without options; whom to tell is not said twice."""
    warning = "Item 9 answered 2; looked into since by Dr Example: dispense for 7 days at most."
    gate = Gate("open", (), (warning,), 7)
    told = Escalation("prescriber", "today", warning, "GF01")
    found = replace(made.assessment(), gate=gate, escalations=(told,))
    for one in (found, replace(found, offered=(), drafts=())):
        card = card_of(one, drafts=bool(one.offered))
        assert card["detail"].startswith("**First.** Item 9 answered 2")
        assert card["detail"].count("looked into since") == 1
        assert "**To tell.** Prescriber (today)." in card["detail"]
        assert card["indicator"] == "warning"


def test_too_little_data_names_what_is_missing() -> None:
    """A card on too little data lists what is missing and suggests nothing."""
    card = card_of(made.assessment("insufficient-data", "No PHQ-9 total within 90 days."), drafts=False)
    assert "- No PHQ-9 total within 90 days." in card["detail"]
    assert "suggestions" not in card
    assert check_card(card, URL) == ()


@pytest.mark.parametrize("status", ["jurisdiction", "out-of-scope"])
def test_nothing_to_say_is_no_card(status: str) -> None:
    """A closed jurisdiction, and a patient out of scope with nobody to tell, give no card."""
    assert cards.card(made.view(made.assessment(status), drafts=False)) is None  # type: ignore[arg-type]


def test_out_of_scope_with_somebody_to_tell_is_a_warning() -> None:
    """A patient out of scope with an escalation gives a card that says whom to tell."""
    found = replace(made.assessment("out-of-scope", "Younger than 18."), escalations=made.crisis().escalations)
    card = card_of(found, drafts=False)
    assert card["indicator"] == "warning"
    assert "Crisis team (now)" in card["detail"]


def test_an_open_gate_without_options_says_why() -> None:
    """When every drug is excluded the card says so, instead of silence."""
    found = replace(made.assessment(), offered=(), drafts=(), candidates=made.assessment().candidates[2:3])
    card = card_of(found, drafts=False)
    assert "no option drafted" in card["summary"]
    assert "bupropion" in card["detail"]
    assert check_card(card, URL) == ()


def test_a_patient_who_continues_gets_no_card() -> None:
    """Nothing to change and nothing serious about the present drugs is nothing to say."""
    found = replace(made.assessment(), offered=(), drafts=(), step="continue")
    assert cards.card(made.view(found, drafts=False)) is None


def test_development_mode_is_said_in_every_card() -> None:
    """In development mode options, crisis and consent cards say so first."""
    settings = Settings(server=Server(public_url=URL, development=True))
    for found in (made.assessment(), made.crisis(), made.assessment("consent-withheld")):
        assert card_of(found, settings=settings)["detail"].startswith("**DEVELOPMENT MODE")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "![x](https://evil.example/x.png)",
        "[sign here](https://evil.example)",
        "https://evil.example and www.evil.example and a@evil.example",
        "cell | another | ~~struck~~ *bold* `code`",
        "line\nbreak\r\n# heading",
        "{drug} {0} {said!r} }{",
        "\u202etxet desrever\u2066",
        "&lt;img src=x&gt;",
        "[x](javascript:alert(1)) \u001b[31mred\u001b]0;title\u0007 \u0085 \u2028 \x00",
        f"{'x' * 100_000} <b>",
    ],
)
def test_chart_text_is_inert(hostile: str) -> None:
    """Text of a chart cannot add markup, HTML, links, table cells or lines to a card."""
    reason = Reason("X", "contraindicated", hostile, "S", verified=True, blocks=True)
    base = made.assessment()
    out = replace(base.candidates[2], reasons=(reason,), ingredient="bupropion")
    found = replace(base, candidates=(*base.candidates[:2], out), unknowns=(hostile,), current=())
    card = card_of(found)
    assert check_card(card, URL) == ()
    plain = words.escape(hostile)
    assert "\n" not in plain
    assert "\u202e" not in plain
    assert "\u001b" not in plain
    assert plain in card["detail"]
    assert len(card["detail"]) < 8000


def test_what_a_rule_says_after_a_long_text_of_the_chart_stands() -> None:
    """Of a text that is too long the middle is left out: what follows from it stays readable."""
    said = words.escape(f"Recorded allergy to {'x' * 5000}: do not use sertraline.")
    assert said.startswith("Recorded allergy to x")
    assert said.endswith("x: do not use sertraline.")
    assert " … " in said


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (Prediction(0.31, 0.22, 0.41), "3 in 10 (2 to 4)"),
        (Prediction(0.30, 0.28, 0.33), "3 in 10"),
        (Prediction(0.08, 0.05, 0.12), "8 in 100 (5 to 12)"),
        (Prediction(0.004, 0.001, 0.009), "fewer than 1 in 100"),
        (None, "not estimated"),
    ],
)
def test_probabilities_are_words_first(prediction: Prediction | None, said: str) -> None:
    """A probability reads as so many in ten with its interval, in a hundred where ten would say nothing."""
    assert words.in_ten(prediction) == said


def test_a_long_summary_is_cut_below_140_characters() -> None:
    """However long the condition's name, the summary stays below 140 characters."""
    found = replace(made.assessment(), conditions=("a-very-long-condition-name-" * 9,))
    assert len(card_of(found)["summary"]) < 140


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"summary": "x" * 140}, "summary has 140 characters"),
        ({"summary": "You should switch"}, "summary pushes"),
        ({"detail": "![x](y)"}, "text has an image, a link or HTML"),
        ({"detail": "<b>x</b>"}, "text has an image, a link or HTML"),
        ({"source": {"label": "Undersign"}}, "source has no label or a foreign url"),
        ({"selectionBehavior": "any"}, "selectionBehavior"),
        (
            {"links": [{"label": "x", "url": "https://evil.example/", "type": "absolute"}]},
            "a link leads elsewhere",
        ),
        (
            {"links": [{"label": "x", "url": f"{URL}/launch", "type": "smart"}]},
            "appContext without smart, or smart without appContext",
        ),
        (
            {"links": [{"label": "x", "url": f"{URL}/review/x", "type": "absolute", "appContext": "x"}]},
            "appContext without smart, or smart without appContext",
        ),
        (
            {"links": [{"label": "x", "url": f"{URL}/review/x", "type": "smart", "appContext": "x"}]},
            "a smart link that is not where this service is launched",
        ),
        (
            {"links": [{"label": "x", "url": f"{URL}/x", "type": "absolute", "autolaunchable": True}]},
            "a link that launches by itself",
        ),
        ({"extension": {}}, "card.extension is empty"),
        (
            {"source": {"label": "Undersign", "url": f"{URL}/model-card", "topic": {"system": "s", "code": "crisis"}}},
            "a crisis card has suggestions or figures of benefit",
        ),
        ({"overrideReasons": [{"code": "x"}] * 4}, "an override reason is no Coding with display"),
    ],
)
def test_the_linter_finds_each_fault(change: dict[str, object], fault: str) -> None:
    """A card changed against a rule is reported by the linter under that rule."""
    assert fault in check_card(card_of(made.assessment()) | change, URL)


def test_the_linter_refuses_anything_but_a_draft_proposal() -> None:
    """A suggestion whose resource is an active order, or that is recommended, is a fault."""
    card = card_of(made.assessment())
    resource = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    card["suggestions"][0] |= {"isRecommended": True}
    card["suggestions"][0]["actions"][0]["resource"] = resource
    faults = check_card(card, URL)
    assert "an action's resource is not a draft proposal" in faults
    assert "a suggestion is recommended over another" in faults


def test_acknowledgements_are_the_known_serious_reasons() -> None:
    """What a signer acknowledges are the known warnings of that drug, never an unknown or a mild one."""
    from service.cds.options import new_drafts

    first, second = new_drafts(made.assessment(), made.adapted(), "summary")
    assert b'"acknowledge":["Bleeding risk with ibuprofen."]' in first.context
    assert b'"acknowledge":[]' in second.context


def test_a_gates_warnings_are_acknowledged_and_kept_with_the_draft() -> None:
    """A signer acknowledges the gate's warnings before the drug's own, and the draft keeps the days of supply."""
    from service.cds.options import new_drafts

    found = replace(made.assessment(), gate=Gate("open", (), ("Ask again.",), 7))
    first, second = new_drafts(found, made.adapted(), "summary")
    assert b'"acknowledge":["Ask again.","Bleeding risk with ibuprofen."]' in first.context
    assert b'"acknowledge":["Ask again."]' in second.context
    assert b'"supply_days":7' in first.context


PLAN = Switch("citalopram", "TP01", "taper", "Reduce citalopram, then start sertraline.", "T-TAM", verified=False)


def test_a_change_over_is_said_in_few_words_with_its_source() -> None:
    """The card says the way and its source; a change that no row holds is planned with a pharmacist."""
    found = made.assessment()
    first, second, *rest = found.candidates
    none = replace(PLAN, rule="", way="unknown", source="")
    changing = (replace(first, switch=(PLAN,)), replace(second, switch=(none,)), *rest)
    detail = card_of(replace(found, candidates=changing))["detail"]
    assert (
        "**Change-over.** Citalopram to sertraline: taper first, then start (T-TAM, not verified). "
        "Citalopram to venlafaxine: plan with a pharmacist." in detail
    )
    assert PLAN.plan not in detail


def test_what_may_lower_a_dose_is_said_once_for_both() -> None:
    """A gap that would lower the dose of each option stands once, one of a single option with its drug."""
    found = made.assessment()
    first, second, *rest = found.candidates
    assert first.dose
    assert second.dose
    both, own = "Age is not known: the start is 25 mg a day (S-1).", "eGFR is not on file: the ceiling is 75 mg (S-2)."
    waiting = (
        replace(first, dose=replace(first.dose, pending=(both,))),
        replace(second, dose=replace(second.dose, pending=(both, own))),
        *rest,
    )
    detail = card_of(replace(found, candidates=waiting))["detail"]
    assert f"**May lower the dose.** {both} Venlafaxine: {own}" in detail


def test_an_edited_draft_is_suggested_with_the_dose_that_stands() -> None:
    """A suggestion never says another dose than the resource inside it."""
    view = made.view(made.assessment())
    dosage = [samples.dosage(100)]
    changed = replace(view.drafts[0], version=2, resource=dumps(samples.resource(dosageInstruction=dosage, id="x")))
    context = {**load_object(changed.context), "drafted": {"dosageInstruction": [samples.dosage(50)]}}
    card = cards.card(replace(view, drafts=(replace(changed, context=dumps(context)), view.drafts[1])))
    assert card is not None
    label = card["suggestions"][0]["label"]
    assert label == "Switch to sertraline 50 mg a day, edited: 100 mg a day at most"


def test_a_drug_that_is_not_drafted_is_named_with_its_refusal() -> None:
    """What guidelines or trials say of a drug after its refusal does not take the refusal's place."""
    refused = Reason("DRAFT-LABEL", "none", "The label does not name it.", "S-1", verified=True)
    later = Reason("NE01", "none", "Hazard ratio 1.9.", "S-2", verified=True)
    found = made.assessment()
    more = Candidate("fluoxetine", "4", "not-draftable", "none", (refused, later))
    detail = card_of(replace(found, candidates=(*found.candidates, more)))["detail"]
    assert "fluoxetine (The label does not name it)" in detail
    assert "Hazard ratio" not in detail


@pytest.mark.parametrize("rule", ["DRAFT-SCHEDULE", "DRAFT-UNVERIFIED", "DRAFT-ORDERABLE", "MODEL-ABSTAINED"])
def test_what_holds_in_every_chart_is_one_clause_of_an_options_card(rule: str) -> None:
    """Drugs that this service never drafts are counted together, without their reasons one by one."""
    reason = Reason(rule, "none", "The dose of it is not verified.", "S-1", verified=True)
    found = made.assessment()
    names = ("doxepin", "esketamine", "imipramine", "nortriptyline", "desipramine")
    more = tuple(Candidate(name, "4", "not-draftable", "none", (reason,)) for name in names)
    detail = card_of(replace(found, candidates=(*found.candidates, *more)))["detail"]
    said = "doxepin, esketamine, imipramine and 2 others: controlled, or no verified code, dose, product or trial"
    assert f"**Not drafted:** {said} at hand." in detail


def test_a_stopped_drug_is_told_first_and_in_full() -> None:
    """What the site has switched off stands before what nobody drafts anyway."""
    found = made.assessment()
    stopped = Reason(STOPPED, "none", "Fluoxetine is switched off at this site since 2026-11-20.", "the site", True)
    other = Reason("DRAFT-SCHEDULE", "none", "Esketamine is a controlled drug (CIII).", "S-1", verified=True)
    more = (
        Candidate("esketamine", "5", "not-draftable", "none", (other,)),
        Candidate("fluoxetine", "4", "not-draftable", "none", (stopped,)),
    )
    detail = card_of(replace(found, candidates=(*found.candidates, *more)))["detail"]
    assert (
        "**Not drafted:** fluoxetine (Fluoxetine is switched off at this site since 20 Nov 2026); esketamine:" in detail
    )


def test_what_may_lower_a_dose_names_its_source_and_not_its_key() -> None:
    """A key of a source in a sentence on a dose is the source's name on the card, and its doubt stays."""
    found = made.assessment()
    first, *rest = found.candidates
    assert first.dose
    text = "EGFR is not on file: below 30 the dose is 50 % of the usual (L-SER+LM-SER, not verified)."
    waiting = replace(found, candidates=(replace(first, dose=replace(first.dose, pending=(text,))), *rest))
    sources = {
        "L-SER": Source("L-SER", "https://example.org/label", "sertraline US label: section 2"),
        "LM-SER": Source("LM-SER", "https://example.org/more", "another"),
    }
    card = cards.card(replace(made.view(waiting), sources=sources))
    assert card is not None
    detail = card["detail"]
    assert "50 % of the usual (sertraline US label and 1 more source, not verified)." in detail
    assert "L-SER" not in detail


@pytest.mark.parametrize("status", ["open", "insufficient-data", "out-of-scope"])
def test_every_card_on_a_chart_names_what_was_not_seen(status: GateStatus) -> None:
    """A card without drafts, too, says which list was missing or came only in part."""
    told = Escalation("psychiatrist", "routine", "Somebody decides.", "GE01")
    gate = Gate(status, () if status == "open" else ("A reason.",))
    found = replace(made.assessment(), gate=gate, offered=(), drafts=(), escalations=(told,))
    card = cards.card(replace(made.view(found), unread=("problems (only in part)",)))
    assert card is not None
    assert "Not supplied: problems (only in part)." in card["detail"]
