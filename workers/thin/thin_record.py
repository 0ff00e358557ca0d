"""A thin event's record as the executor reads it, from its topic or from a tier. Pure.

What Stripe wrote is checked before it becomes a part of a request: an id, a path, a header.
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.deliveries.thin_events import OF_V1, ThinEvent
from stripeline.contracts.families import Family, family_of
from stripeline.workers.executor.retry_headers import CommandRecord, read_record
from stripeline.workers.task.decision import InputRecord
from stripeline.workers.thin.fetched_event import is_event_id, is_path

QUEUE: Final = "thin-event→"
"""Begins the name of a thin event's queue. No command's key has the last character: keys are read as Latin-1."""
_FIRST: Final = datetime.fromtimestamp(0, UTC)
_CONTEXT: Final = re.compile(r"[A-Za-z0-9_]{1,64}(/[A-Za-z0-9_]{1,64}){0,7}")


class ThinRecord(Struct, frozen=True, kw_only=True):
    """A thin event that can be fetched.

    record: `key` is the name of its queue.
    type: as a snapshot event has it, without `v1.`.
    created_s: seconds since the epoch.
    """

    record: CommandRecord
    event: ThinEvent
    family: Family
    type: str
    created_s: int
    trigger: str
    connection: str

    @property
    def turn_ms(self) -> int | None:
        """Its turn in the line of its connection, as a tier's record has it."""
        return h.number(self.record.headers, h.TURN_AT) if self.record.returned else None


def is_thin(record: InputRecord) -> bool:
    """Whether a record of a tier is a thin event. Only we write there."""
    return h.read(record.headers).get(h.KIND) == h.THIN_EVENT


def read_queued(record: InputRecord, *, returned: bool) -> CommandRecord:
    """A thin event's record with its headers, under the name of its queue."""
    found = read_record(record, returned=returned)
    return found if found.key is None else replace(found, key=QUEUE + found.key)


def read_thin(record: CommandRecord) -> ThinRecord | str:
    """A thin event that can be fetched, or why it can't."""
    try:
        event = msgspec.json.decode(record.input.value or b"", type=ThinEvent)
        created = datetime.fromisoformat(event.created)
    except (msgspec.MsgspecError, ValueError) as error:
        return f"it is no thin event: {type(error).__name__}"  # the message may quote it
    family = family_of(event.type.removeprefix(OF_V1)) if event.type.startswith(OF_V1) else None
    trigger, connection = (h.text(record.headers, name) for name in (h.TRIGGER, h.CONNECTION))
    problem = _problem(event, created, family)
    if problem is not None:
        return problem
    if family is None or not trigger or not connection:
        return "its record names no trigger or connection"
    return ThinRecord(
        record=record, event=event, family=family, type=event.type.removeprefix(OF_V1),
        created_s=int(created.timestamp()), trigger=trigger, connection=connection,
    )  # fmt: skip


def _problem(event: ThinEvent, created: datetime, family: Family | None) -> str | None:
    if family is None:
        return "its type is of no family here"
    if not is_event_id(event.id):
        return "its id is none of Stripe's"
    if created.tzinfo is None or created < _FIRST:
        return "its `created` is no time of a zone since 1970"
    if event.related_object is not None and not is_path(event.related_object.url):
        return "its `related_object.url` is no path of Stripe's API"
    if event.context is not None and not _CONTEXT.fullmatch(event.context):
        return "its `context` names no accounts"
    return None
