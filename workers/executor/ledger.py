"""The executor's state: which commands are known and how they ended, and which keys wait behind a retry.

Theory of operation of a key's queue. While a command of a key waits in a tier, every later command of that key goes
behind it. Each gets a place; only the one whose place is the queue's head may run. So a record never overtakes an
earlier one of its key, whichever tier brings it back first.

    fresh, no queue        → runs. A retryable failure opens the queue: it has place 0, head 0, tail 1.
    fresh, queue           → place = tail, tail + 1, into a tier.
    returned, place ≠ head → back into a tier with the same place: not its turn, and no attempt.
    returned, place = head → runs. It ends, whichever way: head + 1. It fails retryably: back into a tier, still head.
    head reaches tail      → the queue is gone.

Pure. The waiting records are on the retry topics; the queue is three numbers.

Invariants:
- A change of now and its changelog record, restored, give the same state.
- A known command is kept as the bytes of its changelog record, and packed some time after its end: 38 to 56 bytes of
  memory each, which the garbage collector does not visit. Nothing of it is left out: its tombstone needs its id.
- What a connection with limits has spent changes with the commands that spend it, so a crash gives no new allowance.
- The commands that ended are in the order in which they were last written, so expiry looks at the oldest ones only.
"""

from collections.abc import Callable, Container, Hashable, Iterator, Mapping
from itertools import chain

from msgspec import Struct

from stripeline.contracts.internal_records import LedgerCommand, LedgerQueue, LedgerStatus, encode, read
from stripeline.contracts.operator.spending import Spending
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.contracts.vocabulary import StateKind
from stripeline.workers.brakes.rolling_hour import NOTHING, Cost, is_over, with_cost
from stripeline.workers.packed.packed_rows import PackedRows
from stripeline.workers.packed.state_image import StateImage
from stripeline.workers.task.decision import StateChange

MAX_COMMANDS = 50_000_000
MAX_QUEUES = 100_000
"""Of one task. More ids than this, of 50 bytes each, are a partition count that is too small."""
LOOKED_AT = 1_000
"""Keys, in one go, by who watches: a task would stand still for all of them."""

_COMMAND = "command/"
_QUEUE = "queue/"
_SPENT = "spent/"


class Reserved(Struct, frozen=True, kw_only=True):
    """What a call under way will have spent."""

    connection: str
    cost: Cost
    at_ms: int


