"""The operators on codes, concepts, references and the lists of answers; as ``operators``, of which they are part."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from fhir_adapters.fhir_versions.operators import ANY, Codes, Element, Operator, code_of, without

# ---- codes and concepts


def code_map(name: str, codes: Codes) -> Operator:
    """A code becomes the R4 code of the same meaning; other codes stay."""

    def mapped(element: Element) -> Element:
        code = codes.get(code_of(element.get(name)) or "")
        return {**element, name: code} if code else element

    return mapped


def drop_code(name: str, *codes: str) -> Operator:
    """The codes that R4 does not have are left out, alone or in a list."""

    def dropped(element: Element) -> Element:
        held: Any = element.get(name)
        if isinstance(held, list):
            return {**element, name: [code for code in cast("list[Any]", held) if code_of(code) not in codes]}
        return without(element, name) if code_of(held) in codes else element

    return dropped


def split_code(name: str, **parts: Codes) -> Operator:
    """A code that says several things becomes one code for each; a code that no part knows stays."""

    def split(element: Element) -> Element:
        code = code_of(element.get(name)) or ""
        found = {part: codes[code] for part, codes in parts.items() if code in codes}
        return found | without(element, name) if found else element

    return split


def concept_from_code(name: str, system: str, codes: frozenset[str]) -> Operator:
    """A code becomes a CodeableConcept: coded in ``system`` if it is one of ``codes``, else its text alone."""

    def conceived(element: Element) -> Element:
        code = code_of(element.get(name))
        if code is None:
            return element
        return {**element, name: {"coding": [{"system": system, "code": code}]} if code in codes else {"text": code}}

    return conceived


def code_from_concept(name: str, codes: frozenset[str]) -> Operator:
    """A CodeableConcept becomes the one of ``codes`` that it holds; with none or several it is left out."""

    def plain(element: Element) -> Element:
        if not isinstance(element.get(name), dict):
            return element
        found = set(_codes_in(element[name])) & codes
        return {**element, name: found.pop()} if len(found) == 1 else without(element, name)

    return plain


def concept_from_coding(name: str) -> Operator:
    """The Codings of a list become CodeableConcepts of one coding each."""

    def conceive(one: Any) -> Any:
        return {"coding": [one]} if _has(one, "code") else one

    def conceived(element: Element) -> Element:
        held: Any = element.get(name)
        if not isinstance(held, list):
            return element
        return {**element, name: [conceive(one) for one in cast("list[Any]", held)]}

    return conceived


def systems(names: Mapping[str, str], codes: Mapping[str, Codes]) -> Operator:
    """Every code system has its R4 name: by its whole old name, or by its beginning where ``names`` ends in ``*``.

    ``codes``: R4 system → old code → R4 code, for the systems whose codes were renamed too.
    """
    whole = {old: new for old, new in names.items() if not old.endswith(ANY)}
    begins = tuple((old[:-1], new[:-1]) for old, new in names.items() if old.endswith(ANY))

    def renamed(system: str) -> str:
        new = next((new + system.removeprefix(old) for old, new in begins if system.startswith(old)), system)
        return whole.get(system, new)

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(one) for one in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        found = {name: named(held) for name, held in cast("Element", value).items()}
        if isinstance(found.get("system"), str):
            found["system"] = renamed(found["system"])
            code = codes.get(found["system"], {}).get(code_of(found.get("code")) or "")
            found |= {"code": code} if code else {}
        return found

    return named


# ---- statuses


def status_where(flag: str, says: Mapping[object, Codes], otherwise: Codes) -> Operator:
    """An element that takes back what ``status`` says becomes part of the status, and is left out.

    ``says``: what the flag holds (a truth value, a code, the codes of a concept) → old status → R4 status;
    ``otherwise`` for a flag that holds anything else or disagrees with itself.
    """

    def stated(element: Element) -> Element:
        if flag not in element:
            return element
        status = code_of(element.get("status")) or ANY
        rules = [says[value] for value in _said(element[flag]) if value in says] or [otherwise]
        found = {codes.get(status, codes.get(ANY)) for codes in rules}
        becomes = found.pop() if len(found) == 1 else otherwise.get(status, otherwise.get(ANY))
        rest = without(element, flag)
        return rest if becomes is None else {**rest, "status": becomes}

    return stated


def refuse_by(name: str, url: str) -> Operator:
    """An element that changes whose or what the resource is becomes a modifierExtension: it is then not read."""

    def refused(element: Element) -> Element:
        if name not in element:
            return element
        held: Any = element.get("modifierExtension")
        others = cast("list[Any]", held) if isinstance(held, list) else []
        return {**without(element, name), "modifierExtension": [*others, {"url": url}]}

    return refused


# ---- references


def split_reference(name: str, concept: str, reference: str) -> Operator:
    """A CodeableReference becomes two elements: ``concept`` what it codes, ``reference`` what it refers to.

    A bare CodeableConcept or Reference in its place, as some R4 systems write it, is taken for what it is.
    """

    def split(element: Element) -> Element:
        held: Any = element.get(name)
        if not isinstance(held, dict):
            return element
        found, rest = cast("Element", held), without(element, name)
        if isinstance(found.get("reference"), str):
            return {reference: found, **rest}
        if "coding" in found or "text" in found:
            return {concept: found, **rest}
        parts = {concept: found.get("concept"), reference: found.get("reference")}
        return {key: part for key, part in parts.items() if part is not None} | rest

    return split


def reference_to_canonical(name: str) -> Operator:
    """A Reference becomes the address that it holds; one without an address is left out."""

    def canonical(element: Element) -> Element:
        held: Any = element.get(name)
        if not isinstance(held, dict):
            return element
        address = cast("Element", held).get("reference")
        return {**element, name: address} if isinstance(address, str) else without(element, name)

    return canonical


def sort_related(name: str, kinds: Codes) -> Operator:
    """Related resources become the lists that their ``type`` stands for; those of other types are left out."""

    def sorted_out(element: Element) -> Element:
        held: Any = element.get(name)
        if not isinstance(held, list):
            return element
        lists: dict[str, list[Any]] = {}
        for one in cast("list[Any]", held):
            related = cast("Element", one) if isinstance(one, dict) else {}
            target = kinds.get(code_of(related.get("type")) or "")
            if target and isinstance(related.get("target"), dict):
                lists.setdefault(target, []).append(related["target"])
        return lists | without(element, name)

    return sorted_out


# ---- texts and answers


def text_to_note(name: str) -> Operator:
    """A plain text becomes ``note``, a list of one Annotation, behind the notes that are there."""

    def noted(element: Element) -> Element:
        text, held = element.get(name), element.get("note", [])
        if not isinstance(text, str):
            return element
        notes = cast("list[Any]", held) if isinstance(held, list) else []
        return {**without(element, name), "note": [*notes, {"text": text}]}

    return noted


def group_to_items(name: str) -> Operator:
    """The DSTU2 tree of groups and questions becomes the R4 tree of items: same order, same linkIds."""

    def itemised(element: Element) -> Element:
        return {"item": _items(element[name]), **without(element, name)} if name in element else element

    return itemised


def _items(*trees: Any) -> list[Any]:
    listed = [one for tree in trees for one in (cast("list[Any]", tree) if isinstance(tree, list) else [tree])]
    return [_item(cast("Element", one)) if isinstance(one, dict) else one for one in listed if one is not None]


def _item(part: Element) -> Element:
    """A group has groups or questions inside; a question has answers, which may have groups inside."""
    item = without(part, "group", "question", "title", "answer")
    if "text" not in item and "title" in part:
        item = {**item, "text": part["title"]}
    inner = _items(part.get("group"), part.get("question"))
    answers = {"answer": [_answer(one) for one in _listed(part["answer"])]} if "answer" in part else {}
    return {**item, **answers, **({"item": inner} if inner else {})}


def _answer(answer: Any) -> Any:
    return {**without(answer, "group"), "item": _items(answer["group"])} if _has(answer, "group") else answer


def _has(value: Any, name: str) -> bool:
    return isinstance(value, dict) and name in value


def _listed(value: Any) -> Iterable[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _said(value: Any) -> Iterable[object]:
    if isinstance(value, dict):
        return _codes_in(value)
    return (value if isinstance(value, bool) else code_of(value),)


def _codes_in(concept: Any) -> list[str]:
    """Return the codes of a CodeableConcept, without blanks around them."""
    codings: Any = cast("Element", concept).get("coding") if isinstance(concept, dict) else None
    found = [cast("Element", one).get("code") for one in _listed(codings) if isinstance(one, dict)]
    return [code for value in found if (code := code_of(value))]
