"""Composes what a thin event becomes: its turn, the rate gate, its requests, and the record that is published. Pure.

Invariants:
- What is published has the id of the snapshot event where Stripe names one, so it starts the same run as the snapshot's
  own delivery. While one may still be named or found, nothing is published without it.
- A GET has no effect, so every failure is retried, at any age; what fails for good is a dead letter that can be
  replayed. Only a refused or paused connection, or one at its limit, takes no attempt.
- The record goes to the partition that its key has for every producer, which may be another task's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.deliveries.trigger_output import TriggerRecord
from stripeline.contracts.families import family_of
from stripeline.contracts.retry_tiers import tier_for
from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.contracts.vocabulary import Code, DeadLetterReason, Verdict
from stripeline.workers.executor.connection.key_breaker import PAUSE_MIN_MS
from stripeline.workers.executor.connection.key_owner import Asked, KeyOwner, mismatch
from stripeline.workers.executor.connection.rate_gate import Hold, Observation, Pass, RateGate
from stripeline.workers.executor.connection.refusal_notice import refusal_notices
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.retry_headers import SLOTS_TAKEN
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import CallReply, Failed, NoKey
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord
from stripeline.workers.thin import thin_output, thin_waits
from stripeline.workers.thin.fetched_event import (
    body_of,
    is_gone,
    judged,
    read_fetched,
    snapshot_problem,
)
from stripeline.workers.thin.thin_fetch import Fetch, Fetching
from stripeline.workers.thin.thin_record import ThinRecord, is_thin, read_queued, read_thin

MAX_VALUE_BYTES: Final = RECORD_MAX_BYTES - 16_384
"""With its headers, a larger one would fit no topic, and fail the transaction of everything beside it."""
_UNNAMED: Final = "waits for Stripe to name its snapshot event"
_KEPT: Final = (h.SOURCE, h.LATE_BY)


class ThinFetcher(Struct, frozen=True, kw_only=True):
    """The decisions about thin events.

    partitions: the prefix's partition count.
    api_version: of the objects that are fetched.
    snapshots_come: whether a trigger takes snapshot events too, as far as is known.
    """

    setup: Setup
    gate: RateGate
    partitions: int
    api_version: str
    snapshots_come: Callable[[str], bool] = lambda _: True

    def takes(self, record: InputRecord) -> bool:
        """Whether a record is a thin event, fresh or back from a tier."""
        topics = self.setup.topics
        return record.topic == topics.thin_event or (topics.is_retry(record.topic) and is_thin(record))

    def lane(self, record: InputRecord) -> object:
        return (h.THIN_EVENT, record.key) if record.key is not None else (record.topic, record.offset)

    def take(self, ledger: Ledger, consumed: InputRecord, now_ms: int) -> Decision | Fetch:
        """The decision about a thin event, or its first request."""
        record = read_queued(consumed, returned=self.setup.topics.is_retry(consumed.topic))
        waits = thin_waits.in_turn(self.setup, ledger, record, now_ms)
        if waits is not None:
            return waits
        thin = read_thin(record)
        if isinstance(thin, str):
            return thin_waits.unreadable(self.setup, ledger, record, thin)
        decided = self._ask(ledger, Fetching(thin=thin), now_ms, begun=False)
        if isinstance(decided, Fetch):
            self.gate.shares.began(consumed.partition, decided.limits)
        return decided

    def answered(self, ledger: Ledger, fetch: Fetch, reply: CallReply, now_ms: int) -> Decision | Fetch:
        """The decision about a thin event after the reply to a request, or its next request."""
        decided = None
        try:
            decided = self._answered(ledger, fetch, reply, now_ms)
        finally:
            if not isinstance(decided, Fetch):
                self.gate.shares.ended(fetch.state.thin.record.input.partition, fetch.limits)
        return decided

    def _answered(self, ledger: Ledger, fetch: Fetch, reply: CallReply, now_ms: int) -> Decision | Fetch:
        record = fetch.state.thin.record
        if isinstance(reply, NoKey):
            self.gate.release(fetch.connection, fetch.permit, fetch.account)
            held = Hold(wait_ms=PAUSE_MIN_MS, why="waits for its connection's key")
            return thin_waits.hold(self.setup, ledger, record, held, now_ms)
        outcome, where = judged(reply), fetch.state.endpoint
        observed = self.gate.observe(fetch.connection, where, outcome, fetch.permit, now_ms, fetch.account)
        if observed is not Observation.ACCEPTED:
            held = Hold(wait_ms=PAUSE_MIN_MS, why="waits for its connection's key to be replaced")
            notices = refusal_notices(
                self.setup.topics, observed, fetch.permit, fetch.connection, fetch.account, now_ms
            )
            return replace(thin_waits.hold(self.setup, ledger, record, held, now_ms), notices=notices)
        if isinstance(outcome, Failed):
            return self._not_read(ledger, fetch, outcome, now_ms)
        return self._read(ledger, fetch, body_of(reply), now_ms)

    def broken(self, ledger: Ledger, consumed: InputRecord, error: Exception) -> Decision:
        record = read_queued(consumed, returned=self.setup.topics.is_retry(consumed.topic))
        return thin_waits.broken(self.setup, ledger, record, consumed, error)

    def _ask(self, ledger: Ledger, state: Fetching, now_ms: int, *, begun: bool = True) -> Decision | Fetch:
        """The request, when its key's owner is the event's and its connection may make one; else an end, or a wait."""
        thin = state.thin
        owner = self.setup.owner(thin.connection)
        if owner is None:
            why = f"there is no connection {thin.connection!r}: add it, then replay this dead letter"
            return self._failed(ledger, thin, _refused(why), now_ms)
        if _is_anothers(thin, owner):
            why = (
                f"it is of another account or mode than the key of connection {thin.connection!r}, which is of"
                f" {owner.words} now"
            )
            reason, code = DeadLetterReason.ACCOUNT_CHANGED, Code.ACCOUNT_CHANGED
            return self._dead(ledger, thin, reason, code, why)
        if owner.held is not None:
            held = Hold(wait_ms=PAUSE_MIN_MS, why=owner.held)
            return thin_waits.hold(self.setup, ledger, thin.record, held, now_ms)
        account = thin_output.foreign(thin.event.context, owner.account)
        if not begun and not self.gate.shares.asks((thin.connection, account), now_ms):
            return thin_waits.hold(self.setup, ledger, thin.record, Hold(wait_ms=PAUSE_MIN_MS, why=SLOTS_TAKEN), now_ms)
        match self.gate.ask(thin.connection, state.endpoint, now_ms, thin.turn_ms, account, begun=begun):
            case Pass() as permit:
                return Fetch(state=state, owner=owner, account=account, permit=permit)
            case held:
                return thin_waits.hold(self.setup, ledger, thin.record, held, now_ms)

    def _read(self, ledger: Ledger, fetch: Fetch, body: Mapping[str, Any], now_ms: int) -> Decision | Fetch:
        state = fetch.state
        match state.asks:
            case "event":
                fetched = read_fetched(state.thin.event.id, body)
                if isinstance(fetched, str):
                    return self._failed(ledger, state.thin, _refused(fetched), now_ms)
                return self._fetched(ledger, replace(state, fetched=fetched), fetch.owner.account, now_ms)
            case "snapshot":
                return self._snapshot(ledger, fetch, body, now_ms)
            case "object":
                return self._object(ledger, fetch, body, now_ms)
            case never:
                assert_never(never)

    def _not_read(self, ledger: Ledger, fetch: Fetch, failed: Failed, now_ms: int) -> Decision | Fetch:
        state = fetch.state
        gone = is_gone(failed)
        if gone and state.asks == "object":
            return self._object(ledger, fetch, None, now_ms)
        if gone and state.asks == "snapshot" and self._last_time(state.thin):
            return self._without_snapshot(ledger, state, fetch.owner.account, now_ms)
        return self._failed(ledger, state.thin, failed, now_ms)

    def _fetched(self, ledger: Ledger, state: Fetching, own: str | None, now_ms: int) -> Decision | Fetch:
        if state.fetched.snapshot is not None:
            return self._ask(ledger, replace(state, asks="snapshot"), now_ms)
        thin = state.thin
        has_one = thin.type in thin.family.types and thin.type not in thin.family.snapshot_only
        if has_one and self.snapshots_come(thin.trigger) and not self._last_time(thin):
            return self._failed(ledger, thin, _refused(_UNNAMED), now_ms)
        return self._without_snapshot(ledger, state, own, now_ms)

    def _without_snapshot(self, ledger: Ledger, state: Fetching, own: str | None, now_ms: int) -> Decision | Fetch:
        """The object as it is now; where none is named, what the event itself says."""
        if state.related is not None:
            return self._ask(ledger, replace(state, asks="object"), now_ms)
        record = thin_output.of_object(state, state.fetched.data, self.api_version, own)
        return self._published(ledger, state.thin, record, b"object", now_ms)

    def _snapshot(self, ledger: Ledger, fetch: Fetch, body: Mapping[str, Any], now_ms: int) -> Decision:
        thin, snapshot = fetch.state.thin, fetch.state.fetched.snapshot or ""
        problem = snapshot_problem(snapshot, body)
        family = None if problem is not None else family_of(str(body["type"]))
        if family is None:
            return self._failed(ledger, thin, _refused(problem or "the snapshot event is of no family here"), now_ms)
        record = thin_output.of_snapshot(thin, family, body, fetch.owner.account)
        return self._published(ledger, thin, record, b"event", now_ms)

    def _object(self, ledger: Ledger, fetch: Fetch, body: Mapping[str, Any] | None, now_ms: int) -> Decision:
        record = thin_output.of_object(fetch.state, body, self.api_version, fetch.owner.account)
        return self._published(ledger, fetch.state.thin, record, b"object", now_ms)

    def _published(
        self, ledger: Ledger, thin: ThinRecord, record: TriggerRecord | None, payload: bytes, now_ms: int
    ) -> Decision:
        if record is None:
            why = f"what it is about is gone from Stripe, or not named, and nothing says of which {thin.family.object}"
            return self._dead(ledger, thin, DeadLetterReason.SUBJECT_UNKNOWN, Code.NOT_FOUND, why)
        if len(record.value) + len(record.key) > MAX_VALUE_BYTES:
            return self._failed(ledger, thin, _refused("what Stripe answered is larger than a record may be"), now_ms)
        kept = tuple((name, thin.record.headers[name]) for name in _KEPT if name in thin.record.headers)
        output = OutputRecord(
            self.setup.topics.event(record.topic), record.key, record.value,
            (*record.headers, (h.PAYLOAD, payload), *kept), partition_of(record.key, self.partitions),
        )  # fmt: skip
        return Decision(Verdict.PUBLISHED, (output,), thin_waits.ended(ledger, thin.record))

    def _failed(self, ledger: Ledger, thin: ThinRecord, failed: Failed, now_ms: int) -> Decision:
        """Into the next tier; a dead letter after the last."""
        attempts, text = thin.record.attempts + 1, f"{failed.error['code']}: {failed.error['message']}"
        tier = tier_for(self.setup.topics.tiers, attempt=attempts, at_least_ms=failed.retry_after_ms)
        if tier is not None:
            return thin_waits.retry_later(
                self.setup, ledger, thin.record, tier, now_ms, attempts=attempts, last_error=text
            )
        refused = failed.error["code"] == Code.AUTH_EXPIRED
        reason = DeadLetterReason.KEY_REFUSED if refused else DeadLetterReason.EXHAUSTED
        return self._dead(ledger, thin, reason, failed.error["code"], text, made=1)

    def _dead(
        self, ledger: Ledger, thin: ThinRecord, reason: DeadLetterReason, code: str, why: str, *, made: int = 0
    ) -> Decision:
        attempts = thin.record.attempts + made
        return thin_waits.dead_letter(self.setup, ledger, thin.record, reason, code, why, attempts=attempts)

    def _last_time(self, thin: ThinRecord) -> bool:
        """Whether a failure now would be the last."""
        return tier_for(self.setup.topics.tiers, attempt=thin.record.attempts + 1) is None


def _is_anothers(thin: ThinRecord, owner: KeyOwner) -> bool:
    asked = Asked(
        connection=thin.connection, livemode=thin.event.livemode, tried=None, attempted=False,
        first_appended_ms=thin.record.first_appended_ms,
    )  # fmt: skip
    return mismatch(asked, owner) is not None


def _refused(why: str) -> Failed:
    """A failure that no status says."""
    error = {"code": Code.PROVIDER_ERROR.value, "message": why, "retryable": True}
    return Failed(error=error, retryable=True, unknown=False)
