"""One command at work: what its record and the ledger say about it together. Pure."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from stripeline.contracts.action import Action, Request
from stripeline.contracts.frozen import frozen
from stripeline.contracts.ids import digest
from stripeline.contracts.records import Command
from stripeline.workers.executor.ledger import Known, Ledger
from stripeline.workers.executor.rate_gate import Pass
from stripeline.workers.executor.retry_headers import Ticket


@frozen
class Work:
    """A command, and how far it has come.

    seen: what the ledger knew of it when it was taken.
    revision: of the result that it will end with.
    unknown: an attempt may have had its effect.
    look_at_ms: it is not attempted but looked up at Stripe, from this time on.
    looks: look-ups that failed.
    turn_ms: its turn in the line of its connection.
    failure: what it ends with if its look-up finds nothing.
    suspect: a worker that died may have attempted it.
    """

    ticket: Ticket
    command: Command
    seen: Known | None
    revision: int = 0
    unknown: bool = False
    look_at_ms: int | None = None
    looks: int = 0
    turn_ms: int | None = None
    failure: Mapping[str, Any] | None = None
    suspect: bool = False

    def waiting(self, now_ms: int) -> Known:
        """The ledger's entry while it waits in a tier."""
        return Known(
            status="waiting",
            digest=digest_of(self.command),
            revision=self.revision,
            at_ms=now_ms,
            unknown=self.unknown,
            look_at_ms=self.look_at_ms,
            looks=self.looks,
            told=self.told() if self.unknown or self.failure else None,
            turn_ms=self.turn_ms,
            failure=self.failure,
            suspect=self.suspect,
        )

    def ended(self, status: str, now_ms: int) -> Known:
        """The ledger's entry of its end."""
        told = self.told() if status == "indeterminate" else None
        return Known(status=status, digest=digest_of(self.command), revision=self.revision, at_ms=now_ms, told=told)

    def told(self) -> Mapping[str, Any]:
        """What a result needs that comes without the command's record: a webhook settles by it."""
        return {
            "action": self.command.action,
            "connection": self.command.connection,
            "run": self.command.run and self.command.run.model_dump(),
            "key": self.ticket.key,
            "attempts": self.ticket.attempts,
            "started_at": self.ticket.first_appended_ms,
        }


@frozen
class Call:
    """A call to make. Its parameters follow from the command alone, so every attempt sends the same ones.

    look: a look-up by the command's metadata, instead of the attempt.
    passed: what the gate said: how long to wait first.
    """

    work: Work
    action: Action
    request: Request
    idempotency_key: str | None
    look: bool = False
    passed: Pass = field(default_factory=Pass)

    @property
    def endpoint(self) -> str:
        return endpoint(self.action, look=self.look)

    @property
    def command(self) -> Command:
        return self.work.command


def endpoint(action: Action, *, look: bool) -> str:
    """What Stripe limits: the path without an object's id."""
    return f"{action.path}/search" if look else action.path


def work_of(ledger: Ledger, of: Ticket, command: Command, reconcile_after_ms: int) -> Work:
    """A command as it stands: new, waiting, or replayed after an end."""
    seen = ledger.known(command.command_id)
    if seen is None:
        return Work(ticket=of, command=command, seen=None, suspect=of.again)
    if seen.status == "waiting":
        return Work(
            ticket=of,
            command=command,
            seen=seen,
            revision=seen.revision,
            unknown=seen.unknown,
            look_at_ms=seen.look_at_ms,
            looks=seen.looks,
            turn_ms=seen.turn_ms,
            failure=seen.failure,
            suspect=seen.suspect or of.again,
        )
    unknown = seen.status == "indeterminate"
    look_at_ms = seen.at_ms + reconcile_after_ms if unknown else None
    return Work(
        ticket=of, command=command, seen=seen, revision=seen.revision + 1, unknown=unknown, look_at_ms=look_at_ms
    )


def digest_of(command: Command) -> str:
    return digest(command.action, command.connection, command.input)
