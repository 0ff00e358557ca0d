"""What becomes of a command that a connection with `commands: own` may not take, or not yet. Pure.

A team that may write commands, but no runs, must not charge on such a connection, nor keep its runs from doing so. So a
foreign command ends with a dead letter alone: a result, or an entry in the ledger, would be taken for the end of the
run's command if it had that one's id. What waits for its run has no entry either.
"""

from msgspec.structs import replace

from stripeline.contracts.vocabulary import Code, DeadLetterReason, Verdict
from stripeline.workers.executor import transitions
from stripeline.workers.executor.command_state import CommandState
from stripeline.workers.executor.connection.own_runs import Ownership
from stripeline.workers.executor.connection.rate_gate import Hold
from stripeline.workers.executor.ledger import Ledger, command_key, forget
from stripeline.workers.executor.setup import Setup
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision

WAIT_MS = 3_000  # longer than the clocks are apart, so that one pass through a tier is enough


def standing(setup: Setup, state: CommandState) -> Ownership:
    """Whether its connection may take a command: always, but for one that is not attempted yet and must be a run's."""
    if state.tried is not None or not setup.only_own(state.command.connection):
        return Ownership.OWN
    record = state.record
    returned_ms = record.input.timestamp if record.returned else None
    return setup.own_runs.standing(
        state.command, state.digest, record.input.partition, first_appended_ms=record.first_appended_ms,
        returned_ms=returned_ms,
    )  # fmt: skip


def without_entry(decision: Decision, state: CommandState) -> Decision:
    """The decision, but that the ledger learns nothing of a command that may be nobody's."""
    if state.known is not None:
        return decision
    key = command_key(state.command.command_id)
    return replace(decision, changes=tuple(change for change in decision.changes if change.key != key))


def wait(setup: Setup, ledger: Ledger, state: CommandState, now_ms: int) -> Decision:
    """Through a tier, until the run topic was read up to now."""
    held = Hold(wait_ms=WAIT_MS, why="waits for its run: its connection takes commands of runs only")
    return without_entry(transitions.hold(setup, ledger, state, held, now_ms), state)


def refused(setup: Setup, ledger: Ledger, state: CommandState) -> Decision:
    name, record = state.command.connection, state.record
    why = (
        f"connection {name!r} takes only commands of runs (`commands: own`), and no run on {setup.topics.run} waits for"
        " this one, as it is; nothing was sent to Stripe"
    )
    letter = dead_letters.dead_letter(
        setup.topics.dead_letter, record.input, first_appended_ms=record.first_appended_ms,
        reason=DeadLetterReason.NOT_OF_A_RUN, code=Code.VALIDATION_ERROR, attempts=0, last_error=why,
    )  # fmt: skip
    changes = transitions.next_of_key(ledger, record)
    if state.waits:
        changes = (*changes, forget(state.command.command_id))  # or the run's own would find it waiting
    return Decision(Verdict.NOT_OF_A_RUN, (letter,), changes)
