"""The named operators that bring a decoded resource of another FHIR version to its R4 shape.

Each function here returns an operator: elements in, elements out, the input unchanged. An operator does what its
name says where its element has the old shape, and nothing anywhere else: what is R4-shaped already stays as it
is, and what fits no version stays for the R4 decoder to refuse. The tables that use them (``dstu2``, ``stu3``,
``r5``) read as documentation: one row an element.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

Element = dict[str, Any]
Operator = Callable[[Element], Element]
Table = Mapping[str, tuple[Operator, ...]]  # resource type → what is done to it, in this order
Codes = Mapping[str, str]  # code → code; the key ANY stands for every other code, and for none
ANY = "*"


def apply(element: Element, operators: Iterable[Operator]) -> Element:
    """Return the element after all operators, in their order."""
    for operator in operators:
        element = operator(element)
    return element


# ---- elements: their names and places


def rename(old: str, new: str) -> Operator:
    """``old`` becomes ``new``; where ``new`` is there already it stands, and ``old`` is left out."""

    def renamed(element: Element) -> Element:
        return {new: element[old], **without(element, old)} if old in element else element

    return renamed


def choose(*pairs: tuple[str, str]) -> Operator:
    """Of several elements the first that is there becomes its R4 choice; the others are left out."""

    def chosen(element: Element) -> Element:
        found = next(((old, new) for old, new in pairs if old in element), None)
        if found is None:
            return element
        return {found[1]: element[found[0]], **without(element, *(old for old, _ in pairs))}

    return chosen


def drop(*names: str) -> Operator:
    """The elements are left out: no reader uses them and R4 has no place for them."""
    return lambda element: without(element, *names)


def default(name: str, value: object) -> Operator:
    """The element is there: as written, else with the one value that its version means without saying it."""
    return lambda element: element if name in element else {**element, name: value}


def replace(name: str, value: object) -> Operator:
    """The element has this value."""
    return lambda element: {**element, name: value}


def each(name: str, *operators: Operator) -> Operator:
    """The operators are made in the element ``name``: in the object, or in every object of its list."""

    def inside(element: Element) -> Element:
        held: Any = element.get(name)
        if isinstance(held, list):
            return {**element, name: [_inside(one, operators) for one in cast("list[Any]", held)]}
        return {**element, name: _inside(held, operators)} if isinstance(held, dict) else element

    return inside


def move_into(target: str, *names: str) -> Operator:
    """The elements become elements of the object ``target``, where what is there stands."""

    def moved(element: Element) -> Element:
        found = {name: element[name] for name in names if name in element}
        held: Any = element.get(target, {})
        if not found or not isinstance(held, dict):
            return element
        return {**without(element, *names), target: found | cast("Element", held)}

    return moved


def move_into_list(target: str, *names: str) -> Operator:
    """The elements become one object, the only entry of the list ``target``; where there is one it stands."""

    def moved(element: Element) -> Element:
        found = {name: element[name] for name in names if name in element}
        return {target: [found], **without(element, *names)} if found else element

    return moved


def move_out(source: str, *names: str) -> Operator:
    """The elements of the object ``source`` become elements beside it; ``source`` is left out."""

    def moved(element: Element) -> Element:
        held: Any = element.get(source)
        if not isinstance(held, dict):
            return element
        found = {name: part for name, part in cast("Element", held).items() if name in names}
        return found | without(element, source)

    return moved


def lift(name: str, inner: str) -> Operator:
    """The object ``name``, or every object of its list, becomes what it holds as ``inner``; without that it stays."""

    def raised(value: Any) -> Any:
        return cast("Element", value).get(inner, value) if isinstance(value, dict) else value

    def lifted(element: Element) -> Element:
        if name not in element:
            return element
        held: Any = element[name]
        if isinstance(held, list):
            return {**element, name: [raised(one) for one in cast("list[Any]", held)]}
        return {**element, name: raised(held)}

    return lifted


def put_at(name: str, *path: str) -> Operator:
    """The element becomes the one at the end of ``path``, a way through objects, in place of what is there."""

    def put(element: Element) -> Element:
        return _put(without(element, name), path, element[name]) if name in element else element

    return put


def bound_dosage(name: str, dosages: str) -> Operator:
    """A Period of the whole becomes the bounds of its one Dosage.

    Of several, which may be steps, it bounds none and is left out; a Dosage with bounds keeps its own.
    """

    def bounded(element: Element) -> Element:
        held: Any = element.get(dosages, [])
        if not isinstance(element.get(name), dict) or not isinstance(held, list):
            return element
        rest, entries = without(element, name), cast("list[Any]", held) or [{}]
        if len(entries) > 1 or not isinstance(entries[0], dict):
            return rest
        return {**rest, dosages: [_bounded(cast("Element", entries[0]), element[name])]}

    return bounded


# ---- one and many


def wrap_list(*names: str) -> Operator:
    """One value becomes a list of one."""

    def wrapped(element: Element) -> Element:
        lone = {name: [element[name]] for name in names if name in element and not isinstance(element[name], list)}
        return {**element, **lone} if lone else element

    return wrapped


def first_of(name: str) -> Operator:
    """A list becomes its first entry; an empty one is left out."""

    def unwrapped(element: Element) -> Element:
        held: Any = element.get(name)
        if not isinstance(held, list):
            return element
        return {**element, name: held[0]} if held else without(element, name)

    return unwrapped


def join_list(name: str) -> Operator:
    """A list of texts becomes one text: its parts in their order, a blank between them."""

    def joined(element: Element) -> Element:
        held: Any = element.get(name)
        if not isinstance(held, list):
            return element
        return {**element, name: " ".join(part for part in cast("list[Any]", held) if isinstance(part, str))}

    return joined


# ---- what both halves of the tables use


def without(element: Element, *names: str) -> Element:
    """Return the element without these elements; itself where it has none of them."""
    if not any(name in element for name in names):
        return element
    return {key: held for key, held in element.items() if key not in names}


def code_of(value: Any) -> str | None:
    """Return a code without the blanks around it, None for what is no text."""
    return value.strip() if isinstance(value, str) else None


def _inside(value: Any, operators: Iterable[Operator]) -> Any:
    return apply(cast("Element", value), operators) if isinstance(value, dict) else value


def _put(element: Element, path: tuple[str, ...], value: Any) -> Element:
    name, *rest = path
    if not rest:
        return {**element, name: value}
    held: Any = element.get(name)
    inner = cast("Element", held) if isinstance(held, dict) else {}
    return {**element, name: _put(inner, tuple(rest), value)}


def _bounded(dosage: Element, period: Any) -> Element:
    timing: Any = dosage.get("timing")
    repeat: Any = cast("Element", timing).get("repeat") if isinstance(timing, dict) else None
    if isinstance(repeat, dict) and any(name.startswith("bounds") for name in cast("Element", repeat)):
        return dosage
    return _put(dosage, ("timing", "repeat", "boundsPeriod"), period)
