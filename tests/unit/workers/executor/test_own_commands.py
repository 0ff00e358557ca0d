"""Connections with `commands: own`: a run's own command is done, and no team's made-up one."""

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import Run, encode
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.own_runs import CLOCKS_MS, TRANSACTION_MS, OwnRuns
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.kafka.transaction import TRANSACTION_TIMEOUT_MS
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision
from tests.support.in_memory_executor import TOPICS
from tests.support.records import Record, appended, command_record, event_record, installation, owner_of_acme

NOW = 1_700_000_100_000
WORKFLOW = Workflow.model_validate({
    "trigger": "acme-payments",
    "steps": [
        {"id": "one", "action": "stripe/create-payment-intent", "input": {"amount": "=data.amount", "currency": "eur"}}
    ],
})  # fmt: skip
MADE = StripeAnswer(
    status=200, headers={}, body=b'{"id":"pi_2","object":"payment_intent","amount":6000,"currency":"eur","status":"x",'
    b'"client_secret":null,"customer":null,"created":1}',
)  # fmt: skip
BUSY = StripeAnswer(status=500, headers={}, body=b'{"error":{"type":"api_error","message":"no"}}')


class World:
    """A router and an executor whose one connection is `own`."""

    def __init__(self, *, own: bool = True, digests: bool = True) -> None:
        self.runs, self.ledger, self.now_ms = OwnRuns(), Ledger(), NOW
        router = Router(
            topics=TOPICS, workflows=lambda _: {"thanks": WORKFLOW}, installation=installation,
            only_own=lambda _: digests,
        )  # fmt: skip
        decided = router.take(Runs(), event_record(key=b"k1", timestamp=NOW), NOW)
        (output,) = decided.outputs
        self.run = next(change.record for change in decided.changes)
        assert isinstance(self.run, Run)
        assert output.value is not None
        self.command = Record(
            topic=TOPICS.command, key=output.key, value=output.value, headers=output.headers, timestamp=NOW
        )  # fmt: skip
        setup = Setup(
            topics=TOPICS, installation=installation, actions=actions(), owner=owner_of_acme, only_own=lambda _: own,
            own_runs=self.runs,
        )  # fmt: skip
        self.executor = Executor(setup=setup)

    def learn(self, run: Run | None = None) -> None:
        found = run or self.run
        assert isinstance(found, Run)
        self.runs.learn(0, found.run_id, encode(found))

    def take(self, record: Any, maybe_attempted: bool = False) -> Decision | Call:
        return self._applied(self.executor.take(self.ledger, record, self.now_ms, maybe_attempted))

    def answer(self, call: Decision | Call, reply: StripeAnswer = MADE) -> Decision:
        assert isinstance(call, Call), call
        decided = self._applied(self.executor.answered(self.ledger, call, reply, self.now_ms))
        assert isinstance(decided, Decision)
        return decided

    def _applied(self, decided: Decision | Call) -> Decision | Call:
        for change in decided.changes if isinstance(decided, Decision) else ():
            self.ledger.restore(change.key, change.record and encode(change.record))
        return decided

    def later(self, decided: Decision | Call) -> Record:
        """The record of a tier, after all that the topic had by then was read."""
        assert isinstance(decided, Decision)
        assert decided.verdict is Verdict.RETRIED
        record = appended(decided.outputs[0], timestamp=self.now_ms)
        self.now_ms += 5_000 + CLOCKS_MS
        self.runs.read_to(0, self.now_ms)
        return record


def forged(world: World, **fields: Any) -> Record:
    return command_record(orjson.loads(world.command.value or b"") | fields, key=b"k9", timestamp=NOW)


def test_a_run_s_own_command_is_done() -> None:
    world = World()
    world.learn()
    assert world.answer(world.take(world.command)).verdict is Verdict.SUCCEEDED


