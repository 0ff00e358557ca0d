"""What the router publishes when a run moves: its new state, and the command of its next step. Pure."""

from collections.abc import Mapping
from typing import Final

import orjson
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers, cloud_event
from stripeline.contracts.ids import digest, run_id
from stripeline.contracts.internal_records import Run
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.router import runs
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.runs import Transition
from stripeline.workers.task.decision import Decision, OutputRecord, StateChange

COMMAND_TYPE: Final = "stripeline.action-command"
SOURCE: Final = "/stripeline/router"
MAX_COMMAND_BYTES: Final = 900 * 1024


def carried_out(setup: RouterSetup, headers: Mapping[str, bytes], transition: Transition, now_ms: int) -> Decision:
    """The decision that a run's transition is. `headers`: of the record that it follows from."""
    run, command = transition.run, transition.command
    if command is None:
        verdict = Verdict.UNRELATED if run.status == "running" else Verdict(run.status)
        return Decision(verdict, changes=(StateChange(run.run_id, run),))
    value = orjson.dumps(command)
    if len(value) > MAX_COMMAND_BYTES:
        # Kafka would refuse the whole transaction, and the next one, for ever.
        too_large = f"the step's input has {len(value)} bytes; {MAX_COMMAND_BYTES} fit"
        return carried_out(setup, headers, runs.refuse_command(transition, too_large, now_ms), now_ms)
    if setup.only_own(command["connection"]):
        run = _with_digest(run, value)
    about = cloud_event(
        id=command["command_id"], type=COMMAND_TYPE, source=SOURCE, at_ms=now_ms, trace=headers.get(h.TRACEPARENT)
    )
    connection = (h.CONNECTION, command["connection"].encode())
    output = OutputRecord(setup.topics.command, key_of(run), value, (*about, connection, *_old_event(run)))
    return Decision(Verdict.ADVANCED, (output,), (StateChange(run.run_id, run),))


def _with_digest(run: Run, value: bytes) -> Run:
    """The run with the fingerprint of the command of its present step: an executor takes that one, and no other."""
    *earlier, step = run.steps
    sent = orjson.loads(value)
    found = digest(sent["action"], sent["connection"], sent["input"], sent.get("account"))
    return replace(run, steps=(*earlier, replace(step, digest=found)))


def key_of(run: Run) -> bytes:
    """The key of all that a run sends to the executor: one lane, so its commands are decided one after the other."""
    return run.run_id.encode() if run.key is None else run.key.encode("latin-1")


def _old_event(run: Run) -> Headers:
    """Marks a command whose event came when it was older than any id that we remember: it may be a repetition.

    Once a person has had a step of the run done, its further steps follow.
    """
    created_ms = max((run.context or {})["created"] * 1000, 0)
    is_test = run.run_id != run_id(run.event_id, run.workflow)
    by_a_person = any(step.revision or step.number > 1 for step in run.steps)
    if is_test or by_a_person or run.started_ms - created_ms < WINDOW_MS:
        return ()
    return ((h.EVENT_CREATED_AT, str(created_ms).encode()),)
