"""What a command's record becomes before its call. Pure.

command topic ── known ─────────────────────────────► nothing, or a dead letter where its content differs
     │ ├──────── its key has a command in a tier ───► a tier, behind that command
     │ └──────── else ──────────────┐
retry tier ───── not its turn ──────┼───────────────► a tier, at the same place
       └──────── its turn ──────────┤
                                    ├ refused ──────► result
                                    ├ past its time,
                                    │ or in doubt ──► look-up by metadata, now or later
                                    └ else ─────────► attempt
"""

from typing import assert_never

from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.action import Action
from stripeline.contracts.internal_records import LedgerQueue
from stripeline.contracts.records import Unreadable, parse_command
from stripeline.contracts.retry_tiers import DAY_MS, HORIZON_MS, WINDOW_MS, Tier, covering, within
from stripeline.contracts.vocabulary import UNKNOWN_ACTION, Code, DeadLetterReason, Verdict
from stripeline.workers.executor import outcome_records, own_commands, superseding, transitions
from stripeline.workers.executor.believed_times import believed
from stripeline.workers.executor.command_state import CommandState, PlannedCall, state_of
from stripeline.workers.executor.connection.key_breaker import pause_ms
from stripeline.workers.executor.connection.own_runs import Ownership
from stripeline.workers.executor.connection.rate_gate import Hold
from stripeline.workers.executor.ledger import Ledger, remember, set_queue
from stripeline.workers.executor.retry_headers import BEHIND, CommandRecord, waiting_headers
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Failed, refusal
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision, Ended, OutputRecord, Waits

MAX_KEY_BYTES = 1_024
PLACE_MS = 200  # about what a call to Stripe takes
REPLAYABLE = frozenset({"failed", "indeterminate"})


def plan(setup: Setup, ledger: Ledger, record: CommandRecord, now_ms: int) -> PlannedCall | Decision:
    """The decision about a record, or the call that it depends on."""
    command = parse_command(record.input.value)
    if record.input.key is not None and len(record.input.key) > MAX_KEY_BYTES:
        command = Unreadable(reason=f"the key is longer than {MAX_KEY_BYTES} bytes")
    if isinstance(command, Unreadable):
        return _unreadable(setup, ledger, record, command.reason)
    state = believed(setup, state_of(setup, ledger, record, command))
    queue = None if record.key is None else ledger.queue(record.key)
    standing = own_commands.standing(setup, state)
    done = (_returned if record.returned else _fresh)(setup, ledger, state, queue, now_ms)
    match standing:
        case Ownership.OWN:
            if done is not None and (record.returned or done.verdict is not Verdict.HELD):
                return done
            return _take_up(setup, ledger, state, done, now_ms)
        case Ownership.UNSEEN:
            unseen = own_commands.without_entry
            return own_commands.wait(setup, ledger, state, now_ms) if done is None else unseen(done, state)
        case Ownership.FOREIGN:
            queued = done is not None and done.verdict is Verdict.HELD and not record.returned  # not in the queue yet
            return own_commands.refused(setup, ledger, state) if done is None or queued else done
        case never:
            assert_never(never)


def _take_up(
    setup: Setup, ledger: Ledger, state: CommandState, waits: Decision | None, now_ms: int
) -> PlannedCall | Decision:
    """It begins, or waits behind its key; a retry of a step only in the place of the step's former command."""
    begun = superseding.begun(setup, ledger, state, now_ms)
    if isinstance(begun, Failed):
        return superseding.refused(setup, ledger, state, begun, now_ms)
    decided = waits or _begin(setup, ledger, begun, now_ms)
    return superseding.joined(decided, begun) if isinstance(decided, Decision) else decided


def _unreadable(setup: Setup, ledger: Ledger, record: CommandRecord, why: str) -> Decision:
    letter = dead_letters.unreadable(
        setup.topics.dead_letter, record.input, record.first_appended_ms, why, record.attempts
    )
    return Decision(Verdict.UNREADABLE, (letter,), transitions.next_of_key(ledger, record))


def _returned(
    setup: Setup, ledger: Ledger, state: CommandState, queue: LedgerQueue | None, now_ms: int
) -> Decision | None:
    """Back from a tier: not its turn, or settled meanwhile, or None: it goes on."""
    record, known = state.record, state.known
    if queue is not None and record.place is not None and record.place != queue.head:
        waits = Waits(place=record.place)
        return Decision(Verdict.HELD, (behind(setup, record, queue, record.place, now_ms),), waits=waits)
    if known is not None and known.status != "waiting":
        return Decision(Verdict.KNOWN, changes=transitions.next_of_key(ledger, record))
    return None


def _fresh(setup: Setup, _: Ledger, state: CommandState, queue: LedgerQueue | None, now_ms: int) -> Decision | None:
    """From the command topic: known, or behind another of its key, or None: it goes on."""
    record, known = state.record, state.known
    if known is not None:
        if known.status == "superseded":
            return Decision(Verdict.KNOWN)
        if known.digest != state.digest:
            return Decision(Verdict.ID_REUSED, (outcome_records.id_reused(setup.topics, record),))
        if not (record.replayed and known.status in REPLAYABLE):
            return Decision(Verdict.KNOWN)
    if queue is None or record.key is None:
        return None
    changes = (
        remember(state.command.command_id, state.waiting(now_ms)),
        set_queue(record.key, replace(queue, tail=queue.tail + 1)),
    )
    return Decision(Verdict.HELD, (behind(setup, record, queue, queue.tail, now_ms),), changes)


