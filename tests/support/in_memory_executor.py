"""Whole lives of commands against the real sandbox, without Kafka: topics are a heap, time is the sandbox's clock."""

import heapq
import itertools
import time
from collections.abc import Awaitable, Callable

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.action import Request
from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.sandbox import Sandbox
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import CallReply, Outcome, classify
from stripeline.workers.task.decision import Decision
from tests.support.records import Record, command_record, installation, owner_of_acme

KEY = "sk_test_money4242"
TOPICS = Topics(tiers=parse_tiers("5s,30s,2m,10m,1h"))
ACTIONS = actions()
INTENT = {"action": "stripe/create-payment-intent", "input": {"amount": 2_000, "currency": "usd"}}
PATHS = {"stripe/create-customer": "/v1/customers", "stripe/create-payment-intent": "/v1/payment_intents"}
REFUSAL = {"status": 403, "message": "This key may not search."}
GATEWAY = "<html><h1>400 Bad Request</h1><center>gateway</center></html>"
MAX_TAKEN = 100_000

Send = Callable[[Call], Awaitable[CallReply]]


def new_executor() -> Executor:
    return Executor(setup=Setup(topics=TOPICS, installation=installation, actions=actions(), owner=owner_of_acme))


def call_of(value: dict, **fields) -> Call:
    """The call that a fresh command becomes."""
    call = new_executor().take(Ledger(), command_record(value, **fields), 1_000_000)
    assert isinstance(call, Call), call
    return call


class InMemoryExecutor:
    """An executor with its topics in memory. The next record is the one that is due first."""

    def __init__(self, send: Send, sandbox: Sandbox) -> None:
        self.sandbox, self.call_stripe = sandbox, send
        self.executor, self.ledger = new_executor(), Ledger()
        self.seen_before: list[Record] = []
        self.waiting: list[tuple[int, int, Record]] = []
        self.calls: list[Call] = []
        self.results, self.dead = [], []
        self._numbers = itertools.count()
        self._taken = 0

    @property
    def now_ms(self) -> int:
        return self.sandbox.now_ms(time.time_ns() // 1_000_000)

    async def outcome(self, call: Call) -> Outcome:
        """What Stripe's answer to one attempt means."""
        return classify(call.action, await self.call_stripe(call))

    def advance(self, ms: int) -> None:
        self.sandbox.clock_offset_ms += max(0, ms)

    def fault(self, times: int | None = 1, path: str | None = None, method: str | None = None, **fault) -> None:
        match = Match(path=path, method=method, probability=fault.pop("probability", 1.0))
        self.sandbox.faults.add(FaultRule(match=match, fault=InjectedFault(**fault), times=times))

    def send(self, value: dict, **fields) -> Record:
        """Append a command to its topic now."""
        record = command_record(value, timestamp=self.now_ms, offset=next(self._numbers), **fields)
        self.append(record)
        return record

    def append(self, record: Record) -> None:
        heapq.heappush(self.waiting, (self.executor.due_ms(record), next(self._numbers), record))

    def put_back(self, record: Record) -> None:
        """Its worker has died: the next owner reads it again, before anything else."""
        self.seen_before.append(record)
        heapq.heappush(self.waiting, (self.executor.due_ms(record), -1, record))

    async def run(self, send: Send | None = None) -> None:
        """Until nothing waits."""
        while (record := self.next_due()) is not None:
            await self.once(record, send)

    def next_due(self) -> Record | None:
        """The record that is due first, at the time when it is."""
        self._taken += 1
        assert self._taken < MAX_TAKEN, "a command is taken again for ever"
        if not self.waiting:
            return None
        due_ms, _, record = heapq.heappop(self.waiting)
        self.advance(due_ms - self.now_ms)
        return record

    async def once(self, record: Record, send: Send | None = None) -> Decision:
        """One record, from its being taken to its decision."""
        decided = self.executor.take(self.ledger, record, self.now_ms, record in self.seen_before)
        while isinstance(decided, Call):
            self.calls.append(decided)
            answer = await (send or self.call_stripe)(decided)
            decided = self.executor.answered(self.ledger, decided, answer, self.now_ms)
        for change in decided.changes:  # through JSON, as from the changelog
            self.ledger.restore(change.key, change.record and encode(change.record))
        for output in decided.outputs:
            self._publish(output)
        return decided

    def _publish(self, output) -> None:
        if output.topic == TOPICS.result:
            self.results.append(orjson.loads(output.value))
        elif output.topic == TOPICS.dead_letter:
            self.dead.append((orjson.loads(output.value)["command_id"], h.read(output.headers)))
        elif output.topic in TOPICS.retries:
            record = Record(
                topic=output.topic, key=output.key, value=output.value, headers=output.headers, timestamp=self.now_ms
            )
            self.append(record)

    @property
    def posts(self) -> list[Call]:
        return [call for call in self.calls if call.request.method == "POST"]

    @property
    def looks(self) -> list[Call]:
        """The look-ups, by their first request."""
        return [call for call in self.calls if call.look_up is not None and call.look_up.pages == 0]

    @property
    def effects(self) -> list:
        return self.sandbox.endpoints.ledger.effects

    def only_result(self) -> dict:
        (result,) = self.results
        return result


def same(first: Request, second: Request) -> bool:
    return (first.method, first.path, first.params) == (second.method, second.path, second.params)


def succeeded_once(world: InMemoryExecutor, object_name: str | None = None) -> None:
    """One result, one effect, and it is the one that the result tells of."""
    result, (effect,) = world.only_result(), world.effects
    assert (result["status"], result["error"]) == ("succeeded", None)
    assert (result["output"]["id"], result["output"]["object"]) == (effect.id, object_name or effect.object)
    assert world.dead == []


class WorkerDiedError(Exception):
    """The process is gone; what it knew of the call is lost, and nothing was committed."""


def dies(world: InMemoryExecutor, after: bool, when: Callable[[], bool] = lambda: True) -> Send:
    async def send(call):
        dead = when()
        if dead and not after:
            raise WorkerDiedError
        answer = await world.call_stripe(call)
        if dead:
            raise WorkerDiedError
        return answer

    return send
