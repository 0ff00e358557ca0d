"""The router's decisions: which runs an event starts, and how a result takes its run on. Pure.

An event starts one run per matching workflow of its trigger; a run whose id is known is not started again.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts import stripe_metadata
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.frozen import frozen
from stripeline.contracts.headers import Headers, cloud_event
from stripeline.contracts.ids import run_id
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.router import runs
from stripeline.workers.router.expressions import ExpressionError, holds
from stripeline.workers.router.runs import Move, Runs
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision, InputRecord, Output, StateChange

COMMAND_TYPE = "stripeline.action-command"
SOURCE = "/stripeline/router"
MAX_COMMAND_BYTES = 900 * 1024
_PARTITION = re.compile(r"[0-9]{1,5}")
_EVENT_FIELDS = {"id": str, "type": str, "created": int, "data": dict}
_RESULT_FIELDS = {"command_id": str, "revision": int, "status": str}


@frozen
class Router:
    """The decisions of one prefix's routers. `workflows`: those of a trigger, by name."""

    topics: Topics
    workflows: Callable[[str], Mapping[str, Workflow]]
    partitions: int = 1_000_000

    def lane(self, record: InputRecord) -> object:
        return record.key

    def take(self, state: Runs, record: InputRecord, now_ms: int) -> Decision:
        """The decision about an event or a result."""
        is_result = record.topic == self.topics.result
        value = _read(record.value, _RESULT_FIELDS if is_result else _EVENT_FIELDS)
        headers = h.read(record.headers)
        if isinstance(value, str):
            first_ms = h.first_appended_ms(headers, record.timestamp)
            letter = dead_letters.unreadable(self.topics.dead_letter, record, first_ms, value)
            return Decision(Verdict.UNREADABLE, (letter,))
        if is_result:
            return self._result(state, record, value, headers, now_ms)
        return self._event(state, record, value, headers, now_ms)

    def _event(
        self, state: Runs, record: InputRecord, event: Mapping[str, Any], headers: Mapping[str, bytes], now_ms: int
    ) -> Decision:
        connection = h.text(headers, h.CONNECTION) or ""
        found = self.workflows(h.text(headers, h.TRIGGER) or "")
        moves = [self._start(state, name, found[name], event, connection, now_ms) for name in sorted(found)]
        decisions = [self._moved(record, headers, move, now_ms) for move in moves if move is not None]
        outputs = (*(output for decision in decisions for output in decision.outputs), *self._settles(event, headers))
        changes = tuple(change for decision in decisions for change in decision.changes)
        return Decision(Verdict.STARTED if decisions else Verdict.NO_RUN, outputs, changes)

    def _settles(self, event: Mapping[str, Any], headers: Mapping[str, bytes]) -> tuple[Output, ...]:
        """An object that one of our commands made: its executor may not know that it was done.

        The executor's task is another one: the partition rides in the object's metadata.
        """
        command_id = stripe_metadata.command_of(event["data"])
        partition = event["data"].get("metadata", {}).get(stripe_metadata.PARTITION) if command_id else None
        if command_id is None or not isinstance(partition, str) or not _PARTITION.fullmatch(partition):
            return ()
        if int(partition) >= self.partitions:
            return ()
        about = [(h.SETTLES, command_id.encode())]
        about += [(name, headers[name]) for name in (h.CONNECTION, h.TRACEPARENT) if name in headers]
        return (Output(self.topics.command, None, orjson.dumps(event["data"]), tuple(about), int(partition)),)

    def _start(
        self, state: Runs, name: str, workflow: Workflow, event: Mapping[str, Any], connection: str, now_ms: int
    ) -> Move | None:
        if not workflow.wants(event["type"]) or state.knows(run_id(event["id"], name)):
            return None
        run = runs.begin(name, workflow, event, connection, now_ms)
        try:
            return runs.next_step(run, now_ms) if holds(workflow.where, event) else None
        except ExpressionError as error:
            return Move(run=runs.stop(run, runs.broken(error), now_ms))

    def _result(
        self, state: Runs, record: InputRecord, result: Mapping[str, Any], headers: Mapping[str, bytes], now_ms: int
    ) -> Decision:
        reference = result.get("run")
        run = state.get(reference["run_id"]) if isinstance(reference, dict) and "run_id" in reference else None
        move = None if run is None else runs.after(run, result, now_ms)
        return Decision(Verdict.UNRELATED) if move is None else self._moved(record, headers, move, now_ms)

    def _moved(self, record: InputRecord, headers: Mapping[str, bytes], move: Move, now_ms: int) -> Decision:
        command = move.command
        if command is None:
            return Decision(Verdict(move.run["status"]), changes=(StateChange(move.run["run"], move.run),))
        value = orjson.dumps(command)
        if len(value) > MAX_COMMAND_BYTES:
            # Kafka would refuse the whole transaction, and the next one, for ever.
            too_large = f"the step's input has {len(value)} bytes; {MAX_COMMAND_BYTES} fit"
            return self._moved(record, headers, runs.refuse(move, too_large, now_ms), now_ms)
        about = cloud_event(
            id=command["command_id"], type=COMMAND_TYPE, source=SOURCE, at_ms=now_ms, trace=headers.get(h.TRACEPARENT)
        )
        connection = (h.CONNECTION, command["connection"].encode())
        output = Output(self.topics.command, record.key, value, (*about, connection, *_age(move.run, now_ms)))
        return Decision(Verdict.ADVANCED, (output,), (StateChange(move.run["run"], move.run),))


def _age(run: Mapping[str, Any], now_ms: int) -> Headers:
    """A command of an event older than any id that we remember counts as past the horizon: it may be a repetition."""
    created_ms = run["context"]["created"] * 1000
    if now_ms - created_ms < WINDOW_MS:
        return ()
    return ((h.FIRST_APPENDED_AT, str(max(created_ms, 0)).encode()),)


def _read(value: bytes | None, fields: Mapping[str, type]) -> Mapping[str, Any] | str:
    """A record that a process of ours wrote, or why it is none."""
    if value is None:
        return "the record has no value"
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return "the record is not JSON"
    if not isinstance(parsed, dict):
        return "the record is no JSON object"
    wrong = [name for name, kind in fields.items() if not isinstance(parsed.get(name), kind)]
    return f"{wrong[0]} is missing or of the wrong type" if wrong else parsed
