"""What a call's outcome makes of its command. Pure.

    attempt ── succeeded ─────────────────────────────────────────► result
       │ ├──── failed, and Stripe decided it ─────────────────────► result
       │ ├──── retryable, attempts left ──────────► tier ──► attempt
       │ └──── retryable, used up, no effect possible ────────────► result and dead letter
       └────── unknown, and used up or stored ────► tier ──► look-up by metadata
                                                                │ found ──────► result
                                                                └ not found ──► indeterminate and dead letter

Invariants:
- A replay of what is indeterminate is looked up first. It is attempted again only when nothing is found and the horizon
  allows it.
- Stripe decides 401, 403 and 429 before it reads the Idempotency-Key, so they say nothing about the call of a worker
  that died. A record that was on the topic before this task began is looked up before such a refusal is its end.
"""

import msgspec
from msgspec.structs import replace

from stripeline.contracts import stripe_metadata
from stripeline.contracts.ids import idempotency_key
from stripeline.contracts.retry_tiers import tier_for
from stripeline.contracts.vocabulary import Code, DeadLetterReason, Verdict
from stripeline.workers.executor import believed_times, letter_ends, outcome_records, transitions
from stripeline.workers.executor.command_state import Call, CommandState, PlannedCall
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Failed, Outcome, Succeeded, refusal
from stripeline.workers.executor.stripe_lookup import Missing
from stripeline.workers.task.decision import Decision

MAX_LOOKS = 5


def plan(setup: Setup, ledger: Ledger, call: Call, outcome: Outcome | Missing, now_ms: int) -> PlannedCall | Decision:
    """The decision about a record after its call, or the next call that it depends on."""
    state = call.made
    done = settled(ledger, state)
    if done is not None:
        return done
    match outcome:
        case Succeeded():
            calls = 1 if call.look_up is None else 0
            end = transitions.finish(setup, ledger, state, outcome, now_ms, calls=calls)
            return end if call.look_up is None else _closing(setup, state, end, "a look-up found it", now_ms)
        case Missing():
            return _missing(setup, ledger, call, now_ms)
        case Failed() if call.look_up is not None:
            return _look_up_failed(setup, ledger, state, outcome, now_ms)
        case failed:
            return _attempt_failed(setup, ledger, state, failed, now_ms)


def settled(ledger: Ledger, state: CommandState) -> Decision | None:
    """The decision about a command that was settled while its call was made; None for any other."""
    known = ledger.known(state.command.command_id)
    if known is None or known == state.known or known.status == "waiting":
        return None
    return Decision(Verdict.KNOWN, changes=transitions.next_of_key(ledger, state.record))


def _attempt_failed(setup: Setup, ledger: Ledger, state: CommandState, failed: Failed, now_ms: int) -> Decision:
    attempts = state.record.attempts + 1
    unknown = failed.unknown or (state.unknown and not failed.decisive)
    answer = outcome_records.last_answer(failed, state.answer)
    now = replace(state, unknown=unknown, turn_ms=None, answer=answer)
    due_ms = _due_ms(setup, state)
    if now_ms < due_ms and failed.retryable and not failed.stored:
        return transitions.not_yet(setup, ledger, now, due_ms, now_ms, _text(failed))
    tier = tier_for(setup.topics.tiers, attempt=attempts, at_least_ms=failed.retry_after_ms)
    if failed.retryable and not failed.stored and tier is not None:
        return transitions.retry_later(setup, ledger, now, tier, now_ms, attempts=attempts, last_error=_text(failed))
    reason = _dead_reason(failed)
    if unknown or (state.suspect and not failed.decisive):
        failure = None if unknown else outcome_records.pending(failed, reason)
        later = replace(now, look_at_ms=now_ms + setup.reconcile_after_ms, failure=failure)
        return transitions.look_up_later(setup, ledger, later, now_ms, attempts=attempts, last_error=_text(failed))
    return transitions.finish(setup, ledger, now, failed, now_ms, calls=1, reason=reason)


def _due_ms(setup: Setup, state: CommandState) -> int:
    """When a command that Stripe failed before was due; 0 for any other."""
    record = state.record
    return believed_times.tier_due_ms(setup.topics, record.input, record.headers) if record.failed_by_stripe else 0


def _dead_reason(failed: Failed) -> DeadLetterReason | None:
    """What can be done later, once Stripe is back or the connection's key is replaced, can be replayed."""
    if failed.retryable:
        return DeadLetterReason.EXHAUSTED
    return DeadLetterReason.KEY_REFUSED if failed.error["code"] == Code.AUTH_EXPIRED else None


def _look_up_failed(setup: Setup, ledger: Ledger, state: CommandState, failed: Failed, now_ms: int) -> Decision:
    looks = state.looks + 1
    if not failed.retryable or looks >= MAX_LOOKS:
        unsure = refusal(state.command.action, f"could not be looked up at Stripe: {_text(failed)}", Code.INDETERMINATE)
        now = replace(state, answer=state.answer or outcome_records.last_answer(failed, None))
        return transitions.finish(setup, ledger, now, replace(unsure, unknown=True), now_ms)
    tiers = setup.topics.tiers
    tier = tier_for(tiers, attempt=looks, at_least_ms=failed.retry_after_ms) or tiers[-1]
    later = replace(state, looks=looks, look_at_ms=now_ms + tier.delay_ms, turn_ms=None)
    return transitions.retry_later(
        setup, ledger, later, tier, now_ms, attempts=state.record.attempts, last_error=_text(failed)
    )


def _missing(setup: Setup, ledger: Ledger, call: Call, now_ms: int) -> PlannedCall | Decision:
    """Its look-up found nothing: it ends as it failed, or is attempted, or is left to a person."""
    state = call.state
    if state.failure is not None and not state.unknown:
        failed = Failed(error=msgspec.to_builtins(state.failure.error), retryable=False, unknown=False)
        reason = None if state.failure.reason is None else DeadLetterReason(state.failure.reason)
        end = transitions.finish(setup, ledger, state, failed, now_ms, reason=reason)
        return end if reason is not None else _closing(setup, state, end, "a look-up found nothing", now_ms)
    late = transitions.past_horizon(state, now_ms)
    if state.record.replayed and state.record.attempts == 0 and not late and state.failure is None:
        return transitions.attempt(setup, ledger, replace(state, look_at_ms=None), call.action, now_ms)
    key = idempotency_key(setup.installation(), state.command.command_id)
    why = (
        f"not found at Stripe by metadata['{stripe_metadata.COMMAND}']; "
        f"a person must decide, the Idempotency-Key was {key}"
    )
    in_doubt = replace(refusal(state.command.action, why, Code.INDETERMINATE), unknown=True)
    return transitions.finish(
        setup, ledger, state, in_doubt, now_ms, reason=DeadLetterReason.PAST_HORIZON if late else None
    )


def _closing(setup: Setup, state: CommandState, end: Decision, why: str, now_ms: int) -> Decision:
    """An end by a look-up: it closes the dead letters that a replay left behind."""
    closed = letter_ends.settled(setup.topics, state.command.command_id, state.revision, why, now_ms)
    return replace(end, outputs=(*end.outputs, *closed)) if closed else end


def _text(failed: Failed) -> str:
    return f"{failed.error['code']}: {failed.error['message']}"