def test_a_command_waits_for_its_run_and_never_fails_of_that() -> None:
    world = World()
    held = world.take(world.command)
    assert isinstance(held, Decision)
    assert held.verdict is Verdict.RETRIED
    assert world.ledger.known("evt_1:thanks:one") is None
    record = appended(held.outputs[0], timestamp=NOW)
    for read_to in (0, NOW, NOW + CLOCKS_MS - 1):  # not yet read up to a time after it was in the tier
        world.runs.read_to(0, read_to)
        again = world.take(record)
        assert isinstance(again, Decision)
        assert again.verdict is Verdict.RETRIED
    world.learn()
    world.runs.read_to(0, NOW + CLOCKS_MS)
    assert world.answer(world.take(record)).verdict is Verdict.SUCCEEDED


@pytest.mark.parametrize("fields", [
    {"run": None},
    {"run": {"run_id": "evt_9:thanks", "workflow": "thanks", "step": "one"}},
    {"run": {"run_id": "evt_1:thanks", "workflow": "thanks", "step": "two"}},
    {"command_id": "evt_1:thanks:two"},
    {"command_id": "mine"},
    {"action": "stripe/create-customer", "input": {}},
    {"input": {"amount": 999_999, "currency": "eur"}},
    {"account": "acct_1Mine"},
])  # fmt: skip
def test_a_made_up_command_ends_as_a_dead_letter_alone(fields: dict[str, Any]) -> None:
    world = World()
    world.learn()
    record = forged(world, **fields)
    ended = world.take(world.later(world.take(record)))
    assert isinstance(ended, Decision)
    assert ended.verdict is Verdict.NOT_OF_A_RUN
    (letter,) = ended.outputs
    headers = dict(letter.headers)
    assert (letter.topic, letter.value) == (TOPICS.dead_letter, record.value)
    assert (headers[h.REASON], headers[h.CODE]) == (b"not_of_a_run", b"VALIDATION_ERROR")
    assert b"`commands: own`" in headers[h.LAST_ERROR]
    # It neither blocks its key nor takes the id of the run's own command.
    assert world.ledger.queue("k9") is None
    assert world.answer(world.take(world.command)).verdict is Verdict.SUCCEEDED


def test_a_made_up_command_never_keeps_the_run_from_its_own() -> None:
    world = World()
    waiting = world.take(forged(world, input={"amount": 999_999, "currency": "eur"}))
    world.learn()
    assert world.answer(world.take(world.command)).verdict is Verdict.SUCCEEDED
    ended = world.take(world.later(waiting))
    assert isinstance(ended, Decision)
    assert ended.verdict is Verdict.KNOWN  # the id is the run's, and done


def test_commands_behind_a_waiting_one_keep_their_order() -> None:
    world = World()
    first = world.take(forged(world, command_id="a"))
    second = world.take(forged(world, command_id="b"))
    assert isinstance(second, Decision)
    assert second.verdict is Verdict.HELD
    assert [world.ledger.known(name) for name in "ab"] == [None, None]
    ended = world.take(world.later(first))
    assert isinstance(ended, Decision)
    assert ended.verdict is Verdict.NOT_OF_A_RUN
    world.learn()
    behind = world.take(appended(second.outputs[0], timestamp=world.now_ms - CLOCKS_MS))
    assert isinstance(behind, Decision)
    assert behind.verdict is Verdict.NOT_OF_A_RUN
    assert world.ledger.queue("k9") is None


def test_retries_of_an_own_command_need_no_run_any_more() -> None:
    world = World()
    world.learn()
    waiting = world.answer(world.take(world.command), BUSY)
    assert isinstance(world.run, Run)
    world.learn(replace(world.run, status="succeeded"))
    assert isinstance(world.take(world.later(waiting)), Call)


def test_a_retried_step_is_own_and_the_former_command_is_not() -> None:
    world = World()
    assert isinstance(world.run, Run)
    (step,) = world.run.steps
    again = forged(world, command_id="evt_1:thanks:one:2")
    world.learn(replace(world.run, steps=(replace(step, command_id="evt_1:thanks:one:2"),)))
    assert isinstance(world.take(again), Call)
    former = world.take(world.later(world.take(world.command)))
    assert isinstance(former, Decision)
    assert former.verdict is Verdict.NOT_OF_A_RUN


