"""How values look on a page: times, ages, counts, ids. Pure.

A time is shown as its age or in the reader's time zone, with UTC on hover: `<time datetime=…>` carries the moment, and
`console.js` writes the local one. Without JavaScript it is UTC.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from shlex import quote
from typing import Any, Final

from markupsafe import Markup

from stripeline.contracts.headers import rfc3339
from stripeline.contracts.masking import mask, mask_text
from stripeline.contracts.shown_text import one_line, shown
from stripeline.deploy.console import addresses
from stripeline.deploy.console.addresses import ID_CHARS
from stripeline.deploy.console.details.code_words import words_of
from stripeline.deploy.console.details.stripe_dashboard import dashboard_link
from stripeline.deploy.operations.status.finding import duration

_WORDS: Final[Mapping[str, str]] = {
    # What a status, a state or a code means for a person: its colour.
    "succeeded": "good", "running": "live", "waiting": "live", "sent": "live", "stopped": "bad", "failed": "bad",
    "indeterminate": "bad", "cancelled": "calm", "open": "bad", "replayed": "calm", "settled": "good",
    "superseded": "calm", "dismissed": "calm", "paused": "warn", "stops": "bad", "person": "warn", "note": "calm",
    "refused": "bad", "active": "good",
}  # fmt: skip


_SECOND_MS, _MINUTE_MS = 1_000, 60_000
_PROSE_CHARS: Final = 2_000


def age(at_ms: int | None, now_ms: int) -> Markup:
    """`3 min ago`, with the moment on hover."""
    if at_ms is None:
        return Markup("")
    words = f"{duration(now_ms - at_ms)} ago" if at_ms <= now_ms else f"in {duration(at_ms - now_ms)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(rfc3339(at_ms), utc(at_ms), words)


def moment(at_ms: int | None) -> Markup:
    """A moment; the reader's own time once the page is there, UTC on hover."""
    if at_ms is None:
        return Markup("")
    return Markup('<time class="local" datetime="{}" title="{}">{}</time>').format(
        rfc3339(at_ms), utc(at_ms), utc(at_ms)
    )


def utc(at_ms: int) -> str:
    """`2026-11-30 03:04:05 UTC`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def badge(word: str | None) -> Markup:
    """A status, a state or a code, coloured by what it means."""
    if word is None:
        return Markup("")
    return Markup('<span class="badge {}">{}</span>').format(_WORDS.get(word, "plain"), shown(word))


def meaning(word: str | None) -> str:
    """The class of a status, a state or a code, by what it means."""
    return _WORDS.get(word or "", "plain")


def value_text(value: object) -> str:
    """A value of JSON on one line, masked; empty for none."""
    return "" if value is None else shown(json.dumps(mask(value), ensure_ascii=False), ID_CHARS)


def identifier(text: str | None) -> Markup:
    """An id, whole, with a button that copies it."""
    if text is None:
        return Markup("")
    seen = Markup('<span class="id">{}</span>').format(shown(text, ID_CHARS))
    if mask_text(text) != text:  # it holds a secret, which a copy would take along
        return seen
    return seen + Markup('<button class="copy" type="button" data-copy="{}" hidden>Copy</button>').format(text)


def json_text(value: object) -> Markup:
    """A value as indented JSON, for a `<pre>`; a text as it is. Each line is harmless."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return Markup("\n").join(one_line(line) for line in text.split("\n"))


def prose(text: str) -> Markup:
    """A text with what is between backticks as code."""
    parts = [shown(part, _PROSE_CHARS) for part in text.split("`")]
    if len(parts) % 2 == 0:  # one of them is not closed
        return Markup("`").join(parts)
    code = Markup("<code>{}</code>")
    return Markup().join(code.format(part) if number % 2 else Markup.escape(part) for number, part in enumerate(parts))


def count(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def took(value_ms: int) -> str:
    """How long a thing took: `12 ms`, `1.25 s`, and in one unit above a minute."""
    if value_ms < _SECOND_MS:
        return f"{max(0, value_ms)} ms"
    return f"{value_ms / 1_000:.2f} s" if value_ms < _MINUTE_MS else duration(value_ms)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "age": age, "moment": moment, "badge": badge, "identifier": identifier, "count": count, "duration": duration,
    "json_text": json_text, "took": took, "meaning": meaning, "value_text": value_text, "prose": prose,
    "shell": quote, "words_of": words_of, "dashboard_link": dashboard_link, **addresses.FILTERS,
}  # fmt: skip
