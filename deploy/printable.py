"""Prints texts of several lines, and JSON, that hold what others wrote. Pure."""

import json
from typing import Any

from stripeline.contracts.shown_text import one_line, unfit


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
    return "".join(json.dumps(one)[1:-1] if unfit(one) else one for one in text)
