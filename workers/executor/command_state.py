"""A command with everything that its record and the ledger say about it, and the calls that it asks for. Pure."""

from msgspec import Struct, field
from msgspec.structs import replace

from stripeline.contracts import ids
from stripeline.contracts.action import Action, Request
from stripeline.contracts.internal_records import (
    LastAnswer,
    LedgerCommand,
    LedgerRunRef,
    PendingFailure,
    ResultFacts,
    Tried,
)
from stripeline.contracts.records import Command, Status
from stripeline.workers.executor.connection.call_shares import Account
from stripeline.workers.executor.connection.key_owner import KNOWN_BY_ALL_MS, KeyOwner
from stripeline.workers.executor.connection.rate_gate import Pass
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.retry_headers import CommandRecord
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_lookup import LookUp
from stripeline.workers.task.decision import OutputRecord, StateChange


class Superseding(Struct, frozen=True, kw_only=True):
    """The end of the command that this one is done in the place of: a part of this one's first decision."""

    change: StateChange
    outputs: tuple[OutputRecord, ...] = ()


class CommandState(Struct, frozen=True, kw_only=True):
    """A command, and how far it has come.

    digest: of the command's content.
    known: what the ledger knew of it when it was taken.
    revision: of the result that it will end with.
    unknown: an attempt may have had its effect.
    look_at_ms: it is not attempted but looked up at Stripe, from this time on.
    looks: look-ups that failed.
    turn_ms: its turn in the line of its connection.
    failure: what it ends with if its look-up finds nothing.
    suspect: a worker that died may have attempted it.
    answer: Stripe's last answer to an attempt that failed.
    tried_ms: no attempt can be older; None where it is proved that there was none.
    tried: under whose key it was attempted, where that is known.
    cancelled: its run was cancelled before it was attempted.
    superseding: what its first decision does to the command that it supersedes.
    """

    record: CommandRecord
    command: Command
    digest: str
    known: LedgerCommand | None
    revision: int = 0
    unknown: bool = False
    look_at_ms: int | None = None
    looks: int = 0
    turn_ms: int | None = None
    failure: PendingFailure | None = None
    suspect: bool = False
    answer: LastAnswer | None = None
    tried_ms: int | None = None
    tried: Tried | None = None
    cancelled: bool = False
    superseding: Superseding | None = None

    @property
    def in_doubt(self) -> bool:
        """It may have had its effect, as far as anybody knows."""
        decided = self.known is not None and self.known.status == "failed" and not self.suspect
        return self.tried_ms is not None and not decided

    @property
    def waits(self) -> bool:
        """Whether it was taken before, and waits in a tier."""
        return self.known is not None and self.known.status == "waiting"

    def waiting(self, now_ms: int) -> LedgerCommand:
        """The ledger's entry while it waits in a tier."""
        return LedgerCommand(
            status="waiting",
            digest=self.digest,
            revision=self.revision,
            at_ms=now_ms,
            unknown=self.unknown,
            look_at_ms=self.look_at_ms,
            looks=self.looks,
            facts=self.facts() if self.unknown or self.failure else None,
            turn_ms=self.turn_ms,
            failure=self.failure,
            suspect=self.suspect,
            answer=self.answer,
            tried_ms=self.tried_ms,
            tried=self.tried,
            cancelled=self.cancelled,
        )

    def ended(self, status: Status, now_ms: int) -> LedgerCommand:
        """The ledger's entry of its end."""
        open_ = status == "indeterminate"
        return LedgerCommand(
            status=status,
            digest=self.digest,
            revision=self.revision,
            at_ms=now_ms,
            facts=self.facts() if open_ else None,
            answer=self.answer if open_ else None,
            tried_ms=None if status == "succeeded" else self.tried_ms,
            tried=None if status == "succeeded" else self.tried,
        )

    def facts(self) -> ResultFacts:
        """What its result says beside how it ended."""
        command, record = self.command, self.record
        run = None
        if command.run is not None:
            run = LedgerRunRef(run_id=command.run.run_id, workflow=command.run.workflow, step=command.run.step)
        return ResultFacts(
            action=command.action,
            connection=command.connection,
            account=command.account,
            run=run,
            key=record.key,
            attempts=record.attempts,
            started_ms=record.first_appended_ms,
        )


