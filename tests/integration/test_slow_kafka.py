"""A Kafka that is too slow to commit does not multiply the calls to Stripe."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from stripeline.workers.kafka.transaction import Transactions
from tests.support.broker import Broker
from tests.support.scripted_workers import ScriptedStripe, customers, numbered, scripted_workers, until

FAILURES = 5


async def test_commits_that_time_out_repeat_few_calls(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch):
    stripe, names, failed = ScriptedStripe(), numbered(0, 100), []
    commit = Transactions.commit

    async def slow(self: Any, pending: Any, offsets: Any) -> Any:
        if pending.records and len(failed) < FAILURES:
            # Everything that may be in hand is in hand by then, as in the 10 s of a real commit.
            if not failed:
                await until(lambda: len(stripe.made) == len(names), "all of them are in hand")
            await no_more_calls(stripe)
            failed.append(len(stripe.made))
            raise TimeoutError("not committed in time")
        return await commit(self, pending, offsets)

    monkeypatch.setattr(Transactions, "commit", slow)
    async with scripted_workers(broker.bootstrap_servers, prefix) as workers:
        await workers.send(*customers(*names))
        workers.start(stripe)
        assert Counter(await workers.all_have_results(*names, within_s=60)) == Counter(names)
    # The first failure repeats all of them; each of the others the one call that may be in hand.
    assert failed == [100, 101, 102, 103, 104]
    assert len(stripe.made) == 2 * len(names) + FAILURES - 1


async def no_more_calls(stripe: ScriptedStripe, for_s: float = 0.2) -> None:
    """Wait until no call has begun for a moment."""
    made = -1
    while made != len(stripe.made):
        made = len(stripe.made)
        await asyncio.sleep(for_s)
