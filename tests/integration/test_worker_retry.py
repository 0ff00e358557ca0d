"""Retries on a real Kafka: a command comes back when it is due, in its key's order, and delays no other key."""

from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from tests.support.broker import Broker
from tests.support.scripted_workers import (
    LIMITED,
    ScriptedStripe,
    ScriptedWorkers,
    customers,
    numbered,
    scripted_workers,
    until,
)

FAR = replace(LIMITED, headers={"retry-after": "3600"})
EARLY_S = 0.05  # the broker's clock, by which a record is due, and this process's are read at different moments


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix) as opened:
        yield opened


async def test_a_limited_command_returns_ahead_of_its_keys_later_ones(workers: ScriptedWorkers):
    stripe = ScriptedStripe(script={"a1": [LIMITED, LIMITED]})
    await workers.start(stripe).ready()
    others = numbered(0, 50)
    await workers.send(*customers("a1", "a2", "a3"), key="A")
    await workers.send(*customers(*others), key="B")
    order = await workers.all_have_results("a1", "a2", "a3", *others)
    assert Counter(order) == Counter(["a1", "a2", "a3", *others])
    assert [name for name in order if name.startswith("a")] == ["a1", "a2", "a3"]
    assert [name for name in order if name.startswith("c")] == others
    assert [name for name in stripe.commands if name.startswith("a")] == ["a1", "a1", "a1", "a2", "a3"]
    first, second, third = (made.at_s for made in stripe.made if made.command == "a1")
    assert second - first >= 0.3 - EARLY_S
    assert third - second >= 0.7 - EARLY_S
    assert {made.key for made in stripe.made if made.command == "a1"} == {"stripeline:inst1:a1"}
    results = {result["command_id"]: result["attempts"] for result in await workers.results()}
    assert (results["a1"], results["a2"], results["a3"]) == (3, 1, 1)
    await workers.no_lag(workers.topics.command, *workers.topics.retries)


async def test_a_head_far_from_due_holds_only_itself_and_its_key(workers: ScriptedWorkers):
    stripe = ScriptedStripe(script={"far": [FAR], "near": [LIMITED], "later": [LIMITED]})
    await workers.start(stripe).ready()
    await workers.send(*customers("far", "behind-far"), key="F")
    await workers.send(*customers("near"), key="N")
    *_, an_hour = workers.topics.retries

    async def both_wait() -> bool:
        return len(await workers.read(an_hour)) == 2

    await until(both_wait, "the far command and the one behind it wait an hour")
    await workers.send(*customers("later", "plain"), key="L")
    assert Counter(await workers.all_have_results("near", "later", "plain")) == Counter(["near", "later", "plain"])
    assert Counter(stripe.commands) == Counter(["far", "near", "near", "later", "later", "plain"])
    await workers.no_lag(workers.topics.command, *list(workers.topics.retries)[:-1])
    assert (await workers.committed(an_hour)).offset in {-1, 0}, "a waiting record counts as passed"
    places = [h.number(h.read(record.headers), h.PLACE) for record in await workers.read(an_hour)]
    assert places == [0, 1]


async def test_a_restart_in_the_middle_of_the_tiers_resets_nothing(workers: ScriptedWorkers):
    stripe = ScriptedStripe(script={"a1": [LIMITED]})
    worker = workers.start(stripe)
    await worker.ready()
    await workers.send(*customers("a1", "a2"), key="A")
    first_tier = next(iter(workers.topics.retries))

    async def waits() -> bool:
        return len(await workers.read(first_tier)) >= 2

    await until(waits, "the command and the one behind it wait")
    await worker.kill()
    after = ScriptedStripe(script={"a1": [LIMITED]})
    await workers.start(after).ready()
    assert await workers.all_have_results("a1", "a2") == ["a1", "a2"]
    assert after.commands == ["a1", "a1", "a2"]
    results = await workers.results()
    assert [result["attempts"] for result in results] == [3, 1]
    [command] = [record for record in await workers.read(workers.topics.command) if b'"a1"' in record.value]
    assert results[0]["started_at"] == command.timestamp


async def test_a_command_out_of_attempts_ends_and_frees_its_key(broker: Broker, prefix: str):
    async with scripted_workers(broker.bootstrap_servers, prefix, tiers="100ms,200ms") as workers:
        stripe = ScriptedStripe(script={"a1": [LIMITED] * 3})
        await workers.start(stripe).ready()
        await workers.send(*customers("a1", "a2", "a3"), key="A")
        assert await workers.all_have_results("a1", "a2", "a3") == ["a1", "a2", "a3"]
        assert stripe.commands == ["a1", "a1", "a1", "a2", "a3"]
        assert all(later.at_s >= made.at_s for made, later in pairwise(stripe.made))
        first, *_ = await workers.results()
        assert (first["status"], first["error"]["code"], first["attempts"]) == ("failed", "RATE_LIMITED", 3)
        [letter] = await workers.read(workers.topics.dead_letter)
        headers = h.read(letter.headers)
        assert (headers[h.REASON], headers[h.CODE], headers[h.ATTEMPTS]) == (b"exhausted", b"RATE_LIMITED", b"3")
        assert (letter.key, orjson.loads(letter.value)["command_id"]) == (b"A", "a1")
        await workers.no_lag(workers.topics.command, *workers.topics.retries)
