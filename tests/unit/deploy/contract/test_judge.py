"""Records judged by the published contract: what passes, what does not, and that a reason shows no value."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.deploy.contract.channels import channel_by_topic
from stripeline.deploy.contract.judge import Contract, Judgement
from tests.support.record_examples import COMMAND, EVENT_HEADERS, EXAMPLES, KINDS, RESULT_HEADERS, first

TOPICS = Topics(prefix="x.", tiers=parse_tiers("5s,1h"))
CHANNELS = channel_by_topic(TOPICS)
SECRETS = ("sk_live_51Habc", "whsec_abc", "pi_1_secret_abc", "ada@example.com", "4242424242424242")


@cache
def contract_of(topic: str) -> Contract:
    return Contract(CHANNELS[f"x.{topic}"])


def judge(topic: str, key: str | bytes | None, value: object, headers: Mapping[str, Any] | None = None) -> Judgement:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    carried = {name: text if isinstance(text, bytes) else text.encode() for name, text in (headers or {}).items()}
    return contract_of(topic).judge(key.encode() if isinstance(key, str) else key, raw, carried)


def test_exactly_the_topics_of_a_prefix_have_a_channel():
    assert set(CHANNELS) == {topic.name for topic in TOPICS.all(1)}


@pytest.mark.parametrize("record", KINDS)
def test_every_example_of_every_record_is_of_its_contract(record: str):
    topic, key, headers = KINDS[record]
    for name, example in EXAMPLES[record].items():
        verdict = judge(topic, key, example, headers)
        assert verdict.problems == [], name
        assert verdict.record in {record, f"action-{record}"}


@pytest.mark.parametrize("headers", EXAMPLES["retry-headers"].values())
@pytest.mark.parametrize("tier", ["5s", "1h"])
def test_a_command_that_waits_is_of_its_contract(headers, tier):
    assert judge(f"action-retry.{tier}", "k", COMMAND, headers).problems == []


@pytest.mark.parametrize("value", [b"\xff{", b"", None, COMMAND])
@pytest.mark.parametrize("key", [None, "k", b"\xff", b"k" * 2_000])
def test_a_dead_letter_carries_anything_and_needs_its_headers(key, value):
    assert judge("action-dead-letter", key, value, first("dead-letter-headers")).problems == []
    assert judge("action-dead-letter", key, value).problems != []


def test_other_headers_are_nobodys_business():
    assert judge("action-command", "k", COMMAND, {"their-own": b"\xff"}).problems == []


@pytest.mark.parametrize("record", ["run", "ledger-command", "ledger-queue", "control-trigger"])
def test_a_compacted_topic_may_forget(record: str):
    topic, key, headers = KINDS[record]
    assert judge(topic, key, None, headers).problems == []


BAD = [
    ("payment-event", "pi_1", None, EVENT_HEADERS, "value: there is none"),
    ("payment-event", None, first("payment-event"), EVENT_HEADERS, "key: it is not of type"),
    ("payment-event", "", first("payment-event"), EVENT_HEADERS, "key: it is shorter than"),
    ("payment-event", b"\xff", first("payment-event"), EVENT_HEADERS, "key: it is not UTF-8"),
    ("payment-event", "pi_1", first("charge-event"), EVENT_HEADERS, "value type: it does not match"),
    ("payment-event", "pi_1", b"{", EVENT_HEADERS, "value: it is not JSON"),
    ("payment-event", "pi_1", b"\xff", EVENT_HEADERS, "value: it is not JSON"),
    ("payment-event", "pi_1", [], EVENT_HEADERS, "value: it is not of type"),
    ("payment-event", "pi_1", first("payment-event"), {}, 'header: "ce_specversion" is a required property'),
    (
        "payment-event", "pi_1", first("payment-event"), {**EVENT_HEADERS, "ce_id": b"\xff"},
        "header ce_id: it is not UTF-8",
    ),
    ("payment-event", "pi_1", first("payment-event") | {"created": "now"}, EVENT_HEADERS, "value created: it is not"),
    ("action-command", "k", COMMAND | {"input": {"colour": "red"}}, {}, "value input: Additional properties"),
    ("action-command", "k", COMMAND | {"action": "stripe/refund"}, {}, "value action: it is not one of"),
    ("action-command", "k" * 1_025, COMMAND, {}, "key: it is longer than"),
    ("action-command", "k", {"command_id": "c1"}, {}, 'value: "action" is a required property'),
    ("action-result", "k", first("result") | {"error": {"code": "NEW"}}, RESULT_HEADERS, "value error"),
    ("action-retry.5s", "k", COMMAND, {}, 'header: "stripeline-attempt" is a required property'),
    ("run", "evt_1:thanks", first("run") | {"run": 1}, {}, "value run: it is not of type"),
    ("run", None, None, {}, "key: it is not of type"),
    ("action-ledger", "other/c1", None, {}, "key: there is no such record among the ledger"),
    ("control", b"\xff", None, {}, "key: there is no such record among definitions"),
    ("control", "trigger/payments", first("control-connection"), {}, "value"),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "key", "value", "headers", "reason"), BAD)
def test_what_is_outside_the_contract_is_named(topic, key, value, headers, reason):
    assert reason in judge(topic, key, value, headers).reason


def leaves(value: Any, path: tuple[Any, ...] = ()):
    match value:
        case dict():
            for name, inner in value.items():
                yield from leaves(inner, (*path, name))
        case _:
            yield path


def replaced(value: Any, path: tuple[Any, ...], new: object) -> Any:
    return {**value, path[0]: replaced(value[path[0]], path[1:], new)} if path else new


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("record", KINDS)
def test_a_reason_never_shows_a_value(record: str, secret: str):
    topic, key, headers = KINDS[record]
    example = first(record)
    for new in (secret, [secret], {"a": {"client_secret": secret}}):
        for path in leaves(example):
            assert secret not in judge(topic, key, replaced(example, path, new), headers).reason
    assert secret not in judge(topic, f"{secret}/x", example, dict.fromkeys(headers, secret)).reason
    assert secret not in judge(topic, key, secret, headers).reason
    assert secret not in judge(topic, key, f'{{"a": "{secret}"'.encode(), headers).reason


@pytest.mark.parametrize("secret", SECRETS[:3])
def test_a_secret_in_a_fields_name_is_masked(secret: str):
    reason = judge("action-command", "k", COMMAND | {"input": {secret: 1}}).reason
    assert secret not in reason
    assert "…masked" in reason


def test_a_reason_is_no_longer_than_a_person_reads():
    many = judge("action-command", "k", {"command_id": " ", "action": 1, "connection": 2, "input": 3, "not_after": "x"})
    assert re.search(r"; and \d+ more$", many.reason)
    long = judge("action-command", "k", COMMAND | {"input": {f"field{number}": 1 for number in range(1_000)}})
    assert len(long.reason) < 400
