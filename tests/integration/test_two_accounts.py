"""Case G07 on a real Kafka and the sandbox: the key becomes another account's while a command waits for its retry."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.workers.kafka.control_table import publish
from tests.support.broker import Broker
from tests.support.cluster import KEY, configure
from tests.support.end_state import read_topic
from tests.support.in_process_stack import InProcessStack, in_process_stack
from tests.support.records import command

OTHER_KEY, A, B = "sk_test_anotheraccount", "acct_1First", "acct_1Second"
WITHIN_S = 30.0


async def becomes(stack: InProcessStack, account: str, *, changed: bool) -> None:
    """Another tool writes whose key it is, as `apply` would refuse to."""
    learned = ConnectionAccount(account=account, mode="test", changed=changed)
    topics, client = stack.cluster.settings.topics, stack.cluster.client
    await publish(topics.control, client, {"account/acme": encode(learned)})
    await configure(stack.cluster, CONFIG, {"ACME_KEY": KEY if account == A else OTHER_KEY})


CONFIG = 'connections:\n  acme: {secret_key: "${env:ACME_KEY}"}\n'


async def until(what: str, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():  # noqa: ASYNC110  (the sandbox and Kafka set no event)
            await asyncio.sleep(0.05)
    assert holds(), what


async def results(stack: InProcessStack) -> list[Mapping[str, Any]]:
    settings = stack.cluster.settings
    found = await read_topic(settings.kafka_bootstrap_servers, settings.topics.result, settings.partitions)
    return [orjson.loads(record.value) for record in found]


@pytest.mark.parametrize("rolled", [False, True])
async def test_what_was_sent_to_one_account_is_not_done_at_another(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rolled: bool
) -> None:
    async with in_process_stack(
        broker.bootstrap_servers, prefix, tmp_path, monkeypatch, retry_tiers="5s,10s", reconcile_after_ms="200ms"
    ) as stack:
        settings, sandbox = stack.cluster.settings, stack.sandbox.sandbox
        sandbox.accounts.assign(KEY, A)
        sandbox.accounts.assign(OTHER_KEY, A if rolled else B)
        await becomes(stack, A, changed=False)
        fault = InjectedFault(status=500, when="after", stored=True)
        sandbox.faults.add(FaultRule(match=Match(method="POST"), fault=fault, times=None))
        async with AIOKafkaProducer(**stack.cluster.client) as producer:
            await producer.send_and_wait(settings.topics.command, orjson.dumps(command("c1")), key=b"k")
        ledger = sandbox.endpoints.ledger
        await until("an attempt", lambda: len(ledger.effects) == 1)
        if rolled:
            await configure(stack.cluster, CONFIG, {"ACME_KEY": OTHER_KEY})
        else:
            await becomes(stack, B, changed=True)
        async with asyncio.timeout(WITHIN_S):
            while not (found := await results(stack)):  # noqa: ASYNC110  (the same)
                await asyncio.sleep(0.1)
        (result,) = found
        assert len(ledger.effects) == 1
        if rolled:
            assert (result["status"], result["output"]["id"]) == ("succeeded", ledger.effects[0].id)
            return
        assert (result["status"], result["error"]["code"]) == ("indeterminate", "ACCOUNT_CHANGED")
        assert f"at account {A} (test mode): look there" in result["error"]["message"]
        letters = await read_topic(settings.kafka_bootstrap_servers, settings.topics.dead_letter, settings.partitions)
        assert [dict(letter.headers)["stripeline-reason"] for letter in letters] == [b"account_changed"]
