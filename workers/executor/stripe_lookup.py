"""Looks an object up at Stripe by the command that made it. Pure: which requests, and what their answers say.

First the search, whose index may lag; where an account is not offered search, a list by creation time.
https://docs.stripe.com/search · https://docs.stripe.com/api/pagination
"""

from collections.abc import Mapping
from typing import Any

import orjson

from stripeline.contracts.action import Action, Request
from stripeline.contracts.errors import FAULTS
from stripeline.contracts.frozen import frozen, replace
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.stripe_answer import (
    Answer,
    Failed,
    Succeeded,
    classify,
    failed,
    json_object,
)

METADATA = "stripeline_command"
PARTITION = "stripeline_partition"
MAX_PAGES = 20
_PAGE = 100
_MARGIN_S = 600
_NOT_OFFERED = frozenset({400, 403, 404})


@frozen
class Missing:
    """Stripe has no object of this command."""


@frozen
class NotOffered:
    """The account can't search: list instead."""


@frozen
class NextPage:
    """Not on this page of the list; the next one starts after this id."""

    after: str


Sight = Succeeded | Missing | Failed
"""What a look-up ends with."""


def marks(command_id: str, partition: int) -> Mapping[str, Any]:
    """What a created object carries, so that a look-up, or a webhook, tells whose it is."""
    return {"metadata": {METADATA: command_id, PARTITION: str(partition)}}


def search(action: Action, command_id: str) -> Request:
    quoted = command_id.replace("\\", "\\\\").replace("'", "\\'")
    params = {"query": f"metadata['{METADATA}']:'{quoted}'", "limit": 2}
    return Request(method="GET", path=f"{action.path}/search", params=params)


def page(action: Action, first_appended_ms: int, after: str | None) -> Request:
    """A page of what was created since the command was appended, with a margin for clocks."""
    since_s = first_appended_ms // 1000 - _MARGIN_S
    params = {"created": {"gte": since_s}, "limit": _PAGE, "starting_after": after}
    return Request(method="GET", path=action.path, params=params)


def read_search(action: Action, command_id: str, answer: Answer | Fault) -> Sight | NotOffered:
    if isinstance(answer, Answer) and answer.status in _NOT_OFFERED:
        return NotOffered()
    found = _objects(action, answer)
    return found if isinstance(found, Failed) else _pick(action, command_id, found) or Missing()


def read_page(action: Action, command_id: str, answer: Answer | Fault) -> Sight | NextPage:
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


def _objects(action: Action, answer: Answer | Fault) -> Mapping[str, Any] | Failed:
    """The body of a list of objects, or the failure that came instead."""
    if isinstance(answer, Answer) and answer.status == 200:  # noqa: PLR2004
        body = json_object(answer.body)
        if body is not None and isinstance(body.get("data"), list):
            return {**body, "data": [row for row in body["data"] if isinstance(row, dict)]}
        return failed(action, FAULTS[Fault.UNREADABLE], "Stripe's answer to a look-up is no list")
    outcome = classify(action, answer)
    return outcome if isinstance(outcome, Failed) else failed(action, FAULTS[Fault.UNREADABLE], "no list")


def _pick(action: Action, command_id: str, body: Mapping[str, Any]) -> Succeeded | Failed | None:
    """The object of the command. Two would be two effects: that is for a person."""
    ours = [row for row in body["data"] if of_command(row) == command_id and row.get("object") == action.makes]
    if len(ours) > 1:
        ids = ", ".join(str(row.get("id")) for row in ours)
        return failed(action, FAULTS[Fault.UNREADABLE], f"Stripe has more than one object of this command: {ids}")
    return output_of(action, ours[0]) if ours else None


def output_of(action: Action, found: Mapping[str, Any]) -> Succeeded | Failed:
    """An object as the action's output."""
    return classify(action, Answer(status=200, headers={}, body=orjson.dumps(found)))


def of_command(found: Mapping[str, Any]) -> str | None:
    """The command that made an object, by its metadata."""
    metadata = found.get("metadata")
    command = metadata.get(METADATA) if isinstance(metadata, dict) else None
    return command if isinstance(command, str) else None
