"""What the index needs of each record's value. Decoding skips the rest, payloads above all. Pure.

Leaves are of any type: what Stripe or another team wrote is looked at by `cells`. A value that is not of these shapes
raises `msgspec.DecodeError`.
"""

from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts.ids import COMMAND_ID
from stripeline.deploy.operations.reading.customers import customer_of

Summary = TypeVar("Summary", bound=Struct)
_Id = Annotated[str, Meta(pattern=COMMAND_ID.pattern)]
_Name = Annotated[str, Meta(min_length=1, max_length=100)]


class ObjectSummary(Struct, frozen=True):
    """An object of Stripe's, or an input that names one."""

    id: Any = None
    object: Any = None
    customer: Any = None
    payment_intent: Any = None

    @property
    def customer_id(self) -> str | None:
        return customer_of({"id": self.id, "object": self.object, "customer": self.customer})


class EventSummary(Struct, frozen=True):
    data: ObjectSummary
    id: Any = None
    type: Any = None
    account: Any = None
    livemode: Any = None
    created: Any = None


class ErrorSummary(Struct, frozen=True):
    code: str
    message: str


class StepSummary(Struct, frozen=True):
    output: ObjectSummary | None = None


class ContextSummary(Struct, frozen=True):
    data: ObjectSummary | None = None


class RunSummary(Struct, frozen=True):
    """As `internal_records.Run`."""

    run: str
    workflow: str
    trigger: str
    event: str
    event_type: str
    status: str
    steps: tuple[StepSummary, ...]
    started_at: int
    step: str | None = None
    error: ErrorSummary | None = None
    finished_at: int | None = None
    context: ContextSummary | None = None
    account: str | None = None
    connection: str | None = None
    key: str | None = None
    erased_at: int | None = None


class RunRefSummary(Struct, frozen=True):
    run_id: str
    workflow: str
    step: str


class CommandSummary(Struct, frozen=True):
    """As `records.Command`, of which other teams write any."""

    command_id: _Id
    action: _Name
    connection: _Name
    input: ObjectSummary
    account: str | None = None
    run: RunRefSummary | None = None


class ResultSummary(Struct, frozen=True):
    """As `records.Result`."""

    command_id: _Id
    revision: int
    action: str
    connection: str
    status: str
    attempts: int
    started_at: int
    finished_at: int
    account: str | None = None
    output: ObjectSummary | None = None
    error: ErrorSummary | None = None
    run: RunRefSummary | None = None


_DECODERS: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind) for kind in (EventSummary, RunSummary, CommandSummary, ResultSummary)
}


def summary(kind: type[Summary], value: bytes | None) -> Summary:
    """What a value says, in short. Raises msgspec.DecodeError."""
    found: Summary = _DECODERS[kind].decode(value or b"")
    return found
