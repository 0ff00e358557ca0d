"""The executor: composes what a command becomes before its call, the rate gate, and what its outcome makes of it. Pure.

take ───► before_call ──┬► decision
                        └► planned call ──► brake ──► rate gate ──┬► call ──► Stripe ──► answered
                                 ▲                                └► a tier, until its connection may call again
answered ─► outcome ─► settle ─► after_call ──┬► decision
   └► the next request of a look-up           └► planned call
"""

from collections.abc import Hashable

from msgspec import Struct, field
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.ids import idempotency_key
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import PAUSE
from stripeline.contracts.operator.control_records import BY_BRAKE, Pause
from stripeline.contracts.records import Unreadable, parse_command
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.brakes.rolling_hour import Cost
from stripeline.workers.executor import (
    after_call,
    before_call,
    believed_times,
    settlement,
    stripe_lookup,
    superseding,
    transitions,
    withdrawal,
)
from stripeline.workers.executor.command_state import Call, CommandState, PlannedCall, endpoint, state_of
from stripeline.workers.executor.connection.brakes import Braked, Brakes
from stripeline.workers.executor.connection.key_breaker import PAUSE_MIN_MS
from stripeline.workers.executor.connection.key_owner import Asked, mismatch
from stripeline.workers.executor.connection.rate_gate import Hold, Observation, Pass, RateGate, open_gate
from stripeline.workers.executor.connection.refusal_notice import refusal_notices
from stripeline.workers.executor.ledger import Ledger, Reserved, forget, spend
from stripeline.workers.executor.retry_headers import read_record
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import CallReply, Failed, NoKey, Outcome, StripeAnswer, classify
from stripeline.workers.executor.stripe_lookup import LookUp, Missing, NextRequest
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord, Waits
from stripeline.workers.task.waiting.waiting_room import MANY


