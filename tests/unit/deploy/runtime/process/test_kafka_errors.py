"""An error of Kafka's has one text: the right that is missing, or why Kafka can't be reached, without a wait."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.runtime.process import kafka_errors
from stripeline.deploy.runtime.process.kafka_errors import KafkaErrors
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings

CAUSE = "Can't reach Kafka: because."


@pytest.fixture
def errors() -> KafkaErrors:
    settings = load_settings({
        "kafka_bootstrap_servers": "kafka:9092", "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_username": "ada", "kafka_sasl_password": "hunter2",
    })  # fmt: skip
    return KafkaErrors(settings, kafka_client_options(settings), [Purpose.EXECUTOR])


@pytest.mark.parametrize(
    ("error", "grant"),
    [
        (
            TopicAuthorizationFailedError("stripe.action-command"),
            "Read and DescribeConfigs on topic stripe.action-comm",
        ),
        (
            TopicAuthorizationFailedError({"stripe.action-result"}),
            "Write and DescribeConfigs on topic stripe.action-re",
        ),
        (GroupAuthorizationFailedError("stripe.executor"), "Read on group stripe.executor to User:ada"),
        (TransactionalIdAuthorizationFailed("stripe.executor-3"), "Write on transactional ids that start with stripe."),
        (TransactionalIdAuthorizationFailed(), "Write on transactional ids that start with stripe.executor- to User:"),
    ],
)
def test_a_denied_right_is_named_with_its_command(errors: KafkaErrors, error: Exception, grant: str) -> None:
    text = errors(error)
    assert text.startswith(f"Kafka denies User:ada a right: grant {grant}")
    assert "Run kafka-acls.sh --bootstrap-server kafka:9092" in text
    assert "hunter2" not in text


async def test_the_cause_is_found_beside_the_work(errors: KafkaErrors, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    answer = asyncio.Event()

    async def probe(*of: Any) -> str:
        asked.append(of)
        await answer.wait()
        return CAUSE

    monkeypatch.setattr(kafka_errors, "why_unreachable", probe)
    error = KafkaConnectionError("Unable to bootstrap")
    assert errors(error) == "KafkaConnectionError: Unable to bootstrap"
    assert errors(TimeoutError()) == "TimeoutError"
    answer.set()
    assert await errors.cause(error, 5) == CAUSE
    assert errors(error) == errors(TimeoutError()) == CAUSE
    assert len(asked) == 1
    await errors.close()


async def test_a_probe_that_fails_leaves_the_plain_words(errors: KafkaErrors, monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe(*_: Any) -> str:
        raise RuntimeError

    monkeypatch.setattr(kafka_errors, "why_unreachable", probe)
    assert await errors.cause(TimeoutError("late"), 5) == "late"


async def test_an_end_does_not_wait_for_the_probe(errors: KafkaErrors, monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe(*_: Any) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(kafka_errors, "why_unreachable", probe)
    assert await errors.cause(TimeoutError(), 0.01) == "TimeoutError"
    async with asyncio.timeout(1):
        await errors.close()
