"""A run of two steps between a router, an executor and Stripe in memory, with a person who acts at any time. Pure.

Topics are lists, and time is a number. A decision is committed at once, and read back from its JSON. All commands of a
run have one key, so the executor has at most one of them in hand; a webhook's object has none, and comes in between. A
worker that dies loses the call that it has in hand.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

import orjson
from msgspec.structs import asdict

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import AuditRecord, Run, encode, read
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.router.retrying import request_of
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision
from tests.support.records import Record, event, event_record, installation, owner_of_acme

TOPICS = Topics(tiers=parse_tiers("5s,30s,2m"))
START_MS = 1_700_000_100_000
RUN = "evt_1:thanks"
FAULTS = ("none", "402", "429", "500 stored", "lost before", "lost after")


def workflow(*steps: str, broken: str = "") -> Workflow:
    """Each step makes a customer. `broken`: the step whose expression fails."""
    listed = [
        {"id": one, "action": "stripe/create-customer", "input": {"email": "=dta.x" if one == broken else "a@b.c"}}
        for one in steps
    ]
    return Workflow.model_validate({"trigger": "acme-payments", "types": ["payment_intent.succeeded"], "steps": listed})


@dataclass
class RetryWorld:
    """Everything, and the steps that a test takes in any order."""

    present: Workflow = field(default_factory=lambda: workflow("one", "two"))
    now_ms: int = START_MS
    key: bytes | None = b"pi_1"

    def __post_init__(self) -> None:
        self.router = Router(
            topics=TOPICS, installation=installation, workflows=lambda _: {"thanks": self.present}, partitions=1
        )
        setup = Setup(topics=TOPICS, actions=actions(), owner=owner_of_acme, installation=installation)
        self.executor, self.ledger, self.runs = Executor(setup=setup), Ledger(), Runs()
        self.offsets = itertools.count()
        self.inbox: dict[str, list[Record]] = {"event": [], "act": [], "result": []}
        self.commands: list[Record] = []
        self.waiting: list[Record] = []  # in tiers
        self.seen_before: list[Record] = []
        self.call: tuple[Record, Call] | None = None
        self.answers: dict[str, int] = {}
        self.made: list[str] = []  # command ids, by effect
        self.posted: list[str] = []
        self.dead: list[Record] = []
        self.acts: list[Record] = []
        self.audited: list[AuditRecord] = []
        self.results: list[dict[str, Any]] = []
        self.newest: Run | None = None
        self.inbox["event"].append(event_record(event(created=START_MS // 1000), key=self.key, timestamp=START_MS))

    # What a test does

    def route(self, topic: str) -> None:
        """The router takes the next record of one of its topics."""
        if self.inbox[topic]:
            self._carry_out(self.router.take(self.runs, self.inbox[topic].pop(0), self.now_ms), self.runs)

    def take(self, tier: bool) -> None:
        """The executor takes the next record of its command topic, or the one of its tiers that is due first."""
        source = self.waiting if tier else self.commands
        if self.call is not None:
            settlement = next((one for one in self.commands if one.key is None), None)
            if settlement is not None:
                self.commands.remove(settlement)
                self._decided(settlement, self.executor.take(self.ledger, settlement, self.now_ms))
            return
        if not source:
            return
        record = min(source, key=self.executor.due_ms) if tier else source[0]
        source.remove(record)
        self.now_ms = max(self.now_ms, self.executor.due_ms(record))
        self._decided(record, self.executor.take(self.ledger, record, self.now_ms, record in self.seen_before))

    def answer(self, fault: str, *, dies: bool = False) -> None:
        """Stripe answers the call under way; the worker may die before it can commit."""
        if self.call is None:
            return
        record, call = self.call
        reply = self._stripe(call, fault)
        if dies:
            self.die()
        else:
            self.call = None
            self._decided(record, self.executor.answered(self.ledger, call, reply, self.now_ms))

    def work(self, fault: str, *, tier: bool = False) -> None:
        """The executor takes a record, and its calls are answered."""
        self.take(tier)
        self.answer(fault)

    def read_results(self) -> None:
        """The router takes the results that are there."""
        while self.inbox["result"]:
            self.route("result")

    def asked(self, act: str) -> None:
        """A person acts, and the router takes it at once."""
        getattr(self, act)()
        self.route("act")

    def die(self) -> None:
        """The executor dies: its successor reads again what was not committed."""
        if self.call is not None:
            record = self.call[0]
            (self.waiting if TOPICS.is_retry(record.topic) else self.commands).insert(0, record)
        self.call = None
        self.seen_before = [*self.commands, *self.waiting]

    def retry(self, *, as_started: bool = False) -> None:
        if self.newest is not None:
            request = request_of(self.newest, as_started=as_started)
            self._act(RunAct(act="retry", run=RUN, by="ada", why="", at_ms=self.now_ms, **asdict(request)))

    def cancel(self) -> None:
        self._act(RunAct(act="cancel", run=RUN, by="ada", why="", at_ms=self.now_ms))

    def again(self) -> None:
        """The newest act is sent once more."""
        if self.acts:
            self.inbox["act"].append(self.acts[-1])

    def replay(self, which: int = 0) -> None:
        """A person replays a dead letter, whatever became of it."""
        if self.dead:
            self.replay_of(self.dead[which % len(self.dead)])

    def replay_of(self, record: Record) -> None:
        """A person replays the command of a record, a dead letter or not."""
        first = h.number(h.read(record.headers), h.FIRST_APPENDED_AT) or record.timestamp
        headers = ((h.REPLAY, b"{}"), (h.FIRST_APPENDED_AT, str(first).encode()))
        self._command(record.key, record.value, headers)

    def webhook(self) -> None:
        """Stripe tells of what was made."""
        for name in self.made:
            headers = ((h.SETTLES, name.encode()), (h.CONNECTION, b"acme"))
            self._command(None, orjson.dumps(_customer(name)), headers)

    def drain(self, fault: str = "none") -> None:
        """Until nothing is left to do."""
        for _ in range(2_000):
            if any(self.inbox.values()):
                self.route(next(topic for topic, records in self.inbox.items() if records))
            elif self.call is not None:
                self.answer(fault)
            elif self.commands or self.waiting:
                self.take(tier=not self.commands)
            else:
                return
        raise AssertionError("it goes on for ever")

    # What follows from it

    def _act(self, act: RunAct) -> None:
        record = Record(topic=TOPICS.act, key=RUN.encode(), value=encode(act), timestamp=self.now_ms)
        self.acts.append(record)
        self.inbox["act"].append(record)

    def _command(self, key: bytes | None, value: bytes | None, headers: h.Headers) -> None:
        self.commands.append(
            Record(
                topic=TOPICS.command, key=key, value=value, headers=headers, timestamp=self.now_ms,
                offset=next(self.offsets),
            )
        )  # fmt: skip

    def _stripe(self, call: Call, fault: str) -> StripeAnswer | Fault:
        name = call.command.command_id
        if call.look_up is not None:
            rows = [_customer(name)] if name in self.made else []
            return StripeAnswer(status=200, headers={}, body=orjson.dumps({"object": "list", "data": rows}))
        self.posted.append(name)
        if fault == "lost before":
            return Fault.LOST
        if fault == "429":
            return _error(429)
        status = self.answers.setdefault(call.idempotency_key or "", {"402": 402, "500 stored": 500}.get(fault, 200))
        if status == 200 and name not in self.made:
            self.made.append(name)
        if fault == "lost after":
            return Fault.LOST
        return (
            StripeAnswer(status=200, headers={}, body=orjson.dumps(_customer(name)))
            if status == 200
            else _error(status)
        )

    def _decided(self, record: Record, decided: Decision | Call) -> None:
        if isinstance(decided, Call):
            assert self.call is None
            self.call = (record, decided)
        else:
            self._carry_out(decided, self.ledger)

    def _carry_out(self, decision: Decision, state: Runs | Ledger) -> None:
        for change in decision.changes:
            state.restore(change.key, change.record and encode(change.record))
            if isinstance(change.record, Run):
                self.newest = read(Run, encode(change.record))
        for output in decision.outputs:
            record = Record(
                topic=output.topic, key=output.key, value=output.value, headers=output.headers, timestamp=self.now_ms,
                offset=next(self.offsets),
            )  # fmt: skip
            if output.topic == TOPICS.command:
                self.commands.append(record)
            elif output.topic == TOPICS.result:
                self.inbox["result"].append(record)
                self.results.append(orjson.loads(output.value or b""))
            elif output.topic == TOPICS.dead_letter:
                self.dead.append(record)
            elif output.topic == TOPICS.audit:
                self.audited.append(read(AuditRecord, output.value or b""))
            else:
                self.waiting.append(record)

    # What must hold

    @property
    def run(self) -> Run:
        assert self.newest is not None
        return self.newest

    def effects(self, step: str) -> list[str]:
        """The commands of a step that had their effect."""
        return [name for name in self.made if name.split(":")[2] == step]


def _error(status: int) -> StripeAnswer:
    return StripeAnswer(status=status, headers={}, body=b'{"error":{"type":"api_error","message":"no"}}')


def _customer(name: str) -> dict[str, Any]:
    marks = {"stripeline_installation": installation(), "stripeline_command": name, "stripeline_partition": "0"}
    return {
        "id": f"cus_{name.replace(':', '')}", "object": "customer", "email": None, "name": None, "created": 1,
        "metadata": marks,
    }  # fmt: skip
