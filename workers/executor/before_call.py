"""The executor's decisions before a call: what a command record becomes. Pure; `after_call.py` has the rest.

A record of the command topic or of a retry topic is taken: it is refused, skipped, queued, or there is a call to make.
"""

from collections.abc import Callable, Mapping
from dataclasses import field

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.action import Action, Refused, Request
from stripeline.contracts.frozen import frozen, replace
from stripeline.contracts.ids import idempotency_key
from stripeline.contracts.records import Command, Unreadable, parse_command
from stripeline.contracts.retry_tiers import HORIZON_MS, Tier, covering, within
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import UNKNOWN_ACTION, Code, Verdict
from stripeline.workers.executor import after_call, outcome_records, stripe_lookup
from stripeline.workers.executor.command_state import Call, Work, digest_of, endpoint, work_of
from stripeline.workers.executor.ledger import Ledger, Queue, forget, remember, set_queue
from stripeline.workers.executor.rate_gate import Gate, Pass, Seen, open_gate
from stripeline.workers.executor.retry_headers import Ticket, ticket, waiting_headers
from stripeline.workers.executor.stripe_answer import Failed, refusal
from stripeline.workers.executor.stripe_lookup import Sight
from stripeline.workers.task.decision import Decision, Ended, InputRecord, Output

MAX_KEY_BYTES = 1_024
PLACE_MS = 200  # about what a call to Stripe takes
REPLAYABLE = frozenset({"failed", "indeterminate"})


