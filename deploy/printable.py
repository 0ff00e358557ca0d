"""Makes a text of others fit to print: it can't move the cursor, colour, reorder, hide or add a line. Pure.

What Stripe, a broker or another team wrote may hold escape sequences and invisible characters. Each such character is
shown as its escape, so that a person sees that it is there, and two ids that differ look different.
"""

import json
import re
import unicodedata
from typing import Any, Final

_ASCII: Final = 0x80
_BASIC_PLANE: Final = 0x10000
# Controls, formats (bidi, zero width, tags), surrogates, private use, unassigned, line and paragraph separators.
_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# A letter has at most a few marks in any language; a pile of them covers the lines above.
_PILED_MARKS: Final = re.compile(r"(?<=[\u0300-\u036f]{3})[\u0300-\u036f]+")


def one_line(text: str) -> str:
    """The text as one harmless line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if unicodedata.category(one) in _UNFIT else one for one in _PILED_MARKS.sub("", text))


def lines(text: str) -> str:
    """The text with its own line breaks, and otherwise harmless."""
    return "\n".join(map(one_line, text.split("\n")))


def json_text(value: Any) -> str:
    """JSON that reads as it is written and is harmless: what is unfit to print has JSON's own escape."""
    # Names stay readable: output is UTF-8, and only what is unfit is escaped.
    written = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return "\n".join(map(_json_line, written.split("\n")))


def json_line(value: Any) -> str:
    """The same on one line."""
    return _json_line(json.dumps(value, ensure_ascii=False, default=str))


def _json_line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(json.dumps(one)[1:-1] if unicodedata.category(one) in _UNFIT else one for one in text)


def _escape(one: str) -> str:
    code = ord(one)
    if code < _ASCII:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(one, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < _BASIC_PLANE else f"\\U{code:08x}"
