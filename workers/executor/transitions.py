"""What a command becomes next, before its call as well as after it: attempt, look up, wait or finish. Pure.

    attempt, look_up ─────────────────────────────► a call that the rate gate has yet to let pass
    retry_later, look_up_later, hold ─────────────► a retry tier
    finish ───────────────────────────────────────► a result, and a dead letter where a person has to act

Invariants:
- A command that waits is `waiting` in the ledger, and the head of its key's queue.
- A command that finishes gives its key's queue to the next place.
- No transition makes a new Idempotency-Key: it follows from the command's id.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from stripeline.contracts import effect_trail, stripe_metadata
from stripeline.contracts.action import Action, RefusedInput
from stripeline.contracts.internal_records import LedgerQueue
from stripeline.contracts.records import Command
from stripeline.contracts.retry_tiers import HORIZON_MS, Tier, covering, within
from stripeline.contracts.vocabulary import Code, DeadLetterReason, Verdict
from stripeline.workers.executor import outcome_records, stripe_lookup
from stripeline.workers.executor.command_state import CommandState, PlannedCall
from stripeline.workers.executor.connection.key_breaker import PAUSE_MAX_MS, pause_ms
from stripeline.workers.executor.connection.pacing import TURN_LEAD_MS
from stripeline.workers.executor.connection.rate_gate import Hold
from stripeline.workers.executor.ledger import Ledger, remember, set_queue
from stripeline.workers.executor.retry_headers import MANY_BEHIND, SLOTS_TAKEN, CommandRecord, waiting_headers
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Outcome, refusal
from stripeline.workers.task.decision import Decision, OutputRecord, StateChange, Waits

SLOTS: Final = "call slots"
"""The gate of what waits for them, with the connection and the account that its command names."""
LINE: Final = "line"
"""The gate of what has a turn in the line of its connection, named in the same way: open where it has no limit."""


def attempt(setup: Setup, ledger: Ledger, state: CommandState, action: Action, now_ms: int) -> PlannedCall | Decision:
    """The action's call, or the end of a command whose input it refuses."""
    request = action.request(state.command.input, _marks(setup, state) if action.method == "POST" else {})
    if isinstance(request, RefusedInput):
        return finish(setup, ledger, state, refusal(action.key, request.message), now_ms)
    return PlannedCall(state=state, action=action, request=request)


def _marks(setup: Setup, state: CommandState) -> Mapping[str, Any]:
    """What an object that the command creates says of where it comes from."""
    command = state.command
    trail = effect_trail.params(command.chain, command.hops)
    return stripe_metadata.params(setup.origin(command.command_id, state.digest), state.record.input.partition, trail)


def look_up(setup: Setup, ledger: Ledger, state: CommandState, action: Action, now_ms: int) -> PlannedCall | Decision:
    """The first request of its look-up, or a wait until the object can be found."""
    if state.look_at_ms is not None and now_ms < state.look_at_ms:
        return look_up_later(setup, ledger, state, now_ms, attempts=state.record.attempts)
    return search(setup, state, action)


def search(setup: Setup, state: CommandState, action: Action) -> PlannedCall:
    first = stripe_lookup.begin(action, setup.origin(state.command.command_id, state.digest))
    return PlannedCall(state=state, action=action, request=first.request, look_up=first.look_up)


def look_up_later(
    setup: Setup, ledger: Ledger, state: CommandState, now_ms: int, *, attempts: int,
    last_error: str = "waits for its look-up",
) -> Decision:  # fmt: skip
    """Into the tier that covers the time until the search index can have the object."""
    look_ms = state.look_at_ms or now_ms
    tier = covering(setup.topics.tiers, look_ms - now_ms)
    decided = retry_later(setup, ledger, state, tier, now_ms, attempts=attempts, last_error=last_error)
    known = may_stay(state) and state.known is not None and state.known.look_at_ms == look_ms
    return replace(decided, waits=Waits(until_ms=look_ms)) if known else decided


def hold(setup: Setup, ledger: Ledger, state: CommandState, held: Hold, now_ms: int) -> Decision:
    """Through a tier without an attempt: its connection is at its limit, or its key is refused.

    One that has come back from a tier may wait there until it can be let pass.
    """
    tier, held_state = within(setup.topics.tiers, held.wait_ms), replace(state, turn_ms=held.turn_ms)
    decided = retry_later(
        setup, ledger, held_state, tier, now_ms, attempts=state.record.attempts, last_error=held.why,
        due_ms=held.due_ms(tier, now_ms),
    )  # fmt: skip
    return replace(decided, waits=_held(held_state, held, now_ms)) if may_stay(state) else decided


def make_room(setup: Setup, ledger: Ledger, state: CommandState, now_ms: int) -> Decision:
    """Many commands wait behind it in memory: it goes to its retry topic, and they follow behind it.

    There they are no burden for other keys, and each has its turn as soon as the one before has ended.
    """
    return _go_round(setup, ledger, state, now_ms, why=MANY_BEHIND)


def wait_for_slots(setup: Setup, ledger: Ledger, state: CommandState, now_ms: int) -> Decision:
    """Its account has its share of the call slots: it waits on its retry topic until one of them comes free."""
    decided = _go_round(setup, ledger, state, now_ms, why=SLOTS_TAKEN)
    if not may_stay(state):
        return decided
    gate = (SLOTS, state.command.connection, state.command.account)
    fresh = state.record.attempts == 0
    return replace(decided, waits=Waits(until_ms=now_ms + PAUSE_MAX_MS, gate=gate, closed=True, fresh=fresh))


