"""The executor's decisions: what a command record becomes, before its call and after it. Pure.

A record of the command topic or of a retry topic is taken: it is refused, skipped, queued, or there is a call to make.
What the call brought is settled: a result, a tier, or a dead letter. Both return values and touch nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from contracts import headers as h
from contracts.actions import Action, Refused, Request
from contracts.errors import Code
from contracts.ids import digest, idempotency_key
from contracts.records import Command, Unreadable, parse_command
from contracts.retry import HORIZON_MS, covering, tier_for
from contracts.topics import Topics
from workers import ending
from workers.classify import Failed, Outcome, refusal
from workers.fate import Fate, Output, Taken
from workers.ledger import Known, Ledger, Queue, remember, set_queue
from workers.ticket import Ticket, ticket, waiting_headers

MAX_KEY_BYTES = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call to make. Its parameters follow from the command alone, so every attempt sends the same ones."""

    ticket: Ticket
    command: Command
    action: Action
    request: Request
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """The decisions of one prefix's executors."""

    topics: Topics
    actions: Mapping[str, Action]
    has_connection: Callable[[str], bool]

    def lane(self, record: Taken) -> object:
        return record.key if record.key is not None else (record.topic, record.offset)

    def due_ms(self, record: Taken) -> int:
        """When a record may be taken: at once, but for one that waits in a tier."""
        return h.number(h.read(record.headers), h.DUE_AT) or 0 if record.topic in self.topics.retries else 0

    def take(self, ledger: Ledger, record: Taken, now_ms: int) -> Fate | Call:
        """The fate of a record, or the call that its fate depends on."""
        of = ticket(record, returned=record.topic in self.topics.retries)
        command = parse_command(record.value)
        if record.key is not None and len(record.key) > MAX_KEY_BYTES:
            command = Unreadable(reason=f"the key is longer than {MAX_KEY_BYTES} bytes")
        if isinstance(command, Unreadable):
            return ending.unreadable(self.topics, ledger, of, command.reason)
        return self._waiting(ledger, of, command, now_ms) or self._begin(ledger, of, command, now_ms)

    def _waiting(self, ledger: Ledger, of: Ticket, command: Command, now_ms: int) -> Fate | None:
        """The fate of a command that is known, or that has to wait for its turn."""
        known = ledger.known(command.command_id)
        queue = None if of.key is None else ledger.queue(of.key)
        if of.returned:
            if queue is not None and of.place is not None and of.place != queue.head:
                return Fate("held", (self._behind(of, queue, of.place, now_ms),))
            if known is not None and known.status != "waiting":
                return Fate("known", changes=ending.next_of_key(ledger, of))
            return None
        if known is not None:
            same = known.digest == digest(command.action, command.connection, command.input)
            return Fate("known") if same else ending.id_reused(self.topics, of)
        if queue is None or of.key is None:
            return None
        queued = set_queue(of.key, replace(queue, tail=queue.tail + 1))
        waits = remember(command.command_id, _known("waiting", command, now_ms))
        return Fate("held", (self._behind(of, queue, queue.tail, now_ms),), (waits, queued))

    def _behind(self, of: Ticket, queue: Queue, place: int, now_ms: int) -> Output:
        """Behind the head of its key's queue, to come back when the head is due."""
        tier = covering(self.topics.tiers, queue.due_ms - now_ms)
        headers = waiting_headers(
            of, attempts=of.attempts, due_ms=now_ms + tier.delay_ms, place=place, last_error="waits behind its key"
        )
        return Output(self.topics.retry(tier), of.record.key, of.record.value, headers)

    def _begin(self, ledger: Ledger, of: Ticket, command: Command, now_ms: int) -> Fate | Call:
        """The call, unless we refuse it ourselves."""
        action = self.actions.get(command.action)
        refused = self._refusal(action, command, now_ms)
        if action is None or refused is not None:
            return self._ended(ledger, of, command, refused or refusal(command.action, "unknown"), now_ms)
        request = action.request(command.input)
        if isinstance(request, Refused):
            return self._ended(ledger, of, command, refusal(action.key, request.message), now_ms)
        if action.method == "GET":
            return Call(ticket=of, command=command, action=action, request=request, idempotency_key=None)
        if now_ms - of.first_appended_ms >= HORIZON_MS:
            return self._ended(ledger, of, command, _past_horizon(action.key), now_ms, reason="past_horizon")
        metadata = {"stripeline_command": command.command_id}
        marked = replace(request, params={**request.params, "metadata": metadata})
        key = idempotency_key(command.command_id)
        return Call(ticket=of, command=command, action=action, request=marked, idempotency_key=key)

    def _refusal(self, action: Action | None, command: Command, now_ms: int) -> Failed | None:
        if action is None:
            known = ", ".join(self.actions)
            return refusal(command.action, f"there is no such action; there are {known}")
        if command.not_after is not None and now_ms > command.not_after:
            return refusal(command.action, f"not done by its not_after, {h.rfc3339(command.not_after)}", Code.EXPIRED)
        if not self.has_connection(command.connection):
            return refusal(command.action, f"there is no connection {command.connection!r}; add it, then send again")
        return None

    def settle(self, ledger: Ledger, call: Call, outcome: Outcome, now_ms: int) -> Fate:
        """The fate of a record after its call."""
        known = ledger.known(call.command.command_id)
        if known is not None and known.status != "waiting":
            return Fate("known", changes=ending.next_of_key(ledger, call.ticket))
        if isinstance(outcome, Failed) and outcome.retryable:
            waits = self._retry(ledger, call, outcome, now_ms)
            if waits is not None:
                return waits
            return self._ended(ledger, call.ticket, call.command, outcome, now_ms, calls=1, reason="exhausted")
        return self._ended(ledger, call.ticket, call.command, outcome, now_ms, calls=1)

    def _retry(self, ledger: Ledger, call: Call, failed: Failed, now_ms: int) -> Fate | None:
        """Into the next tier, at the head of its key's queue; None when the attempts are used up."""
        of, attempts = call.ticket, call.ticket.attempts + 1
        tier = tier_for(self.topics.tiers, attempt=attempts, at_least_ms=failed.retry_after_ms)
        if tier is None:
            return None
        due_ms = now_ms + tier.delay_ms
        known = ledger.known(call.command.command_id)
        unknown = failed.unknown or (known is not None and known.unknown and not failed.decisive)
        changes = [remember(call.command.command_id, _known("waiting", call.command, now_ms, unknown=unknown))]
        place = None
        if of.key is not None:
            queue = ledger.queue(of.key) or Queue(0, 1, 0)
            place = queue.head
            changes.append(set_queue(of.key, replace(queue, due_ms=due_ms)))
        last_error = f"{failed.error['code']}: {failed.error['message']}"
        headers = waiting_headers(of, attempts=attempts, due_ms=due_ms, place=place, last_error=last_error)
        return Fate(
            "retried", (Output(self.topics.retry(tier), of.record.key, of.record.value, headers),), tuple(changes)
        )

    def _ended(
        self, ledger: Ledger, of: Ticket, command: Command, outcome: Outcome, now_ms: int, *, calls: int = 0,
        reason: str | None = None,
    ) -> Fate:  # fmt: skip
        """A result, the next of its key, and a dead letter where a person has to look."""
        known = ledger.known(command.command_id)
        unknown = known is not None and known.unknown
        end = ending.end(outcome, earlier_unknown=unknown, attempts=of.attempts + calls, reason=reason)
        outputs = [ending.result(self.topics, of, command, end, now_ms)]
        if end.dead_reason is not None:
            outputs.append(ending.dead_letter(self.topics, of, end))
        changes = (remember(command.command_id, _known(end.status, command, now_ms)), *ending.next_of_key(ledger, of))
        return Fate(end.status, tuple(outputs), changes)


def _known(status: str, command: Command, now_ms: int, *, unknown: bool = False) -> Known:
    return Known(status, digest(command.action, command.connection, command.input), 0, now_ms, unknown)


def _past_horizon(action: str) -> Failed:
    message = "older than 23 h: Stripe may have forgotten its idempotency key, so it is not sent; a person must decide"
    found = refusal(action, message, Code.INDETERMINATE)
    return replace(found, unknown=True)
