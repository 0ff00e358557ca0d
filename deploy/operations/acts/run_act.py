"""An act on a run, as it is committed: to the partition of the run, under its id, with its audit record. Pure."""

from typing import Final

from stripeline.contracts.headers import Headers
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct, RunActKind
from stripeline.deploy.operations.acts.audit import Act, ActEffect, Signed, audit_record

_AUDITED: Final = {
    RunActKind.RETRY: AuditedAct.RETRY_RUN,
    RunActKind.CANCEL: AuditedAct.CANCEL_RUN,
    RunActKind.START: AuditedAct.START_RUN,
    RunActKind.ERASE: AuditedAct.ERASE_RUN,
}


def act_on_run(
    topics: Topics, asked: RunAct, signed: Signed, partition: int, value: bytes | None, headers: Headers = ()
) -> Act:
    """`value` and `headers`: of the record on the act topic, which has `asked` in one of the two."""
    effect = ActEffect(topic=topics.act, partition=partition, key=asked.run.encode(), value=value, headers=headers)
    audit = audit_record(_AUDITED[RunActKind(asked.act)], signed, about=f"run {asked.run}")
    return Act(audit=audit, partition=partition, effects=(effect,))
