"""The part of GitHub Markdown that cards use, as HTML: paragraphs, lists, tables, emphasis, code, web links.

Everything else is shown as it was written. What comes from a service is text: no element of it is passed on.
"""

import html
import re
from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

_INLINE = re.compile(
    r"\\(?P<plain>[!-/:-@\[-`{-~])"
    r"|`(?P<code>[^`]+)`"
    r"|\*\*(?P<strong>(?:\\.|[^\\])+?)\*\*"
    r"|(?<!\w)(?P<mark>[*_])(?P<em>(?! )(?:\\.|[^\\])+?)(?P=mark)(?!\w)"
    r"|\[(?P<label>(?:\\.|[^\]\\])+)\]\((?P<url>https?://[^\s()]+)\)"
)
_ITEM = re.compile(r"^[-*] +")
_RULE = re.compile(r"^\|? *:?-+:? *(\| *:?-+:? *)*\|? *$")
_CELL = re.compile(r"(?<!\\)\|")


def rendered(text: str) -> Markup:
    """Return a card's detail as HTML with nothing in it that could act but links to web pages."""
    return Markup("\n").join(_blocks(text.splitlines()))


def _blocks(lines: Sequence[str]) -> Iterator[Markup]:
    gathered: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            gathered.append(line.strip())
        elif gathered:
            yield _block(gathered)
            gathered = []


def _block(lines: Sequence[str]) -> Markup:
    if len(lines) > 1 and "|" in lines[0] and _RULE.match(lines[1]):
        return _table(lines)
    if all(_ITEM.match(line) for line in lines):
        items = Markup("").join(Markup("<li>{}</li>").format(_inline(_ITEM.sub("", line))) for line in lines)
        return Markup("<ul>{}</ul>").format(items)
    return Markup("<p>{}</p>").format(Markup("<br>").join(_inline(line) for line in lines))


def _table(lines: Sequence[str]) -> Markup:
    """Return a table whose cells carry the name of their column, for screens too narrow for it."""
    head = _cells(lines[0])
    names = Markup("").join(Markup('<th scope="col">{}</th>').format(_inline(cell)) for cell in head)
    rows = Markup("").join(_row(_cells(line), head) for line in lines[2:])
    return Markup('<table class="stacked"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(names, rows)


def _row(cells: Sequence[str], head: Sequence[str]) -> Markup:
    first = Markup('<th scope="row">{}</th>').format(_inline(cells[0]))
    rest = (
        Markup('<td data-label="{}">{}</td>').format(name, _inline(cell))
        for name, cell in zip(head[1:], cells[1:], strict=False)
    )
    return Markup("<tr>{}{}</tr>").format(first, Markup("").join(rest))


def _cells(line: str) -> list[str]:
    inner = line.removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip() for cell in _CELL.split(inner)]


def _inline(text: str) -> Markup:
    found, at = Markup(""), 0
    for match in _INLINE.finditer(text):
        found += _plain(text[at : match.start()]) + _marked(match)
        at = match.end()
    return found + _plain(text[at:])


def _marked(match: re.Match[str]) -> Markup:
    part = match.groupdict()
    if part["plain"] is not None:
        return escape(part["plain"])
    if part["code"] is not None:
        return Markup("<code>{}</code>").format(_plain(part["code"]))
    if part["strong"] is not None:
        return Markup("<strong>{}</strong>").format(_inline(part["strong"]))
    if part["em"] is not None:
        return Markup("<em>{}</em>").format(_inline(part["em"]))
    link = Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>')
    return link.format(html.unescape(part["url"]), _inline(part["label"]))


def _plain(text: str) -> Markup:
    """Return text with the entities of Markdown read and everything that HTML would act on escaped."""
    return escape(html.unescape(text))
