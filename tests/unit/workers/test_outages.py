"""Commands that wait, through outages, kills and roll backs: each ends once, in its key's order, and little is written.

`SimulatedTask` runs the intake, the waiting room and the executor's decisions in virtual time.
"""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from unittest.mock import patch

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.connection.call_shares import CallShares
from stripeline.workers.executor.connection.rate_gate import RateGate
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.task import intake, key_lanes
from stripeline.workers.task.key_lanes import CROWD
from stripeline.workers.task.waiting import waiting_room
from tests.support.records import INSTALLATION
from tests.support.simulated_task import DONE, FAILS, START_MS, TOPICS, SimulatedTask

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
LIMITED = StripeAnswer(status=429, headers={}, body=b'{"error":{"type":"rate_limit_error","message":"slow"}}')


def gate(paused=None, **limits) -> RateGate:
    rate = Rate(**limits)
    return RateGate(
        limits=lambda _: rate, share=lambda: 1.0, key=lambda _: "k1", refused=lambda *_: None,
        paused=(paused or {}).get,
    )  # fmt: skip


def sent(world: SimulatedTask, counts: dict[str, int], seed: int = 1) -> dict[bytes, list[str]]:
    """Commands of these keys, in any order. Returns them by key."""
    keys = [key.encode() for key, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(keys)
    by_key = defaultdict(list)
    for number, key in enumerate(keys):
        world.send(f"c{number}", key)
        by_key[key].append(f"c{number}")
    return by_key


def ended(world: SimulatedTask) -> dict[bytes, list[str]]:
    by_key = defaultdict(list)
    for key, command_id, _ in world.results:
        by_key[key].append(command_id)
    return by_key


def test_after_an_outage_all_is_worked_off_at_once_and_in_order():
    over_ms = START_MS + 30 * MINUTE_MS
    world = SimulatedTask(lambda _, now_ms: FAILS if now_ms < over_ms else DONE)
    by_key = sent(world, {f"k{number}": 5 for number in range(200)} | {f"long{number}": 400 for number in range(2)})
    total = sum(map(len, by_key.values()))
    world.run_until(over_ms)
    assert world.results == []
    assert sum(world.attempts.values()) < 300  # those in flight when it began, and one at a time since
    world.run_until(lambda: len(world.results) == total, HOUR_MS)
    assert world.now_ms - over_ms < 30_000 + 1.1 * 400 * 100  # it is noticed, then as long as the longest key takes
    assert ended(world) == by_key
    assert sum(world.written.values()) < 1.2 * total
    assert sorted(world.written.values())[-300] == 1  # once each, but for the heads that were attempted
    assert world.dead == []


def test_a_paused_connection_writes_nothing_while_it_waits():
    paused = {"acme": START_MS}
    world = SimulatedTask(lambda *_: DONE, gate=gate(paused))
    by_key = sent(world, {f"k{number}": 20 for number in range(50)})
    world.run_until(START_MS + MINUTE_MS)
    before = sum(world.written.values()), world.commits
    world.run_until(START_MS + 6 * HOUR_MS)
    assert (sum(world.written.values()), world.commits) == before
    assert before[0] == 1_000
    paused.clear()
    world.run_until(lambda: len(world.results) == 1_000, MINUTE_MS)
    assert ended(world) == by_key


def test_what_waits_for_long_moves_before_its_topic_forgets_it():
    paused = {"acme": START_MS}
    world = SimulatedTask(lambda *_: DONE, gate=gate(paused))
    sent(world, {f"k{number}": 2 for number in range(10)})
    for half_day in range(1, 9):
        world.run_until(START_MS + half_day * 12 * HOUR_MS + MINUTE_MS)
        kept = [record for topic, log in world.logs.items() for record in log[world.inputs[topic].watermark.position :]]
        assert all(world.now_ms - record.timestamp < 13 * HOUR_MS for record in kept)
    assert max(world.written.values()) <= 9
    paused.clear()
    world.run_until(lambda: len(world.results) == 20, MINUTE_MS)
    assert all(status == "succeeded" for _, _, status in world.results)


def test_a_backlog_beyond_its_connections_rate_is_written_once():
    world = SimulatedTask(lambda *_: DONE, gate=gate(account=25))
    sent(world, {f"k{number}": 1 for number in range(2_000)})
    world.run_until(lambda: len(world.results) == 2_000, HOUR_MS)
    assert world.now_ms - START_MS < 1.1 * 2_000 / 25 * 1_000
    assert max(world.written.values()) <= 2


def test_one_command_that_always_fails_stops_no_other_key():
    """An outage is of many commands. What fails alone is retried, and ends as ever."""

    def stripe(call, _):
        if call.look_up is not None:
            return found([])
        return FAILS if call.command.command_id == "bad" else DONE

    world = SimulatedTask(stripe)
    world.send("bad", b"bad")
    for number in range(600):
        world.send(f"c{number}", f"k{number}".encode())
        world.run_until(world.now_ms + 10_000)
        assert len(world.results) >= number + 1
    world.run_until(lambda: len(world.results) == 601, 2 * HOUR_MS)
    assert world.attempts["bad"] == len(TOPICS.tiers) + 1


@pytest.mark.parametrize("room_bytes", [0, 20_000], ids=["none", "little"])
def test_without_room_what_waits_goes_through_the_tiers(room_bytes):
    over_ms = START_MS + 5 * MINUTE_MS
    world = SimulatedTask(lambda _, now_ms: FAILS if now_ms < over_ms else DONE, room_bytes=room_bytes)
    by_key = sent(world, {f"k{number}": 10 for number in range(30)})
    world.run_until(lambda: len(world.results) == 300, 3 * HOUR_MS)
    assert ended(world) == by_key


def test_many_gaps_between_what_waits_are_closed(monkeypatch):
    """Every second record of a retry topic waits for long: a commit's metadata could not hold all gaps."""
    monkeypatch.setattr(intake, "_MANY_RUNS", 20)
    paused = {"acme": START_MS}
    world = SimulatedTask(lambda call, now_ms: LIMITED if now_ms < START_MS + MINUTE_MS else DONE, gate=gate(paused))
    for number in range(100):
        world.send(f"p{number}", f"p{number}".encode())
        world.send(f"c{number}", f"k{number}".encode(), connection="other")
        world.run_until(world.now_ms + 300)
    world.run_until(START_MS + HOUR_MS)
    assert len(world.results) == 100
    assert all(len(source.watermark.runs) <= 20 for source in world.inputs.values())
    again = sum(count - 1 for name, count in world.written.items() if name.startswith("p"))
    assert 0 < again <= 2 * 100
    paused.clear()
    world.run_until(lambda: len(world.results) == 200, MINUTE_MS)


class Stripe:
    """Has an effect once for each key, and may fail before or after it."""

    def __init__(self, dice: random.Random):
        self.dice, self.effects, self.down = dice, Counter(), False

    def __call__(self, call, _):
        name = call.command.command_id
        if call.look_up is not None:
            return found([name] if self.effects[name] else [])
        if self.down and self.dice.random() < 0.98:
            return FAILS
        fault = self.dice.choices(["none", "500", "429", "lost before", "lost after"], [80, 6, 6, 4, 4])[0]
        if fault in {"500", "429"}:
            return FAILS if fault == "500" else LIMITED
        if fault == "lost before":
            return Fault.LOST
        if not self.effects[name]:
            self.effects[name] += 1
        return Fault.LOST if fault == "lost after" else DONE


def found(names: list[str]) -> StripeAnswer:
    """The answer to a look-up."""
    rows = [customer(name) for name in names]
    return StripeAnswer(status=200, headers={}, body=orjson.dumps({"object": "list", "data": rows}))


def customer(name: str) -> dict:
    marks = {"stripeline_installation": INSTALLATION, "stripeline_command": name, "stripeline_partition": "0"}
    return {"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1, "metadata": marks}


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([1, 3, CROWD]))
def test_every_command_ends_once_whatever_happens(seed, rolls, crowd):
    """Driven by one seed. rolls: a killed task may be followed by one of a version that has no waiting room."""
    with patch.object(intake, "CROWD", crowd), patch.object(key_lanes, "CROWD", crowd):
        whatever_happens(random.Random(seed), rolls=rolls)


def whatever_happens(dice: random.Random, *, rolls: bool) -> None:
    stripe, paused = Stripe(dice), {}
    mine = replace(gate(paused), shares=CallShares(dice.choice([4, 256])))
    world = SimulatedTask(stripe, gate=mine, room_bytes=dice.choice([0, 30_000, 1 << 40]))
    sent_by_key = defaultdict(list)
    for _ in range(dice.randrange(5, 40)):
        match dice.choices(["send", "down", "up", "kill", "pause", "resume"], [40, 10, 15, 15, 5, 10])[0]:
            case "send":
                for _ in range(dice.randrange(1, 25)):
                    name, key = f"c{sum(map(len, sent_by_key.values()))}", f"k{dice.randrange(8)}".encode()
                    world.send(name, key, connection=dice.choice(["acme", "other"]))
                    sent_by_key[key].append(name)
            case "down" | "up" as change:
                stripe.down = change == "down"
            case "kill":
                world.stays = not rolls or dice.random() < 0.5
                world.kill()
            case "pause":
                paused["acme"] = world.now_ms
            case _:
                paused.clear()
        world.run_until(world.now_ms + dice.choice([30, 500, 5_000, 60_000, 900_000]))
    stripe.down = False
    paused.clear()
    total = sum(map(len, sent_by_key.values()))
    world.run_until(lambda: len(world.results) >= total, 100 * HOUR_MS)
    world.run_until(world.now_ms + 2 * HOUR_MS)
    assert ended(world) == sent_by_key
    for _, name, status in world.results:
        assert (status == "succeeded") <= (stripe.effects[name] == 1)
    assert (world.ledger.sizes["queues"], world.ledger.sizes["waiting"], len(world.room)) == (0, 0, 0)
    assert {topic: len(log) for topic, log in world.logs.items()} == {
        topic: source.watermark.position for topic, source in world.inputs.items()
    }


def test_the_bounds_are_apart():
    """What waits moves within the horizon, and long before the retry topics forget it."""
    retries = next(topic for topic in TOPICS.all(1) if topic.name in TOPICS.retries)
    assert waiting_room.STAYS_MS < 23 * HOUR_MS
    assert (retries.retention_ms or 0) > waiting_room.STAYS_MS * 10
