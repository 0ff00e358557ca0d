"""A Kafka that can't serve Stripeline is one sentence with the setting; what may pass is waited for."""

from collections.abc import Mapping

import pytest

from stripeline.deploy.operations.kafka_limits import InternalTopic, KafkaFacts, kafka_problems

FINE = {
    "transaction.max.timeout.ms": "900000",
    "offset.metadata.max.bytes": "4096",
    "socket.request.max.bytes": "104857600",
    "group.min.session.timeout.ms": "6000",
    "group.max.session.timeout.ms": "1800000",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "offsets.topic.replication.factor": "3",
    "min.insync.replicas": "2",
}
THREE = InternalTopic(replicas=3, in_sync=3)
BOTH = {"__transaction_state": THREE, "__consumer_offsets": THREE}


def facts(brokers: int = 3, internal: Mapping[str, InternalTopic] = BOTH, **changed: str) -> KafkaFacts:
    settings = {**FINE, **{name.replace("_", "."): value for name, value in changed.items()}}
    return KafkaFacts(brokers=brokers, settings=settings, internal=internal)


def test_kafkas_defaults_on_three_brokers_are_enough() -> None:
    assert kafka_problems(facts(), 6_000) == []
    assert kafka_problems(facts(internal={}), 6_000) == []


def test_a_kafka_without_transactions_is_one_sentence() -> None:
    (problem,) = kafka_problems(KafkaFacts(brokers=1, lacks=("EndTxn (transactions)",)), 6_000)
    assert "Kafka lacks EndTxn (transactions)" in problem.sentence
    assert "use Apache Kafka 2.4 or later, or a service with transactions" in problem.sentence
    assert (problem.stops, problem.waits) == (True, False)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("transaction_max_timeout_ms", "5000", "has transaction.max.timeout.ms=5000, below 20000"),
        ("offset_metadata_max_bytes", "1000", "has offset.metadata.max.bytes=1000, below 4096"),
        ("socket_request_max_bytes", "1000", "has socket.request.max.bytes=1000"),
        ("group_max_session_timeout_ms", "5000", "or STRIPELINE_SESSION_TIMEOUT to 5000ms at most"),
        ("group_min_session_timeout_ms", "9000", "set STRIPELINE_SESSION_TIMEOUT to 9000ms at least"),
    ],
)
def test_a_limit_below_ours_names_the_setting(setting: str, value: str, words: str) -> None:
    (problem,) = kafka_problems(facts(**{setting: value}), 6_000)
    assert words in problem.sentence
    assert (problem.stops, problem.waits) == (True, False)


@pytest.mark.parametrize("setting", ["group_max_session_timeout_ms", "group_min_session_timeout_ms"])
def test_a_process_without_a_group_has_no_session(setting: str) -> None:
    assert kafka_problems(facts(**{setting: "0" if "max" in setting else "99999"}), None) == []


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (
            "__transaction_state",
            "transaction.state.log.replication.factor=3 and one broker is alive, so no transaction",
        ),
        ("__consumer_offsets", "offsets.topic.replication.factor=3 and one broker is alive, so no worker can join"),
    ],
)
def test_a_topic_of_kafkas_that_cannot_be_made_is_waited_for(gone: str, words: str) -> None:
    internal = {name: InternalTopic(replicas=3, in_sync=2) for name in BOTH if name != gone}
    (problem,) = kafka_problems(facts(brokers=1, internal=internal), 6_000)
    assert words in problem.sentence
    assert problem.waits


def test_too_few_replicas_in_sync_are_waited_for() -> None:
    internal = {**BOTH, "__transaction_state": InternalTopic(replicas=3, in_sync=1)}
    (problem,) = kafka_problems(facts(internal=internal), 6_000)
    assert "has transaction.state.log.min.isr=2 and 1 of __transaction_state's replicas in sync" in problem.sentence
    assert "start the brokers that are away" in problem.sentence
    assert problem.waits


def test_more_in_sync_than_there_are_replicas_is_a_setting() -> None:
    one = InternalTopic(replicas=1, in_sync=1)
    (problem,) = kafka_problems(facts(internal={**BOTH, "__transaction_state": one}), 6_000)
    assert "set it to 1 at most, or give __transaction_state more replicas" in problem.sentence


def test_nothing_is_claimed_of_settings_that_nobody_shows() -> None:
    assert kafka_problems(KafkaFacts(brokers=1, internal={}), 6_000) == []
    assert kafka_problems(KafkaFacts(brokers=2, settings={"transaction.max.timeout.ms": ""}), 6_000) == []
