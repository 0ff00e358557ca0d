"""The router's decisions: which runs an event starts, and how a result takes its run on. Pure.

An event starts one run per matching workflow of its trigger; a run whose id is known is not started again.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from msgspec import Struct, field

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.headers import Headers, cloud_event
from stripeline.contracts.ids import occasion_of, run_id
from stripeline.contracts.internal_records import Run, UnreadableRecordError, metadata_of, read
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import UnstartedReason, Verdict
from stripeline.workers.actions import objects_made
from stripeline.workers.router import runs
from stripeline.workers.router.event_account import named_account, unclear
from stripeline.workers.router.expressions import ExpressionError, Holds, holds
from stripeline.workers.router.own_effects import EventCause, cause_of, entry_of
from stripeline.workers.router.run_state import Runs
from stripeline.workers.router.runs import Arrival, StepResult, Transition
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord, StateChange, Unstarted

COMMAND_TYPE = "stripeline.action-command"
SOURCE = "/stripeline/router"
MAX_COMMAND_BYTES = 900 * 1024
_PARTITION = re.compile(r"[0-9]{1,5}")
_UNSTARTED = {
    UnstartedReason.HOP_LIMIT: Verdict.HOP_LIMIT,
    UnstartedReason.OWN_EFFECT: Verdict.OWN_EFFECT,
    UnstartedReason.WHERE_MISSING: Verdict.WHERE_MISSING,
}
_EVENT_FIELDS = {"id": str, "type": str, "created": int, "data": dict}


class Router(Struct, frozen=True, kw_only=True):
    """The decisions of one prefix's routers.

    workflows: those of a trigger, by name.
    installation: its id, which is known before the first record is taken.
    account: a connection's own; None while it is unknown.
    makes: the kinds of objects that actions make.
    """

    topics: Topics
    workflows: Callable[[str], Mapping[str, Workflow]]
    installation: Callable[[], str]
    account: Callable[[str], str | None] = lambda _: None
    partitions: int = 1_000_000
    makes: frozenset[str] = field(default_factory=objects_made)

    def lane(self, record: InputRecord) -> object:
        return record.key

    def take(self, state: Runs, record: InputRecord, now_ms: int) -> Decision:
        """The decision about an event or a result."""
        headers = h.read(record.headers)
        try:
            if record.topic == self.topics.result:
                return self._result(state, record, read(StepResult, _value(record)), headers, now_ms)
            return self._event(state, record, _read_event(_value(record)), headers, now_ms)
        except UnreadableRecordError as error:
            first_ms = h.first_appended_ms(headers, record.timestamp)
            letter = dead_letters.unreadable(self.topics.dead_letter, record, first_ms, str(error))
            return Decision(Verdict.UNREADABLE, (letter,))

    def _event(
        self, state: Runs, record: InputRecord, event: dict[str, Any], headers: Mapping[str, bytes], now_ms: int
    ) -> Decision:
        connection = h.text(headers, h.CONNECTION) or ""
        found = self.workflows(h.text(headers, h.TRIGGER) or "")
        arrival = Arrival(
            event=event, occasion=_occasion(event, record), connection=connection, own=self.account(connection),
            cause=cause_of(event, self.makes),
        )  # fmt: skip
        begun = [self._start(state, name, found[name], arrival, now_ms) for name in sorted(found)]
        started = [one for one in begun if isinstance(one, Transition)]
        unstarted = tuple(one for one in begun if isinstance(one, Unstarted))
        decisions = [self._carried_out(record, headers, one, now_ms) for one in started]
        outputs = (
            *(output for one in decisions for output in one.outputs),
            *self._settlement(event, connection, headers),
        )
        changes = tuple(change for one in decisions for change in one.changes)
        verdict = Verdict.STARTED if decisions else _verdict_of(unstarted)
        return Decision(verdict, outputs, changes, unstarted=unstarted)

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

    def _start(
        self, state: Runs, name: str, workflow: Workflow, arrival: Arrival, now_ms: int
    ) -> Transition | Unstarted | None:
        event = arrival.event
        if not workflow.wants(event["type"]) or state.knows(run_id(arrival.occasion, name)):
            return None
        problem: str | None = None
        try:
            passes = holds(workflow.where, event)
        except ExpressionError as error:
            passes, problem = Holds.YES, str(error)
        if passes is Holds.NO:
            return None
        if passes is Holds.MISSING:
            return Unstarted(name, UnstartedReason.WHERE_MISSING)
        cause = arrival.cause.followed_by(entry_of(self.installation(), name))
        if not isinstance(cause, EventCause):
            return Unstarted(name, cause)
        run = runs.begin(name, workflow, arrival, cause, now_ms)
        problem = problem or unclear(workflow, event, arrival.connection)
        if problem is not None:
            return Transition(run=runs.stop(run, runs.invalid(problem), now_ms))
        return runs.next_step(run, now_ms)

    def _result(
        self, state: Runs, record: InputRecord, result: StepResult, headers: Mapping[str, bytes], now_ms: int
    ) -> Decision:
        run = None if result.run is None else state.get(result.run.run_id)
        transition = None if run is None else runs.apply_result(run, result, now_ms)
        if transition is None:
            return Decision(Verdict.UNRELATED)
        return self._carried_out(record, headers, transition, now_ms)

    def _carried_out(
        self, record: InputRecord, headers: Mapping[str, bytes], transition: Transition, now_ms: int
    ) -> Decision:
        run, command = transition.run, transition.command
        if command is None:
            return Decision(Verdict(run.status), changes=(StateChange(run.run_id, run),))
        value = orjson.dumps(command)
        if len(value) > MAX_COMMAND_BYTES:
            # Kafka would refuse the whole transaction, and the next one, for ever.
            too_large = f"the step's input has {len(value)} bytes; {MAX_COMMAND_BYTES} fit"
            refused = runs.refuse_command(transition, too_large, now_ms)
            return self._carried_out(record, headers, refused, now_ms)
        about = cloud_event(
            id=command["command_id"], type=COMMAND_TYPE, source=SOURCE, at_ms=now_ms, trace=headers.get(h.TRACEPARENT)
        )
        connection = (h.CONNECTION, command["connection"].encode())
        output = OutputRecord(self.topics.command, record.key, value, (*about, connection, *_old_event(run)))
        return Decision(Verdict.ADVANCED, (output,), (StateChange(run.run_id, run),))


def _verdict_of(unstarted: tuple[Unstarted, ...]) -> Verdict:
    """What became of an event that started no run: the most telling of its workflows' reasons."""
    reasons = {one.reason for one in unstarted}
    return next((verdict for reason, verdict in _UNSTARTED.items() if reason in reasons), Verdict.NO_RUN)