def _go_round(setup: Setup, ledger: Ledger, state: CommandState, now_ms: int, *, why: str) -> Decision:
    """To the topic of the first tier: at once for the first time, so that it may stay there."""
    record, tier = state.record, setup.topics.tiers[0]
    due_ms = None if record.returned else now_ms
    return retry_later(setup, ledger, state, tier, now_ms, attempts=record.attempts, last_error=why, due_ms=due_ms)


def may_stay(state: CommandState) -> bool:
    """Whether the ledger has all that a command's wait rests on, so that its record may stay on its retry topic."""
    return state.record.returned and state.waits and state.superseding is None


def _held(state: CommandState, held: Hold, now_ms: int) -> Waits:
    command, record = state.command, state.record
    if held.turn_ms is not None:
        promised = state.known is not None and state.known.turn_ms == held.turn_ms
        changes = () if promised else (remember(command.command_id, state.waiting(now_ms)),)
        return in_line(command, held.turn_ms, now_ms + 1, changes)
    if held.closed:
        gate, fresh = (command.connection, command.account), record.attempts == 0
        return Waits(until_ms=now_ms + PAUSE_MAX_MS, gate=gate, closed=True, fresh=fresh)
    return Waits(until_ms=now_ms + max(held.wait_ms, pause_ms(now_ms, record.input.timestamp)))


def in_line(command: Command, turn_ms: int, earliest_ms: int, changes: tuple[StateChange, ...] = ()) -> Waits:
    """Until shortly before its turn, or until nobody wants it any more."""
    until_ms = turn_ms - TURN_LEAD_MS
    if command.not_after is not None:
        until_ms = min(until_ms, command.not_after + 1)
    return Waits(until_ms=max(until_ms, earliest_ms), gate=(LINE, command.connection, command.account), changes=changes)


def not_yet(setup: Setup, ledger: Ledger, state: CommandState, due_ms: int, now_ms: int, last_error: str) -> Decision:
    """An attempt before its time has failed: it counts as none, and the next one is when it would have been."""
    tier, command, attempts = covering(setup.topics.tiers, due_ms - now_ms), state.command, state.record.attempts
    decided = retry_later(setup, ledger, state, tier, now_ms, attempts=attempts, last_error=last_error)
    changes = (remember(command.command_id, state.waiting(now_ms)),)
    gate = (command.connection, command.account)
    return replace(decided, waits=Waits(until_ms=due_ms, gate=gate, fresh=False, changes=changes))


def past_horizon(state: CommandState, now_ms: int) -> bool:
    """Whether Stripe may have forgotten its Idempotency-Key. One that was never used can't be forgotten."""
    return state.tried_ms is not None and now_ms - state.tried_ms >= HORIZON_MS


def account_changed(
    setup: Setup, ledger: Ledger, state: CommandState, action: Action, why: str, now_ms: int
) -> Decision:
    """The end of a command whose connection has another owner than the command began under."""
    failed = refusal(action.key, why, Code.ACCOUNT_CHANGED)
    ended = replace(failed, unknown=action.method == "POST" and state.in_doubt)
    return finish(setup, ledger, state, ended, now_ms, reason=DeadLetterReason.ACCOUNT_CHANGED)


def retry_later(
    setup: Setup, ledger: Ledger, state: CommandState, tier: Tier, now_ms: int, *, attempts: int, last_error: str,
    due_ms: int | None = None,
) -> Decision:  # fmt: skip
    """Into a tier, as the head of its key's queue, until its end or an earlier time."""
    record, due_ms = state.record, now_ms + tier.delay_ms if due_ms is None else due_ms
    changes = [remember(state.command.command_id, state.waiting(now_ms))]
    place = None
    if record.key is not None:
        queue = ledger.queue(record.key) or LedgerQueue(0, 1, 0)
        place = queue.head
        changes.append(set_queue(record.key, replace(queue, due_ms=due_ms)))
    headers = waiting_headers(record, attempts=attempts, due_ms=due_ms, place=place, last_error=last_error)
    output = OutputRecord(setup.topics.retry(tier), record.input.key, record.input.value, headers)
    return Decision(Verdict.RETRIED, (output,), tuple(changes))


def finish(
    setup: Setup, ledger: Ledger, state: CommandState, outcome: Outcome, now_ms: int, *, calls: int = 0,
    reason: DeadLetterReason | None = None,
) -> Decision:  # fmt: skip
    """A result, the next command of its key, and a dead letter where a person has to act. `calls`: made just now."""
    record, command = state.record, state.command
    end = outcome_records.end(
        outcome, earlier_unknown=state.unknown, attempts=record.attempts + calls, reason=reason, answer=state.answer
    )
    facts, revision, trace = state.facts(), state.revision, record.traceparent
    result = outcome_records.result(
        setup.topics, command.command_id, facts, end, revision=revision, trace=trace, now_ms=now_ms
    )
    outputs = [result]
    if end.dead_reason is not None:
        outputs.append(outcome_records.dead_letter(setup.topics, record, end, end.dead_reason))
    changes = (remember(command.command_id, state.ended(end.status, now_ms)), *next_of_key(ledger, record))
    return Decision(Verdict(end.status), tuple(outputs), changes, outcome_records.ended(command.action, end))


def next_of_key(ledger: Ledger, record: CommandRecord) -> tuple[StateChange, ...]:
    """The head of a key's queue has ended, whichever way: the next place has its turn."""
    queue = None if record.key is None else ledger.queue(record.key)
    if record.key is None or queue is None or record.place != queue.head:
        return ()
    return (set_queue(record.key, replace(queue, head=queue.head + 1)),)
