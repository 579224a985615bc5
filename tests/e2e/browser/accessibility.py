"""What a page breaks of WCAG 2.2 AA as far as a program can see: structure, names, contrast, targets, reflow, focus."""

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_CHECKS = Path(__file__).with_name("accessibility.js").read_text("utf-8")
_AXE = Axe()
_NAMED = frozenset(
    {"button", "link", "textbox", "combobox", "checkbox", "radio", "spinbutton", "Date", "DateTime", "searchbox"}
)
_UNFOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const name = (one.getAttribute("name") || one.textContent || one.tagName).trim().slice(0, 40);
  return one === document.body ? "" : (seen && box.width > 0 ? "seen " : "unseen ") + name;
}"""


def problems(page: Page) -> list[str]:
    """Return a sentence for each finding; empty where there is none."""
    return [*page.evaluate(_CHECKS), *_without_name(page)]


def _without_name(page: Page) -> list[str]:
    """Return what has a role that needs a name and none in the browser's own accessibility tree."""
    session = page.context.new_cdp_session(page)
    tree: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    nodes = [node for node in tree if not node.get("ignored")]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in nodes if "role" in node]
    return [f"{role} without a name" for role, name in roles if role in _NAMED and not name]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 A and AA and its own best practice: each rule with its places."""
    found: dict[str, Any] = _AXE.run(page, options={"resultTypes": ["violations"], "iframes": False}).response
    return [
        f"{one['id']}: {one['help']} at {', '.join(str(node['target'][0]) for node in one['nodes'][:3])}"
        for one in found["violations"]
    ]


def stops(page: Page, steps: int = 60) -> list[str]:
    """Walk the page with the Tab key; returns what had the focus: ``seen`` or ``unseen``, and its name."""
    page.evaluate("document.activeElement.blur()")
    found: list[str] = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        told = page.evaluate(_UNFOCUSED)
        if not told:
            break
        found.append(told)
    return found
