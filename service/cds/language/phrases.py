"""The phrases of one language, one field a phrase: what a card says in our own words.

A card takes its words from here alone, so that a phrase that a language lacks is an error when the file is read.
"""

from collections.abc import Mapping

import msgspec


class Plural(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A phrase with a count in it."""

    one: str
    other: str

    def of(self, count: int, **values: str) -> str:
        """Return the form for ``count``, its placeholders filled in."""
        return (self.one if count == 1 else self.other).format(count=count, **values)


class Phrases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Templates with placeholders by name (``str.format``); the files beside this module say what each is for."""

    untranslated: str
    pushing: tuple[str, ...]
    decimal: str
    date: str
    months: tuple[str, ...]
    on_date: str
    since_date: str
    not_estimated: str
    in_whole: str
    in_whole_range: str
    fewer_than_one: str
    numbers: tuple[str, ...]
    to_review: str
    summary: str
    summary_on: str
    summary_after: Plural
    finding: str
    head_undrafted: str
    head_undrafted_why: str
    head_finding: str
    head_told: str
    head_told_why: str
    head_too_little: str
    head_too_little_why: str
    head_outside: str
    head_outside_why: str
    head_pending: str
    head_crisis_now: str
    head_crisis_today: str
    head_denied: str
    head_consent_unreadable: str
    head_consent_first: str
    start: str
    switch: str
    edited: str
    keep: str
    stay_on: str
    stay_without_antidepressant: str
    stay_without_drug: str
    place: str
    columns: str
    columns_unranked: str
    tied: str
    ahead: str
    by_guideline: str
    development: str
    first: str
    why_now: str
    score: str
    score_before: str
    guidelines: str
    not_verified: str
    named: str
    either_way: str
    change_over: str
    from_to: str
    may_lower: str
    ruled_out: str
    not_drafted: str
    housekeeping: str
    and_others: Plural
    more_reasons: Plural
    also_possible: str
    nothing_against: str
    concerns: str
    not_known: str
    not_supplied: str
    in_part: str
    to_tell: str
    person: str
    closing: str
    missing: str
    pending: str
    answered: str
    no_drug: str
    who_to_call: str
    crisis_team: str
    reopening: str
    crisis_closing: str
    link_sign: str
    link_compare: str
    link_how: str
    link_record: str
    keep_order: str
    findings: Plural
    more_findings: str
    an_order: str
    this_order: str
    with_drug: str
    per_day: str
    more_lines: str
    more_orders: Plural
    rules_of_service: str
    and_more: Plural
    with_present: str
    gap: str
    not_whole: str
    unreadable_order: str
    not_in_rules: str
    instead: str
    rules_closing: str
    severities: Mapping[str, str]
    recipients: Mapping[str, str]
    urgencies: Mapping[str, str]
    ways: Mapping[str, str]
    topics: Mapping[str, str]
    conditions: Mapping[str, str]
    denials: Mapping[str, str]
    unreadable_consents: Mapping[str, str]
    holds: Mapping[str, str]
    override_reasons: Mapping[str, str]
    order_override_reasons: Mapping[str, str]
