"""The driver of the probes: who tries, with which key, and what it does with the answer."""

import asyncio
import contextlib

import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.operator.control_records import KeyRefusal, Pause, Probe
from stripeline.deploy.runtime.key_prober import KeyProber
from stripeline.workers.executor.connection.key_probe import AGAIN_MS, HOUR_MS
from stripeline.workers.executor.stripe_answer import StripeAnswer

NOW = 10_000_000
CONNECTION = Connection(secret_key="sealed:x", mode="test", hint="sk_test_…")
ACCOUNT = StripeAnswer(status=200, headers={}, body=b'{"object":"account"}')
REFUSED = StripeAnswer(status=401, headers={}, body=b'{"error":{"type":"invalid_request_error"}}')


class World:
    def __init__(self, answer=ACCOUNT, *, key_name=CONNECTION.key_name, name="acme", key="sk_test_1"):
        refusal = KeyRefusal(key_name=key_name, since_ms=NOW - HOUR_MS)
        self.now = Definitions(connections={"acme": CONNECTION}, key_refusals={name: refusal})
        self.answer, self.calls, self.deleted, self.now_ms, self.broken = answer, [], [], NOW, False
        self.ticks = 0
        self.prober = KeyProber(
            definitions=lambda: self.now, key=lambda _: None if key is None else SecretStr(key), owns=lambda: True,
            read=self.read, delete=self.delete, now_ms=lambda: self.now_ms, each_tick=self.tick,
        )  # fmt: skip

    async def read(self, path, key, account):
        self.calls.append((path, key.get_secret_value(), account))
        return self.answer

    async def delete(self, key):
        if self.broken:
            raise KafkaConnectionError
        self.deleted.append(key)

    def tick(self):
        self.ticks += 1


@pytest.mark.parametrize(("name", "account"), [("acme", None), ("acme/acct_1", "acct_1")])
async def test_an_accepted_key_is_refused_no_more(name, account):
    world = World(name=name)
    await world.prober.once()
    assert world.calls == [("/v1/account", "sk_test_1", account)]
    assert world.deleted == [f"state/{name}"]


async def test_a_refused_key_stays_refused():
    world = World(REFUSED)
    await world.prober.once()
    await world.prober.once()
    assert (len(world.calls), world.deleted) == (1, [])


@pytest.mark.parametrize("how", [{"key_name": "of a former key"}, {"key": None}, {"name": "gone"}])
async def test_nothing_is_asked_without_the_key_that_was_refused(how):
    world = World(**how)
    await world.prober.once()
    assert world.calls == []


async def test_a_deletion_that_fails_is_tried_again():
    world = World()
    world.broken = True
    await world.prober.once()
    world.broken, world.now_ms = False, NOW + AGAIN_MS
    await world.prober.once()
    assert (len(world.calls), world.deleted) == (2, ["state/acme"])


async def test_a_person_may_ask_at_any_time_and_a_pause_holds_it():
    world = World(REFUSED)
    await world.prober.once()
    world.now = Definitions(
        connections=world.now.connections, key_refusals=world.now.key_refusals, probes={"acme": Probe(by="a", at_ms=1)},
        pauses={"connection/acme": Pause(by="a", why="b", at_ms=1)},
    )  # fmt: skip
    await world.prober.once()
    assert len(world.calls) == 1
    world.now = Definitions(
        connections=world.now.connections, key_refusals=world.now.key_refusals, probes=world.now.probes
    )
    await world.prober.once()
    assert len(world.calls) == 2


@pytest.mark.parametrize(("owns", "calls"), [(True, 1), (False, 0)])
async def test_only_the_owner_of_partition_0_asks(owns, calls):
    world = World(REFUSED)
    world.prober.owns = lambda: owns
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(world.prober.run(), 0.05)
    assert (len(world.calls), world.ticks) == (calls, 1)
