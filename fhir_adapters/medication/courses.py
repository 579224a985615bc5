"""Courses, not rows: orders of one drug without a day between them are one course; gaps and stops are kept.

A joined course keeps everything of its newest part, its dose too, and the earliest start; its path names the
other parts. Courses stay apart when they differ in what is said of them: taken or not, the route where both
name one, and, where an order and a statement tell different doses, the dose. Nothing is averaged.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from fhir_adapters.canonical import MedicationCourse
from fhir_adapters.facts import newest_first

_JOINED = "medications.joined"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The course of one resource, and whether that is an order in force: two of one drug are duplicates."""

    course: MedicationCourse
    order: bool = False


def joined(entries: Iterable[Entry]) -> tuple[MedicationCourse, ...]:
    """Return the courses, newest start first, whatever the order of the entries."""
    listed = _ordered(_with_duplicates(list(entries)))
    groups: dict[object, list[MedicationCourse]] = defaultdict(list)
    for course in listed:
        key = (course.ingredients, course.taking) if course.ingredients else course.source.reference
        groups[key].append(course)
    merged = [one for group in groups.values() for one in (_merged(group) if len(group) > 1 else group)]
    return _ordered(merged) if len(merged) < len(listed) else listed


def _ordered(courses: Iterable[MedicationCourse]) -> tuple[MedicationCourse, ...]:
    return newest_first(courses, lambda one: (one.start, None), lambda one: (one.source.reference,))


def _merged(group: Sequence[MedicationCourse]) -> list[MedicationCourse]:
    """Join the courses of one drug, newest first, each into the first that it continues."""
    kept: list[MedicationCourse] = []
    for course in group:
        place = next((at for at, newer in enumerate(kept) if _continues(course, newer)), None)
        if place is None:
            kept.append(course)
        else:
            kept[place] = _join(course, kept[place])
    return kept


def _continues(older: MedicationCourse, newer: MedicationCourse) -> bool:
    if not older.ingredients or older.start is None or newer.start is None or _disagree(older, newer):
        return False
    if older.stop is None:
        return older.taking != "stopped"
    return newer.start <= older.stop + timedelta(days=1)


def _disagree(one: MedicationCourse, other: MedicationCourse) -> bool:
    """Say whether the routes differ, or two kinds of resources tell different doses of one drug."""
    if len({one.route, other.route} - {None}) > 1:
        return True
    kinds = {course.source.reference.partition("/")[0] for course in (one, other)}
    doses = {course.dose_mg_per_day for course in (one, other)} - {None}
    return len(kinds) > 1 and (len(doses) > 1 or one.as_needed != other.as_needed)


def _join(older: MedicationCourse, newer: MedicationCourse) -> MedicationCourse:
    stops = (older.stop, newer.stop)
    path = newer.source.path if newer.source.rule == _JOINED else f"{newer.source.path} with"
    origin = replace(
        newer.source,
        path=f"{path} {older.source.reference}",
        rule=_JOINED,
        repairs=tuple(sorted({*newer.source.repairs, *older.source.repairs})),
    )
    return replace(
        newer,
        start=older.start,
        stop=None if None in stops else max(stop for stop in stops if stop),
        classes=tuple(sorted({*older.classes, *newer.classes})),
        taken_for=tuple(dict.fromkeys((*newer.taken_for, *older.taken_for))),
        reasons=tuple(sorted({*older.reasons, *newer.reasons})),
        duplicates=tuple(sorted({*older.duplicates, *newer.duplicates} - {newer.source.reference})),
        source=origin,
    )


def _with_duplicates(entries: Sequence[Entry]) -> list[MedicationCourse]:
    """Return the courses, each order with the other orders of the same ingredients at the same time."""
    orders: dict[tuple[str, ...], list[MedicationCourse]] = defaultdict(list)
    for entry in entries:
        if entry.order and entry.course.ingredients:
            orders[entry.course.ingredients].append(entry.course)
    return [_beside(one.course, orders.get(one.course.ingredients, ())) if one.order else one.course for one in entries]


def _beside(course: MedicationCourse, orders: Sequence[MedicationCourse]) -> MedicationCourse:
    if len(orders) < 2:
        return course
    others = {one.source.reference for one in orders if _overlap(one, course)} - {course.source.reference}
    return replace(course, duplicates=tuple(sorted(others))) if others else course


def _overlap(one: MedicationCourse, other: MedicationCourse) -> bool:
    """Say whether two courses may hold on one day; a start or stop that is not known is open."""
    first_ends = one.stop is not None and other.start is not None and one.stop < other.start
    other_ends = other.stop is not None and one.start is not None and other.stop < one.start
    return not (first_ends or other_ends)