def behind(setup: Setup, record: CommandRecord, queue: LedgerQueue, place: int, now_ms: int) -> OutputRecord:
    """Behind the head of its key's queue, to come back when the head is due, or later if many are before it.

    Each of those takes a call's time at least. Without that, every failure of the head would send all of a long queue
    through a tier once more.
    """
    head_due_ms, turn_ms = queue.due_ms - now_ms, (place - queue.head) * PLACE_MS
    tiers = setup.topics.tiers
    tier = max(covering(tiers, head_due_ms), within(tiers, turn_ms), key=_delay_ms)
    headers = waiting_headers(
        record, attempts=record.attempts, due_ms=now_ms + tier.delay_ms, place=place, last_error=BEHIND
    )
    return OutputRecord(setup.topics.retry(tier), record.input.key, record.input.value, headers)


def _begin(setup: Setup, ledger: Ledger, state: CommandState, now_ms: int) -> PlannedCall | Decision:
    """An attempt or a look-up, unless we refuse the command ourselves."""
    command = state.command
    action = setup.actions.get(command.action)
    if action is None:
        there_are = f"there is no such action; there are {', '.join(setup.actions)}"
        decision = transitions.finish(setup, ledger, state, refusal(command.action, there_are), now_ms)
        # An unknown action's name is another team's text: it must not become a metric's label.
        return replace(decision, ended=Ended(UNKNOWN_ACTION, Code.VALIDATION_ERROR, 0))
    too_old = _too_old(state, action, now_ms)
    if too_old is not None:
        return transitions.finish(setup, ledger, state, too_old, now_ms, reason=DeadLetterReason.EVENT_TOO_OLD)
    unwanted = _unwanted(state, action, now_ms)
    if unwanted is not None:
        return _never_more(setup, ledger, state, action, unwanted, now_ms)
    if setup.owner(command.connection) is None:
        return without_connection(setup, ledger, state, action, now_ms)
    look_at_ms = _look_at_ms(setup, state, now_ms) if action.method == "POST" else None
    if look_at_ms is not None:
        return transitions.look_up(setup, ledger, replace(state, look_at_ms=look_at_ms), action, now_ms)
    return transitions.attempt(setup, ledger, state, action, now_ms)


def _unwanted(state: CommandState, action: Action, now_ms: int) -> Failed | None:
    """The end of a command that nobody wants to have done any more."""
    if state.cancelled:
        return refusal(action.key, "withdrawn before an attempt: its run was cancelled", Code.CANCELLED)
    not_after = state.command.not_after
    if not_after is not None and now_ms > not_after:
        return refusal(action.key, f"not done by its not_after, {h.rfc3339(not_after)}", Code.EXPIRED)
    return None


def _too_old(state: CommandState, action: Action, now_ms: int) -> Failed | None:
    """The end of a command that nobody remembers enough of to say that it is the first of its event.

    It was never attempted, so there is nothing to look up. A person who replays it knows more.
    """
    created_ms = state.record.old_event_ms
    if created_ms is None or state.record.replayed or action.method != "POST":
        return None
    age_days, window_days = (now_ms - created_ms) // DAY_MS, WINDOW_MS // DAY_MS
    why = (
        f"not done: its event is of {h.rfc3339(created_ms)[:10]}, {age_days} days old, and what is older than"
        f" {window_days} days may be a repetition; replay its dead letter to have it done, once"
    )
    return refusal(action.key, why, Code.EXPIRED)


def without_connection(setup: Setup, ledger: Ledger, state: CommandState, action: Action, now_ms: int) -> Decision:
    """The end of a command whose connection is not there: there is no key to look it up with either.

    A connection that was removed ends no command that waits for it: it may come back.
    """
    if state.waits:
        why, wait_ms = "waits for its connection, which was removed", pause_ms(now_ms, state.record.first_appended_ms)
        return transitions.hold(setup, ledger, state, Hold(wait_ms=wait_ms, why=why), now_ms)
    there_is_none = f"there is no connection {state.command.connection!r}; add it, then send again"
    unknown = action.method == "POST" and (state.suspect or state.unknown)
    return transitions.finish(
        setup, ledger, replace(state, unknown=unknown), refusal(action.key, there_is_none), now_ms
    )


def _never_more(
    setup: Setup, ledger: Ledger, state: CommandState, action: Action, refused: Failed, now_ms: int
) -> PlannedCall | Decision:
    """The end of a command that is not wanted any more, unless it may have been done before."""
    if action.method == "POST" and (state.suspect or state.unknown):
        # Without a look-up, a team would send it again under another id.
        return transitions.look_up(setup, ledger, _only_looked_up(setup, state, refused, now_ms), action, now_ms)
    return transitions.finish(setup, ledger, state, refused, now_ms)


def _only_looked_up(setup: Setup, state: CommandState, refused: Failed, now_ms: int) -> CommandState:
    """To be looked up, never attempted: not found, it ends as refused."""
    failure = state.failure or outcome_records.pending(refused, None)
    return replace(state, failure=failure, look_at_ms=state.look_at_ms or now_ms + setup.reconcile_after_ms)


def _look_at_ms(setup: Setup, state: CommandState, now_ms: int) -> int | None:
    """When a command that must not be attempted may be looked up; None for one that may be attempted.

    No attempt lies past the horizon, so what one may have done can be found that much later.
    """
    if state.look_at_ms is None and transitions.past_horizon(state, now_ms):
        return (state.tried_ms or 0) + HORIZON_MS + setup.reconcile_after_ms
    return state.look_at_ms


def _delay_ms(tier: Tier) -> int:
    return tier.delay_ms
