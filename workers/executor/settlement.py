"""Settles a command by a webhook: the event's object names the command that made it. Pure.

The router sends such an object to the task that knows the command. Only a command whose outcome is unknown is settled,
and only by an object of its action, connection, account and installation.
"""

from stripeline.contracts import headers as h
from stripeline.contracts import stripe_metadata
from stripeline.contracts.internal_records import LedgerCommand, ResultFacts
from stripeline.contracts.stripe_metadata import Origin
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.executor import letter_ends, outcome_records, stripe_lookup
from stripeline.workers.executor.answer_origin import json_object
from stripeline.workers.executor.connection.key_owner import Asked, mismatch
from stripeline.workers.executor.ledger import Ledger, remember
from stripeline.workers.executor.retry_headers import CommandRecord
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Succeeded
from stripeline.workers.task.decision import Decision


def settle(setup: Setup, ledger: Ledger, record: CommandRecord, now_ms: int) -> Decision:
    command_id = h.text(record.headers, h.SETTLES) or ""
    known = ledger.known(command_id)
    if known is None or known.facts is None or known.status not in {"waiting", "indeterminate"}:
        return Decision(Verdict.UNRELATED)
    if _of_another_owner(setup, known, known.facts):
        return Decision(Verdict.UNRELATED)
    origin = setup.origin(command_id, known.digest)
    outcome = _outcome(setup, known.facts, origin, record)
    if outcome is None:
        return Decision(Verdict.UNRELATED)
    return _settled(setup, known, known.facts, command_id, outcome, record, now_ms)


def _of_another_owner(setup: Setup, known: LedgerCommand, facts: ResultFacts) -> bool:
    """Whether the command began under another owner of its connection's key: its run can't go on under this one."""
    owner = setup.owner(facts.connection)
    asked = Asked(
        connection=facts.connection,
        livemode=None,
        tried=known.tried,
        attempted=True,
        first_appended_ms=facts.started_ms,
    )
    return owner is not None and mismatch(asked, owner) is not None


def _outcome(setup: Setup, facts: ResultFacts, origin: Origin, record: CommandRecord) -> Succeeded | None:
    """The command's output, if the object is the one that it made."""
    action = setup.actions.get(facts.action)
    found = json_object(record.input.value or b"") or {}
    theirs = (h.text(record.headers, h.CONNECTION), h.text(record.headers, h.ACCOUNT))
    if action is None or theirs != (facts.connection, facts.account) or found.get("object") != action.makes:
        return None
    outcome = stripe_lookup.output_of(action, found)
    ours = stripe_metadata.is_of(found, origin)
    return outcome if ours and isinstance(outcome, Succeeded) else None


def _settled(
    setup: Setup, known: LedgerCommand, facts: ResultFacts, command_id: str, outcome: Succeeded, record: CommandRecord,
    now_ms: int,
) -> Decision:  # fmt: skip
    revision = known.revision if known.status == "waiting" else known.revision + 1
    end = outcome_records.end(outcome, earlier_unknown=False, attempts=facts.attempts, reason=None)
    done = LedgerCommand(status="succeeded", digest=known.digest, revision=revision, at_ms=now_ms)
    result = outcome_records.result(
        setup.topics, command_id, facts, end, revision=revision, trace=record.traceparent, now_ms=now_ms
    )
    ended = outcome_records.ended(facts.action, end)
    closed = letter_ends.settled(setup.topics, command_id, revision, "a webhook says that it was done", now_ms)
    return Decision(Verdict.SETTLED, (result, *closed), (remember(command_id, done),), ended)
