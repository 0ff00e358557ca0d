"""Settles a command by a webhook: the event's object names the command that made it. Pure.

The router sends such an object to the task that knows the command. Only a command whose outcome is unknown is settled,
and only by an object of its own action and connection.
"""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts import headers as h
from stripeline.contracts import stripe_metadata
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.executor import outcome_records, stripe_lookup
from stripeline.workers.executor.ledger import Known, Ledger, remember
from stripeline.workers.executor.outcome_records import Told
from stripeline.workers.executor.retry_headers import CommandRecord
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Succeeded, json_object
from stripeline.workers.task.decision import Decision


def settle(setup: Setup, ledger: Ledger, record: CommandRecord, now_ms: int) -> Decision:
    command_id = h.text(record.headers, h.SETTLES) or ""
    known = ledger.known(command_id)
    if known is None or known.told is None or known.status not in {"waiting", "indeterminate"}:
        return Decision(Verdict.UNRELATED)
    outcome = _outcome(setup, known.told, command_id, record)
    return (
        Decision(Verdict.UNRELATED) if outcome is None else _settled(setup, known, command_id, outcome, record, now_ms)
    )


def _outcome(setup: Setup, told: Mapping[str, Any], command_id: str, record: CommandRecord) -> Succeeded | None:
    """The command's output, if the object is the one that it made."""
    action = setup.actions.get(told["action"])
    found = json_object(record.input.value or b"") or {}
    same_connection = h.text(record.headers, h.CONNECTION) == told["connection"]
    if action is None or not same_connection or found.get("object") != action.makes:
        return None
    outcome = stripe_lookup.output_of(action, found)
    ours = stripe_metadata.command_of(found) == command_id
    return outcome if ours and isinstance(outcome, Succeeded) else None


def _settled(
    setup: Setup, known: Known, command_id: str, outcome: Succeeded, record: CommandRecord, now_ms: int
) -> Decision:
    held: Mapping[str, Any] = known.told or {}
    revision = known.revision if known.status == "waiting" else known.revision + 1
    told = Told(
        command_id=command_id, action=held["action"], connection=held["connection"], run=held["run"],
        key=None if held["key"] is None else held["key"].encode("latin-1"), started_at=held["started_at"],
        trace=record.traceparent,
    )  # fmt: skip
    end = outcome_records.end(outcome, earlier_unknown=False, attempts=held["attempts"], reason=None)
    done = Known(status="succeeded", digest=known.digest, revision=revision, at_ms=now_ms)
    outputs = (outcome_records.result(setup.topics, told, end, revision, now_ms),)
    return Decision(Verdict.SETTLED, outputs, (remember(command_id, done),), outcome_records.ended(told.action, end))
