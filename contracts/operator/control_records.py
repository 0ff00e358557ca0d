"""The records of `stripe.control` that nobody wrote into the file: what a person did, or a process learned or met.

They follow the rules of `contracts/internal_records.py`.
"""

from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts.ids import ACCOUNT_ID, INSTALLATION
from stripeline.contracts.internal_records import EpochMs

FORMAT: Final = 1
"""Of the records on the topics. A version that writes them in another way has another number, and refuses these."""


class Installation(Struct, frozen=True, kw_only=True):
    """Which installation these topics belong to, under `installation`: written once, and never changed."""

    id: Annotated[str, Meta(pattern=INSTALLATION.pattern, description="in every Idempotency-Key")]
    format: Annotated[int, Meta(ge=1, description="of the records on these topics")]

    def refusal(self, control: str) -> str | None:
        """Why this version can't work on these topics, and what to do; None when it can."""
        if self.format == FORMAT:
            return None
        return (
            f"The records on these topics have format {self.format} (on {control}), and this version of Stripeline"
            f" reads and writes format {FORMAT}: use the version that made them, or a new STRIPELINE_TOPIC_PREFIX."
        )


class ConnectionAccount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The Stripe account and mode behind a connection's key, under `account/…`.

    Written when it is learned, and again when account or mode change; `changed` says which of the two. `since` is not
    in the value: it is the append time of a record that says `changed`, by the broker's clock.
    """

    account: Annotated[str, Meta(pattern=ACCOUNT_ID.pattern, description="the account's id")]
    mode: Annotated[Literal["live", "test"], Meta(description="the mode of the key")]
    changed: Annotated[bool, Meta(description="the connection was another account's, or of another mode, before")] = (
        False
    )


class KeyRefusal(Struct, frozen=True, kw_only=True):
    """Stripe refused a connection's key, under `state/NAME`, or its access to an account, under `state/NAME/ACCOUNT`.

    Valid until the key, and so its name, changes, or until a probe is accepted, which deletes the record.
    """

    key_name: Annotated[str, Meta(description="the key's name, which does not reveal it")] = msgspec.field(
        name="refused_key"
    )
    since_ms: EpochMs = msgspec.field(name="since")


BY_BRAKE: Final = "stripeline"
"""Who pauses what is at its limit."""


class Pause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A connection or a workflow is paused, under `pause/KIND/NAME`. Its end deletes the record.

    By a person, or by the process that met its limit.
    """

    by: Annotated[str, Meta(description="who paused it")]
    why: Annotated[str, Meta(description="the reason that was given")]
    at_ms: EpochMs = msgspec.field(name="at")
    until_ms: Annotated[
        EpochMs | None,
        Meta(description="milliseconds since the epoch: of a workflow, how long its first event can be taken up"),
    ] = msgspec.field(default=None, name="until")
    topic: Annotated[str | None, Meta(description="of a workflow: the topic of its events")] = None
    offsets: Annotated[
        tuple[Annotated[int, Meta(ge=0)], ...] | None,
        Meta(description="of a workflow: from where on its events may not have started, by partition of that topic"),
    ] = None


class BrakeRelease(Struct, frozen=True, kw_only=True):
    """A person resumed a connection or a workflow, under `brake/KIND/NAME`: its limits count from this record on."""

    by: Annotated[str, Meta(description="who resumed it")]
    at_ms: EpochMs = msgspec.field(name="at")


class Probe(Struct, frozen=True, kw_only=True):
    """A person asks to try a refused key once more, under `probe/NAME`: a reason to call Stripe, once a record."""

    by: Annotated[str, Meta(description="who asks")]
    at_ms: EpochMs = msgspec.field(name="at")


class BatchSkip(Struct, frozen=True, kw_only=True):
    """A person had a batch that no client can read skipped, under `skip/TOPIC/PARTITION`.

    The owner of the partition goes on behind it where it meets these bytes; anywhere else the record does nothing.
    """

    first: Annotated[int, Meta(ge=0, description="the batch's first offset")]
    last: Annotated[int, Meta(ge=0, description="the batch's last offset")]
    digest: Annotated[str, Meta(description="fingerprint of the batch's bytes")]
    by: Annotated[str, Meta(description="who skipped it")]
    why: Annotated[str, Meta(description="the reason that was given")]
    at_ms: EpochMs = msgspec.field(name="at")


class ControlPlace(NamedTuple):
    """Where a record is on the control topic, and when the broker appended it."""

    offset: int
    appended_ms: int