def _occasion(event: Mapping[str, Any], record: InputRecord) -> str:
    return occasion_of(event["id"], livemode=event.get("livemode"), partition=record.partition, offset=record.offset)


def _old_event(run: Run) -> Headers:
    """Marks a command whose event came when it was older than any id that we remember: it may be a repetition.

    Once a person has had a step of the run done, its further steps follow.
    """
    created_ms = max((run.context or {})["created"] * 1000, 0)
    is_test = run.run_id != run_id(run.event_id, run.workflow)
    replayed = any(step.revision for step in run.steps)
    if is_test or replayed or run.started_ms - created_ms < WINDOW_MS:
        return ()
    return ((h.EVENT_CREATED_AT, str(created_ms).encode()),)


def _value(record: InputRecord) -> bytes:
    if record.value is None:
        raise UnreadableRecordError("the record has no value")
    return record.value


def _read_event(value: bytes) -> dict[str, Any]:
    """An event as expressions see it: with every field that it has."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise UnreadableRecordError("the record is not JSON") from None
    if not isinstance(event, dict):
        raise UnreadableRecordError("the record is not a JSON object")
    for name, kind in _EVENT_FIELDS.items():
        if not isinstance(event.get(name), kind):
            raise UnreadableRecordError(f"{name} is missing or of the wrong type")
    return event
