"""The executor's state: which commands are known and how they stand, and which keys wait behind a retry.

Theory of operation of a key's queue. While a command of a key waits in a tier, every later command of that key goes
behind it. Each gets a place; only the one whose place is the queue's head may run. So a record never overtakes an
earlier one of its key, whichever tier brings it back first.

    fresh, no queue        → runs. A retryable failure opens the queue: it has place 0, head 0, tail 1.
    fresh, queue           → place = tail, tail + 1, into a tier.
    returned, place ≠ head → back into a tier with the same place: not its turn, and no attempt.
    returned, place = head → runs. It ends, whichever way: head + 1. It fails retryably: back into a tier, still head.
    head reaches tail      → the queue is gone.

Pure. The waiting records are on the retry topics; the queue is three numbers.

A known command is kept as the bytes that its changelog has: half the memory of an object, and the garbage collector
need not visit a million of them.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from stripeline.contracts.frozen import frozen
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.vocabulary import StateKind
from stripeline.workers.task.decision import StateChange

MAX_COMMANDS = 5_000_000
MAX_QUEUES = 100_000
"""Of one task. At about 300 bytes an id, more than this is a partition count that is too small."""

_COMMAND = "command/"
_QUEUE = "queue/"


@frozen(kw_only=False)
class Known:
    """A command that was seen.

    status: `waiting`, or how its newest result ended.
    digest: what it asks for.
    revision: of its newest result; of the next one while it waits.
    at_ms: when this was written; of a command that waits or is indeterminate, when it was last attempted.
    unknown: an attempt may have had its effect.
    look_at_ms: no more attempts; from this time on the object is looked up at Stripe.
    looks: look-ups that failed.
    suspect: a worker that died may have attempted it, and nobody has been told otherwise.
    failure: the error and dead letter reason that it ends with if its look-up finds nothing.
    told: what a result needs beside its outcome, while an effect is possible: a webhook may settle it.
    turn_ms: its turn in the line of a connection that is at its limit.
    """

    status: str
    digest: str
    revision: int
    at_ms: int
    unknown: bool = False
    look_at_ms: int | None = None
    looks: int = 0
    told: Mapping[str, Any] | None = None
    turn_ms: int | None = None
    failure: Mapping[str, Any] | None = None
    suspect: bool = False


@frozen(kw_only=False)
class Queue:
    """A key that waits: the place whose turn it is, the next free place, and when the head is due."""

    head: int
    tail: int
    due_ms: int


class Ledger:
    """The state of one executor task."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}
        self._queues: dict[str, Queue] = {}
        self._waiting = 0

    def apply(self, key: str, value: Mapping[str, Any] | None) -> None:
        if key.startswith(_COMMAND):
            self._apply_command(key.removeprefix(_COMMAND), value)
        elif value is None:
            self._queues.pop(key.removeprefix(_QUEUE), None)
        else:
            self._queues[key.removeprefix(_QUEUE)] = Queue(value["head"], value["tail"], value["due_at"])

    def _apply_command(self, command_id: str, value: Mapping[str, Any] | None) -> None:
        # Taken out first, so that the dict stays in the order of time and expiry need only look at its front.
        before = self._known.pop(command_id, None)
        if before is not None and _read(before).status == "waiting":
            self._waiting -= 1
        if value is not None:
            self._waiting += value["status"] == "waiting"
            # Copied: what orjson gives keeps the 4 kB of its buffer.
            self._known[command_id] = bytes(memoryview(orjson.dumps(value)))

    def known(self, command_id: str) -> Known | None:
        kept = self._known.get(command_id)
        return None if kept is None else _read(kept)

    def queue(self, key: str) -> Queue | None:
        return self._queues.get(key)

    @property
    def full(self) -> bool:
        """Whether no new command may be taken; those that wait go on, and make room."""
        return len(self._known) >= MAX_COMMANDS or len(self._queues) >= MAX_QUEUES

    @property
    def head_due_ms(self) -> int | None:
        """When the head of the key that waits longest was due; None when no key waits."""
        return min((queue.due_ms for queue in self._queues.values()), default=None)

    @property
    def sizes(self) -> Mapping[str, int]:
        return {
            StateKind.COMMANDS: len(self._known),
            StateKind.WAITING: self._waiting,
            StateKind.QUEUES: len(self._queues),
        }

    def expired(self, now_ms: int, limit: int = 1_000) -> Iterator[StateChange]:
        """Ids older than the window, oldest first. A waiting one is never forgotten."""
        for command_id, kept in list(islice(self._known.items(), limit)):
            known = _read(kept)
            if known.at_ms > now_ms - WINDOW_MS:
                return
            if known.status != "waiting":
                yield forget(command_id)


def _read(kept: bytes) -> Known:
    value = orjson.loads(kept)
    return Known(
        status=value["status"],
        digest=value["digest"],
        revision=value["revision"],
        at_ms=value["at"],
        unknown=value.get("unknown", False),
        look_at_ms=value.get("look_at"),
        looks=value.get("looks", 0),
        told=value.get("told"),
        turn_ms=value.get("turn"),
        failure=value.get("failure"),
        suspect=value.get("suspect", False),
    )


def remember(command_id: str, known: Known) -> StateChange:
    value = {"status": known.status, "digest": known.digest, "revision": known.revision, "at": known.at_ms}
    if known.status != "succeeded":
        rare = {"unknown": known.unknown, "look_at": known.look_at_ms, "looks": known.looks, "told": known.told}
        rare |= {"turn": known.turn_ms, "failure": known.failure, "suspect": known.suspect}
        value |= {name: held for name, held in rare.items() if held}
    return StateChange(_COMMAND + command_id, value)


def forget(command_id: str) -> StateChange:
    return StateChange(_COMMAND + command_id, None)


def set_queue(key: str, queue: Queue) -> StateChange:
    """The queue as it stands now; a queue whose head reached its tail is gone."""
    if queue.head >= queue.tail:
        return StateChange(_QUEUE + key, None)
    return StateChange(_QUEUE + key, {"head": queue.head, "tail": queue.tail, "due_at": queue.due_ms})
