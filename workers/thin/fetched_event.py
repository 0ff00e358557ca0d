"""What Stripe answers to the requests of a thin event: the event, its snapshot, its object. Pure.

https://docs.stripe.com/api/v2/core/events/retrieve · https://docs.stripe.com/api/events/retrieve
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts.action import Action, ActionInput, ActionOutput
from stripeline.contracts.deliveries.thin_events import THIN, RelatedObject
from stripeline.contracts.deliveries.trigger_output import problem_of
from stripeline.contracts.ids import EVENT_ID
from stripeline.contracts.vocabulary import Code, Fault
from stripeline.workers.executor.answer_origin import json_object, stripe_error
from stripeline.workers.executor.stripe_answer import Failed, Outcome, StripeAnswer, classify

_READ: Final = Action(
    key="", method="GET", path="", makes="", input=ActionInput, output=ActionOutput, statuses=frozenset()
)
_NOT_FOUND: Final = 404
_PATH: Final = re.compile(r"/v[12](/[A-Za-z0-9_-]{1,255}){1,12}")


class FetchedEvent(Struct, frozen=True, kw_only=True):
    """Of a fetched event what its notification does not have.

    snapshot: the id of the snapshot event of the same change; None where Stripe names none.
    related: what it is about, where that is said here.
    data: what it says itself.
    before: the former values of what has changed.
    request: the call that caused it.
    """

    snapshot: str | None = None
    related: RelatedObject | None = None
    data: Mapping[str, Any] | None = None
    before: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None


def judged(answer: StripeAnswer | Fault) -> Outcome:
    """Whether a JSON object was read, or the failure. One that is nested too deep to be written again is none."""
    return classify(_READ, _of_v1(answer) if isinstance(answer, StripeAnswer) else answer)


def body_of(answer: StripeAnswer | Fault) -> Mapping[str, Any]:
    """The object that was read; empty where there is none."""
    return {} if isinstance(answer, Fault) else json_object(answer.body) or {}


def is_gone(failed: Failed) -> bool:
    """Whether Stripe itself says that there is no such object."""
    return failed.error["code"] == Code.NOT_FOUND and failed.error.get("http_status") == _NOT_FOUND


def _of_v1(answer: StripeAnswer) -> StripeAnswer:
    """An error of the API v2, which may have a `code` and no `type`, in the form of v1. Only Stripe names a request."""
    body = json_object(answer.body)
    error = (body or {}).get("error")
    if stripe_error(body) is not None or not isinstance(error, dict) or not isinstance(error.get("code"), str):
        return answer
    if not answer.headers.get("request-id", "").startswith("req_"):
        return answer
    return replace(answer, body=orjson.dumps({"error": {**error, "type": "api_error"}}))


def read_fetched(event_id: str, body: Mapping[str, Any]) -> FetchedEvent | str:
    """The fetched event, or why the answer is none."""
    if (body.get("object"), body.get("id")) != (THIN, event_id):
        return "Stripe's answer is not the thin event that was asked for"
    snapshot = body.get("snapshot_event")
    if snapshot is not None and not is_event_id(snapshot):
        return "Stripe's answer names a snapshot event by no id"
    reason, changes, data = (_mapping(body.get(name)) for name in ("reason", "changes", "data"))
    return FetchedEvent(
        snapshot=snapshot, related=_related(body.get("related_object")), data=data or None,
        before=_mapping(changes.get("before")) or None, request=_request(reason.get("request")),
    )  # fmt: skip


def snapshot_problem(event_id: str, body: Mapping[str, Any]) -> str | None:
    """Why an answer is not the snapshot event that was asked for; None when it is."""
    if body.get("id") != event_id:
        return "Stripe's answer is not the snapshot event that was asked for"
    problem = problem_of(body)
    return None if problem is None else f"the snapshot event is none: {problem}"


def is_path(value: str) -> bool:
    """Whether it is a path of Stripe's API, and nothing else."""
    return _PATH.fullmatch(value) is not None


def _related(named: object) -> RelatedObject | None:
    try:
        related = msgspec.convert(named, RelatedObject)
    except msgspec.ValidationError:
        return None
    return related if is_path(related.url) else None


def is_event_id(value: object) -> bool:
    """Whether it can be asked for: of dots alone it would be another path."""
    return isinstance(value, str) and EVENT_ID.fullmatch(value) is not None and value.strip(".") != ""


def _request(sent: object) -> Mapping[str, Any] | None:
    if not isinstance(sent, dict):
        return None
    return {name: sent.get(name) for name in ("id", "idempotency_key")}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
