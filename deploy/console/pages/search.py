"""Search by any id: leads to the one thing that has it, or lists what has it and what belongs to it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row

from stripeline.contracts.ids import KEY_PREFIX
from stripeline.deploy.console.addresses import ID_CHARS, command_address, event_address, run_address
from stripeline.deploy.console.console_page import Answer, ConsolePage, PageProblem, Question, Redirect, View
from stripeline.deploy.console.index.queries.search import Hits, having

_TOO_LONG: Final = 400


async def search(question: Question) -> Answer:
    wanted = searched_id(question.given("id") or "")
    if len(wanted) > ID_CHARS:
        return PageProblem(
            status=_TOO_LONG, title="This is no id",
            words=f"It has {len(wanted):,} characters; no id has more than {ID_CHARS}.", back="/search",
            back_to="the search",
        )  # fmt: skip
    found = await question.sources.index.ask(having(wanted)) if wanted else []
    address = only_address(found)
    if address is not None:
        return Redirect(address)
    return View(
        template="search.html",
        values={
            "wanted": wanted, "found": found, "now_ms": question.now_ms, "window_ms": question.sources.window_ms,
            "since_ms": question.now_ms - question.sources.window_ms, "request": wanted.startswith("req_"),
        },
    )  # fmt: skip


def searched_id(text: str) -> str:
    """The id in a text: an Idempotency-Key of Stripe's dashboard has a command's in it."""
    parts = text.split(":", 2)
    return parts[2] if text.startswith(KEY_PREFIX) and len(parts) == 3 else text  # noqa: PLR2004  (prefix, installation, id)


def only_address(found: Sequence[Hits]) -> str | None:
    """Of the one thing that has the id; where none has, of the one thing that belongs to it."""
    own = dict.fromkeys(address for hits in found if hits.searched.own for address in _addresses(hits))
    if len(own) == 1:
        return next(iter(own))
    every = dict.fromkeys(address for hits in found for address in _addresses(hits))
    return next(iter(every)) if len(every) == 1 else None


def _addresses(hits: Hits) -> Iterator[str]:
    for row in hits.rows:
        address = _ADDRESS[hits.table](row)
        if address is not None:
            yield address


def _event_address(row: Row[Any]) -> str | None:
    return None if row.event_id is None else event_address(row.event_id)


_ADDRESS: Final[Mapping[str, Any]] = {
    "event": _event_address,
    "run": lambda row: run_address(row.run_id),
    "command": lambda row: command_address(row.number, row.command_id),
    "letter": lambda row: f"/dead-letters/{row.number}/{row.offset}",
}

PAGES = (ConsolePage(name="search", path="/search", show=search),)
