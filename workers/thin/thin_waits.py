"""What becomes of a thin event that is not published now: it waits in its key's order, or is a dead letter. Pure.

A queue is that of a key (`workers/executor/ledger.py`), under a name of its own: a thin event never waits behind a
command, nor a command behind it. Its places only grow: one that comes late runs at once, and the queue of a head that
did not come back goes on without it. So no key waits for ever, whatever became of a record in a tier.
"""

from typing import Final

from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import LedgerQueue
from stripeline.contracts.retry_tiers import Tier, within
from stripeline.contracts.vocabulary import Code, DeadLetterReason, Verdict
from stripeline.workers.executor import believed_times
from stripeline.workers.executor.before_call import behind
from stripeline.workers.executor.connection.pacing import TURN_LEAD_MS
from stripeline.workers.executor.connection.rate_gate import Hold
from stripeline.workers.executor.ledger import Ledger, set_queue
from stripeline.workers.executor.retry_headers import CommandRecord, waiting_headers
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.transitions import LINE
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord, StateChange, Waits

LOST_AFTER_MS: Final = 3_600_000
"""A head that is overdue for so long is not waited for: a worker of an older version took it for a command."""
_IN_LINE_MS: Final = LOST_AFTER_MS - 600_000


def waits(setup: Setup, record: InputRecord, due_ms: int, now_ms: int) -> Waits | None:
    """What a record of a tier that is due at a time waits for: its turn in its connection's line, or that time alone.

    Not for so long that those behind it would take it for lost.
    """
    if due_ms <= now_ms:
        return None
    headers = h.read(record.headers)
    turn_ms, connection = h.number(headers, h.TURN_AT), h.text(headers, h.CONNECTION)
    if turn_ms is None or not connection:
        return Waits(until_ms=due_ms)
    believed_ms = believed_times.tier_turn_ms(setup.topics, record, turn_ms)
    until_ms = min(believed_ms - TURN_LEAD_MS, due_ms + _IN_LINE_MS)
    return Waits(until_ms=max(until_ms, due_ms), gate=(LINE, connection, None))


def in_turn(setup: Setup, ledger: Ledger, record: CommandRecord, now_ms: int) -> Decision | None:
    """Behind others of its key; None when it may run."""
    queue = None if record.key is None else ledger.queue(record.key)
    if queue is None or record.key is None:
        return None
    if not record.returned:
        longer = set_queue(record.key, replace(queue, tail=queue.tail + 1))
        return Decision(Verdict.HELD, (_marked(behind(setup, record, queue, queue.tail, now_ms)),), (longer,))
    if record.place is None or record.place <= queue.head or now_ms > queue.due_ms + LOST_AFTER_MS:
        return None
    return Decision(Verdict.HELD, (_marked(behind(setup, record, queue, record.place, now_ms)),))


def retry_later(
    setup: Setup, ledger: Ledger, record: CommandRecord, tier: Tier, now_ms: int, *, attempts: int, last_error: str,
    held: Hold | None = None,
) -> Decision:  # fmt: skip
    """Into a tier, as the head of its key's queue."""
    due_ms = now_ms + tier.delay_ms if held is None else held.due_ms(tier, now_ms)
    place, changes = None, []
    if record.key is not None:
        known = ledger.queue(record.key)
        queue = known or LedgerQueue(0, 1, 0)
        place = queue.head if known is None or record.place is None else record.place
        if place >= queue.head:
            changes.append(set_queue(record.key, replace(queue, head=place, due_ms=due_ms)))
    headers = waiting_headers(record, attempts=attempts, due_ms=due_ms, place=place, last_error=last_error)
    output = OutputRecord(setup.topics.retry(tier), record.input.key, record.input.value, headers)
    return Decision(Verdict.RETRIED, (_marked(output, None if held is None else held.turn_ms),), tuple(changes))


def hold(setup: Setup, ledger: Ledger, record: CommandRecord, held: Hold, now_ms: int) -> Decision:
    """Through a tier without an attempt: its connection is at its limit, or its key is refused."""
    tier = within(setup.topics.tiers, held.wait_ms)
    return retry_later(setup, ledger, record, tier, now_ms, attempts=record.attempts, last_error=held.why, held=held)


def ended(ledger: Ledger, record: CommandRecord) -> tuple[StateChange, ...]:
    """The next of its key has its turn."""
    queue = None if record.key is None else ledger.queue(record.key)
    if record.key is None or queue is None or record.place is None or record.place < queue.head:
        return ()
    return (set_queue(record.key, replace(queue, head=record.place + 1)),)


def dead_letter(
    setup: Setup, ledger: Ledger, record: CommandRecord, reason: DeadLetterReason, code: str, why: str, *,
    attempts: int,
) -> Decision:  # fmt: skip
    letter = dead_letters.dead_letter(
        setup.topics.dead_letter, record.input, first_appended_ms=record.first_appended_ms, reason=reason, code=code,
        attempts=attempts, last_error=why,
    )  # fmt: skip
    verdict = Verdict.UNREADABLE if reason is DeadLetterReason.UNREADABLE else Verdict.UNPUBLISHED
    return Decision(verdict, (_marked(letter),), ended(ledger, record))


def unreadable(setup: Setup, ledger: Ledger, record: CommandRecord, why: str) -> Decision:
    reason, code = DeadLetterReason.UNREADABLE, Code.VALIDATION_ERROR
    return dead_letter(setup, ledger, record, reason, code, why, attempts=record.attempts)


def broken(setup: Setup, ledger: Ledger, record: CommandRecord, consumed: InputRecord, error: Exception) -> Decision:
    """A thin event whose decision raised an exception: a dead letter, and its key goes on without it."""
    decided = dead_letters.broken(setup.topics.dead_letter, consumed, error)
    return replace(decided, outputs=tuple(map(_marked, decided.outputs)), changes=ended(ledger, record))


def _marked(output: OutputRecord, turn_ms: int | None = None) -> OutputRecord:
    """With the headers by which it is known for a thin event when it is read again."""
    turn = () if turn_ms is None else ((h.TURN_AT, str(turn_ms).encode()),)
    return replace(output, headers=(*output.headers, (h.KIND, h.THIN_EVENT), *turn))
