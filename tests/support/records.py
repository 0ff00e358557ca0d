"""Records as a task takes them, for table tests."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers
from stripeline.contracts.topics import Topics
from stripeline.workers.executor.connection.key_owner import KeyOwner

INSTALLATION = "inst1"


def installation() -> str:
    """The installation of tests that have no control topic."""
    return INSTALLATION


OWNER = KeyOwner(mode="test", account="acct_1Acme")


def any_owner(_: str) -> KeyOwner | None:
    """Every connection there is has one account's key."""
    return OWNER


def owner_of_acme(name: str) -> KeyOwner | None:
    """There is one connection."""
    return OWNER if name == "acme" else None


@dataclass(frozen=True, kw_only=True)
class Record:
    topic: str
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_000_000
    key: bytes | None = b"k1"
    value: bytes | None = None
    headers: Headers = field(default=())


def command(command_id: str = "c1", *, action: str = "stripe/create-customer", **fields: Any) -> dict[str, Any]:
    return {"command_id": command_id, "action": action, "connection": "acme", "input": {}, **fields}


def command_record(value: object = None, *, topic: str = "stripe.action-command", **fields: Any) -> Record:
    body = command() if value is None else value
    return Record(topic=topic, value=body if isinstance(body, bytes) else orjson.dumps(body), **fields)


def event(**fields: Any) -> dict[str, Any]:
    data = {"id": "pi_1", "object": "payment_intent", "amount": 6_000, "currency": "eur", "receipt_email": "a@b.c"}
    return {
        "id": "evt_1", "type": "payment_intent.succeeded", "api_version": None, "created": 1_700_000_000,
        "livemode": False, "data": data, "request": None, **fields,
    }  # fmt: skip


def event_record(value: object = None, *, trigger: str = "acme-payments", **fields: Any) -> Record:
    body = event() if value is None else value
    headers = (
        ("stripeline-trigger", trigger.encode()),
        ("stripeline-connection", b"acme"),
        ("traceparent", b"00-aa-bb-01"),
    )
    defaults: dict[str, Any] = {"topic": "stripe.payment-event", "key": b"pi_1", "headers": headers}
    return Record(value=body if isinstance(body, bytes) else orjson.dumps(body), **{**defaults, **fields})


def appended(output: Any, **fields: Any) -> Record:
    """A record that a decision made, as it is read back. One of a tier was appended as soon as it was decided."""
    due_ms = h.number(h.read(output.headers), h.DUE_AT)
    at = {} if due_ms is None else {"timestamp": due_ms - Topics().delay_ms(output.topic)}
    return Record(topic=output.topic, key=output.key, value=output.value, headers=output.headers, **{**at, **fields})
