"""Addresses of the pages about one thing, and links to them. Its id is text of others. Pure.

An id is one segment of a path, whatever it holds: a slash in it is no separator. A segment of dots alone leads a
browser elsewhere, even when it is encoded; such an id goes into the query.
An id that holds a secret is shown masked, and has no link: its address would show the secret.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

from markupsafe import Markup

from stripeline.contracts.masking import mask_text
from stripeline.contracts.shown_text import shown

_DOTS: Final = frozenset({".", ".."})
_NUMBER: Final = re.compile(r"[0-9]{1,18}")  # of a BIGINT
ID_CHARS: Final = 500
"""More than any id has."""


def place_in_topic(number: str, offset: str) -> tuple[int, int] | None:
    """Partition and offset, as an address or a form names them; None for what no record can have."""
    return (int(number), int(offset)) if _NUMBER.fullmatch(number) and _NUMBER.fullmatch(offset) else None


def run_address(run_id: str) -> str:
    return f"/runs/{_segment(run_id)}"


def event_address(event_id: str) -> str:
    return f"/events?{urlencode({'event': event_id})}" if event_id in _DOTS else f"/events/{_segment(event_id)}"


def command_address(number: int, command_id: str) -> str:
    """Of a command on a partition number: the same id on two of them is two commands."""
    if command_id in _DOTS:
        return f"/commands/{number}?{urlencode({'id': command_id})}"
    return f"/commands/{number}/{_segment(command_id)}"


def search_address(some_id: str) -> str:
    return f"/search?{urlencode({'id': some_id}, errors='replace')}"


def run_link(run_id: str | None) -> Markup:
    return link(run_id, None if run_id is None else run_address(run_id))


def event_link(event_id: str | None) -> Markup:
    return link(event_id, None if event_id is None else event_address(event_id))


def command_link(command_id: str | None, number: int) -> Markup:
    return link(command_id, None if command_id is None else command_address(number, command_id))


def search_link(some_id: str | None) -> Markup:
    return link(some_id, None if some_id is None else search_address(some_id))


def link(text: str | None, address: str | None) -> Markup:
    """A text of others that leads to an address."""
    if text is None:
        return Markup("")
    if address is None or mask_text(text) != text:
        return Markup("<span>{}</span>").format(shown(text, ID_CHARS))
    return Markup('<a href="{}">{}</a>').format(address, shown(text, ID_CHARS))


def _segment(text: str) -> str:
    return quote(text, safe="", errors="replace")


FILTERS: Final[Mapping[str, Callable[..., Markup]]] = {
    "link": link, "run_link": run_link, "event_link": event_link, "command_link": command_link,
    "search_link": search_link,
}  # fmt: skip
