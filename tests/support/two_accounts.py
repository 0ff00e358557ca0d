"""Two Stripe accounts, a connection that changes between them, and workers that crash, lag and never notice. Pure.

One command topic, its tiers and the ledger are lists and a dict; time is a number. What a worker knows of the control
topic is a snapshot, at most `MAX_AGE_MS` old when it calls. A worker that lost its partition goes on with what it knew.
"""

import itertools
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from pydantic import SecretStr

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_records import ConnectionAccount, ControlPlace
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.runtime.connection_keys import Keys, Owners, key_for
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import NoKey, StripeAnswer
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.task.decision import Decision
from tests.support.records import Record, command, installation

TOPICS = Topics(tiers=parse_tiers("5s,30s,2m,10m,1h"))
START_MS, DAY_MS = 1_000_000_000, 24 * 3_600_000
A, B = "acct_1A", "acct_1B"


@dataclass
class StripeAccount:
    """One account: it keeps answers by Idempotency-Key for a day, and objects for ever."""

    name: str
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)  # key: status, at
    made: list[str] = field(default_factory=list)  # commands, by effect
    posted: list[str] = field(default_factory=list)  # commands, by attempt

    def post(self, call: Call, fault: str, now_ms: int) -> StripeAnswer | Fault:
        command_id, key = call.command.command_id, call.idempotency_key or ""
        self.posted.append(command_id)
        if fault == "429":
            return _error(429)
        if fault == "lost before":
            return Fault.LOST
        status, at_ms = self.answers.get(key, (0, 0))
        if status == 0 or now_ms - at_ms >= DAY_MS:
            status = {"500 stored": 500, "402": 402}.get(fault, 200)
            self.answers[key] = (status, now_ms)
            if status == 200:
                self.made.append(command_id)
        if fault == "lost after":
            return Fault.LOST
        return _customer(command_id) if status == 200 else _error(status)

    def look_up(self, call: Call) -> StripeAnswer:
        command_id = call.command.command_id
        rows = [_object(command_id)] if command_id in self.made else []
        return StripeAnswer(status=200, headers={}, body=orjson.dumps({"object": "list", "data": rows}))


def _error(status: int) -> StripeAnswer:
    return StripeAnswer(status=status, headers={}, body=b'{"error":{"type":"api_error","message":"no"}}')


