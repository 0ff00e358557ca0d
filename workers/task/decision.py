"""A decision: what becomes of one record, as a value. A role makes it, the task carries it out. Pure."""

from collections.abc import Container, Hashable, Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

from stripeline.contracts.headers import Headers
from stripeline.contracts.vocabulary import UnstartedReason, Verdict
from stripeline.workers.packed.state_image import StateImage


class InputRecord(Protocol):
    """A record as it was read (aiokafka's ConsumerRecord has this shape)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class OutputRecord(Struct, frozen=True):
    """A record to publish, to the task's own partition unless another one is named."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class StateChange(Struct, frozen=True):
    """A change of the task's state: the new record under a key, None to forget it. Goes to the changelog as JSON."""

    key: str
    record: Struct | None


class Ended(NamedTuple):
    """How a command ended, for metrics: its code, `OK` where it succeeded, and how often it was attempted.

    A tuple, because it is counted as the key of a dict.
    """

    action: str
    code: str
    attempts: int


class Unstarted(NamedTuple):
    """A workflow that an event of its types does not start. A tuple, because it is counted as the key of a dict."""

    workflow: str
    reason: UnstartedReason


class Waits(Struct, frozen=True, kw_only=True):
    """What a record of a retry topic waits for. The first of these ends the wait.

    until_ms: a time.
    place: its turn in the queue of its lane.
    gate: that its gate opens, such as that of its connection, once it was closed. `closed`: it is closed now.
    fresh: it was not attempted yet, so it is the first to be let through a gate that opens for one alone.
    changes: of the state, when it stays where it is.
    """

    until_ms: int | None = None
    place: int | None = None
    gate: Hashable | None = None
    closed: bool = False
    fresh: bool = True
    changes: tuple[StateChange, ...] = ()


class Decision(Struct, frozen=True):
    """Everything that follows from one record. `verdict` names it for metrics and tests.

    waits: instead of the outputs and changes, the record may stay on its topic, and is taken again.
    notices: facts for every process, which hold whether or not the task's transaction commits; never a part of it.
    braked: why this process pauses a connection or a workflow that is at its limit.
    """

    verdict: Verdict
    outputs: tuple[OutputRecord, ...] = ()
    changes: tuple[StateChange, ...] = ()
    ended: Ended | None = None
    notices: tuple[OutputRecord, ...] = ()
    unstarted: tuple[Unstarted, ...] = ()
    braked: str | None = None
    waits: Waits | None = None


class TaskState(Protocol):
    """A task's state. It has two writers, which give the same: `apply` a change of now, `restore` the changelog's."""

    def apply(self, key: str, record: Struct | None) -> None: ...
    def restore(self, key: str, value: bytes | None) -> None: ...
    def image(self) -> StateImage:
        """The state as it is now."""

    def load(self, part: StateImage) -> None:
        """A part of another state's image, into a new state."""

    @property
    def full(self) -> bool: ...
    @property
    def warning(self) -> str | None: ...
    @property
    def sizes(self) -> Mapping[str, int]: ...
    def head_due_ms(self, waiting: Container[Hashable] = ()) -> int | None:
        """When the head that waits longest was due, but for these lanes, whose heads are known to wait."""
