"""Withdraws a command whose run was cancelled, if it waits and was never attempted. Pure.

The router asks for it under the command's key, so in the command's lane: the command is not in flight meanwhile. Its
record is in a tier, and ends when it returns: without an attempt, or after a look-up where a worker that died may have
made one in between. A command that was attempted ends as it ends.
"""

from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.executor.ledger import Ledger, remember
from stripeline.workers.executor.retry_headers import CommandRecord
from stripeline.workers.task.decision import Decision


def withdraw(ledger: Ledger, record: CommandRecord) -> Decision:
    command_id = h.text(record.headers, h.CANCELS) or ""
    known = ledger.known(command_id)
    if known is None or known.status != "waiting" or known.cancelled:
        return Decision(Verdict.UNRELATED)
    attempted = known.tried_ms is not None or known.unknown or known.suspect or known.look_at_ms is not None
    if attempted:
        return Decision(Verdict.UNRELATED)
    return Decision(Verdict.WITHDRAWN, changes=(remember(command_id, replace(known, cancelled=True)),))
