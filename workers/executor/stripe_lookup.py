"""Looks an object up at Stripe by the command that made it: what to ask next, and what the answers say. Pure.

    search ── an answer ────────────────────────────► found · missing · failed
       └──── the account can't search ─► list page ─► found · failed
                                            │ │ └─ the last page ─► missing
                                            │ └─ more pages ─► the next page
                                            └─ larger than is read ─► the same page with fewer objects

The search's index may lag; the list has everything that was created since the command.
Bounds of one look-up: MAX_OBJECTS objects of the list, MAX_PAGES requests for it, and LOOK_UP_DEADLINES times the
deadline of a request. The search takes one of these at most, and the pages share the rest.
https://docs.stripe.com/search · https://docs.stripe.com/api/pagination

The sizes of a page. A usual PaymentIntent has 4 KB, and 100 of them fit the body that `workers/stripe/api.py` reads.
The largest has 50 keys of metadata with 540 characters each, every one of which JSON may write in 12 bytes: with its
other fields less than 400 KB. So two always fit, in the search as well as in the smallest page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts import stripe_metadata
from stripeline.contracts.action import Action, Request
from stripeline.contracts.errors import FAULTS
from stripeline.contracts.stripe_metadata import Origin
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.answer_origin import json_object, stripe_error
from stripeline.workers.executor.stripe_answer import Failed, StripeAnswer, Succeeded, classify, failed

MAX_OBJECTS = 2_000
MAX_PAGES = 60
LOOK_UP_DEADLINES = 3
PAGE_SIZES = (100, 20, 2)
_MARGIN_S = 600
_LISTS = frozenset({"list", "search_result"})
_NOT_OFFERED = frozenset({400, 403, 404})


class LookUp(Struct, frozen=True, kw_only=True):
    """How far a look-up has come.

    pages: of the list that were asked for; 0 while the search is under way.
    until_ms: when its time is over. Unknown before the answer to the search, which has its own deadline.
    after: the id that the page under way starts after; None for the first one.
    size: of the page under way.
    objects: on the pages before it.
    """

    pages: int = 0
    until_ms: int | None = None
    after: str | None = None
    size: int = PAGE_SIZES[0]
    objects: int = 0


class NextRequest(Struct, frozen=True, kw_only=True):
    """What a look-up asks next. `timeout_ms`: the rest of its time; None for the search."""

    request: Request
    look_up: LookUp
    timeout_ms: int | None = None


class Missing(Struct, frozen=True, kw_only=True):
    """Stripe has no object of this command."""


class NotOffered(Struct, frozen=True, kw_only=True):
    """The account can't search: list instead."""


class NextPage(Struct, frozen=True, kw_only=True):
    """Not on this page of the list; the next one starts after this id. `objects`: on this page."""

    after: str
    objects: int


class TooLarge(Struct, frozen=True, kw_only=True):
    """The page is larger than is read: ask for the same one with `size` objects."""

    size: int


Found = Succeeded | Missing | Failed
"""What a look-up ends with."""


def begin(action: Action, origin: Origin) -> NextRequest:
    return NextRequest(request=search(action, origin), look_up=LookUp())


def advance(
    look_up: LookUp, action: Action, origin: Origin, answer: StripeAnswer | Fault,
    *, first_appended_ms: int, now_ms: int, call_timeout_ms: int,
) -> Found | NextRequest:  # fmt: skip
    """What a look-up has found, or what it asks next, after the answer to its last request."""
    if look_up.pages == 0:
        read: Found | NotOffered | NextPage | TooLarge = read_search(action, origin, answer)
        until_ms = now_ms + (LOOK_UP_DEADLINES - 1) * call_timeout_ms
    else:
        read = read_page(action, origin, answer, look_up.size)
        until_ms = look_up.until_ms or now_ms
    match read:
        case NotOffered():
            asked = look_up
        case NextPage(after=after, objects=objects):
            asked = replace(look_up, after=after, objects=look_up.objects + objects)
        case TooLarge(size=size):
            asked = replace(look_up, size=size)
        case found:
            return found
    if asked.objects >= MAX_OBJECTS or asked.pages >= MAX_PAGES:
        return too_many(action, asked.objects)
    if now_ms >= until_ms:
        return classify(action, Fault.LOST)
    asked = replace(asked, pages=asked.pages + 1, until_ms=until_ms)
    request = page(action, first_appended_ms, asked.after, asked.size)
    return NextRequest(request=request, look_up=asked, timeout_ms=until_ms - now_ms)