def test_a_step_begun_before_it_was_own_has_no_digest() -> None:
    world = World(digests=False)
    world.learn()
    assert isinstance(world.take(world.command), Call)
    assert isinstance(world.run, Run)
    assert world.run.steps[0].digest is None
    assert world.run.definition is not None
    elsewhere = replace(world.run.definition[0], connection="other")
    world.learn(replace(world.run, definition=(elsewhere,)))
    held = world.take(forged(world))
    assert isinstance(held, Decision)


def test_what_waited_before_the_connection_was_own_is_judged() -> None:
    world = World(own=False)
    world.executor.gate.paused = lambda _: NOW
    waiting = world.take(forged(world, command_id="mine"))
    assert world.ledger.known("mine") is not None
    own = World()
    own.ledger = world.ledger
    ended = own.take(own.later(waiting))
    assert isinstance(ended, Decision)
    assert ended.verdict is Verdict.NOT_OF_A_RUN
    assert own.ledger.known("mine") is None


def test_other_connections_take_every_command() -> None:
    world = World(own=False)
    assert isinstance(world.take(forged(world, run=None)), Call)


def test_a_partition_of_another_process_is_forgotten() -> None:
    world = World()
    world.learn()
    world.runs.read_to(0, NOW + 60_000)
    world.runs.forget(0)
    held = world.take(world.command)
    assert isinstance(held, Decision)
    again = world.take(appended(held.outputs[0], timestamp=NOW))
    assert isinstance(again, Decision)
    assert again.verdict is Verdict.RETRIED  # not foreign: nothing was read


@pytest.mark.parametrize("value", [None, b"{", b'{"status":"running","steps":[],"definition":null}'])
def test_a_run_without_a_step_waits_for_nothing(value: bytes | None) -> None:
    world = World()
    world.learn()
    world.runs.learn(0, "evt_1:thanks", value)
    assert isinstance(world.take(world.command), Decision)


def test_a_command_is_foreign_after_the_longest_transaction() -> None:
    world = World()
    world.runs.read_to(0, NOW + TRANSACTION_MS + CLOCKS_MS - 1)
    held = world.take(forged(world))
    assert isinstance(held, Decision)
    assert held.verdict is Verdict.RETRIED
    world.runs.read_to(0, NOW + TRANSACTION_MS + CLOCKS_MS)
    for number in (1, 2):  # fresh, also behind another of its key
        ended = world.take(forged(world, command_id=f"mine-{number}"))
        assert isinstance(ended, Decision)
        assert ended.verdict is Verdict.NOT_OF_A_RUN
    queue = world.ledger.queue("k9")
    assert queue is not None
    assert (queue.head, queue.tail) == (0, 1)


def test_the_longest_transaction_is_longer_than_its_timeout() -> None:
    assert TRANSACTION_MS > TRANSACTION_TIMEOUT_MS + CLOCKS_MS


def test_what_waited_before_it_was_own_waits_on_for_its_run() -> None:
    former = World(own=False)
    former.executor.gate.paused = lambda _: NOW
    waiting = former.take(former.command)
    assert isinstance(waiting, Decision)
    own = World()
    own.ledger, own.now_ms = former.ledger, NOW + 60_000
    again = own.take(appended(waiting.outputs[0], timestamp=NOW))  # before its run is read
    assert isinstance(again, Decision)
    assert again.verdict is Verdict.RETRIED
    known = own.ledger.known("evt_1:thanks:one")
    assert known is not None  # or a cancellation would not find it
    assert (known.status, known.at_ms) == ("waiting", own.now_ms)
    own.learn()
    assert own.answer(own.take(own.later(again))).verdict is Verdict.SUCCEEDED
