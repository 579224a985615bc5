"""The part of GitHub Markdown that the EHR's pages render, and that nothing else of a card acts in a browser."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.reference_ehr.desk.markdown import rendered

CASES = {
    "**Why now.** PHQ-9 17": "<p><strong>Why now.</strong> PHQ-9 17</p>",
    "*AI draft, not an order.*": "<p><em>AI draft, not an order.</em></p>",
    "- *level:* text\n- two": "<ul><li><em>level:</em> text</li><li>two</li></ul>",
    "one\n\ntwo": "<p>one</p>\n<p>two</p>",
    "one\ntwo": "<p>one<br>two</p>",
    r"5 \* 3 \_a\_ \[x\]": "<p>5 * 3 _a_ [x]</p>",
    "a &lt;b&gt; &amp; c": "<p>a &lt;b&gt; &amp; c</p>",
    "snake_case_name stays": "<p>snake_case_name stays</p>",
    "`code`": "<p><code>code</code></p>",
    "[guideline](https://example.org/a)": '<p><a href="https://example.org/a" target="_blank" '
    'rel="noopener noreferrer">guideline</a></p>',
    "[x](javascript:alert(1))": "<p>[x](javascript:alert(1))</p>",
    '[x](https://a"onmouseover="b)': '<p><a href="https://a&#34;onmouseover=&#34;b" target="_blank" '
    'rel="noopener noreferrer">x</a></p>',
    "<script>alert(1)</script>": "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
    "![x](https://example.org/a.png)": '<p>!<a href="https://example.org/a.png" target="_blank" '
    'rel="noopener noreferrer">x</a></p>',
}
TABLE = "| option | p |\n|---|---|\n| Stay | 2 in 10 |\n| a \\| b | – |"


@pytest.mark.parametrize(("text", "html"), CASES.items())
def test_each_form_becomes_its_html(text: str, html: str) -> None:
    """Forms that cards use are rendered; everything else is shown as it was written."""
    assert str(rendered(text)) == html


def test_a_table_names_its_columns_in_each_cell() -> None:
    """Rows have a heading, cells carry their column's name, and an escaped stroke divides nothing."""
    html = str(rendered(TABLE))
    assert html.count('<th scope="row">') == 2
    assert '<td data-label="p">2 in 10</td>' in html
    assert '<th scope="row">a | b</th><td data-label="p">–</td>' in html


@given(st.text(alphabet="ab *_`|-[]()<>&\"'\\\n:/htps.", max_size=80))
def test_whatever_is_written_only_known_elements_come_out(text: str) -> None:
    """No text makes an element or an attribute that the renderer does not write itself."""
    for element in re.findall(r"<[^>]*>", str(rendered(text))):
        known = r'</?(p|br|ul|li|strong|em|code|table|thead|tbody|tr|th|td)( (scope|class|data-label)="[^"]*")*>|</a>'
        link = r'<a href="https?://[^"<>]*" target="_blank" rel="noopener noreferrer">'
        assert re.fullmatch(f"{known}|{link}", element), element
