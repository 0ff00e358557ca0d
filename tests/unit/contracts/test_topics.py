"""Every topic: name, partitions, cleanup and retention, as the contract says."""

import re

import pytest

from stripeline.contracts.retry_tiers import WINDOW_MS, parse_tiers
from stripeline.contracts.topics import CARRIED_MAX_BYTES, DAY_MS, RECORD_MAX_BYTES, Topic, Topics

EVENTS = ["charge-event", "customer-event", "payment-event"]
RETRIES = [f"action-retry.{name}" for name in ("5s", "30s", "2m", "10m", "1h")]
DELETE, COMPACT = "delete", "compact"
CREATED, APPENDED = "CreateTime", "LogAppendTime"
CONTRACT = {
    **dict.fromkeys(EVENTS, (6, DELETE, 7, CREATED, RECORD_MAX_BYTES)),
    "thin-event": (6, DELETE, 7, APPENDED, RECORD_MAX_BYTES),
    "health-event": (6, DELETE, 30, APPENDED, RECORD_MAX_BYTES),
    "event-seen": (6, DELETE, 32, APPENDED, RECORD_MAX_BYTES),
    "action-command": (6, DELETE, 7, APPENDED, RECORD_MAX_BYTES),
    "action-result": (6, DELETE, 7, APPENDED, CARRIED_MAX_BYTES),
    **dict.fromkeys(RETRIES, (6, DELETE, 7, APPENDED, CARRIED_MAX_BYTES)),
    "action-dead-letter": (6, DELETE, 365, APPENDED, CARRIED_MAX_BYTES),
    "run": (6, COMPACT, None, APPENDED, CARRIED_MAX_BYTES),
    "action-ledger": (6, COMPACT, None, APPENDED, CARRIED_MAX_BYTES),
    "act": (6, DELETE, 7, APPENDED, CARRIED_MAX_BYTES),
    "audit": (6, DELETE, 365, APPENDED, RECORD_MAX_BYTES),
    "worker": (1, "compact,delete", 1, APPENDED, CARRIED_MAX_BYTES),
    "control": (1, COMPACT, None, APPENDED, CARRIED_MAX_BYTES),
}


def facts(topic: Topic):
    days = None if topic.retention_ms is None else topic.retention_ms / DAY_MS
    config = topic.config
    return topic.partitions, topic.cleanup, days, config["message.timestamp.type"], int(config["max.message.bytes"])


@pytest.mark.parametrize("prefix", ["stripe.", "team-a.stripe.", ""])
def test_every_topic_of_a_prefix(prefix):
    found = Topics(prefix=prefix).all(6)
    assert {topic.name: facts(topic) for topic in found} == {prefix + name: fact for name, fact in CONTRACT.items()}
    assert [topic.name for topic in found] == [prefix + name for name in CONTRACT]


def test_names_by_role():
    topics = Topics(prefix="p.")
    assert list(topics.events) == [f"p.{name}" for name in EVENTS]
    assert topics.event("charge-event") == "p.charge-event"
    assert [topics.command, topics.result, topics.dead_letter] == [
        "p.action-command", "p.action-result", "p.action-dead-letter",
    ]  # fmt: skip
    assert [topics.run, topics.ledger, topics.worker] == ["p.run", "p.action-ledger", "p.worker"]
    assert topics.control == "p.control"
    assert list(topics.retries) == [f"p.{name}" for name in RETRIES]
    assert [topics.retry(tier) for tier in topics.tiers] == list(topics.retries)


def test_processes_work_without_the_topics_of_this_release():
    optional = [topic.name for topic in Topics().all(6) if topic.optional]
    assert optional == ["stripe.thin-event", "stripe.health-event", "stripe.event-seen"]


def test_the_default_prefix():
    assert Topics().command == "stripe.action-command"


def test_a_retry_tier_is_a_topic():
    topics = Topics(tiers=parse_tiers("250ms, 1s, 9h"))
    assert list(topics.retries) == [f"stripe.action-retry.{name}" for name in ("250ms", "1s", "9h")]
    assert set(topics.retries) <= {topic.name for topic in topics.all(1)}


def test_all_but_control_and_worker_have_one_partition_count():
    assert {topic.partitions for topic in Topics().all(12) if topic.shares_count} == {12}
    assert [topic.name for topic in Topics().all(12) if not topic.shares_count] == ["stripe.worker", "stripe.control"]


def test_what_only_saves_room_is_not_required():
    for topic in Topics().all(1):
        assert not topic.created_with.keys() & topic.config.keys()


def test_retry_and_dead_letter_topics_outlive_stripes_keys():
    kept = {topic.name: topic.retention_ms for topic in Topics().all(1)}
    assert kept["stripe.action-dead-letter"] > WINDOW_MS
    assert all(kept[name] > max(tier.delay_ms for tier in Topics().tiers) for name in Topics().retries)


def test_what_a_client_may_send_fits_again_with_our_headers():
    assert CARRIED_MAX_BYTES > RECORD_MAX_BYTES + 64 * 1_024


def test_names_are_kafkas():
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", topic.name) for topic in Topics().all(1))
