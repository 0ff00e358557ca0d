"""What a user may do at Kafka is found out without the right to describe ACLs, and the rest is granted as printed."""

import asyncio
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import AclOperation, ResourceType

from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.operations.acl_commands import acl_commands
from stripeline.deploy.operations.rights import Operation, Purpose, ResourceKind, Right, rights_of
from stripeline.deploy.operations.rights_check import held_rights
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings, variable
from tests.support.secured_kafka import PASSWORD, Rights, SecuredKafka

USER = "plain-user"
PLAIN = {"kafka_sasl_mechanism": "PLAIN"}
KINDS = {
    "--topic": ResourceType.TOPIC, "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}  # fmt: skip
OPERATIONS = {
    "Read": AclOperation.READ, "Write": AclOperation.WRITE, "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE, "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "AlterConfigs": AclOperation.ALTER_CONFIGS, "IdempotentWrite": AclOperation.IDEMPOTENT_WRITE,
}  # fmt: skip


def client(kafka: SecuredKafka, listener: str = "LOGIN", user: str | None = USER) -> Mapping[str, Any]:
    return kafka_client_options(load_settings(kafka.settings(listener, user, **(PLAIN if user else {}))))


def granted(command: str) -> tuple[list[Rights], bool]:
    """The ACLs of one command, and whether their names are prefixes."""
    words = shlex.split(command)
    pairs = list(zip(words, [*words[1:], ""], strict=True))
    places = [(KINDS[word], value) for word, value in pairs if word in KINDS]
    if "--cluster" in words:
        places.append((ResourceType.BROKER, "kafka-cluster"))
    operations = [OPERATIONS[value] for word, value in pairs if word == "--operation"]
    rights = [(kind, name, operation) for kind, name in places for operation in operations]
    return rights, ("--resource-pattern-type", "prefixed") in pairs


def run(kafka: SecuredKafka, commands: Iterable[str]) -> None:
    for command in commands:
        rights, prefixed = granted(command)
        kafka.allow(USER, *rights, prefixed=prefixed)


@pytest.fixture
def topics(prefix: str) -> Topics:
    return Topics(prefix=prefix)


@pytest.fixture(autouse=True)
async def no_rights(secured_kafka: SecuredKafka, topics: Topics) -> Iterator[None]:
    await admin.apply(topics, 1, client(secured_kafka, "PLAINTEXT", None), replication=1)
    yield
    secured_kafka.forget_rights(USER)


async def test_a_user_without_any_right_has_none(secured_kafka: SecuredKafka, topics: Topics) -> None:
    rights = rights_of(Purpose.EXECUTOR, topics)
    found = await held_rights(rights, client(secured_kafka))
    assert {one.right.text for one in found if one.held} == set()
    assert {one.held for one in found} == {False}


@pytest.mark.parametrize("purpose", Purpose)
async def test_the_commands_grant_what_is_missing(
    secured_kafka: SecuredKafka, topics: Topics, purpose: Purpose
) -> None:
    rights = rights_of(purpose, topics)
    user = client(secured_kafka)
    missing = [one.right for one in await held_rights(rights, user) if one.held is not True]
    assert missing
    run(secured_kafka, acl_commands(missing, f"User:{USER}", "kafka:9092"))
    found = await held_rights(rights, user)
    assert [one.right.text for one in found if one.held is not True] == []


async def test_each_right_is_told_apart(secured_kafka: SecuredKafka, topics: Topics) -> None:
    rights = tuple(dict.fromkeys(right for purpose in Purpose for right in rights_of(purpose, topics)))
    wanted = [
        Right(resource=ResourceKind.TOPIC, name=topics.command, operation=Operation.READ),
        Right(resource=ResourceKind.TOPIC, name=topics.result, operation=Operation.WRITE),
        Right(resource=ResourceKind.TOPIC, name=topics.run, operation=Operation.DESCRIBE_CONFIGS),
        Right(resource=ResourceKind.GROUP, name=f"{topics.prefix}router", operation=Operation.DESCRIBE),
    ]
    run(secured_kafka, acl_commands(wanted, f"User:{USER}", "kafka:9092"))
    held = {one.right.text for one in await held_rights(rights, client(secured_kafka)) if one.held}
    assert held == {
        *(right.text for right in wanted),
        f"Describe on topic {topics.command}",  # Read includes it
        f"Describe on topic {topics.result}",
        "IdempotentWrite on the cluster",  # Write on a topic stands for it
    }


async def test_a_literal_id_leaves_write_unknown_not_fenced(secured_kafka: SecuredKafka, topics: Topics) -> None:
    """The id of a running task is never asked for, which would fence it."""
    task_id = f"{topics.prefix}executor-0"
    (right,) = (one for one in rights_of(Purpose.EXECUTOR, topics) if one.resource is ResourceKind.TRANSACTIONAL_ID)
    super_user = client(secured_kafka, "PLAINTEXT", None)
    producer = AIOKafkaProducer(**super_user, transactional_id=task_id)
    await producer.start()
    try:
        for prefixed in (False, True):
            name = f"{topics.prefix}executor-" if prefixed else task_id
            secured_kafka.allow(USER, (ResourceType.TRANSACTIONAL_ID, name, AclOperation.WRITE), prefixed=prefixed)
            (found,) = await held_rights([right], client(secured_kafka))
            assert found.held is (True if prefixed else None)
            async with asyncio.timeout(20), producer.transaction():
                await producer.send(topics.result, b"not fenced", partition=0)
    finally:
        await producer.stop()


async def check_rights(kafka: SecuredKafka, monkeypatch: pytest.MonkeyPatch, prefix: str, *arguments: str) -> int:
    """The exit code of `stripeline topics check --rights`, in a thread: a command has an event loop of its own."""
    fields = {**kafka.settings("LOGIN", USER, **PLAIN), "topic_prefix": prefix}
    for field, value in fields.items():
        monkeypatch.setenv(variable(field), str(value))
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(main, ["topics", "check", "--rights", "--role", "ingest", *arguments])
    return int(ended.value.code or 0)


async def test_the_command_ends_with_1_while_a_right_is_missing(
    secured_kafka: SecuredKafka, topics: Topics, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await check_rights(secured_kafka, monkeypatch, topics.prefix) == 1
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err
    run(secured_kafka, [line for line in said.out.splitlines() if line.startswith("kafka-acls.sh")])
    assert await check_rights(secured_kafka, monkeypatch, topics.prefix, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["held"] for row in rows} == {True}
    assert {"Write on topic " + name for name in topics.events} < {row["right"] for row in rows}
    assert {one for row in rows for one in row["needed_by"]} == {"ingest"}
