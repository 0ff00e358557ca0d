"""The run state machine: an event starts a run, each result takes it one step on, an error stops it. Pure.

    running(step 1) → … → running(step n) → succeeded
         │ an error result, or a broken expression
         ▼
      stopped(step i)  ── a later revision of that step's result → running(step i + 1) or succeeded

A run is the dict of `contracts.records.Run`, never changed in place. It carries the definition that it started with
and its event, so what the operator changes meanwhile is for the next run.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.frozen import frozen
from stripeline.contracts.ids import command_id, run_id
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.vocabulary import Code, StateKind
from stripeline.workers.router.expressions import ExpressionError, resolve
from stripeline.workers.task.decision import StateChange

Run = Mapping[str, Any]

MAX_OPEN = 100_000
MAX_FINISHED = 5_000_000
"""Of one task: an open run holds its event, a finished one its id alone."""


@frozen
class Move:
    """A run's next state, and the command that it asks for, if it asks for one."""

    run: Run
    command: Mapping[str, Any] | None = None


class Runs:
    """The state of one router task: what runs by id. Of a succeeded run only its id and end are kept."""

    def __init__(self) -> None:
        self._open: dict[str, Run] = {}
        self._finished: dict[str, int] = {}

    def apply(self, key: str, value: Run | None) -> None:
        self._open.pop(key, None)
        self._finished.pop(key, None)
        if value is None:
            return
        if value["status"] == "succeeded":
            self._finished[key] = value["finished_at"]
        else:
            self._open[key] = value

    def knows(self, run: str) -> bool:
        return run in self._open or run in self._finished

    def get(self, run: str) -> Run | None:
        """A run that is not succeeded."""
        return self._open.get(run)

    @property
    def full(self) -> bool:
        """Whether no new event may be taken; results go on, and make room."""
        return len(self._open) >= MAX_OPEN or len(self._finished) >= MAX_FINISHED

    @property
    def head_due_ms(self) -> None:
        """No key waits in a router."""

    @property
    def sizes(self) -> Mapping[str, int]:
        return {StateKind.OPEN: len(self._open), StateKind.FINISHED: len(self._finished)}

    def expired(self, now_ms: int, limit: int = 1_000) -> Iterator[StateChange]:
        """Finished and stopped runs older than the window. Both dicts are in the order of their last change."""
        ends = [*islice(self._finished.items(), limit), *islice(self._stopped(), limit)]
        return (StateChange(key, None) for key, at_ms in ends if at_ms < now_ms - WINDOW_MS)

    def _stopped(self) -> Iterator[tuple[str, int]]:
        return ((key, run["finished_at"]) for key, run in self._open.items() if run["finished_at"] is not None)


def begin(name: str, workflow: Workflow, event: Mapping[str, Any], connection: str, now_ms: int) -> Run:
    """A run before its first step."""
    return {
        "run": run_id(event["id"], name),
        "workflow": name,
        "trigger": workflow.trigger,
        "event": event["id"],
        "event_type": event["type"],
        "status": "running",
        "step": None,
        "error": None,
        "steps": [],
        "started_at": now_ms,
        "finished_at": None,
        "definition": [{"connection": connection, **step.model_dump(exclude_none=True)} for step in workflow.steps],
        "context": event,
    }


def next_step(run: Run, now_ms: int) -> Move:
    """The next step's command, or the end of the run."""
    number = len(run["steps"])
    if number == len(run["definition"]):
        done = {"status": "succeeded", "step": None, "error": None, "definition": None, "context": None}
        return Move(run={**run, **done, "finished_at": now_ms})
    step = run["definition"][number]
    outputs = {earlier["id"]: earlier["output"] for earlier in run["steps"]}
    entry = {"id": step["id"], "action": step["action"], "command_id": command_id(run["run"], step["id"])}
    entry |= {"revision": None, "status": "running", "output": None, "error": None}
    entry |= {"started_at": now_ms, "finished_at": None}
    going = {**run, "status": "running", "step": step["id"], "error": None, "finished_at": None}
    try:
        given = resolve(step["input"], {**run["context"], "steps": outputs})
    except ExpressionError as error:
        ended = {**entry, "status": "failed", "error": broken(error), "finished_at": now_ms}
        return Move(run=stop({**going, "steps": [*run["steps"], ended]}, broken(error), now_ms))
    command = {
        "command_id": entry["command_id"],
        "action": step["action"],
        "connection": step["connection"],
        "input": given,
        "run": {"run_id": run["run"], "workflow": run["workflow"], "step": step["id"]},
    }
    return Move(run={**going, "steps": [*run["steps"], entry]}, command=command)


def after(run: Run, result: Mapping[str, Any], now_ms: int) -> Move | None:
    """A run after a result of its step; None for a result that it does not wait for."""
    if not run["steps"] or run["steps"][-1]["command_id"] != result["command_id"]:
        return None
    *earlier, entry = run["steps"]
    told = entry["revision"]
    if told is not None and result["revision"] <= told:
        return None
    facts = ("revision", "status", "output", "error", "finished_at")
    taken = {**run, "steps": [*earlier, {**entry, **{name: result.get(name) for name in facts}}]}
    if result["status"] != "succeeded":
        return Move(run=stop(taken, result.get("error"), now_ms))
    return next_step(taken, now_ms)


def refuse(move: Move, message: str, now_ms: int) -> Move:
    """A step whose command can't be sent: the run stops there."""
    *earlier, entry = move.run["steps"]
    error = {"code": Code.VALIDATION_ERROR.value, "message": message, "retryable": False}
    ended = {**entry, "status": "failed", "error": error, "finished_at": now_ms}
    return Move(run=stop({**move.run, "steps": [*earlier, ended]}, error, now_ms))


def stop(run: Run, error: Mapping[str, Any] | None, now_ms: int) -> Run:
    return {**run, "status": "stopped", "error": error, "finished_at": now_ms}


def broken(error: ExpressionError) -> Mapping[str, Any]:
    return {"code": Code.VALIDATION_ERROR.value, "message": str(error), "retryable": False}
