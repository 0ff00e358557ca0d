"""`stripeline topics skip` on a real Kafka: shown first, asked for, recorded, and refused where it would do harm."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from stripeline.contracts.internal_records import AuditRecord, OffsetRange, read
from stripeline.contracts.operator.control_records import BatchSkip
from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.deploy.contract.channels import channel_by_topic
from stripeline.deploy.contract.judge import Contract
from stripeline.deploy.contract.verify import Span, verify
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.deploy.operations import topics as admin
from stripeline.workers.kafka.control_table import ControlTable, read_all
from stripeline.workers.secrets.vault import new_master_key
from tests.support import spoiled_log
from tests.support.broker import delete_topics
from tests.support.end_state import read_topic
from tests.support.records import command
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, until
from tests.support.spoiled_log import spoil

Call = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def topics(prefix: str) -> Topics:
    return Topics(prefix=prefix)


@pytest.fixture
async def call(
    own_broker: LocalKafka,
    topics: Topics,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Call:
    """Run the command in a thread, as it has a loop of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", own_broker.bootstrap_servers)
    monkeypatch.setenv("STRIPELINE_TOPIC_PREFIX", topics.prefix)
    monkeypatch.setenv("STRIPELINE_PARTITIONS", "2")
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", new_master_key())
    await admin.apply(topics, 2, {"bootstrap_servers": own_broker.bootstrap_servers})

    def ended(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert isinstance(caught.value.code, int)
        return caught.value.code

    async def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = await asyncio.to_thread(ended, *arguments)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


async def batches(kafka: LocalKafka, topic: str, partition: int, *counts: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for number, count in enumerate(counts):
            batch = producer.create_batch()
            for place in range(count):
                value = orjson.dumps(command(f"c{number}-{place}"))
                batch.append(key=b"k", value=value, timestamp=None)
            batch.close()
            await (await producer.send_batch(batch, topic, partition=partition))


async def test_a_skip_is_shown_asked_for_and_recorded(own_broker: LocalKafka, topics: Topics, call: Call) -> None:
    client = {"bootstrap_servers": own_broker.bootstrap_servers}
    await batches(own_broker, topics.command, 1, 3, 4, 2)
    arguments = ("topics", "skip", topics.command, "1", "5", "--why", "a disk failed")
    code, _, err = await call(*arguments, "--yes")
    assert (code, "Nothing is unreadable at offset 5" in err, "offsets 3 to 6 (codec none)" in err) == (1, True, True)
    spoil(own_broker, TopicPartition(topics.command, 1), 5, spoiled_log.wrong_checksum)
    # In a pipe it shows what it would skip, and does nothing without --yes.
    code, out, err = await call(*arguments, "--json")
    assert (code, "Add --yes" in err) == (1, True)
    (shown,) = json.loads(out)
    assert (shown["first_offset"], shown["last_offset"], shown["offsets"], shown["records"]) == (3, 6, 4, 4)
    assert (shown["codec"], shown["producer_id"], shown["reason"]) == ("none", -1, "wrong_checksum")
    assert shown["at"].startswith("20")
    assert dict((await read_all(topics.control, client)).skips) == {}
    code, out, err = await call(*arguments, "--yes")
    assert (code, "Recorded" in err) == (0, True)
    skip = (await read_all(topics.control, client)).skips[f"{topics.command}/1"]
    assert isinstance(skip, BatchSkip)
    assert (skip.first, skip.last, skip.digest, skip.why) == (3, 6, shown["digest"], "a disk failed")
    (audited,) = await read_topic(own_broker.bootstrap_servers, topics.audit, 2)
    act = read(AuditRecord, audited.value)
    assert (act.act, act.why, act.by, act.at_ms) == ("skip_batch", "a disk failed", skip.by, skip.at_ms)
    assert act.records == (OffsetRange(topic=topics.command, partition=1, first=3, last=6),)
    for topic, records in ((topics.audit, 1), (topics.control, 2)):  # the skip, and the installation
        report = await verify(Span(topic=topic), Contract(channel_by_topic(topics)[topic]), client)
        assert (report.judged, report.outside) == (records, [])


async def test_a_skip_takes_effect_through_the_control_table(
    own_broker: LocalKafka, topics: Topics, call: Call
) -> None:
    await batches(own_broker, topics.command, 1, 3, 4, 2)
    spoil(own_broker, TopicPartition(topics.command, 1), 5, spoiled_log.unknown_codec)
    workers = ScriptedWorkers(own_broker.bootstrap_servers, topics, 2)
    table = ControlTable(topics.control, workers.client)
    await table.start()
    running = workers.start(ScriptedStripe(), skips=lambda: table.definitions.skips)
    await until(lambda: len(running.worker.held) == 1, "the partition is held")
    assert (await call("topics", "skip", topics.command, "1", "3", "--why", "a test", "--yes"))[0] == 0
    await workers.all_have_results("c0-0", "c0-1", "c0-2", "c2-0", "c2-1")
    await until(lambda: running.worker.warnings() is None, "nothing is held")
    await running.end()
    await table.stop()
    code, out, _ = await call("dead-letters", "list", "--json")
    (letter,) = json.loads(out)
    assert (code, letter["reason"], letter["code"], letter["command_id"]) == (0, "unreadable_batch", "", None)
    code, out, _ = await call("dead-letters", "show", f"1/{letter['offset']}", "--json")
    (letter,) = json.loads(out)
    assert letter["origin"] == {"topic": topics.command, "partition": 1, "offset": 3, "last_offset": 6}
    assert "skipped by" in letter["last_error"]
    code, out, err = await call("dead-letters", "replay", "--yes", "--json")
    assert (code, "0 replayed" in err, "is not replayed" in json.loads(out)[0]["replay"]) == (0, True, True)


async def test_what_is_refused_says_why(own_broker: LocalKafka, topics: Topics, call: Call) -> None:
    await batches(own_broker, topics.command, 0, 3)
    for topic, partition, offset, words in (
        (topics.ledger, 0, 0, "is a changelog, and is never skipped"),
        (topics.control, 0, 0, "holds the definitions, and is never skipped"),
        (topics.dead_letter, 0, 0, "No task reads"),
        (topics.command, 7, 0, "has no partition 7"),
        (topics.command, 0, 99, "Offset 99 is not in"),
        (topics.command, 0, 3, "the partition ends there"),
    ):
        code, _, err = await call("topics", "skip", topic, str(partition), str(offset), "--why", "w", "--yes")
        assert (code, words in err) == (1, True), err
    code, _, err = await call("topics", "skip", topics.command, "0", "0", "--why", " ", "--yes")
    assert (code, "--why needs a reason" in err) == (1, True)
    assert await read_topic(own_broker.bootstrap_servers, topics.audit, 2) == []
    await delete_topics(own_broker.bootstrap_servers, [topics.audit])
    code, _, err = await call("topics", "skip", topics.command, "0", "0", "--why", "w", "--yes")
    assert (code, f"The topic {topics.audit} does not exist. Create it with `stripeline topics apply`" in err) == (
        1,
        True,
    )


async def test_readers_of_the_command_line_name_the_place(own_broker: LocalKafka, topics: Topics, call: Call) -> None:
    await batches(own_broker, topics.command, 0, 3, 4)
    await batches(own_broker, topics.run, 1, 3)
    await batches(own_broker, topics.control, 0, 1)
    spoil(own_broker, TopicPartition(topics.command, 0), 3, spoiled_log.unknown_codec)
    spoil(own_broker, TopicPartition(topics.run, 1), 0, spoiled_log.wrong_checksum)
    spoil(own_broker, TopicPartition(topics.control, 0), 0, spoiled_log.no_records_of_its_codec)
    for arguments, words in (
        (("contracts", "verify", "--topic", topics.command), f"{topics.command}-0 can't be read at offset 3"),
        (("runs", "list"), f"{topics.run}-1 can't be read at offset 0"),
        (("get", "triggers"), f"{topics.control}-0 can't be read at offset 0"),
    ):
        code, _, err = await call(*arguments)
        assert (code, words in err) == (1, True), err
