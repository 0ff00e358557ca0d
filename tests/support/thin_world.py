"""One partition of thin events between ingest, an executor and a Stripe in memory. Pure.

Topics are lists, and time is a number. A decision is committed at once, and read back from its JSON.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.headers import cloud_event
from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.connection.rate_gate import RateGate, open_gate
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import CallReply, StripeAnswer
from stripeline.workers.task.decision import Decision, OutputRecord
from stripeline.workers.thin.thin_fetch import Fetch
from stripeline.workers.thin.thin_fetcher import ThinFetcher
from tests.support.records import Record, appended, installation, owner_of_acme

TOPICS = Topics(tiers=parse_tiers("5s,30s,2m"))
VERSION = "2026-06-24.dahlia"
PARTITIONS = 12
START_MS = 1_790_000_000_000
Reply = StripeAnswer | Fault
ThinBody = dict[str, Any]


def thin(event_id: str = "evt_thin_1", **changes: Any) -> ThinBody:
    """A notification, as Stripe sends it."""
    made: ThinBody = {
        "id": event_id,
        "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded",
        "created": "2026-09-21T16:13:20.246Z",
        "livemode": False,
        "reason": {"type": "request", "request": {"id": "req_1", "idempotency_key": "key"}},
        "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"},
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def thin_record(body: ThinBody | bytes | None = None, **fields: Any) -> Record:
    """The record of a notification, as ingest writes it."""
    body = thin() if body is None else body
    made = body if isinstance(body, dict) else thin()
    headers = cloud_event(
        id=made["id"], type=made["type"], source="/stripeline/triggers/acme-payments", at_ms=START_MS, trace=b"00-trace"
    )
    key = str((made.get("related_object") or {}).get("id") or made["id"]).encode()
    ours = ((h.TRIGGER, b"acme-payments"), (h.CONNECTION, b"acme"))
    defaults: dict[str, Any] = {
        "topic": TOPICS.thin_event, "key": key, "headers": headers + ours, "timestamp": START_MS,
    }  # fmt: skip
    return Record(value=body if isinstance(body, bytes) else orjson.dumps(body), **{**defaults, **fields})


def found(body: Mapping[str, Any]) -> StripeAnswer:
    return StripeAnswer(status=200, headers={"request-id": "req_9"}, body=orjson.dumps(body))


def refused(status: int, **error: Any) -> StripeAnswer:
    body = {"error": {"type": "invalid_request_error", "message": "no", **error}}
    return StripeAnswer(status=status, headers={"request-id": "req_9"}, body=orjson.dumps(body))


GONE = refused(404, code="resource_missing")


@dataclass
class ThinWorld:
    """stripe: answers by path; a missing one is 404. A function is called on each request."""

    stripe: dict[str, Reply | Callable[[], Reply]] = field(default_factory=dict)
    gate: RateGate = field(default_factory=open_gate)
    snapshots_come: bool = True
    setup: Setup = field(
        default_factory=lambda: Setup(topics=TOPICS, actions={}, owner=owner_of_acme, installation=installation)
    )

    def __post_init__(self) -> None:
        self.fetcher = ThinFetcher(
            setup=self.setup, gate=self.gate, partitions=PARTITIONS, api_version=VERSION,
            snapshots_come=lambda _: self.snapshots_come,
        )  # fmt: skip
        self.ledger, self.now_ms = Ledger(), START_MS
        self.asked: list[tuple[str, str | None]] = []
        self.published: list[OutputRecord] = []
        self.dead: list[OutputRecord] = []
        self.waiting: list[Record] = []
        self.notices: list[OutputRecord] = []

    def take(self, record: Record, reply: CallReply | None = None) -> Decision:
        """What becomes of a record now. reply: to each of its requests, instead of `stripe`."""
        decided = self.fetcher.take(self.ledger, record, self.now_ms)
        while isinstance(decided, Fetch):
            self.asked.append((decided.state.path, decided.context))
            answer = self._answer(decided.state.path) if reply is None else reply
            decided = self.fetcher.answered(self.ledger, decided, answer, self.now_ms)
        self.commit(decided)
        return decided

    def commit(self, decided: Decision) -> None:
        for change in decided.changes:
            self.ledger.restore(change.key, change.record and encode(change.record))
        self.notices.extend(decided.notices)
        for output in decided.outputs:
            if output.topic in TOPICS.retries:
                self.waiting.append(appended(output))
            elif output.topic == TOPICS.dead_letter:
                self.dead.append(output)
            else:
                self.published.append(output)

    def next_due(self) -> Record:
        """Of those that wait, the one that is due first; time goes on until then."""
        record = min(self.waiting, key=lambda one: h.number(h.read(one.headers), h.DUE_AT) or 0)
        self.waiting.remove(record)
        self.now_ms = max(self.now_ms, h.number(h.read(record.headers), h.DUE_AT) or 0)
        assert self.fetcher.takes(record)
        return record

    def drain(self, record: Record | None = None) -> None:
        """Everything that follows, until nothing waits."""
        if record is not None:
            self.take(record)
        for _ in range(5_000):
            if not self.waiting:
                return
            self.take(self.next_due())
        raise AssertionError("it goes on for ever")

    @property
    def output(self) -> dict[str, Any]:
        """The value of the one record that was published."""
        (one,) = self.published
        value: dict[str, Any] = orjson.loads(one.value or b"")
        return value

    @property
    def letter(self) -> Mapping[str, bytes]:
        (one,) = self.dead
        return h.read(one.headers)

    def _answer(self, path: str) -> Reply:
        answer = self.stripe.get(path, GONE)
        return answer if isinstance(answer, (StripeAnswer, Fault)) else answer()
