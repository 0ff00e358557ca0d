"""`stripeline contracts verify` on a real Kafka: every kind of record on every topic, good and bad."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from stripeline.deploy.cli import main
from stripeline.deploy.contract.channels import channel_by_topic
from stripeline.deploy.settings.settings import Settings, load_settings
from stripeline.workers.secrets.vault import new_master_key
from tests.support.broker import Broker
from tests.support.record_examples import COMMAND, EXAMPLES, KINDS, first

SECRET = "pi_1_secret_hidden"
OUTSIDE = {"topic", "partition", "offset", "at", "record", "reason"}
Call = Callable[..., tuple[int, str, str]]
Row = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]], int]


@pytest.fixture
def call(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    monkeypatch.setenv("STRIPELINE_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("STRIPELINE_PARTITIONS", "2")
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", new_master_key())
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capfd.readouterr()
        assert "hidden" not in out + err
        assert "Traceback" not in err
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    assert run("topics", "apply")[0] == 0
    return run


@pytest.fixture
def settings(call: Call) -> Settings:
    return load_settings({})


def produce(settings: Settings, topic: str, rows: Sequence[Row], *, commit: bool = True) -> None:
    async def write() -> None:
        options: dict[str, Any] = {"bootstrap_servers": settings.kafka_bootstrap_servers}
        async with AIOKafkaProducer(**options, transactional_id=f"{topic}-writer") as producer:
            await producer.begin_transaction()
            for key, value, headers, partition in rows:
                await producer.send(topic, value, key=key, headers=list(headers), partition=partition)
            await (producer.commit_transaction() if commit else producer.abort_transaction())

    asyncio.run(write())


def good(record: str) -> list[Row]:
    _, key, headers = KINDS[record]
    carried = [(name, text.encode()) for name, text in headers.items()]
    raw = None if key is None else key.encode()
    return [(raw, orjson.dumps(value), carried, 0) for value in EXAMPLES[record].values()]


def verified(call: Call, topic: str, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = call("contracts", "verify", "--topic", topic, "--json", *arguments)
    found: list[dict[str, Any]] = json.loads(out)
    assert code == (1 if found else 0)
    assert f"{len(found)} outside the contract" in err
    assert all(set(one) == OUTSIDE for one in found)
    return found


def bad(record: str) -> Row:
    key, _, headers, _ = good(record)[0]
    return key, orjson.dumps({"secret": SECRET}), headers, 0


def test_bad_records_of_each_kind_are_named_with_their_place(call: Call, settings: Settings, prefix: str) -> None:
    kinds = defaultdict(list)
    for record, (topic, _, _) in KINDS.items():
        kinds[f"{prefix}{topic}"].append(record)
    for topic, records in kinds.items():
        rows, wrong = [row for record in records for row in good(record)], [bad(record) for record in records]
        produce(settings, topic, rows)
        produce(settings, topic, wrong, commit=False)
        assert verified(call, topic) == []
        produce(settings, topic, [*wrong, *rows])
        found = verified(call, topic)
        assert [one["record"].removeprefix("action-") for one in found] == records
        # A marker ends each of the two transactions before, and what the second wrote was taken back.
        begin = len(rows) + 1 + len(wrong) + 1 + (topic == settings.topics.control)  # it begins with the installation
        assert [(one["partition"], one["offset"]) for one in found] == [(0, begin + n) for n in range(len(wrong))]
        assert all(one["topic"] == topic and one["reason"].startswith("value") for one in found)


def test_retries_and_dead_letters(call: Call, settings: Settings, prefix: str) -> None:
    retry, dead = next(iter(settings.topics.retries)), settings.topics.dead_letter
    for topic, record, value in (
        (retry, "retry-headers", orjson.dumps(COMMAND)),
        (dead, "dead-letter-headers", b"\xff"),
    ):
        headers = [(name, text.encode()) for name, text in first(record).items()]
        produce(settings, topic, [(b"k", value, headers, 1), (b"k", value, [], 1)])
        (found,) = verified(call, topic)
        assert (found["partition"], found["offset"]) == (1, 1)
        assert found["reason"].startswith("header: ")


def test_a_compacted_topic_may_forget_and_another_may_not(call: Call, settings: Settings) -> None:
    topics = settings.topics
    produce(settings, topics.run, [(b"evt_1:flow", None, [], 0)])
    produce(settings, topics.command, [(b"k", None, [], 0)])
    assert verified(call, topics.run) == []
    assert [one["reason"] for one in verified(call, topics.command)] == ["value: there is none"]


def test_a_person_reads_a_table_and_a_count(call: Call, settings: Settings) -> None:
    topic = settings.topics.command
    code, out, err = call("contracts", "verify", "--topic", topic)
    assert (code, out, err) == (0, "", f"{topic}: 0 records judged, 0 outside the contract.\n")
    produce(settings, topic, [*good("command"), (None, b'{"x": "' + SECRET.encode(), [], 1)])
    code, out, err = call("contracts", "verify", "--topic", topic)
    assert code == 1
    assert out.splitlines()[0].split() == ["partition", "offset", "at", "record", "reason"]
    assert "value: it is not JSON" in out
    assert err == f"{topic}: {len(EXAMPLES['command']) + 1} records judged, 1 outside the contract.\n"


def test_a_part_of_a_topic(call: Call, settings: Settings) -> None:
    topic = settings.topics.command
    produce(settings, topic, [(None, b"{", [], number % 2) for number in range(20)])
    assert len(verified(call, topic)) == len(verified(call, topic, "--from", "beginning")) == 20
    assert len(verified(call, topic, "--limit", "7")) == 7
    assert len(verified(call, topic, "--from", "1h")) == 20
    assert verified(call, topic, "--from", "2100-01-01T00:00:00Z") == []


def test_a_topic_that_is_none_of_ours_and_one_that_is_missing(call: Call, settings: Settings, prefix: str) -> None:
    code, out, err = call("contracts", "verify", "--topic", "orders")
    assert (code, out) == (2, "")
    assert "knows no topic 'orders'" in err.replace("\n", " ")
    assert call("contracts", "verify")[0] == 2
    assert call("contracts", "verify", "--topic", settings.topics.run, "--from", "yesterday")[0] == 2
    code, out, err = call("contracts", "verify", "--topic", "gone.run", "--topic-prefix", "gone.")
    assert (code, out) == (1, "")
    assert "The topic gone.run does not exist" in err


def test_every_topic_can_be_verified(call: Call, settings: Settings) -> None:
    for topic in channel_by_topic(settings.topics):
        assert verified(call, topic) == []
