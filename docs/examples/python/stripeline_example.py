"""Consume Stripe's events, each once; then send a command and wait for its result.

pip install confluent-kafka
KAFKA_BOOTSTRAP_SERVERS=localhost:9092 CONNECTION=acme python stripeline_example.py
"""

import json
import os
import sys
import time
import uuid
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

KAFKA = {"bootstrap.servers": os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")}
PREFIX = os.environ.get("TOPIC_PREFIX", "stripe.")
CONNECTION = os.environ.get("CONNECTION", "acme")
EVENTS = int(os.environ.get("EVENTS", "3"))
TIMEOUT_S = float(os.environ.get("TIMEOUT_S", "60"))
# An offset is committed by us, after the work; what a transaction took back is not read.
CONSUMER = {**KAFKA, "enable.auto.commit": False, "auto.offset.reset": "earliest", "isolation.level": "read_committed"}


def main() -> int:
    consume(f"{PREFIX}payment-event", EVENTS)
    command = {
        # Choose the id and keep it before you send: sending the same command again is then always safe.
        "command_id": f"crm-{uuid.uuid4()}",
        "action": "stripe/create-customer",
        "connection": CONNECTION,
        "input": {"email": "ada@example.com", "name": "Ada Lovelace"},
    }
    result = send_and_wait(command, key="crm-user-4711")
    if result["status"] == "succeeded":
        print("result   ", result["command_id"], "succeeded", result["output"]["id"])
        return 0
    print("result   ", result["command_id"], result["status"], result["error"]["code"], result["error"]["message"])
    return 1


def consume(topic: str, count: int) -> None:
    """Handle this many new events. Stripe may send one twice, and so may Kafka: an id tells."""
    known: set[str] = set()  # Yours outlives the process: a unique column, written together with what you do.
    consumer = Consumer({**CONSUMER, "group.id": "crm-payments-python"})
    consumer.subscribe([topic])
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while len(known) < count:
            record = next_record(consumer, deadline, f"{count - len(known)} more events on {topic}")
            event = json.loads(record.value())
            if event["id"] in known:
                print("again    ", event["id"])
            else:
                print("event    ", event["id"], event["type"], event["data"]["id"])
                known.add(event["id"])
            consumer.commit(record, asynchronous=False)  # after each for clarity; after a batch for speed
    finally:
        consumer.close()


def send_and_wait(command: dict[str, Any], key: str) -> dict[str, Any]:
    """Commands of one key are done in their order. The result has the command's id."""
    results = Consumer({**CONSUMER, "group.id": "crm-results-python"})  # assigned by hand: it joins no group
    try:
        # Stand at the end of the results before the command is sent, and its result can't be missed.
        results.assign(ends_of(results, f"{PREFIX}action-result"))
        send(f"{PREFIX}action-command", key, command)
        print("command  ", command["command_id"], command["action"])
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            result = json.loads(next_record(results, deadline, f"a result of {command['command_id']}").value())
            if result["command_id"] == command["command_id"]:
                return dict(result)
    finally:
        results.close()


def send(topic: str, key: str, value: dict[str, Any]) -> None:
    """Return when every replica has it. murmur2 puts a key where the clients of Java put it, whoever sends it."""

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            raise KafkaException(error)

    producer = Producer({**KAFKA, "acks": "all", "enable.idempotence": True, "partitioner": "murmur2_random"})
    producer.produce(topic, key=key, value=json.dumps(value), on_delivery=delivered)
    if producer.flush(TIMEOUT_S):
        raise TimeoutError(f"{topic} did not take the command: send it again, with the same id")


def ends_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    there = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if there.error is not None:
        raise KafkaException(there.error)
    places = [TopicPartition(topic, number) for number in there.partitions]
    return [TopicPartition(topic, p.partition, consumer.get_watermark_offsets(p, timeout=TIMEOUT_S)[1]) for p in places]


def next_record(consumer: Consumer, deadline: float, wanted: str) -> Message:
    while (left_s := deadline - time.monotonic()) > 0:
        record = consumer.poll(min(left_s, 1.0))
        if record is not None:
            if record.error():
                raise KafkaException(record.error())
            return record
    raise TimeoutError(f"waited {TIMEOUT_S:g} s for {wanted}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KafkaException, TimeoutError) as error:
        sys.exit(f"failed: {error}")
