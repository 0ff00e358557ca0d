"""What is published of an event that Stripe failed to make: its object as it is now, marked as of a notice. Pure.

https://docs.stripe.com/event-destinations/handle-irrecoverable-events

Invariants:
- The id is the notice's and `created` is the notice's time, so what is published twice starts one run.
- An address in a notice is never asked, since it may be a page of the dashboard: the path is that of the type's object,
  and a notice that names another kind of object is refused.
- Nothing is guessed: a type that the notice does not say is a person's to name, and a trigger among several too.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions
from stripeline.contracts.deliveries.thin_events import GENERATION_FAILURE, OF_V1, THIN, ThinEvent
from stripeline.contracts.deliveries.trigger_output import TriggerRecord, problem_of, record_of
from stripeline.contracts.effect_trail import trail_of
from stripeline.contracts.families import Family, family_of
from stripeline.contracts.ids import is_test_event
from stripeline.deploy.definitions.nearest import listed, nearest
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.workers.stripe.api import STRIPE_VERSION
from stripeline.workers.thin.fetched_event import is_event_id
from stripeline.workers.thin.thin_output import foreign

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_SHOWN: Final = 80
_OBJECTS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("payment_intent.", "payment_intent", "/v1/payment_intents"),
    ("charge.dispute.", "dispute", "/v1/disputes"),
    ("charge.refund.", "refund", "/v1/refunds"),
    ("charge.", "charge", "/v1/charges"),
    ("customer.subscription.", "subscription", "/v1/subscriptions"),
    ("customer.source.", "source", None),
    ("customer.tax_id.", "tax_id", None),
    ("customer.discount.", "discount", None),
    ("customer.", "customer", "/v1/customers"),
)
"""By the beginning of the type, the first that fits: the object, and where it is. None: below a customer."""


class UnmadeNotice(NamedTuple):
    """A notice as its record has it. account: the connected one that it is of; None for the connection's own."""

    id: str
    created_s: int
    livemode: bool
    connection: str
    account: str | None


class UnmadeEvent(NamedTuple):
    """The event that Stripe failed to make, and where its object is read."""

    type: str
    family: Family
    object_type: str
    object_id: str
    path: str


def read_notice(read: Read, definitions: Definitions) -> UnmadeNotice:
    """A notice that can be asked about with its connection's key. Raises FailureError."""
    try:
        event = msgspec.json.decode(read.value or b"", type=ThinEvent)
        created = datetime.fromisoformat(event.created)
    except (msgspec.MsgspecError, ValueError):
        raise FailureError(_odd("it can't be read")) from None
    name = h.text(read.headers, h.CONNECTION) or ""
    connection = definitions.connections.get(name)
    if event.type != GENERATION_FAILURE or not is_event_id(event.id) or created.tzinfo is None:
        raise FailureError(_odd("its type, id or time is not Stripe's"))
    if connection is None:
        raise FailureError(_odd(f"its connection {name!r} is not there any more: add it again to ask Stripe"))
    live = connection.mode == "live"
    if event.livemode not in {None, live}:
        raise FailureError(_odd(f"it is of the other mode than the key of connection {name}"))
    if is_test_event(event.id, live):
        raise FailureError(_odd("it is a test of Stripe's dashboard"))
    own = definitions.account_of(name)
    account = foreign(event.context, own)
    if event.context not in {None, own, account}:
        raise FailureError(_odd("its `context` names no single account"))
    return UnmadeNotice(event.id, max(0, int(created.timestamp())), live, name, account)


def unmade_event(notice: UnmadeNotice, fetched: Mapping[str, Any], asked_type: str | None) -> UnmadeEvent:
    """What a fetched notice says that Stripe failed to make. Raises FailureError.

    asked_type: the type that a person names, for a notice that does not say it.
    """
    if (fetched.get("object"), fetched.get("id"), fetched.get("type")) != (THIN, notice.id, GENERATION_FAILURE):
        raise FailureError(_odd("Stripe's answer is not the notice that was asked for"))
    impact = _mapping(_mapping(fetched.get("data")).get("impact"))
    related = _mapping(impact.get("related_object")) or _mapping(fetched.get("related_object"))
    event_type = _type(impact.get("event_type"), asked_type)
    family = _family(event_type, asked_type)
    object_type, base = next((kind, path) for begins, kind, path in _OBJECTS if event_type.startswith(begins))
    named, object_id = related.get("type"), related.get("id")
    if named != object_type:
        raise FailureError(_odd(f"an event {event_type} is about a {object_type}, and it names {_shown(named)}"))
    if base is None:
        raise FailureError(
            _odd(f"a {object_type} can't be read by its id alone: look at it in Stripe's dashboard, and do by hand what"
                 " should have followed")
        )  # fmt: skip
    if not isinstance(object_id, str) or not _ID.fullmatch(object_id):
        raise FailureError(_odd(f"it names a {object_type} by {_shown(object_id)}, which is no id"))
    return UnmadeEvent(event_type, family, object_type, object_id, f"{base}/{object_id}")


