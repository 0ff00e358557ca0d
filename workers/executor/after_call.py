"""The executor's decisions after a call: a result, another attempt, a look-up, or a dead letter. Pure.

    attempt ── succeeded ─────────────────────────────────────────► result
       │ ├──── failed, and Stripe decided it ─────────────────────► result
       │ ├──── retryable, attempts left ──────────► tier ──► attempt
       │ └──── retryable, used up, no effect possible ────────────► result and dead letter
       └────── unknown, and used up or stored ────► tier ──► look-up by metadata
                                                                │ found ──────► result
                                                                └ not found ──► indeterminate and dead letter

No new Idempotency-Key is ever made. A replay of what is indeterminate is looked up first, and attempted again only
when nothing is found and the horizon allows it.
A refusal that Stripe gives before it looks at the key says nothing of a call that a worker made and died of. A record
that stood there before this task began is therefore looked up before such a refusal is its end, and before it ends as
past its time (`workers/executor/before_call.py`).
"""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts import headers as h
from stripeline.contracts.action import Action
from stripeline.contracts.frozen import replace
from stripeline.contracts.ids import idempotency_key
from stripeline.contracts.retry_tiers import HORIZON_MS, Tier, covering, tier_for, within
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Code, DeadLetterReason, Verdict
from stripeline.workers.executor import outcome_records, stripe_lookup
from stripeline.workers.executor.command_state import Call, Work
from stripeline.workers.executor.ledger import Known, Ledger, Queue, remember, set_queue
from stripeline.workers.executor.outcome_records import Told
from stripeline.workers.executor.rate_gate import Hold
from stripeline.workers.executor.retry_headers import Ticket, waiting_headers
from stripeline.workers.executor.stripe_answer import Failed, Outcome, Succeeded, json_object, refusal
from stripeline.workers.executor.stripe_lookup import Missing, Sight
from stripeline.workers.task.decision import Decision, Output

MAX_LOOKS = 5


def settle(
    topics: Topics, ledger: Ledger, call: Call, outcome: Sight, now_ms: int, reconcile_after_ms: int
) -> Decision | Work:
    """The decision about a record after its call; the work itself when it is to be attempted now."""
    work = call.work
    known = ledger.known(work.command.command_id)
    if known is not None and known != work.seen and known.status != "waiting":
        return Decision(
            Verdict.KNOWN, changes=outcome_records.next_of_key(ledger, work.ticket)
        )  # settled while the call was made
    match outcome:
        case Succeeded():
            return ended(topics, ledger, work, outcome, now_ms, calls=0 if call.look else 1)
        case Missing():
            return _not_found(topics, ledger, call, now_ms)
        case Failed() if call.look:
            return _look_again(topics, ledger, work, outcome, now_ms)
        case failed:
            return _failed(topics, ledger, work, failed, now_ms, reconcile_after_ms)


def _failed(
    topics: Topics, ledger: Ledger, work: Work, failed: Failed, now_ms: int, reconcile_after_ms: int
) -> Decision:
    attempts = work.ticket.attempts + 1
    unknown = failed.unknown or (work.unknown and not failed.decisive)
    now = replace(work, unknown=unknown, turn_ms=None)
    tier = tier_for(topics.tiers, attempt=attempts, at_least_ms=failed.retry_after_ms)
    if failed.retryable and not failed.stored and tier is not None:
        return _wait(topics, ledger, now, tier, now_ms, attempts=attempts, last_error=_text(failed))
    reason = _dead_reason(failed)
    if unknown or (work.suspect and not failed.decisive):
        failure = None if unknown else {"error": failed.error, "reason": reason}
        looked_up = replace(now, look_at_ms=now_ms + reconcile_after_ms, failure=failure)
        return wait_for_look(topics, ledger, looked_up, now_ms, attempts=attempts, last_error=_text(failed))
    return ended(topics, ledger, now, failed, now_ms, calls=1, reason=reason)


def _dead_reason(failed: Failed) -> DeadLetterReason | None:
    """What can be done later, once Stripe or the connection's key is well again, can be replayed."""
    if failed.retryable:
        return DeadLetterReason.EXHAUSTED
    return DeadLetterReason.KEY_REFUSED if failed.error["code"] == Code.AUTH_EXPIRED else None


def hold(topics: Topics, ledger: Ledger, work: Work, held: Hold, now_ms: int) -> Decision:
    """Round through a tier without an attempt: its connection is at its limit, or its key is refused."""
    tier, waits = within(topics.tiers, held.wait_ms), replace(work, turn_ms=held.turn_ms)
    return _wait(topics, ledger, waits, tier, now_ms, attempts=work.ticket.attempts, last_error=held.why)


def wait_for_look(
    topics: Topics, ledger: Ledger, work: Work, now_ms: int, *, attempts: int, last_error: str = "waits for its look-up"
) -> Decision:
    """Into the tier that covers the time until the search index can have it."""
    tier = covering(topics.tiers, (work.look_at_ms or now_ms) - now_ms)
    return _wait(topics, ledger, work, tier, now_ms, attempts=attempts, last_error=last_error)


