"""The rights at Kafka follow from the topic model, and the commands that grant them say exactly the same."""

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.acl_commands import acl_commands
from stripeline.deploy.operations.rights import (
    CLUSTER_NAME,
    Operation,
    Purpose,
    ResourceKind,
    Right,
    denied_rights,
    grant_text,
    rights_of,
    without_implied,
)
from stripeline.workers.roles import ExecutorRole, RouterRole

TOPICS = Topics()
NAMES = [topic.name for topic in TOPICS.all(1)]
KINDS = {
    "--topic": ResourceKind.TOPIC, "--group": ResourceKind.GROUP, "--transactional-id": ResourceKind.TRANSACTIONAL_ID,
}  # fmt: skip


def of_topic(name: str, operation: Operation) -> Right:
    return Right(resource=ResourceKind.TOPIC, name=name, operation=operation)


def parsed(command: str) -> tuple[set[Right], str]:
    """What one command grants, read as kafka-acls.sh reads it."""
    words = shlex.split(command)
    assert words[0] == "kafka-acls.sh"
    pairs = list(zip(words, [*words[1:], ""], strict=True))
    operations = [Operation(value) for word, value in pairs if word == "--operation"]
    places = [(KINDS[word], value) for word, value in pairs if word in KINDS]
    if "--cluster" in words:
        places.append((ResourceKind.CLUSTER, CLUSTER_NAME))
    prefixed = ("--resource-pattern-type", "prefixed") in pairs
    (principal,) = (value for word, value in pairs if word == "--allow-principal")
    found = {
        Right(resource=kind, name=name, operation=operation, prefixed=prefixed)
        for kind, name in places
        for operation in operations
    }
    return found, principal


@pytest.mark.parametrize("purpose", Purpose)
def test_the_commands_grant_what_is_needed_and_no_more(purpose: Purpose) -> None:
    rights = rights_of(purpose, TOPICS)
    granted: set[Right] = set()
    for command in acl_commands(rights, "User:ada", "kafka:9092"):
        found, principal = parsed(command)
        assert principal == "User:ada"
        granted |= found
    assert granted == {replace(right, optional="") for right in without_implied(rights)}


def test_each_topic_is_written_and_read_by_a_process() -> None:
    held = {right for purpose in Purpose for right in rights_of(purpose, TOPICS)}
    for name in NAMES:
        assert of_topic(name, Operation.WRITE) in held, f"no purpose writes {name}"
        assert of_topic(name, Operation.READ) in held, f"no purpose reads {name}"


@pytest.mark.parametrize(("kind", "purpose"), [(RouterRole, Purpose.ROUTER), (ExecutorRole, Purpose.EXECUTOR)])
def test_a_role_may_read_its_inputs_and_use_its_group(kind: type, purpose: Purpose) -> None:
    role = kind(TOPICS, None) if kind is RouterRole else kind(TOPICS, None, None, 1)
    rights = rights_of(purpose, TOPICS)
    for topic in role.inputs:
        assert of_topic(topic, Operation.READ) in rights
    assert {of_topic(role.changelog, one) for one in (Operation.READ, Operation.WRITE)} <= set(rights)
    assert Right(resource=ResourceKind.GROUP, name=role.group, operation=Operation.READ) in rights
    (ids,) = (right for right in rights if right.resource is ResourceKind.TRANSACTIONAL_ID)
    assert (ids.name, ids.prefixed, ids.operation) == (f"{role.group}-", True, Operation.WRITE)


def test_ingest_may_not_read_events_nor_write_elsewhere() -> None:
    rights = rights_of(Purpose.INGEST, TOPICS)
    thin = {TOPICS.thin_event, TOPICS.health_event, TOPICS.event_seen}
    written = {right.name for right in rights if right.operation is Operation.WRITE}
    assert written == {*TOPICS.events, *thin, TOPICS.worker}
    assert {right.name for right in rights if right.operation is Operation.READ} == {TOPICS.control}


def test_a_worker_needs_what_router_and_executor_need() -> None:
    both = {*rights_of(Purpose.ROUTER, TOPICS), *rights_of(Purpose.EXECUTOR, TOPICS)}
    assert set(rights_of(Purpose.WORKER, TOPICS)) == both


def test_a_right_that_another_one_includes_is_left_out() -> None:
    read, describe = of_topic("a", Operation.READ), of_topic("a", Operation.DESCRIBE)
    assert without_implied([describe, read]) == (read,)
    assert without_implied([describe]) == (describe,)
    alter, look = of_topic("a", Operation.ALTER_CONFIGS), of_topic("a", Operation.DESCRIBE_CONFIGS)
    assert without_implied([alter, look, describe]) == (alter, describe)


def test_an_authorization_error_names_the_right_of_the_purpose() -> None:
    rights = denied_rights(29, ["stripe.action-command"], Purpose.EXECUTOR, TOPICS)
    text = grant_text(without_implied(rights), "User:ada")
    assert text == "grant Read and DescribeConfigs on topic stripe.action-command to User:ada"
    rights = denied_rights(30, [], Purpose.ROUTER, TOPICS)
    assert grant_text(rights, "User:ada") == "grant Read on group stripe.router to User:ada"
    rights = denied_rights(53, ["stripe.executor-3"], Purpose.EXECUTOR, TOPICS)
    assert grant_text(rights, "User:ada") == (
        "grant Write on transactional ids that start with stripe.executor- to User:ada"
    )
    assert denied_rights(3, ["stripe.action-command"], Purpose.EXECUTOR, TOPICS) == ()


def test_a_denied_topic_outside_of_the_purpose_is_named() -> None:
    rights = denied_rights(29, ["other"], Purpose.INGEST, TOPICS)
    assert grant_text(rights, "User:ada") == "grant Describe on topic other to User:ada"


def test_topics_that_lack_the_same_are_named_together() -> None:
    rights = [of_topic("a", Operation.READ), of_topic("b", Operation.READ), of_topic("c", Operation.WRITE)]
    assert grant_text(rights, "User:ada") == "grant Read on topic a and topic b and Write on topic c to User:ada"


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_any_principal_survives_the_shell(name: str) -> None:
    (command,) = acl_commands([of_topic("a", Operation.READ)], f"User:{name}", "kafka:9092")
    assert parsed(command)[1] == f"User:{name}"


def test_a_console_that_only_shows_writes_its_report_alone() -> None:
    needed = [right for right in rights_of(Purpose.CONSOLE, TOPICS) if not right.optional]
    assert [right.name for right in needed if right.operation is Operation.WRITE] == [TOPICS.worker]
    assert {right.name for right in needed if right.operation is Operation.READ} == set(NAMES)


@pytest.mark.parametrize("purpose", [Purpose.COMMANDS, Purpose.ACTS, Purpose.APPLY])
def test_with_its_optional_rights_a_console_acts(purpose: Purpose) -> None:
    held = {replace(right, optional="") for right in rights_of(Purpose.CONSOLE, TOPICS)}
    assert {replace(right, optional="") for right in without_implied(rights_of(purpose, TOPICS))} <= held


def test_an_act_that_a_console_may_not_write_names_the_right() -> None:
    denied = denied_rights(29, [TOPICS.act], Purpose.CONSOLE, TOPICS)
    assert Operation.WRITE in {right.operation for right in denied}