def _object(command_id: str) -> Mapping[str, Any]:
    marks = {"stripeline_installation": installation(), "stripeline_command": command_id, "stripeline_partition": "0"}
    return {"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1, "metadata": marks}


def _customer(command_id: str) -> StripeAnswer:
    return StripeAnswer(status=200, headers={}, body=orjson.dumps(_object(command_id)))


@dataclass
class Control:
    """The control topic: the connection's key, and what is known of its account."""

    now_ms: int = START_MS
    offset: int = 0
    definitions: Definitions = field(default_factory=Definitions)

    def write_key(self, account: str, roll: int = 0) -> None:
        key = Connection(secret_key=f"sealed:{account}:{roll}", mode="test", hint="sk_test_…")
        self._write("connection/acme", connections={"acme": key})

    def write_account(self, account: str, *, changed: bool) -> None:
        learned = ConnectionAccount(account=account, mode="test", changed=changed)
        self._write("account/acme", accounts={"acme": learned})

    def _write(self, key: str, **fields: Any) -> None:
        self.offset += 1
        now = self.definitions
        places = {**now.places, key: ControlPlace(self.offset, self.now_ms)}
        kept = {"connections": now.connections, "accounts": now.accounts}
        self.definitions = Definitions(**{**kept, **fields}, places=places)


@dataclass
class View:
    """A control table: what a worker has read, and when."""

    definitions: Definitions
    read_ms: int
    now_ms: int

    def age_s(self) -> float:
        return (self.now_ms - self.read_ms) / 1000


@dataclass
class _OpenKeys:
    view: View

    def of(self, name: str) -> SecretStr:
        return SecretStr(self.view.definitions.connections[name].secret_key)


class ModelWorker:
    """One worker: its view of the control topic, its ledger, and its call in flight."""

    def __init__(self, view: View, ledger: Ledger) -> None:
        self.view, self.ledger = view, ledger
        owners = Owners(cast("ControlTable", view))
        self.key = key_for(owners, cast("Keys", _OpenKeys(view)))
        setup = Setup(topics=TOPICS, installation=installation, actions=actions(), owner=owners.of)
        self.executor = Executor(setup=setup)
        self.call: tuple[Record, Call] | None = None


class World:
    """Everything, and the steps that a test takes in any order."""

    def __init__(self) -> None:
        self.control = Control()
        self.control.write_account(A, changed=False)
        self.control.write_key(A)
        self.stripe = {A: StripeAccount(A), B: StripeAccount(B)}
        self.now_ms, self.numbers = START_MS, itertools.count()
        self.waiting: list[Record] = []
        self.seen_before: list[Record] = []
        self.results: list[dict[str, Any]] = []
        self.dead: list[tuple[Record, str]] = []
        self.worker = self._opened(Ledger())
        self.zombies: list[ModelWorker] = []

    def _opened(self, ledger: Ledger) -> ModelWorker:
        return ModelWorker(View(self.control.definitions, self.now_ms, self.now_ms), ledger)

    # Steps

    def append(self) -> None:
        """Another team sends a command."""
        name = f"c{next(self.numbers)}"
        self._put(TOPICS.command, None, orjson.dumps(command(name)), ())

    def take(self) -> None:
        """The owner takes the record that is due first."""
        if self.worker.call is None and self.waiting:
            record = min(self.waiting, key=self.worker.executor.due_ms)
            self.pass_time(self.worker.executor.due_ms(record) - self.now_ms)
            self.waiting.remove(record)
            self._decided(record, self._taken_by(self.worker, record, again=record in self.seen_before))

    def send(self, fault: str) -> None:
        """The owner's call is sent, and answered."""
        if self.worker.call is not None:
            record, call = self.worker.call
            self.worker.call = None
            reply = self._sent(self.worker, call, fault)
            self._decided(record, self.worker.executor.answered(self.worker.ledger, call, reply, self.now_ms))

    def send_and_die(self, fault: str) -> None:
        """The owner's call is sent, and the worker dies before it can commit."""
        if self.worker.call is not None:
            self._sent(self.worker, self.worker.call[1], fault)
        self._die()

    def _die(self) -> None:
        if self.worker.call is not None:
            self.waiting.append(self.worker.call[0])
        self.seen_before = [*self.waiting]
        self.worker = self._opened(self.worker.ledger)

    def freeze(self) -> None:
        """The owner freezes and loses its partition; its successor knows only what was committed."""
        frozen = self.worker
        self._die()
        self.worker.ledger = deepcopy(frozen.ledger)
        self.zombies.append(frozen)

    def thaw(self, fault: str) -> None:
        """A worker that lost its partition sends its call. It takes no record: a commit comes first, and is fenced."""
        for zombie in self.zombies:
            self._look_at_the_clock(zombie)
            if zombie.call is not None:
                self._sent(zombie, zombie.call[1], fault)
                zombie.call = None

    def change_account(self, account: str) -> None:
        self.control.write_account(account, changed=True)

    def change_key(self, account: str) -> None:
        self.control.write_key(account)

    def read_control(self) -> None:
        self.worker.view.definitions, self.worker.view.read_ms = self.control.definitions, self.now_ms

    def replay(self) -> None:
        """A person replays a dead letter."""
        if self.dead:
            record, name = self.dead.pop(0)
            first = h.number(h.read(record.headers), h.FIRST_APPENDED_AT)
            headers = ((h.REPLAY, b"{}"), (h.FIRST_APPENDED_AT, str(first).encode()))
            assert orjson.loads(record.value or b"")["command_id"] == name
            self._put(TOPICS.command, record.key, record.value, headers)

    def webhook(self, account: str) -> None:
        """Stripe tells of what was made at an account."""
        for name in dict.fromkeys(self.stripe[account].made):
            headers = ((h.SETTLES, name.encode()), (h.CONNECTION, b"acme"))
            self._put(TOPICS.command, None, orjson.dumps(_object(name)), headers)

    def pass_time(self, ms: int) -> None:
        self.now_ms += max(0, ms)
        self.control.now_ms = self.now_ms
        self._look_at_the_clock(self.worker)

    # What follows from them

    def _look_at_the_clock(self, worker: ModelWorker) -> None:
        worker.view.now_ms = self.now_ms

    def _taken_by(self, worker: ModelWorker, record: Record, *, again: bool) -> Decision | Call:
        return worker.executor.take(worker.ledger, record, self.now_ms, again)

    def _sent(self, worker: ModelWorker, call: Call, fault: str) -> Any:
        key = worker.key(call)
        if key is None:
            return NoKey(connection="acme")
        account = self.stripe[key.get_secret_value().split(":")[1]]
        return account.look_up(call) if call.look_up is not None else account.post(call, fault, self.now_ms)

    def _decided(self, record: Record, decided: Decision | Call) -> None:
        if isinstance(decided, Call):
            self.worker.call = (record, decided)
            return
        for change in decided.changes:
            self.worker.ledger.restore(change.key, change.record and encode(change.record))
        for output in decided.outputs:
            if output.topic == TOPICS.result:
                self.results.append(orjson.loads(output.value or b""))
            elif output.topic == TOPICS.dead_letter:
                letter = Record(topic=output.topic, key=output.key, value=output.value, headers=output.headers)
                self.dead.append((letter, orjson.loads(output.value or b"")["command_id"]))
            else:
                self._put(output.topic, output.key, output.value, output.headers)

    def _put(self, topic: str, key: bytes | None, value: bytes | None, headers: h.Headers) -> None:
        record = Record(
            topic=topic, key=key, value=value, headers=headers, timestamp=self.now_ms, offset=next(self.numbers)
        )
        self.waiting.append(record)

    # What must hold

    def accounts_of(self, name: str) -> set[str]:
        """Where a command was attempted."""
        return {account.name for account in self.stripe.values() if name in account.posted}

    def effects_of(self, name: str) -> int:
        return sum(account.made.count(name) for account in self.stripe.values())

    @property
    def names(self) -> set[str]:
        return {name for account in self.stripe.values() for name in account.posted}
