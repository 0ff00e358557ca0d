"""The router's decisions: which runs an event starts, how a result takes its run on, and what a person asks. Pure.

An event starts one run per matching workflow of its trigger; a run whose id is known is not started again.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import UnreadableRecordError, read
from stripeline.contracts.settlements import metadata_of
from stripeline.contracts.vocabulary import UnstartedReason, Verdict
from stripeline.workers.router import acts, runs
from stripeline.workers.router.beginning import start
from stripeline.workers.router.event_account import named_account
from stripeline.workers.router.event_record import arrival_of, occasion_at, read_event
from stripeline.workers.router.late_events import is_held
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_outputs import carried_out
from stripeline.workers.router.run_state import Runs
from stripeline.workers.router.runs import StepResult, Transition
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord, Unstarted

_PARTITION = re.compile(r"[0-9]{1,5}")
_UNSTARTED = {
    UnstartedReason.HOP_LIMIT: Verdict.HOP_LIMIT,
    UnstartedReason.OWN_EFFECT: Verdict.OWN_EFFECT,
    UnstartedReason.WHERE_MISSING: Verdict.WHERE_MISSING,
    UnstartedReason.PAUSED: Verdict.PAUSED,
    UnstartedReason.LATE: Verdict.LATE,
}


class Router(RouterSetup, frozen=True, kw_only=True):
    """The decisions of one prefix's routers."""

    def lane(self, record: InputRecord) -> object:
        return record.key

    def take(self, state: Runs, record: InputRecord, now_ms: int) -> Decision:
        """The decision about an event, a result or an act."""
        headers = h.read(record.headers)
        try:
            if record.topic == self.topics.result:
                return self._result(state, read(StepResult, _value(record)), headers, now_ms)
            if record.topic == self.topics.act:
                return acts.take(self, state, acts.asked(record, headers), now_ms)
            return self._event(state, record, read_event(record.value), headers, now_ms)
        except UnreadableRecordError as error:
            first_ms = h.first_appended_ms(headers, record.timestamp)
            letter = dead_letters.unreadable(self.topics.dead_letter, record, first_ms, str(error))
            return Decision(Verdict.UNREADABLE, (letter,))

    def _event(
        self, state: Runs, record: InputRecord, event: dict[str, Any], headers: Mapping[str, bytes], now_ms: int
    ) -> Decision:
        found = self.workflows(h.text(headers, h.TRIGGER) or "")
        occasion = occasion_at(event, partition=record.partition, offset=record.offset)
        arrival = arrival_of(self, event, occasion, headers, record.key)
        begun = [
            self._unless_paused(
                name, found[name], start(self, state, name, found[name], arrival, now_ms), state, record, now_ms
            )
            for name in sorted(found)
        ]
        started = [one for one in begun if isinstance(one, Transition)]
        unstarted = tuple(one for one in begun if isinstance(one, Unstarted))
        decisions = [carried_out(self, headers, one, now_ms) for one in started]
        outputs = (
            *(output for one in decisions for output in one.outputs),
            *self._settlement(event, arrival.connection, headers),
        )
        changes = tuple(change for one in decisions for change in one.changes)
        verdict = Verdict.STARTED if decisions else _verdict_of(unstarted)
        return Decision(verdict, outputs, changes, unstarted=unstarted)

    def _unless_paused(
        self, name: str, workflow: Workflow, begun: Transition | Unstarted | None, state: Runs, record: InputRecord,
        now_ms: int,
    ) -> Transition | Unstarted | None:  # fmt: skip
        """An event that would start a run of a workflow that is paused, or at its limit, is counted.

        An act starts it later. A run that is held does nothing yet, so it takes none of the limit.
        """
        if not isinstance(begun, Transition):
            return begun
        paused = Unstarted(name, UnstartedReason.PAUSED)
        if self.paused(name):
            return paused
        admitted = is_held(begun.run) or self.brakes.admits(name, workflow, state, record, now_ms)
        return begun if admitted else paused

    def _settlement(
        self, event: Mapping[str, Any], connection: str, headers: Mapping[str, bytes]
    ) -> tuple[OutputRecord, ...]:
        """An object that one of our commands made: its executor may not know that it was done.

        The executor's task is another one: the partition is in the object's metadata. That of another installation on
        the same account is a partition of other topics.
        """
        made_by = metadata_of(event["data"])
        if made_by is None or made_by.installation != self.installation():
            return ()
        if not _PARTITION.fullmatch(made_by.partition) or int(made_by.partition) >= self.partitions:
            return ()
        about = [(h.SETTLES, made_by.command_id.encode())]
        about += [(name, headers[name]) for name in (h.CONNECTION, h.TRACEPARENT) if name in headers]
        account = named_account(event)
        if account not in {None, self.account(connection)}:
            about.append((h.ACCOUNT, str(account).encode()))
        value = orjson.dumps(event["data"])
        return (OutputRecord(self.topics.command, None, value, tuple(about), int(made_by.partition)),)

    def _result(self, state: Runs, result: StepResult, headers: Mapping[str, bytes], now_ms: int) -> Decision:
        run = None if result.run is None else state.get(result.run.run_id)
        transition = None if run is None else runs.apply_result(run, result, now_ms)
        if transition is None:
            return Decision(Verdict.UNRELATED)
        return carried_out(self, headers, transition, now_ms)


def _verdict_of(unstarted: tuple[Unstarted, ...]) -> Verdict:
    """What became of an event that started no run: the most telling of its workflows' reasons."""
    reasons = {one.reason for one in unstarted}
    return next((verdict for reason, verdict in _UNSTARTED.items() if reason in reasons), Verdict.NO_RUN)


def _value(record: InputRecord) -> bytes:
    if record.value is None:
        raise UnreadableRecordError("the record has no value")
    return record.value
