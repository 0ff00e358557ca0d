"""What a page is: an address, what it needs, and a function from a question to an answer. Pure.

A page knows nothing of HTTP. `console_app.py` asks it and carries out its answer. It is one file in `pages/`, with its
row in `PAGES`, and one template of its name.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Connection

from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.console.console_sources import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person asks of a page.

    path, query, form: what the address and the form name, as text of others.
    fragment: asked by htmx for a part of the page; `target` is the id of the element that it replaces.
    """

    sources: Sources
    identity: Identity
    now_ms: int
    url: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fragment: bool = False
    target: str = ""

    def given(self, name: str) -> str | None:
        """A query parameter; None where it is absent or blank."""
        return self.query.get(name, "").strip() or None

    def field(self, name: str) -> str:
        """A field of the form; empty where it is absent."""
        return next(iter(self.form.get(name, ())), "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A template with its values."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Redirect:
    """To another page of the console, after an act: always by GET."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageProblem:
    """What went wrong, in words, with a way back."""

    status: int
    title: str
    words: str
    back: str = "/"
    back_to: str = "Now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A file to download."""

    body: bytes
    content_type: str
    filename: str


Answer = View | Redirect | PageProblem | Raw
Show = Callable[[Question], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationItem:
    """An item of the navigation. place: its rank; key: typed after `g`, it goes there."""

    label: str
    place: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A list that says how many rows wait above it.

    newer: counts the rows that match the filters of a question and are newer than its `newest`, the key of the first
        row that is shown. May raise BadFilterError.
    one, many: what a row is.
    """

    newer: Callable[[Question], Callable[[Connection], int]]
    one: str
    many: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Parts of a page that are refreshed in place.

    templates: of each part, by the name in its `sse-swap`. They read the values of the page's view.
    The view's value `shape` says what stands where. Once it is another one than the page shows, only the parts in
    `fixed` are refreshed, and a button offers the page as it is now: a number may change in place, a row never moves.
    """

    templates: Mapping[str, str]
    fixed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage:
    """One address.

    path: as aiohttp writes it, such as `/runs/{run}`. A POST has an address of its own, and needs an operator.
    needs: the least role that may ask it.
    live: what of it is kept up to date while somebody looks at it.
    """

    name: str
    path: str
    show: Show
    method: Literal["GET", "POST"] = "GET"
    needs: ConsoleRole = ConsoleRole.VIEWER
    navigation: NavigationItem | None = None
    live: News | Parts | None = None


NOT_FOUND: Final = 404
REFUSED: Final = 409
