"""The checks of an EHR over every dialect: whatever is said is true of that dialect, and nothing else is said."""

import pytest

from conformance.reference_ehr import dialects
from tests.integration.checked_ehr import InMemory, judged

# Of every dialect: loopback has no TLS.
NOT_TESTED = {"reach.tls"}
# Dialect → checks that are not tested there, and a word of why.
_INLINE = {"content.references": "named in its request", "content.include": "named in its request"}
UNTESTED: dict[str, dict[str, str]] = {
    "base-dstu2": {
        "search.consents": "no Consent",
        "search.sort": "not asked to sort",
        "content.required": "not R4",
        "content.valid": "not R4",
    },
    "base-stu3": {"content.required": "not R4", "content.valid": "not R4"},
    "base-r5": {"content.required": "not R4", "content.valid": "not R4"},
    "epic-r4": {"search.statements": "no MedicationStatement"},
    "oracle-r4": {"search.statements": "no MedicationStatement", "search.sort": "not asked to sort", **_INLINE},
    "athenahealth-r4": {"paging.total": "no search says a total"},
    "meditech-r4": _INLINE,
    "nextgen-r4": _INLINE,
    "openemr-r4": {
        "search.sort": "not asked to sort",
        **{f"paging.{name}": "without _count" for name in ("whole", "once", "host", "count")},
        **_INLINE,
    },
    "openmrs-r4": _INLINE,
    "ips": {"search.status": "no patient has an order", "content.include": "named in its request"},
    "uk-core": _INLINE,
}
# Dialect → checks that warn there, and a word of the true sentence. The interface of the reference EHR stays R4 in
# every dialect; what a dialect has in words alone, in codes of its own, or not at all, is so in the writers' sources.
_WORDS = {"terms.drugs": "not known by its code or its words"}
_LOCAL = {"terms.drugs": "without a code that is known"}
WARNED: dict[str, dict[str, str]] = {
    "base-dstu2": {"reach.version": "reads DSTU2"},
    "base-stu3": {"reach.version": "reads STU3"},
    "base-r5": {"reach.version": "reads R5"},
    "meditech-r4": {
        **_WORDS,
        "terms.observations": "without a code that is known",
        "units.present": "systolic_bp has a number without a unit",
        "coverage.features": "systolic_bp",
    },
    "eclinicalworks-r4": {"content.readable": "value-is-text", "coverage.features": "phq9_total"},
    "nextgen-r4": {"content.readable": "dose-text-not-understood", "coverage.features": "systolic_bp"},
    "openemr-r4": _LOCAL,
    "openmrs-r4": {**_LOCAL, "terms.observations": "diastolic_bp", "coverage.features": "diastolic_bp"},
    "ips": {
        "search.responses": "has no QuestionnaireResponse",
        "search.family-history": "has no FamilyMemberHistory",
        "search.consents": "has no Consent",
        **_WORDS,
    },
    "uk-core": _WORDS,
    "au-core": _WORDS,
    "isik": _WORDS,
}


@pytest.mark.parametrize("dialect", dialects.names())
def test_no_dialect_is_blamed_for_what_it_does_right(dialect: str) -> None:
    """Read and written in its own dialect, the reference EHR fails no check; each warning is a known true one."""
    run, _ = judged(InMemory(dialect), profile=dialect)
    told = {one.check.id: one for one in run.results}
    assert [one.check.id for one in run.results if one.verdict in ("fail", "broken")] == []
    for verdict, expected in (("warn", WARNED.get(dialect, {})), ("not-tested", UNTESTED.get(dialect, {}))):
        found = {name for name, one in told.items() if one.verdict == verdict} - NOT_TESTED
        assert found == set(expected), {name: told[name].told for name in found ^ set(expected)}
        assert all(word in told[name].told[0].message for name, word in expected.items())
    assert run.status == "passed"