class PlannedCall(Struct, frozen=True, kw_only=True):
    """A request to make once the rate gate lets it pass. `look_up`: it begins a look-up, instead of an attempt."""

    state: CommandState
    action: Action
    request: Request
    look_up: LookUp | None = None


class Call(Struct, frozen=True, kw_only=True):
    """A request to make now. Its parameters follow from the command alone, so every attempt sends the same ones.

    look_up: the look-up that it belongs to; None for an attempt.
    owner: whose key it must be made with.
    at_ms: when it was decided, which is before it is sent.
    permit: the gate's: how long to wait first, and with which key.
    timeout_ms: the rest of its look-up's time; None where only the deadline of a request bounds it.
    """

    state: CommandState
    action: Action
    request: Request
    idempotency_key: str | None
    owner: KeyOwner
    at_ms: int
    look_up: LookUp | None = None
    permit: Pass = field(default_factory=Pass)
    timeout_ms: int | None = None

    @property
    def endpoint(self) -> str:
        return endpoint(self.action, self.look_up)

    @property
    def command(self) -> Command:
        return self.state.command

    @property
    def connection(self) -> str:
        return self.state.command.connection

    @property
    def limits(self) -> Account:
        """Whose limits and share of the call slots count."""
        return self.command.connection, self.command.account

    @property
    def made(self) -> CommandState:
        """The state of its command once it may have been sent."""
        if self.look_up is not None:
            return self.state
        made = Tried(mode=self.owner.mode, account=self.owner.account)
        tried_ms = self.at_ms if self.state.tried_ms is None else self.state.tried_ms
        return replace(self.state, tried=made, tried_ms=tried_ms)


def endpoint(action: Action, look_up: LookUp | None) -> str:
    """What Stripe limits: the path without an object's id. A look-up counts as a search, its list pages included."""
    return action.path if look_up is None else f"{action.path}/search"


def state_of(setup: Setup, ledger: Ledger, record: CommandRecord, command: Command) -> CommandState:
    """The state of a command that was taken: new, waiting, or replayed after an end."""
    known, digest = ledger.known(command.command_id), digest_of(command)
    suspect = record.maybe_attempted and not _while_paused(setup, record, command)
    tried_ms = _tried_ms(known, record, suspect=suspect)
    if known is None:
        return CommandState(
            record=record, command=command, digest=digest, known=None, suspect=suspect, tried_ms=tried_ms
        )
    if known.status == "waiting":
        return CommandState(
            record=record,
            command=command,
            digest=digest,
            known=known,
            revision=known.revision,
            unknown=known.unknown,
            look_at_ms=known.look_at_ms,
            looks=known.looks,
            turn_ms=known.turn_ms,
            failure=known.failure,
            suspect=known.suspect or suspect,
            answer=known.answer,
            tried_ms=tried_ms,
            tried=known.tried,
            cancelled=known.cancelled,
        )
    unknown = known.status == "indeterminate"
    return CommandState(
        record=record,
        command=command,
        digest=digest,
        known=known,
        revision=known.revision + 1,
        unknown=unknown,
        look_at_ms=known.at_ms + setup.reconcile_after_ms if unknown else None,
        answer=known.answer,
        suspect=suspect,
        tried_ms=tried_ms,
        tried=known.tried,
    )


def _tried_ms(known: LedgerCommand | None, record: CommandRecord, *, suspect: bool) -> int | None:
    """The earliest time at which it may have been attempted; None where the ledger proves that it was not.

    A worker that died can have attempted it from this record only, so not before the record was appended.
    """
    if known is not None and known.tried_ms is not None:
        # Whatever the clock of the host that wrote it said: it was between the first append and this one.
        return min(max(known.tried_ms, record.first_appended_ms), record.input.timestamp)
    unproved = (
        record.attempts > 0
        or (known is None and (record.returned or record.aged))  # a tier, or an age, and no entry that says why
        or (known is not None and (known.unknown or known.status == "indeterminate"))
    )
    if unproved:
        return record.first_appended_ms
    if not suspect:
        return None
    return record.first_appended_ms if known is None else record.input.timestamp


def _while_paused(setup: Setup, record: CommandRecord, command: Command) -> bool:
    """It was appended after a pause that has held since: nobody can have attempted it."""
    paused_ms = setup.quiet_since(command.connection)
    return paused_ms is not None and record.input.timestamp >= paused_ms + KNOWN_BY_ALL_MS


def digest_of(command: Command) -> str:
    return ids.digest(command.action, command.connection, command.input, command.account)