def trigger_of(definitions: Definitions, notice: UnmadeNotice, family: Family, asked: str | None) -> str:
    """The trigger whose event it would have been. Raises FailureError. asked: the one that a person names."""
    takers = [
        name
        for name, trigger in sorted(definitions.triggers.items())
        if trigger.connection == notice.connection and trigger.kind == family.kind
    ]
    which = f"of the kind {family.kind} on connection {notice.connection}"
    if not takers:
        raise FailureError(_odd(f"there is no trigger {which}"))
    if asked is not None and asked not in takers:
        raise FailureError(_odd(f"there is no trigger {asked!r} {which}, but {listed(takers)}"))
    if asked is None and len(takers) > 1:
        raise FailureError(_odd(f"there are several triggers {which}: choose with --trigger one of {listed(takers)}"))
    return asked or takers[0]


def remade(
    notice: UnmadeNotice, unmade: UnmadeEvent, found: Mapping[str, Any], trigger: str, now_ms: int
) -> TriggerRecord:
    """The record of the event. Raises FailureError. found: its object, as it is now."""
    if (found.get("object"), found.get("id")) != (unmade.object_type, unmade.object_id):
        raise FailureError(_odd("Stripe's answer is not the object that was asked for"))
    event = {
        "id": notice.id,
        "object": "event",
        "type": unmade.type,
        "api_version": STRIPE_VERSION,
        "created": notice.created_s,
        "livemode": notice.livemode,
        "data": {"object": found},
        "request": None,
    } | ({} if notice.account is None else {"account": notice.account})
    problem = problem_of(event)
    if problem is not None or found.get("livemode") not in {None, notice.livemode}:
        raise FailureError(_odd(f"its object makes no event: {problem or 'it is of the other mode'}"))
    record = record_of(event, unmade.family, trigger=trigger, connection=notice.connection, traceparent=None)
    late_ms = max(0, now_ms - notice.created_s * 1000)
    marks = ((h.SOURCE, h.NOTICE), (h.LATE_BY, str(late_ms).encode()), (h.PAYLOAD, b"object"))
    return replace(record, headers=record.headers + marks)


def doubts(unmade: UnmadeEvent, found: Mapping[str, Any]) -> tuple[str, ...]:
    """What a person should look at before it is published."""
    said = []
    trail = trail_of(found)
    if trail is not None and unmade.type != f"{unmade.object_type}.created":
        said.append(
            "A command of Stripeline made this object, and nothing says whether it was also what this event is about:"
            " then a workflow would start on its own effect. Look at the object's history in Stripe's dashboard."
        )
    if found.get("deleted") is True and not unmade.type.endswith(".deleted"):
        said.append("The object was deleted since.")
    return tuple(said)


def _type(said: object, asked: str | None) -> str:
    named = said.removeprefix(OF_V1) if isinstance(said, str) else None
    if named is None and asked is None:
        raise FailureError(
            _odd("it does not say which type of event Stripe failed to make. Find out what happened to its object, and"
                 " name it, as in `--type payment_intent.succeeded`")
        )  # fmt: skip
    if named is not None and asked is not None and asked.removeprefix(OF_V1) != named:
        raise FailureError(_odd(f"it is about an event {_shown(named)}, and --type says {asked!r}"))
    return named or (asked or "").removeprefix(OF_V1)


def _family(event_type: str, asked: str | None) -> Family:
    family = family_of(event_type)
    if family is None:
        raise FailureError(_odd(f"no topic has events of the type {_shown(event_type)}"))
    known = family.types_of("both")
    if asked is not None and event_type not in known:
        like = nearest(event_type, known)
        raise FailureError(_odd(f"Stripe has no type {event_type!r}{f'; the nearest is {like}' if like else ''}"))
    return family


def _odd(why: str) -> str:
    return f"Nothing was published of this notice: {why}."


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:_SHOWN]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
