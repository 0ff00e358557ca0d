"""Looks an object up at Stripe by the command that made it: what to ask next, and what the answers say. Pure.

    search ── an answer ────────────────────────────► found · missing · failed
       └──── the account can't search ─► list page ─► found · failed
                                            │ └─ the last page ─► missing
                                            └─ more pages ─► the next page

The search's index may lag; the list has everything that was created since the command.
Bounds of one look-up: MAX_PAGES pages, and LOOK_UP_DEADLINES times the deadline of a request. The search takes one of
these at most, and the pages share the rest.
https://docs.stripe.com/search · https://docs.stripe.com/api/pagination
"""

from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts import stripe_metadata
from stripeline.contracts.action import Action, Request
from stripeline.contracts.errors import FAULTS
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.stripe_answer import Failed, StripeAnswer, Succeeded, classify, failed, json_object

MAX_PAGES = 20
LOOK_UP_DEADLINES = 3
_PAGE = 100
_MARGIN_S = 600
_NOT_OFFERED = frozenset({400, 403, 404})


class LookUp(Struct, frozen=True, kw_only=True):
    """How far a look-up has come.

    pages: of the list that were asked for; 0 while the search is under way.
    until_ms: when its time is over. Unknown before the answer to the search, which has its own deadline.
    """

    pages: int = 0
    until_ms: int | None = None


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
    """Not on this page of the list; the next one starts after this id."""

    after: str


Found = Succeeded | Missing | Failed
"""What a look-up ends with."""


def begin(action: Action, command_id: str) -> NextRequest:
    return NextRequest(request=search(action, command_id), look_up=LookUp())


def advance(
    look_up: LookUp, action: Action, command_id: str, answer: StripeAnswer | Fault,
    *, first_appended_ms: int, now_ms: int, call_timeout_ms: int,
) -> Found | NextRequest:  # fmt: skip
    """What a look-up has found, or what it asks next, after the answer to its last request."""
    if look_up.pages == 0:
        read: Found | NotOffered | NextPage = read_search(action, command_id, answer)
        until_ms = now_ms + (LOOK_UP_DEADLINES - 1) * call_timeout_ms
    else:
        read, until_ms = read_page(action, command_id, answer), look_up.until_ms or now_ms
    match read:
        case NotOffered() | NextPage() if look_up.pages >= MAX_PAGES:
            return too_many(action)
        case NotOffered() | NextPage() if now_ms >= until_ms:
            return classify(action, Fault.LOST)
        case NotOffered():
            request = page(action, first_appended_ms, None)
        case NextPage(after=after):
            request = page(action, first_appended_ms, after)
        case found:
            return found
    asked = LookUp(pages=look_up.pages + 1, until_ms=until_ms)
    return NextRequest(request=request, look_up=asked, timeout_ms=until_ms - now_ms)


def search(action: Action, command_id: str) -> Request:
    quoted = command_id.replace("\\", "\\\\").replace("'", "\\'")
    params = {"query": f"metadata['{stripe_metadata.COMMAND}']:'{quoted}'", "limit": 2}
    return Request(method="GET", path=f"{action.path}/search", params=params)


def page(action: Action, first_appended_ms: int, after: str | None) -> Request:
    """A page of what was created since the command was appended, with a margin for clocks."""
    since_s = first_appended_ms // 1000 - _MARGIN_S
    params = {"created": {"gte": since_s}, "limit": _PAGE, "starting_after": after}
    return Request(method="GET", path=action.path, params=params)


def read_search(action: Action, command_id: str, answer: StripeAnswer | Fault) -> Found | NotOffered:
    if isinstance(answer, StripeAnswer) and answer.status in _NOT_OFFERED:
        return NotOffered()
    found = _objects(action, answer)
    return found if isinstance(found, Failed) else _pick(action, command_id, found) or Missing()


def read_page(action: Action, command_id: str, answer: StripeAnswer | Fault) -> Found | NextPage:
    found = _objects(action, answer)
    if isinstance(found, Failed):
        return found
    more = found.get("has_more") and found["data"]
    picked = _pick(action, command_id, found)
    return picked or (NextPage(after=str(found["data"][-1].get("id"))) if more else Missing())


def too_many(action: Action) -> Failed:
    """More objects since the command than may be listed: nothing is known."""
    message = f"more than {MAX_PAGES * _PAGE} objects were created since; look it up in the dashboard"
    return replace(failed(action, FAULTS[Fault.UNREADABLE], message), retryable=False)


def _objects(action: Action, answer: StripeAnswer | Fault) -> Mapping[str, Any] | Failed:
    """The body of a list of objects, or the failure that came instead."""
    if isinstance(answer, StripeAnswer) and answer.status == 200:  # noqa: PLR2004
        body = json_object(answer.body)
        if body is not None and isinstance(body.get("data"), list):
            return {**body, "data": [row for row in body["data"] if isinstance(row, dict)]}
        return failed(action, FAULTS[Fault.UNREADABLE], "Stripe's answer to a look-up is no list")
    outcome = classify(action, answer)
    return outcome if isinstance(outcome, Failed) else failed(action, FAULTS[Fault.UNREADABLE], "no list")


def _pick(action: Action, command_id: str, body: Mapping[str, Any]) -> Succeeded | Failed | None:
    """The object of the command. Two would be two effects: that is for a person."""
    rows = [row for row in body["data"] if row.get("object") == action.makes]
    ours = [row for row in rows if stripe_metadata.command_of(row) == command_id]
    if len(ours) > 1:
        ids = ", ".join(str(row.get("id")) for row in ours)
        return failed(action, FAULTS[Fault.UNREADABLE], f"Stripe has more than one object of this command: {ids}")
    return output_of(action, ours[0]) if ours else None


def output_of(action: Action, found: Mapping[str, Any]) -> Succeeded | Failed:
    """An object as the action's output."""
    return classify(action, StripeAnswer(status=200, headers={}, body=orjson.dumps(found)))