@frozen
class Executor:
    """The decisions of one prefix's executors.

    reconcile_after_ms: how long Stripe's search may lag behind a call.
    """

    topics: Topics
    actions: Mapping[str, Action]
    has_connection: Callable[[str], bool]
    gate: Gate = field(default_factory=open_gate)
    reconcile_after_ms: int = 120_000

    def lane(self, record: InputRecord) -> object:
        return record.key if record.key is not None else (record.topic, record.offset)

    def due_ms(self, record: InputRecord) -> int:
        """When a record may be taken: at once, but for one that waits in a tier."""
        return h.number(h.read(record.headers), h.DUE_AT) or 0 if record.topic in self.topics.retries else 0

    def take(self, ledger: Ledger, record: InputRecord, now_ms: int, again: bool = False) -> Decision | Call:
        """The decision about a record, or the call that it depends on. `again`: another task may have had it before."""
        of = ticket(record, returned=record.topic in self.topics.retries, again=again)
        if h.SETTLES in of.headers and not of.returned:
            return after_call.settled_by_webhook(self.topics, self.actions, ledger, of, now_ms)
        command = parse_command(record.value)
        if record.key is not None and len(record.key) > MAX_KEY_BYTES:
            command = Unreadable(reason=f"the key is longer than {MAX_KEY_BYTES} bytes")
        if isinstance(command, Unreadable):
            return outcome_records.unreadable(self.topics, ledger, of, command.reason)
        work = work_of(ledger, of, command, self.reconcile_after_ms)
        queue = None if of.key is None else ledger.queue(of.key)
        decision = self._returned(ledger, work, queue, now_ms) if of.returned else self._fresh(work, queue, now_ms)
        return decision or self._begin(ledger, work, now_ms)

    def settle(self, ledger: Ledger, call: Call, outcome: Sight, now_ms: int) -> Decision | Call:
        """The decision about a record after its call, or the next call."""
        command = call.command
        seen = self.gate.saw(command.connection, call.endpoint, outcome, call.passed, now_ms)
        if seen is Seen.REFUSED_AGAIN:
            return self._gated(ledger, call.work, call.action, call.request, now_ms, look=call.look)
        settled = after_call.settle(self.topics, ledger, call, outcome, now_ms, self.reconcile_after_ms)
        if not isinstance(settled, Decision):
            return self._attempted(ledger, settled, call.action, now_ms)
        return self._tell_refused(settled, call, now_ms) if seen is Seen.KEY_REFUSED else settled

    def _tell_refused(self, decision: Decision, call: Call, now_ms: int) -> Decision:
        """The other processes, and the operator, learn from the control topic that a key is refused."""
        state = orjson.dumps({"refused_key": call.passed.key, "since": now_ms})
        output = Output(self.topics.control, f"state/{call.command.connection}".encode(), state, (), 0)
        return replace(decision, outputs=(*decision.outputs, output))

    def broken(self, ledger: Ledger, record: InputRecord, error: Exception) -> Decision:
        """A record that a fault of ours keeps from being decided: a dead letter; its key goes on without it."""
        of = ticket(record, returned=record.topic in self.topics.retries)
        decision = outcome_records.broken(self.topics.dead_letter, record, error)
        command = parse_command(record.value)
        known = None if isinstance(command, Unreadable) else ledger.known(command.command_id)
        changes = outcome_records.next_of_key(ledger, of)
        if isinstance(command, Command) and known is not None and known.status == "waiting":
            changes = (*changes, forget(command.command_id))  # or a replay would find it waiting
        return replace(decision, changes=changes)

    def _returned(self, ledger: Ledger, work: Work, queue: Queue | None, now_ms: int) -> Decision | None:
        """Back from a tier: not its turn, or settled meanwhile, or None: it goes on."""
        of = work.ticket
        if queue is not None and of.place is not None and of.place != queue.head:
            return Decision(Verdict.HELD, (self._behind(of, queue, of.place, now_ms),))
        if work.seen is not None and work.seen.status != "waiting":
            return Decision(Verdict.KNOWN, changes=outcome_records.next_of_key(ledger, of))
        return None

    def _fresh(self, work: Work, queue: Queue | None, now_ms: int) -> Decision | None:
        """From the command topic: known, or behind another of its key, or None: it goes on."""
        of, seen = work.ticket, work.seen
        if seen is not None:
            if seen.digest != digest_of(work.command):
                return outcome_records.id_reused(self.topics, of)
            if not (of.replayed and seen.status in REPLAYABLE):
                return Decision(Verdict.KNOWN)
        if queue is None or of.key is None:
            return None
        changes = (
            remember(work.command.command_id, work.waiting(now_ms)),
            set_queue(of.key, replace(queue, tail=queue.tail + 1)),
        )
        return Decision(Verdict.HELD, (self._behind(of, queue, queue.tail, now_ms),), changes)

    def _behind(self, of: Ticket, queue: Queue, place: int, now_ms: int) -> Output:
        """Behind the head of its key's queue, to come back when the head is due, or later if many are before it.

        Each of those takes a call's time at least. Without that, every failure of the head sent all of a long queue
        round once more.
        """
        head_due, turn = queue.due_ms - now_ms, (place - queue.head) * PLACE_MS
        tier = max(covering(self.topics.tiers, head_due), within(self.topics.tiers, turn), key=_delay_ms)
        headers = waiting_headers(
            of, attempts=of.attempts, due_ms=now_ms + tier.delay_ms, place=place, last_error="waits behind its key"
        )
        return Output(self.topics.retry(tier), of.record.key, of.record.value, headers)

    def _begin(self, ledger: Ledger, work: Work, now_ms: int) -> Decision | Call:
        """The call, unless we refuse it ourselves."""
        command = work.command
        action = self.actions.get(command.action)
        refused = self._refusal(action, command, now_ms)
        if action is not None and refused is not None and _may_be_done(work, action):
            if refused.error["code"] == Code.EXPIRED:  # told so, a team would send it again
                return self._look(ledger, self._late(work, refused, now_ms), action, now_ms)
            work = replace(work, unknown=True)  # without its connection there is no key to look it up with
        if action is None or refused is not None:
            decision = after_call.ended(
                self.topics, ledger, work, refused or refusal(command.action, "unknown"), now_ms
            )
            # What names no action of ours is another team's text: it must not name a metric.
            return decision if action else replace(decision, ended=Ended(UNKNOWN_ACTION, Code.VALIDATION_ERROR, 0))
        if action.method == "POST":
            look_at_ms = self._look_at_ms(work, now_ms)
            if look_at_ms is not None:
                return self._look(ledger, replace(work, look_at_ms=look_at_ms), action, now_ms)
        return self._attempted(ledger, work, action, now_ms)

    def _late(self, work: Work, refused: Failed, now_ms: int) -> Work:
        """To be looked up, never attempted: not found, it ends as what it is, past its time."""
        failure = work.failure or {"error": refused.error, "reason": None}
        return replace(work, failure=failure, look_at_ms=work.look_at_ms or now_ms + self.reconcile_after_ms)

    def _look_at_ms(self, work: Work, now_ms: int) -> int | None:
        """When the command may be looked up, for one that must not be attempted.

        No attempt lies past the horizon, so what one may have done can be found that much later.
        """
        horizon_ms = work.ticket.first_appended_ms + HORIZON_MS
        if work.look_at_ms is None and now_ms >= horizon_ms:
            return horizon_ms + self.reconcile_after_ms
        return work.look_at_ms

    def _look(self, ledger: Ledger, work: Work, action: Action, now_ms: int) -> Decision | Call:
        if work.look_at_ms is not None and now_ms < work.look_at_ms:
            return after_call.wait_for_look(self.topics, ledger, work, now_ms, attempts=work.ticket.attempts)
        return self._gated(
            ledger, work, action, stripe_lookup.search(action, work.command.command_id), now_ms, look=True
        )

    def _attempted(self, ledger: Ledger, work: Work, action: Action, now_ms: int) -> Decision | Call:
        marks = (
            stripe_lookup.marks(work.command.command_id, work.ticket.record.partition)
            if action.method == "POST"
            else {}
        )
        request = action.request(work.command.input, marks)
        if isinstance(request, Refused):
            return after_call.ended(self.topics, ledger, work, refusal(action.key, request.message), now_ms)
        return self._gated(ledger, work, action, request, now_ms)

    def _gated(
        self, ledger: Ledger, work: Work, action: Action, request: Request, now_ms: int, *, look: bool = False
    ) -> Decision | Call:
        """The call when its connection has room for it; else it goes round, and nothing is burnt."""
        command = work.command
        match self.gate.ask(command.connection, endpoint(action, look=look), now_ms, work.turn_ms):
            case Pass() as passed:
                key = idempotency_key(command.command_id) if request.method == "POST" else None
                return Call(work=work, action=action, request=request, idempotency_key=key, look=look, passed=passed)
            case held:
                return after_call.hold(self.topics, ledger, work, held, now_ms)

    def _refusal(self, action: Action | None, command: Command, now_ms: int) -> Failed | None:
        if action is None:
            return refusal(command.action, f"there is no such action; there are {', '.join(self.actions)}")
        if command.not_after is not None and now_ms > command.not_after:
            return refusal(command.action, f"not done by its not_after, {h.rfc3339(command.not_after)}", Code.EXPIRED)
        if not self.has_connection(command.connection):
            return refusal(command.action, f"there is no connection {command.connection!r}; add it, then send again")
        return None


def _may_be_done(work: Work, action: Action) -> bool:
    """Whether a command that we refuse ourselves may have been done before."""
    return action.method == "POST" and (work.suspect or work.unknown)


def _delay_ms(tier: Tier) -> int:
    return tier.delay_ms
