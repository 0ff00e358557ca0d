"""Pages through Stripe's list of events of one question, newest first. Pure: it makes requests and takes answers.

- An event that an overlapping page repeats is taken once.
- Where Stripe does not know the anchor of a page any more, the listing goes on by `created`, from the oldest that it
  has taken: ids are not ordered, and nothing is read from them.
- It ends: a page that leads nowhere, an anchor that comes twice, and too many pages are errors.

https://docs.stripe.com/api/pagination · https://docs.stripe.com/api/events/list · https://docs.stripe.com/api/v2/core/events/list
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from stripeline.contracts.headers import rfc3339
from stripeline.deploy.stripe_side.sweeps.listed_event import ListedEvent, listed_event
from stripeline.deploy.stripe_side.sweeps.sweep_plan import TypesQuestion
from stripeline.workers.stripe.api import form

PAGE: Final = 100
MAX_PAGES: Final = 3_000
_MAX_RESTARTS: Final = 3
_PATHS: Final = {"snapshot": "/v1/events", "thin": "/v2/core/events"}


class ListingError(Exception):
    """Stripe's answers do not make a list: why."""


class EventListing:
    """One question's events, created from `first_s` to `last_s`. account: a connected one that is asked about."""

    def __init__(self, question: TypesQuestion, first_s: int, last_s: int, account: str | None = None) -> None:
        self.question, self.account = question, account
        self.done = False
        self._first_s, self._last_s = first_s, last_s
        self._limit, self._pages, self._restarts = PAGE, 0, 0
        self._anchor: str | None = None
        self._used: set[str] = set()
        self._ids: set[str] = set()
        self._oldest_s = last_s

    @property
    def anchored(self) -> bool:
        """Whether the next page begins at an anchor of the one before."""
        return self._anchor is not None

    def path(self) -> str:
        """The request for the next page."""
        listed = self.question.listed
        if listed == "thin" and self._anchor is not None:
            return self._anchor
        params: dict[str, Any] = {
            "created": {"gte": self._moment(self._first_s), "lte": self._moment(self._last_s)},
            "limit": self._limit,
            "types": self.question.types,
            "starting_after": self._anchor,
        }
        return f"{_PATHS[listed]}?{form(params).decode()}"

    def take(self, page: Mapping[str, Any]) -> Sequence[ListedEvent]:
        """The new events of a page, newest first. Raises ListingError."""
        data, listed = page.get("data"), self.question.listed
        if not isinstance(data, list):
            raise ListingError("a page of Stripe's list of events has no data")
        self._pages += 1
        found = [one for item in data if (one := listed_event(item, listed, self.account)) is not None]
        new = [one for one in found if one.id not in self._ids and self._asked_for(one)]
        self._ids.update(one.id for one in new)
        self._oldest_s = min([self._oldest_s, *(one.created_s for one in new)])
        self._go_on(page, data)
        return new

    def restart(self) -> None:
        """Go on by `created`: Stripe does not know the anchor. Raises ListingError."""
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            raise ListingError("Stripe refuses the anchors of its own list of events")
        self._anchor, self._last_s = None, self._oldest_s
        self._used.clear()

    def shorten(self) -> None:
        """Ask for fewer events a page: one was too large to be read. Raises ListingError."""
        if self._limit == 1:
            raise ListingError("Stripe's list has an event that is too large to be read")
        self._limit = max(1, self._limit // 5)
        if self.question.listed == "thin" and self._anchor is not None:
            self.restart()

    def _moment(self, at_s: int) -> int | str:
        return at_s if self.question.listed == "snapshot" else rfc3339(at_s * 1000)

    def _asked_for(self, event: ListedEvent) -> bool:
        return event.type in self.question.types and self._first_s <= event.created_s <= self._last_s

    def _go_on(self, page: Mapping[str, Any], data: Sequence[Any]) -> None:
        anchor = _anchor_of(page, data, self.question)
        if anchor is None:
            self.done = True
        elif anchor in self._used or self._pages >= MAX_PAGES:
            raise ListingError("Stripe's list of events does not end")
        else:
            self._used.add(anchor)
            self._anchor = anchor


def _anchor_of(page: Mapping[str, Any], data: Sequence[Any], question: TypesQuestion) -> str | None:
    """Where the next page begins; None on the last page. Raises ListingError."""
    if question.listed == "thin":
        url = page.get("next_page_url")
        return None if url is None else _own_path(url)
    if page.get("has_more") is not True:
        return None
    last = data[-1].get("id") if data and isinstance(data[-1], dict) else None
    if not isinstance(last, str):
        raise ListingError("Stripe's list of events says that there is more, and names no event to go on from")
    return last


def _own_path(url: Any) -> str:
    """Of a page's address only its path and query: the key goes to no host that an answer names."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.path != _PATHS["thin"]:
        raise ListingError("the next page of Stripe's list of events is not of that list")
    return f"{parts.path}?{parts.query}"
