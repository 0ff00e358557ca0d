"""Closes the dead letters of a command that was decided without a person: the audit record beside its result. Pure.

Only a command that had ended before can have one: its result has a revision above 0. A later end that makes a dead
letter of its own leaves that one open.
"""

from stripeline.contracts.internal_records import AuditRecord, encode
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.workers.task.decision import OutputRecord

BY = "executor"


def settled(topics: Topics, command_id: str, revision: int, why: str, now_ms: int) -> tuple[OutputRecord, ...]:
    """The record that says that a webhook or a look-up decided a command; none for one that has no dead letter."""
    if revision == 0:
        return ()
    return (closed(topics, AuditedAct.SETTLED, command_id, why, now_ms),)


def closed(topics: Topics, act: AuditedAct, command_id: str, why: str, now_ms: int) -> OutputRecord:
    """In the task's own partition, where the dead letters of the command are."""
    record = AuditRecord(act=act.value, by=BY, why=why, at_ms=now_ms, records=(), about=f"command {command_id}")
    return OutputRecord(topics.audit, None, encode(record))
