"""A text with backticks on a page."""

import pytest

from stripeline.deploy.console.formats import prose


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("a `b` c", "a <code>b</code> c"),
        ("a `b", "a `b"),
        ("<i> `<b>` `c` ` <u>", "&lt;i&gt; `&lt;b&gt;` `c` ` &lt;u&gt;"),
        ("<i> `<b>`", "&lt;i&gt; <code>&lt;b&gt;</code>"),
        ("\x1b `\u202e`", "\\x1b <code>\\u202e</code>"),
    ],
)
def test_what_is_between_backticks_is_code_and_all_of_it_text(text: str, html: str) -> None:
    assert prose(text) == html