class Executor(Struct, frozen=True, kw_only=True):
    """The decisions of one prefix's executors."""

    setup: Setup
    gate: RateGate = field(default_factory=open_gate)
    brakes: Brakes = field(default_factory=Brakes)

    def lane(self, record: InputRecord) -> object:
        return record.key if record.key is not None else (record.topic, record.offset)

    def due_ms(self, record: InputRecord) -> int:
        """When a record may be taken: at once, unless it waits in a tier."""
        topics = self.setup.topics
        if not topics.is_retry(record.topic):
            return 0
        return believed_times.tier_due_ms(topics, record, h.read(record.headers))

    def waits(self, ledger: Ledger, record: InputRecord, now_ms: int) -> Waits | None:
        """What a record of a retry topic waits for: its turn, or its time; None where it may be taken.

        One that its connection held, or that Stripe failed, is also let go on when its connection's gate opens. One
        with a turn in its connection's line waits for that: when a tier ends, thousands would be decided about at once.
        """
        read = read_record(record, returned=True)
        queue = None if read.key is None or read.place is None else ledger.queue(read.key)
        if queue is not None and read.place != queue.head:
            return Waits(place=read.place)
        due_ms = self.due_ms(record)
        if due_ms <= now_ms or read.behind:
            return None
        command = parse_command(record.value) if read.failed_by_stripe or read.held or read.in_line else None
        if command is None or isinstance(command, Unreadable):
            return Waits(until_ms=due_ms)
        if read.in_line:
            known = ledger.known(command.command_id)
            if known is None or known.turn_ms is None:
                return Waits(until_ms=due_ms)
            turn_ms = believed_times.tier_turn_ms(self.setup.topics, record, known.turn_ms)
            return transitions.in_line(command, turn_ms, due_ms)
        return Waits(until_ms=due_ms, gate=(command.connection, command.account), fresh=not read.attempts)

    def lets(self, gate: Hashable, now_ms: int) -> int:
        """How many commands that wait for a connection, or for its call slots, may ask for their call now."""
        match gate:
            case (str() as connection, (str() | None) as account):
                return self.gate.lets(connection, account, now_ms)
            case (transitions.SLOTS, str() as connection, (str() | None) as account):
                return self.gate.shares.allowed((connection, account), now_ms)
            case (transitions.LINE, str() as connection, _):
                return 0 if self.gate.has_limit(connection) else MANY
            case _:
                return MANY

    def take(
        self, ledger: Ledger, consumed: InputRecord, now_ms: int, maybe_attempted: bool = False, crowded: bool = False
    ) -> Decision | Call:
        """The decision about a record, or the call that it depends on. `crowded`: many wait behind it in its lane."""
        returned = self.setup.topics.is_retry(consumed.topic)
        record = read_record(consumed, returned=returned, maybe_attempted=maybe_attempted)
        if h.SETTLES in record.headers and not returned:
            return settlement.settle(self.setup, ledger, record, now_ms)
        if h.CANCELS in record.headers and not returned:
            return withdrawal.withdraw(ledger, record)
        planned = before_call.plan(self.setup, ledger, record, now_ms)
        if isinstance(planned, Decision):
            return planned
        decided = _whole(self._begun(ledger, planned, now_ms, crowded=crowded and not returned), planned.state)
        if isinstance(decided, Call):
            self.gate.shares.began(consumed.partition, decided.limits)
        return decided

    def _begun(self, ledger: Ledger, planned: PlannedCall, now_ms: int, *, crowded: bool) -> Decision | Call:
        """The first call of a command that was taken, unless it waits so that others need not."""
        state, command = planned.state, planned.state.command
        if crowded:
            return transitions.make_room(self.setup, ledger, state, now_ms)
        if not self.gate.shares.asks((command.connection, command.account), now_ms):
            return transitions.wait_for_slots(self.setup, ledger, state, now_ms)
        return self._through_gate(ledger, planned, now_ms)

    def answered(self, ledger: Ledger, call: Call, reply: CallReply, now_ms: int) -> Decision | Call:
        """The decision about a record after the reply to its call, or the next call."""
        decided = None
        try:
            decided = _whole(self._answered(ledger, call, reply, now_ms), call.state)
        finally:
            if not isinstance(decided, Call):
                self.gate.shares.ended(call.state.record.input.partition, call.limits)
        return decided

    def _answered(self, ledger: Ledger, call: Call, reply: CallReply, now_ms: int) -> Decision | Call:
        if isinstance(reply, NoKey):
            ledger.reserved.pop(call.command.command_id, None)  # nothing was sent
            return self._without_key(ledger, call, now_ms)
        if call.look_up is None:
            return self.settle(ledger, call, classify(call.action, reply), now_ms)
        found = self._looked_up(call, call.look_up, reply, now_ms)
        return found if isinstance(found, Call) else self.settle(ledger, call, found, now_ms)

    def settle(self, ledger: Ledger, call: Call, outcome: Outcome | Missing, now_ms: int) -> Decision | Call:
        """The decision about a record after its call's outcome, or the next call."""
        command = call.command
        spent = ledger.reserved.pop(command.command_id, None)
        observed = self.gate.observe(
            command.connection, call.endpoint, outcome, call.permit, now_ms, command.account, of=command.command_id
        )  # fmt: skip
        # A look-up is of a command that waits, which no refusal ends.
        if observed is Observation.REFUSED_AGAIN or (observed is not Observation.ACCEPTED and call.look_up is not None):
            planned: PlannedCall | Decision = after_call.settled(ledger, call.state) or self._once_more(call)
            spent = None
        else:
            planned = after_call.plan(self.setup, ledger, call, outcome, now_ms)
        decided = planned if isinstance(planned, Decision) else self._through_gate(ledger, planned, now_ms)
        if not isinstance(decided, Decision):
            return decided
        return self._with_spent(self._with_notice(decided, call, observed, now_ms), ledger, spent)

    def _without_key(self, ledger: Ledger, call: Call, now_ms: int) -> Decision:
        """Nothing was sent: its connection was removed, or its key can't be opened, or is another owner's. It waits."""
        self.gate.release(call.command.connection, call.permit, call.command.account)
        held = Hold(wait_ms=PAUSE_MIN_MS, why="waits for its connection's key")
        return after_call.settled(ledger, call.state) or transitions.hold(self.setup, ledger, call.state, held, now_ms)

    def broken(self, ledger: Ledger, consumed: InputRecord, error: Exception) -> Decision:
        """A record whose decision raised an exception: a dead letter, and its key goes on without it."""
        record = read_record(consumed, returned=self.setup.topics.is_retry(consumed.topic))
        changes = transitions.next_of_key(ledger, record)
        command = parse_command(consumed.value)
        known = None if isinstance(command, Unreadable) else ledger.known(command.command_id)
        if not isinstance(command, Unreadable) and known is not None and known.status == "waiting":
            changes = (*changes, forget(command.command_id))  # or a replay would find it waiting
        decided = replace(dead_letters.broken(self.setup.topics.dead_letter, consumed, error), changes=changes)
        spent = None if isinstance(command, Unreadable) else ledger.reserved.pop(command.command_id, None)
        decided = self._with_spent(decided, ledger, spent)
        ended = known is not None and known.status != "waiting"
        if isinstance(command, Unreadable) or command.supersedes is None or ended:
            return decided
        # Its call may have been sent: the former must not be done either.
        state = superseding.begun(self.setup, ledger, state_of(self.setup, ledger, record, command), consumed.timestamp)
        return decided if isinstance(state, Failed) else superseding.joined(decided, state)

    def _through_gate(self, ledger: Ledger, planned: PlannedCall, now_ms: int) -> Decision | Call:
        """The call, when its key's owner is the command's and its connection may make one; else an end, or a wait.

        Every call is made here, so nothing is attempted or looked up under another owner. A wait costs no attempt.
        """
        state, action, request = planned.state, planned.action, planned.request
        owner = self.setup.owner(state.command.connection)
        if owner is None:
            return before_call.without_connection(self.setup, ledger, state, action, now_ms)
        wrong = mismatch(_asked(state), owner)
        if wrong is not None:
            return transitions.account_changed(self.setup, ledger, state, action, wrong, now_ms)
        if owner.held is not None:
            return transitions.hold(self.setup, ledger, state, Hold(wait_ms=PAUSE_MIN_MS, why=owner.held), now_ms)
        braked = self._braked(ledger, planned, now_ms)
        if braked is not None:
            return self._at_its_limit(ledger, planned, braked, now_ms)
        where = endpoint(action, planned.look_up)
        match self.gate.ask(state.command.connection, where, now_ms, state.turn_ms, state.command.account):
            case Pass() as permit:
                installation, command_id = self.setup.installation(), state.command.command_id
                key = idempotency_key(installation, command_id) if request.method == "POST" else None
                return Call(
                    state=state, action=action, request=request, idempotency_key=key, owner=owner, at_ms=now_ms,
                    look_up=planned.look_up, permit=permit,
                )  # fmt: skip
            case held:
                ledger.reserved.pop(state.command.command_id, None)
                return transitions.hold(self.setup, ledger, state, held, now_ms)

    def _braked(self, ledger: Ledger, planned: PlannedCall, now_ms: int) -> Braked | None:
        """Why a first attempt waits, at its connection's limit; else None, and it is counted.

        A paused connection counts nothing: the gate holds it, and its pause is known.
        """
        state, command, action = planned.state, planned.state.command, planned.action
        first = action.method == "POST" and planned.look_up is None and state.tried is None
        if not first or self.brakes.limits(command.connection) is None:
            return None
        if self.gate.paused(command.connection) is not None:
            return None
        spends = action.spends(planned.request.params)
        cost = Cost() if spends is None else Cost(spends.currency, max(0, spends.amount))
        partition = state.record.input.partition
        return self.brakes.ask(command.connection, command.command_id, cost, ledger, partition, now_ms)

    def _at_its_limit(self, ledger: Ledger, planned: PlannedCall, braked: Braked, now_ms: int) -> Decision:
        """It waits in order, as a paused connection's commands do, and everybody learns of the pause."""
        decided = transitions.hold(self.setup, ledger, planned.state, braked.hold, now_ms)
        if braked.why is None:
            return decided
        key = f"{PAUSE}/connection/{planned.state.command.connection}"
        pause = encode(Pause(by=BY_BRAKE, why=braked.why, at_ms=now_ms))
        notice = OutputRecord(self.setup.topics.control, key.encode(), pause, (), 0)
        return replace(decided, notices=(notice,), braked=braked.why, waits=None)

    def _with_spent(self, decision: Decision, ledger: Ledger, spent: Reserved | None) -> Decision:
        """In the same transaction as what became of the command: a crash gives no new allowance."""
        if spent is None:
            return decision
        change = spend(ledger, spent, self.brakes.released(spent.connection))
        return replace(decision, changes=(*decision.changes, change), waits=None)

    def _looked_up(
        self, call: Call, look_up: LookUp, answer: StripeAnswer | Fault, now_ms: int
    ) -> Call | Outcome | Missing:
        """What a look-up found, or its next request. All its requests are one call for the rate gate."""
        found = stripe_lookup.advance(
            look_up, call.action, self.setup.origin(call.command.command_id, call.state.digest), answer,
            first_appended_ms=call.state.record.first_appended_ms, now_ms=now_ms,
            call_timeout_ms=self.setup.call_timeout_ms,
        )  # fmt: skip
        if not isinstance(found, NextRequest):
            return found
        return replace(
            call, request=found.request, look_up=found.look_up, permit=replace(call.permit, delay_ms=0),
            timeout_ms=found.timeout_ms,
        )  # fmt: skip

    def _with_notice(self, decision: Decision, call: Call, observed: Observation, now_ms: int) -> Decision:
        notices = refusal_notices(
            self.setup.topics, observed, call.permit, call.command.connection, call.command.account, now_ms
        )
        return replace(decision, notices=(*decision.notices, *notices)) if notices else decision

    def _once_more(self, call: Call) -> PlannedCall:
        """The same request after a refusal that others had met before; a look-up begins again with its search."""
        if call.look_up is not None:
            return transitions.search(self.setup, call.state, call.action)
        return PlannedCall(state=call.state, action=call.action, request=call.request)


def _whole(decided: Decision | Call, state: CommandState) -> Decision | Call:
    return superseding.joined(decided, state) if isinstance(decided, Decision) else decided


def _asked(state: CommandState) -> Asked:
    return Asked(
        connection=state.command.connection,
        livemode=state.command.livemode,
        tried=state.tried,
        attempted=state.tried_ms is not None,
        first_appended_ms=state.record.first_appended_ms,
    )