def _look_again(topics: Topics, ledger: Ledger, work: Work, failed: Failed, now_ms: int) -> Decision:
    looks = work.looks + 1
    if not failed.retryable or looks >= MAX_LOOKS:
        unsure = refusal(work.command.action, f"could not be looked up at Stripe: {_text(failed)}", Code.INDETERMINATE)
        return ended(topics, ledger, work, replace(unsure, unknown=True), now_ms)
    tier = tier_for(topics.tiers, attempt=looks, at_least_ms=failed.retry_after_ms) or topics.tiers[-1]
    again = replace(work, looks=looks, look_at_ms=now_ms + tier.delay_ms, turn_ms=None)
    return _wait(topics, ledger, again, tier, now_ms, attempts=work.ticket.attempts, last_error=_text(failed))


def _not_found(topics: Topics, ledger: Ledger, call: Call, now_ms: int) -> Decision | Work:
    work = call.work
    if work.failure is not None and not work.unknown:
        failed = Failed(error=work.failure["error"], retryable=False, unknown=False)
        return ended(topics, ledger, work, failed, now_ms, reason=work.failure["reason"])
    late = now_ms - work.ticket.first_appended_ms >= HORIZON_MS
    if work.ticket.replayed and work.ticket.attempts == 0 and not late and work.failure is None:
        return replace(work, look_at_ms=None)
    why = (
        f"not found at Stripe by metadata['{stripe_lookup.METADATA}']; "
        f"a person must decide, the Idempotency-Key was {idempotency_key(work.command.command_id)}"
    )
    found = replace(refusal(work.command.action, why, Code.INDETERMINATE), unknown=True)
    return ended(topics, ledger, work, found, now_ms, reason=DeadLetterReason.PAST_HORIZON if late else None)


def _wait(
    topics: Topics, ledger: Ledger, work: Work, tier: Tier, now_ms: int, *, attempts: int, last_error: str
) -> Decision:
    """Into a tier, as the head of its key's queue."""
    of, due_ms = work.ticket, now_ms + tier.delay_ms
    changes = [remember(work.command.command_id, work.waiting(now_ms))]
    place = None
    if of.key is not None:
        queue = ledger.queue(of.key) or Queue(0, 1, 0)
        place = queue.head
        changes.append(set_queue(of.key, replace(queue, due_ms=due_ms)))
    headers = waiting_headers(of, attempts=attempts, due_ms=due_ms, place=place, last_error=last_error)
    output = Output(topics.retry(tier), of.record.key, of.record.value, headers)
    return Decision(Verdict.RETRIED, (output,), tuple(changes))


def ended(
    topics: Topics, ledger: Ledger, work: Work, outcome: Outcome, now_ms: int, *, calls: int = 0,
    reason: DeadLetterReason | None = None,
) -> Decision:  # fmt: skip
    """A result, the next of its key, and a dead letter where a person has to look."""
    of, command = work.ticket, work.command
    end = outcome_records.end(outcome, earlier_unknown=work.unknown, attempts=of.attempts + calls, reason=reason)
    outputs = [outcome_records.result(topics, told_of(work), end, work.revision, now_ms)]
    if end.dead_reason is not None:
        outputs.append(outcome_records.dead_letter(topics, of, end, end.dead_reason))
    changes = (remember(command.command_id, work.ended(end.status, now_ms)), *outcome_records.next_of_key(ledger, of))
    return Decision(Verdict(end.status), tuple(outputs), changes, outcome_records.ended(command.action, end))


def told_of(work: Work) -> Told:
    """What a command's result says beside its end."""
    of, command = work.ticket, work.command
    return Told(
        command_id=command.command_id,
        action=command.action,
        connection=command.connection,
        run=command.run.model_dump() if command.run else None,
        key=of.record.key,
        started_at=of.first_appended_ms,
        trace=of.trace,
    )


def settled_by_webhook(
    topics: Topics, actions: Mapping[str, Action], ledger: Ledger, of: Ticket, now_ms: int
) -> Decision:
    """An event's object that carries the id of a command: if nobody knew what became of it, now we do."""
    command_id = h.text(of.headers, h.SETTLES) or ""
    known = ledger.known(command_id)
    if known is None or known.told is None or known.status not in {"waiting", "indeterminate"}:
        return Decision(Verdict.UNRELATED)
    action = actions.get(known.told["action"])
    found = json_object(of.record.value or b"") or {}
    same_account = h.text(of.headers, h.CONNECTION) == known.told["connection"]
    if action is None or not same_account or found.get("object") != action.makes:
        return Decision(Verdict.UNRELATED)
    outcome = stripe_lookup.output_of(action, found)
    if stripe_lookup.of_command(found) != command_id or not isinstance(outcome, Succeeded):
        return Decision(Verdict.UNRELATED)
    return _settlement(topics, known, command_id, outcome, of, now_ms)


def _settlement(topics: Topics, known: Known, command_id: str, outcome: Succeeded, of: Ticket, now_ms: int) -> Decision:
    held: Mapping[str, Any] = known.told or {}
    revision = known.revision if known.status == "waiting" else known.revision + 1
    told = Told(
        command_id=command_id, action=held["action"], connection=held["connection"], run=held["run"],
        key=None if held["key"] is None else held["key"].encode("latin-1"), started_at=held["started_at"],
        trace=of.trace,
    )  # fmt: skip
    end = outcome_records.end(outcome, earlier_unknown=False, attempts=held["attempts"], reason=None)
    done = Known(status="succeeded", digest=known.digest, revision=revision, at_ms=now_ms)
    outputs = (outcome_records.result(topics, told, end, revision, now_ms),)
    return Decision(Verdict.SETTLED, outputs, (remember(command_id, done),), outcome_records.ended(told.action, end))


def _text(failed: Failed) -> str:
    return f"{failed.error['code']}: {failed.error['message']}"
