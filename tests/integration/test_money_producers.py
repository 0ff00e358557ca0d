"""A failed transaction leaves nothing behind: no sender task, no connection."""

import asyncio

import pytest

from stripeline.contracts.internal_records import LedgerCommand
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.kafka import transaction
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.transaction import Transactions
from stripeline.workers.kafka.watch.connection_asks import ConnectionAsks
from stripeline.workers.task.decision import Decision, OutputRecord, StateChange
from stripeline.workers.task.pending import Pending
from tests.support.broker import Broker, TopicFactory, create_topics, delete_topics


def poison(topic: str) -> Pending:
    pending = Pending()
    pending.add(
        Decision(
            Verdict.UNREADABLE,
            (OutputRecord(topic, None, b"\x00", ()),),
            (StateChange("command/a", LedgerCommand(status="failed", digest="d", revision=0, at_ms=0)),),
        )
    )
    return pending


@pytest.mark.parametrize("known", [True, False], ids=["a topic that it wrote to before", "a topic that never was"])
async def test_a_producer_that_could_not_commit_leaves_nothing(
    broker: Broker, prefix: str, topic_factory: TopicFactory, monkeypatch: pytest.MonkeyPatch, known: bool
):
    monkeypatch.setattr(transaction, "TRANSACTION_TIMEOUT_MS", 1_000)
    letters, changelog = f"{prefix}action-dead-letter", await topic_factory("ledger")
    mine = Transactions(
        group=f"{prefix}group", partition=0, changelog=changelog, clock=BrokerClock(), asks=ConnectionAsks(),
        client={"bootstrap_servers": broker.bootstrap_servers},
    )  # fmt: skip
    before = asyncio.all_tasks()
    await mine.open()
    if known:
        await create_topics(broker.bootstrap_servers, {letters: 1})
        await mine.commit(poison(letters), {})
        await delete_topics(broker.bootstrap_servers, [letters])
    with pytest.raises(TimeoutError, match=r"action-dead-letter.*is gone"):
        await mine.commit(poison(letters), {})
    await mine.close()
    assert {task.get_name() + repr(task.get_coro()) for task in asyncio.all_tasks() - before} == set()