def search(action: Action, origin: Origin) -> Request:
    quoted = origin.command_id.replace("\\", "\\\\").replace("'", "\\'")
    command = f"metadata['{stripe_metadata.COMMAND}']:'{quoted}'"
    installation = f"metadata['{stripe_metadata.INSTALLATION}']:'{origin.installation}'"
    params = {"query": f"{command} AND {installation}", "limit": PAGE_SIZES[-1]}
    return Request(method="GET", path=f"{action.path}/search", params=params)


def page(action: Action, first_appended_ms: int, after: str | None, size: int = PAGE_SIZES[0]) -> Request:
    """A page of what was created since the command was appended, with a margin for clocks."""
    since_s = first_appended_ms // 1000 - _MARGIN_S
    params = {"created": {"gte": since_s}, "limit": size, "starting_after": after}
    return Request(method="GET", path=action.path, params=params)


def read_search(action: Action, origin: Origin, answer: StripeAnswer | Fault) -> Found | NotOffered:
    if isinstance(answer, StripeAnswer) and answer.status in _NOT_OFFERED and _is_stripes(answer):
        return NotOffered()
    found = _rows(action, answer)
    if isinstance(found, Failed):
        return found
    return _pick(action, origin, found.rows) or _deleted(action, found.rows) or Missing()


def read_page(
    action: Action, origin: Origin, answer: StripeAnswer | Fault, size: int = PAGE_SIZES[-1]
) -> Found | NextPage | TooLarge:
    smaller = next((fewer for fewer in PAGE_SIZES if fewer < size), None)
    if answer is Fault.UNREADABLE and smaller is not None:
        return TooLarge(size=smaller)
    found = _rows(action, answer)
    if isinstance(found, Failed):
        return found
    picked = _pick(action, origin, found.rows)
    if picked is not None or not found.more:
        return picked or Missing()
    last = found.rows[-1].get("id") if found.rows else None
    if not isinstance(last, str):  # nothing to go on from, and not the end either
        return failed(action, FAULTS[Fault.UNREADABLE], "Stripe's list has more objects, and none to go on from")
    return NextPage(after=last, objects=len(found.rows))


def too_many(action: Action, objects: int) -> Failed:
    """More objects since the command than may be listed: nothing is known."""
    message = f"more than {objects} objects were created since; look it up in the dashboard"
    return replace(failed(action, FAULTS[Fault.UNREADABLE], message), retryable=False)


class _Rows(Struct, frozen=True):
    """The objects of a list, each once. `more`: Stripe has others behind them."""

    rows: list[Mapping[str, Any]]
    more: bool


def _rows(action: Action, answer: StripeAnswer | Fault) -> _Rows | Failed:
    """The objects of a list, or the failure that came instead."""
    if isinstance(answer, StripeAnswer) and answer.status == 200:  # noqa: PLR2004
        body = json_object(answer.body)
        if body is not None and body.get("object") in _LISTS and isinstance(body.get("data"), list):
            rows = [row for row in body["data"] if isinstance(row, dict)]
            once = {str(row.get("id")): row for row in rows}  # a search may give a row twice
            return _Rows(list(once.values()), bool(body.get("has_more")))
        return failed(action, FAULTS[Fault.UNREADABLE], "Stripe's answer to a look-up is no list")
    outcome = classify(action, answer)
    return outcome if isinstance(outcome, Failed) else failed(action, FAULTS[Fault.UNREADABLE], "no list")


def _is_stripes(answer: StripeAnswer) -> bool:
    """Only Stripe can say that an account can't search; a hop's 404 says nothing."""
    return stripe_error(json_object(answer.body)) is not None


def _pick(action: Action, origin: Origin, found: Sequence[Mapping[str, Any]]) -> Succeeded | Failed | None:
    """The object of the command. Two would be two effects: that is for a person."""
    rows = [row for row in found if row.get("object") == action.makes]
    ours = [row for row in rows if stripe_metadata.is_of(row, origin)]
    if len(ours) > 1:
        ids = ", ".join(str(row.get("id")) for row in ours)
        return failed(action, FAULTS[Fault.UNREADABLE], f"Stripe has more than one object of this command: {ids}")
    return output_of(action, ours[0]) if ours else None


def _deleted(action: Action, found: Sequence[Mapping[str, Any]]) -> Failed | None:
    """A search by the command's metadata that finds what is left of a deleted object, which has no metadata any more.

    The command was done, so it must not be called missing; and its output is gone.
    """
    gone = next((row for row in found if row.get("deleted") is True), None)
    if gone is None:
        return None
    message = f"Stripe's search finds {gone.get('id')}, which was deleted: the command was done"
    return replace(failed(action, FAULTS[Fault.UNREADABLE], message), retryable=False)


def output_of(action: Action, found: Mapping[str, Any]) -> Succeeded | Failed:
    """An object as the action's output."""
    return classify(action, StripeAnswer(status=200, headers={}, body=orjson.dumps(found)))
