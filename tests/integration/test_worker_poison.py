"""Records that can't be read, and faults of our own: each becomes a dead letter, and the partition moves on."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.roles import RouterRole
from stripeline.workers.router.router import Router
from stripeline.workers.task.decision import InputRecord
from tests.support.broker import Broker
from tests.support.records import event, installation
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, customers, scripted_workers, until

POISON: dict[str, tuple[bytes | None, bytes | None]] = {
    "not JSON": (b"k", b"not JSON"),
    "no value": (b"k", None),
    "an empty value": (b"k", b""),
    "not UTF-8": (b"k", b"\xff\xfe\x00"),
    "half a JSON": (b"k", b'{"command_id": "c'),
    "no object": (None, b"[1, 2]"),
    "null": (None, b"null"),
    "no fields": (b"\xff\x00", b"{}"),
    "wrong types": (b"k", b'{"command_id": 7, "id": 7, "type": [], "input": "x"}'),
    "a very deep one": (b"k", b"[" * 100_000),
}


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix) as opened:
        yield opened


async def letters(workers: ScriptedWorkers, count: int) -> list[Any]:
    """Wait for exactly so many dead letters; by their origin, because records of different keys end in any order."""
    found: list[Any] = []

    async def there() -> bool:
        found[:] = await workers.read(workers.topics.dead_letter)
        return len(found) >= count

    await until(there, f"{count} dead letters")
    assert len(found) == count
    return sorted(found, key=lambda letter: int(h.read(letter.headers)[h.ORIGIN_OFFSET]))


async def test_unreadable_commands_are_dead_letters_and_block_nothing(workers: ScriptedWorkers):
    huge = (b"k" * 1_000_000, orjson.dumps(customers("huge")[0]))
    poison = [*POISON.values(), huge]
    await workers.put(workers.topics.command, *poison, headers=[("of-theirs", b"stays"), ("empty", None)])
    await workers.send(*customers("good"), key="k")
    stripe = ScriptedStripe()
    await workers.start(stripe).ready()
    assert await workers.all_have_results("good") == ["good"]
    await workers.no_lag(workers.topics.command)
    found = await letters(workers, len(poison))
    assert [(letter.key, letter.value) for letter in found] == poison
    for number, letter in enumerate(found):
        headers = h.read(letter.headers)
        assert headers[h.REASON] == b"unreadable"
        assert headers[h.ORIGIN_TOPIC].decode() == workers.topics.command
        assert (headers[h.ORIGIN_PARTITION], headers[h.ORIGIN_OFFSET]) == (b"0", str(number).encode())
        assert headers[h.LAST_ERROR]
        assert headers["of-theirs"] == b"stays"
    assert stripe.commands == ["good"]


async def test_unreadable_events_are_dead_letters_and_block_nothing(workers: ScriptedWorkers):
    topic, poison = workers.topics.events[0], [*POISON.values()]
    await workers.put(topic, *poison, (b"pi_1", orjson.dumps(event())))
    router = RouterRole(
        workers.topics, Router(topics=workers.topics, installation=installation, workflows=lambda _: {})
    )
    await workers.start(ScriptedStripe(), role=router).ready()
    found = await letters(workers, len(poison))
    assert [(letter.key, letter.value) for letter in found] == poison
    assert {h.read(letter.headers)[h.ORIGIN_TOPIC].decode() for letter in found} == {topic}
    assert {h.read(letter.headers)[h.REASON] for letter in found} == {b"unreadable"}
    await workers.no_lag(topic, group="router")


@pytest.mark.parametrize("moment", ["take", "settle"])
async def test_a_decision_that_raises_dead_letters_its_record_alone(
    workers: ScriptedWorkers, moment: str, monkeypatch: pytest.MonkeyPatch
):
    stripe = ScriptedStripe()
    role = workers.role(stripe)
    take, answered = role.take, role.answered

    def bad_take(ledger: Ledger, record: InputRecord, now_ms: int, maybe_attempted: bool, **more: bool) -> Any:
        if moment == "take" and b'"bad"' in (record.value or b""):
            raise RuntimeError("a fault of ours")
        return take(ledger, record, now_ms, maybe_attempted, **more)

    def bad_settle(ledger: Ledger, call: Call, answer: StripeAnswer, now_ms: int) -> Any:
        if moment == "settle" and call.command.command_id == "bad":
            raise RuntimeError("a fault of ours")
        return answered(ledger, call, answer, now_ms)

    monkeypatch.setattr(role, "take", bad_take)
    monkeypatch.setattr(role, "answered", bad_settle)
    worker = workers.start(stripe, role=role)
    await worker.ready()
    await workers.send(*customers("first", "bad", "last"), key="k")
    await workers.all_have_results("last")
    [letter] = await letters(workers, 1)
    headers = h.read(letter.headers)
    assert headers[h.REASON] == b"internal_error"
    assert (headers[h.ORIGIN_OFFSET], headers[h.ORIGIN_TOPIC].decode()) == (b"1", workers.topics.command)
    assert orjson.loads(letter.value)["command_id"] == "bad"
    await workers.no_lag(workers.topics.command)
    made = ["first", "last"] if moment == "take" else ["first", "bad", "last"]
    assert stripe.commands == made
    assert not worker.task.done()
