"""A decision: what becomes of one record, as a value. A role makes it, the task carries it out. Pure."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

from stripeline.contracts.headers import Headers
from stripeline.contracts.vocabulary import UnstartedReason, Verdict


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


class Decision(Struct, frozen=True):
    """Everything that follows from one record. `verdict` names it for metrics and tests.

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


class TaskState(Protocol):
    """A task's state. It has two writers, which give the same: `apply` a change of now, `restore` the changelog's."""

    def apply(self, key: str, record: Struct | None) -> None: ...
    def restore(self, key: str, value: bytes | None) -> None: ...
    @property
    def full(self) -> bool: ...
    @property
    def warning(self) -> str | None: ...
    @property
    def sizes(self) -> Mapping[str, int]: ...
    @property
    def head_due_ms(self) -> int | None: ...
