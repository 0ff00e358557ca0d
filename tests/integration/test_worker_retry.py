"""Retries on a real Kafka: a command comes back when it is due, in its key's order, and delays no other key."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import orjson
import pytest

from stripeline.contracts import headers as h
from tests.support.broker import Broker
from tests.support.shop import LIMITED, Desk, Shop, customers, numbered, open_shop, until

FAR = replace(LIMITED, retry_after_ms=3_600_000)
EARLY_S = 0.05  # the broker's clock, by which a record is due, and this process's are read at different moments


@pytest.fixture
async def shop(broker: Broker, prefix: str) -> AsyncIterator[Shop]:
    async with open_shop(broker.bootstrap_servers, prefix) as opened:
        yield opened


async def test_a_limited_command_comes_back_when_due_and_ahead_of_its_keys_later_ones(shop: Shop):
    desk = Desk(script={"a1": [LIMITED, LIMITED]})
    await shop.start(desk).ready()
    others = numbered(0, 50)
    await shop.send(*customers("a1", "a2", "a3"), key="A")
    await shop.send(*customers(*others), key="B")
    order = await shop.all_have_results("a1", "a2", "a3", *others)
    assert Counter(order) == Counter(["a1", "a2", "a3", *others])
    assert [name for name in order if name.startswith("a")] == ["a1", "a2", "a3"]
    assert [name for name in order if name.startswith("c")] == others
    assert [name for name in desk.commands if name.startswith("a")] == ["a1", "a1", "a1", "a2", "a3"]
    first, second, third = (made.at_s for made in desk.made if made.command == "a1")
    assert second - first >= 0.3 - EARLY_S
    assert third - second >= 0.7 - EARLY_S
    assert max(made.at_s for made in desk.made if made.command in others) < second, "another key was delayed"
    assert {made.key for made in desk.made if made.command == "a1"} == {"stripeline:a1"}
    results = {result["command_id"]: result["attempts"] for result in await shop.results()}
    assert (results["a1"], results["a2"], results["a3"]) == (3, 1, 1)
    await shop.no_lag(shop.topics.command, *shop.topics.retries)


async def test_a_head_that_is_far_from_due_holds_only_itself_and_its_key(shop: Shop):
    desk = Desk(script={"far": [FAR], "near": [LIMITED], "later": [LIMITED]})
    await shop.start(desk).ready()
    await shop.send(*customers("far", "behind-far"), key="F")
    await shop.send(*customers("near"), key="N")
    *_, an_hour = shop.topics.retries

    async def both_wait() -> bool:
        return len(await shop.read(an_hour)) == 2

    await until(both_wait, "the far command and the one behind it wait an hour")
    await shop.send(*customers("later", "plain"), key="L")
    assert Counter(await shop.all_have_results("near", "later", "plain")) == Counter(["near", "later", "plain"])
    assert Counter(desk.commands) == Counter(["far", "near", "near", "later", "later", "plain"])
    await shop.no_lag(shop.topics.command, *list(shop.topics.retries)[:-1])
    assert (await shop.committed(an_hour)).offset in {-1, 0}, "a waiting record counts as passed"
    places = [h.number(h.read(record.headers), h.PLACE) for record in await shop.read(an_hour)]
    assert places == [0, 1]


async def test_a_restart_in_the_middle_of_the_tiers_resets_nothing(shop: Shop):
    desk = Desk(script={"a1": [LIMITED]})
    worker = shop.start(desk)
    await worker.ready()
    await shop.send(*customers("a1", "a2"), key="A")
    first_tier = next(iter(shop.topics.retries))

    async def waits() -> bool:
        return len(await shop.read(first_tier)) >= 2

    await until(waits, "the command and the one behind it wait")
    await worker.kill()
    after = Desk(script={"a1": [LIMITED]})
    await shop.start(after).ready()
    assert await shop.all_have_results("a1", "a2") == ["a1", "a2"]
    assert after.commands == ["a1", "a1", "a2"]
    results = await shop.results()
    assert [result["attempts"] for result in results] == [3, 1]
    [command] = [record for record in await shop.read(shop.topics.command) if b'"a1"' in record.value]
    assert results[0]["started_at"] == command.timestamp


async def test_a_command_whose_attempts_are_used_up_ends_and_frees_its_key(broker: Broker, prefix: str):
    async with open_shop(broker.bootstrap_servers, prefix, tiers="100ms,200ms") as shop:
        desk = Desk(script={"a1": [LIMITED] * 3})
        await shop.start(desk).ready()
        await shop.send(*customers("a1", "a2", "a3"), key="A")
        assert await shop.all_have_results("a1", "a2", "a3") == ["a1", "a2", "a3"]
        assert desk.commands == ["a1", "a1", "a1", "a2", "a3"]
        assert all(later.at_s >= made.at_s for made, later in pairwise(desk.made))
        first, *_ = await shop.results()
        assert (first["status"], first["error"]["code"], first["attempts"]) == ("failed", "RATE_LIMITED", 3)
        [letter] = await shop.read(shop.topics.dead_letter)
        headers = h.read(letter.headers)
        assert (headers[h.REASON], headers[h.CODE], headers[h.ATTEMPTS]) == (b"exhausted", b"RATE_LIMITED", b"3")
        assert (letter.key, orjson.loads(letter.value)["command_id"]) == (b"A", "a1")
        await shop.no_lag(shop.topics.command, *shop.topics.retries)
