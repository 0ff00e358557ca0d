"""A record never overtakes an earlier one of its key: any interleaving of arrivals, returns, failures, and crashes."""

import copy
import random

import orjson
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer, Succeeded, classify
from tests.support.records import Record, any_owner, command, command_record, installation

TOPICS = Topics(tiers=parse_tiers("5s,30s,2m"))
EXECUTOR = Executor(setup=Setup(topics=TOPICS, installation=installation, actions=actions(), owner=any_owner))
DONE = Succeeded(output={"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1})
CREATE = actions()["stripe/create-customer"]
KEYS = (b"a", b"b", b"c")


class World:
    """One task's partition: the command topic, the tiers, the state; and what Stripe saw."""

    def __init__(self):
        self.now = 1_000_000
        self.ledger = Ledger()
        self.fresh, self.position = [], 0
        self.tiers = {topic: [] for topic in TOPICS.retries}
        self.read = dict.fromkeys(self.tiers, 0)
        self.results, self.ended = [], []
        self.saved = None
        self.save()

    def save(self):
        keys = ("now", "position", "read", "results", "ended")
        self.saved = {**{k: copy.deepcopy(getattr(self, k)) for k in keys}, "ledger": copy.deepcopy(self.ledger)}
        self.saved["tiers"] = {topic: list(records) for topic, records in self.tiers.items()}

    def crash(self):
        """Everything since the last commit is undone; time and the command topic are not."""
        now = self.now
        for name, value in copy.deepcopy(self.saved).items():
            setattr(self, name, value)
        self.now = now

    def produce(self, key, duplicate):
        if duplicate and self.fresh:
            self.fresh.append(self.fresh[-1])
        else:
            self.fresh.append(command_record(command(f"c{len(self.fresh)}"), key=key, timestamp=self.now))

    def step_fresh(self, outcome):
        if self.position < len(self.fresh):
            self.position += 1
            self.handle(self.fresh[self.position - 1], outcome)

    def step_tier(self, topic, outcome):
        records, at = self.tiers[topic], self.read[topic]
        if at < len(records) and EXECUTOR.due_ms(records[at]) <= self.now:
            self.read[topic] += 1
            self.handle(records[at], outcome)

    def handle(self, record, outcome):
        decided = EXECUTOR.take(self.ledger, record, self.now)
        if isinstance(decided, Call):
            decided = EXECUTOR.settle(self.ledger, decided, outcome, self.now)
        for change in decided.changes:
            self.ledger.restore(change.key, change.record and encode(change.record))
        for output in decided.outputs:
            if output.topic in self.tiers:
                self.tiers[output.topic].append(
                    Record(
                        topic=output.topic,
                        key=output.key,
                        value=output.value,
                        headers=output.headers,
                        timestamp=self.now,
                    )
                )
            elif output.topic == TOPICS.result:
                self.ended.append((output.key, orjson.loads(output.value)["command_id"]))

    @property
    def waiting(self):
        return self.position < len(self.fresh) or any(self.read[t] < len(self.tiers[t]) for t in self.tiers)


def outcome_of(number):
    status = {0: None, 1: None, 2: 429, 3: 500, 4: 402}[number]
    return (
        DONE
        if status is None
        else classify(CREATE, StripeAnswer(status=status, headers={}, body=b'{"error":{"type":"api_error"}}'))
    )


@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.randoms(use_true_random=False), st.integers(20, 250))
def test_every_command_ends_once_and_in_the_order_of_its_key(dice, steps):
    """Driven by one seed: lists of steps that hypothesis grows by itself hardly ever get as far as a queue."""
    world = World()
    for _ in range(steps):
        match dice.choices(["produce", "fresh", "tier", "pass", "commit", "crash"], [20, 20, 30, 15, 10, 5])[0]:
            case "produce":
                world.produce(dice.choice(KEYS), duplicate=dice.random() < 0.1)
            case "fresh":
                world.step_fresh(outcome_of(dice.randrange(5)))
            case "tier":
                world.step_tier(dice.choice(sorted(world.tiers)), outcome_of(dice.randrange(5)))
            case "pass":
                world.now += dice.randrange(20_000)
            case "commit":
                world.save()
            case _:
                world.crash()
    finish(world)
    produced = list(dict.fromkeys((record.key, orjson.loads(record.value)["command_id"]) for record in world.fresh))
    for key in KEYS:
        assert [found for found in world.ended if found[0] == key] == [made for made in produced if made[0] == key]
    assert world.ledger.sizes["queues"] == 0


def finish(world):
    for _ in range(5_000):
        if not world.waiting:
            return
        world.step_fresh(DONE)
        for topic in world.tiers:
            world.step_tier(topic, DONE)
        world.now += 1_000
    raise AssertionError("something waits for ever")


def test_a_long_queue_is_requeued_less_often_than_its_head_fails():
    """A thousand commands of one key: a call takes 100 ms, one in five fails and waits in a tier."""
    world, handled, failures = World(), 0, random.Random(1)
    for _ in range(1_000):
        world.produce(b"a", duplicate=False)

    while world.waiting:
        before = len(world.ended)
        outcome = outcome_of(3 if failures.random() < 0.2 else 0)
        if world.position < len(world.fresh):
            world.step_fresh(outcome)
        else:
            ready = min(world.tiers, key=lambda topic: due(world, topic))
            world.now = max(world.now, due(world, ready))
            world.step_tier(ready, outcome)
        handled += 1
        world.now += 100 if len(world.ended) > before else 0
    assert len(world.ended) == 1_000
    assert handled < 70_000  # 133,000 when only the due time of the head counts


def due(world, topic):
    records, at = world.tiers[topic], world.read[topic]
    return EXECUTOR.due_ms(records[at]) if at < len(records) else 10**18
