"""Another team that sends commands with a client of its own: librdkafka, idempotent, with its own partitioner.

Besides good ones it sends what a team does send: the same command twice, a known id for something else, and rubbish.
What its broker acknowledged is noted.
"""

import asyncio
import logging
import math
import random
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stripeline.deploy.local.reconciliation import DECLINED_AMOUNT
from tests.faults.accounts import PLACES, account_of

CUSTOMER, PAYMENT, CHARGE = "stripe/create-customer", "stripe/create-payment-intent", "stripe/retrieve-charge"
FLUSH_S = 120.0
PARTITIONS = 4
PARTITION_UA = -1  # librdkafka's name for what its partitioner decides


@dataclass
class Orders:
    """Commands at a rate, of `keys` keys at random, then of others, and some of none."""

    bootstrap: str
    topic: str
    rate_per_s: float
    choice: random.Random
    keys: int = 40
    orders_a_key: int = 25
    sent: dict[str, str] = field(default_factory=dict)  # the action of each command id
    accounts: dict[str, str] = field(default_factory=dict)  # where the effects of each command id belong
    acknowledged: set[str] = field(default_factory=set)
    rubbish: set[bytes] = field(default_factory=set)  # acknowledged values that are no command
    reused: set[bytes] = field(default_factory=set)  # acknowledged values under an id that is known
    perhaps: set[bytes] = field(default_factory=set)  # of both, what a broken producer can't tell
    new_producers: int = 0
    _count: int = 0
    _broken: bool = False
    _stopped: bool = False
    _open: dict[str, tuple[bytes | None, bytes]] = field(default_factory=dict)

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True

    async def run(self, seconds: float = math.inf) -> None:
        producer = self._producer()
        start = time.monotonic()
        while not self._stopped and (now_s := time.monotonic() - start) < seconds:
            while self._count < now_s * self.rate_per_s:
                self._count += 1
                self._order(producer)
            producer = self._served(producer)
            await asyncio.sleep(0.01)
        until_s = time.monotonic() + FLUSH_S
        while len(producer) or self._open:
            assert time.monotonic() < until_s, (
                f"{len(self._open)} commands are not taken by the broker after {FLUSH_S} s"
            )
            producer = self._served(producer)
            await asyncio.sleep(0.01)

    def _producer(self) -> Producer:
        return Producer({
            "bootstrap.servers": self.bootstrap, "enable.idempotence": True, "partitioner": "murmur2_random",
            "linger.ms": 5, "message.timeout.ms": int(FLUSH_S * 1_000), "socket.timeout.ms": 10_000,
            "reconnect.backoff.max.ms": 1_000, "log_level": 0, "logger": logging.getLogger("librdkafka"),
        })  # fmt: skip

    def _served(self, producer: Producer) -> Producer:
        """Hear what became of commands. A producer that is broken for good is replaced, as librdkafka asks for.

        What it had not reported is sent again: the same id on the same partition is the same command.
        """
        self._hear(producer)
        if not self._broken:
            return producer
        producer.purge()
        self._hear(producer)
        self._broken, fresh = False, self._producer()
        self.new_producers += 1
        for command_id, (key, value) in [*self._open.items()]:
            self._send(fresh, key, value, self.acknowledged, command_id)
        return fresh

    def _hear(self, producer: Producer) -> None:
        try:
            producer.poll(0)
        except KafkaException:  # a fatal one: a sequence number that the broker did not expect
            self._broken = True

    def _order(self, producer: Producer) -> None:
        choice, number = self.choice, self._count
        life = number // (self.keys * self.orders_a_key)
        key = b"crm-%d-%d" % (life, choice.randrange(self.keys)) if choice.random() < 0.9 else None
        kind = choice.random()
        if kind < 0.03:
            self._send(producer, key, b"rubbish %d" % number, self.rubbish)
            return
        command_id = f"cmd-{number:07}"
        action, fields = self._what(command_id)
        place = choice.choice(PLACES)
        value = _command(command_id, action, fields, *place)
        self.sent[command_id], self.accounts[command_id] = action, account_of(*place)
        self._send(producer, key, value, self.acknowledged, command_id)
        if key is None:  # without a key the two may go to different partitions, and nobody promises anything
            return
        if kind < 0.10:
            self._send(producer, key, value, self.acknowledged, command_id)
        elif kind < 0.12:
            self._send(
                producer, key, _command(command_id, CUSTOMER, {"name": f"another {number}"}, *place), self.reused
            )

    def _what(self, command_id: str) -> tuple[str, Mapping[str, Any]]:
        kind = self.choice.random()
        if kind < 0.1:
            return CHARGE, {"id": "ch_sandbox_succeeded"}
        if kind < 0.3:
            return PAYMENT, {"amount": DECLINED_AMOUNT if kind < 0.13 else 700, "currency": "eur"}
        return CUSTOMER, {"name": command_id}

    def _send(self, producer: Producer, key: bytes | None, value: bytes, noted: set[Any], name: str = "") -> None:
        def answered(error: KafkaError | None, _: Message) -> None:
            if error is None:
                noted.add(name or value)
                self._open.pop(name, None)
                return
            self._broken = True
            if not name:
                self.perhaps.add(value)

        if name:
            self._open[name] = (key, value)
        try:
            producer.produce(self.topic, value=value, key=key, partition=_partition(key, value), on_delivery=answered)
        except KafkaException:  # it is broken for good, and has not taken this one
            self._broken = True


def _partition(key: bytes | None, value: bytes) -> int:
    """The partitioner's, by the key; without one always the same, or a command that is sent again were another one."""
    return zlib.crc32(value) % PARTITIONS if key is None else PARTITION_UA


def _command(command_id: str, action: str, fields: Mapping[str, Any], connection: str, account: str | None) -> bytes:
    value = {"command_id": command_id, "action": action, "connection": connection, "input": fields}
    return orjson.dumps(value if account is None else {**value, "account": account})