class Ledger:
    """The state of one executor task.

    reserved: by command id, of the calls under way to connections with limits; no part of the changelog.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, bytes] = {}
        self._ended = PackedRows()
        self._queues: dict[str, LedgerQueue] = {}
        self._spent: dict[str, Spending] = {}
        self.reserved: dict[str, Reserved] = {}
        self._to_look_at: list[str] = []
        self._due: list[int] = []
        self._head_due_ms: int | None = None

    def apply(self, key: str, record: Struct | None) -> None:
        """A change of now."""
        match record:
            case LedgerCommand():
                # Copied to its size: the encoder's own bytes keep the rest of its buffer, 50 bytes an id.
                self._keep(key, bytes(memoryview(encode(record))), record.status, self._ended.put)
            case LedgerQueue():
                self._queues[key.removeprefix(_QUEUE)] = record
            case Spending():
                self._spent[key.removeprefix(_SPENT)] = record
            case _:
                self._forget(key)

    def restore(self, key: str, value: bytes | None) -> None:
        """A record of the changelog. Raises UnreadableRecordError, and leaves the state as it was."""
        if value is None:
            self._forget(key)
        elif key.startswith(_COMMAND):
            self._keep(key, value, read(LedgerCommand, value).status, self._ended.load)
        elif key.startswith(_SPENT):
            self._spent[key.removeprefix(_SPENT)] = read(Spending, value)
        else:
            self._queues[key.removeprefix(_QUEUE)] = read(LedgerQueue, value)

    def _keep(self, key: str, value: bytes, status: LedgerStatus, put: Callable[[str, bytes], None]) -> None:
        command_id = key.removeprefix(_COMMAND)
        if status == "waiting":
            self._ended.remove(command_id)
            self._waiting[command_id] = value
        else:
            self._waiting.pop(command_id, None)
            put(command_id, value)

    def _forget(self, key: str) -> None:
        if key.startswith(_COMMAND):
            command_id = key.removeprefix(_COMMAND)
            self._waiting.pop(command_id, None)
            self._ended.remove(command_id)
        elif key.startswith(_QUEUE):
            self._queues.pop(key.removeprefix(_QUEUE), None)
        elif key.startswith(_SPENT):
            self._spent.pop(key.removeprefix(_SPENT), None)

    def image(self) -> StateImage:
        records = chain(
            ((_COMMAND + command_id, value) for command_id, value in dict(self._waiting).items()),
            ((_QUEUE + key, encode(queue)) for key, queue in dict(self._queues).items()),
            ((_SPENT + name, encode(spent)) for name, spent in dict(self._spent).items()),
        )
        return StateImage(self._ended.blocks(), records)

    def load(self, part: StateImage) -> None:
        for block in part.blocks:
            self._ended.load_block(block)
        for key, value in part.records:
            self.restore(key, value)

    def known(self, command_id: str) -> LedgerCommand | None:
        value = self._waiting.get(command_id) or self._ended.get(command_id)
        return None if value is None else read(LedgerCommand, value)

    def queue(self, key: str) -> LedgerQueue | None:
        return self._queues.get(key)

    def spending(self, connection: str) -> Spending:
        """What its commands of this task have spent, but for the calls under way."""
        return self._spent.get(connection, NOTHING)

    def spenders(self) -> Mapping[str, Spending]:
        return self._spent

    def reserve(self, command_id: str, connection: str, cost: Cost, now_ms: int) -> None:
        """A command's first attempt begins. A command that is taken again has its former place."""
        self.reserved[command_id] = Reserved(connection=connection, cost=cost, at_ms=now_ms)

    @property
    def full(self) -> bool:
        """Whether no new command may be taken; those that wait go on, and make room."""
        return self._known >= MAX_COMMANDS or len(self._queues) >= MAX_QUEUES

    @property
    def _known(self) -> int:
        return len(self._waiting) + len(self._ended)

    @property
    def warning(self) -> None:
        """A ledger has none."""

    def head_due_ms(self, waiting: Container[Hashable] = ()) -> int | None:
        """When the head of the key that waits longest was due, but for these lanes; None when no other key waits.

        It looks at `LOOKED_AT` keys a call. Of more keys, it says what the last whole round has found.
        """
        if not self._to_look_at:
            self._to_look_at = list(self._queues)
        looked_at = self._to_look_at[-LOOKED_AT:]
        del self._to_look_at[-LOOKED_AT:]
        queues = ((key, self._queues.get(key)) for key in looked_at)
        self._due += [queue.due_ms for key, queue in queues if queue and key.encode("latin-1") not in waiting]
        self._due = [min(self._due)] if self._due else []
        if not self._to_look_at:
            self._head_due_ms, self._due = next(iter(self._due), None), []
        return self._head_due_ms

    @property
    def sizes(self) -> Mapping[str, int]:
        return {
            StateKind.COMMANDS: self._known,
            StateKind.WAITING: len(self._waiting),
            StateKind.QUEUES: len(self._queues),
        }

    def expired(self, now_ms: int, limit: int = 1_000) -> Iterator[StateChange]:
        """Ids older than the window, oldest first. A waiting one is never forgotten."""
        yield from (StateChange(_SPENT + name, None) for name, spent in self._spent.items() if is_over(spent, now_ms))
        for command_id, value in self._ended.oldest(limit):
            if read(LedgerCommand, value).at_ms > now_ms - WINDOW_MS:
                return
            yield forget(command_id)


def remember(command_id: str, command: LedgerCommand) -> StateChange:
    return StateChange(_COMMAND + command_id, command)


def command_key(command_id: str) -> str:
    return _COMMAND + command_id


def forget(command_id: str) -> StateChange:
    return StateChange(_COMMAND + command_id, None)


def spend(ledger: Ledger, spent: Reserved, released_ms: int) -> StateChange:
    """A call that was made has spent this."""
    grown = with_cost(ledger.spending(spent.connection), spent.cost, spent.at_ms, released_ms)
    return StateChange(_SPENT + spent.connection, grown)


def set_queue(key: str, queue: LedgerQueue) -> StateChange:
    """The queue as it is now; a queue whose head reached its tail is gone."""
    return StateChange(_QUEUE + key, None if queue.head >= queue.tail else queue)
