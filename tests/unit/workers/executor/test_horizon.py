"""The horizon protects a key that may have been used. What was never attempted is sent at any age."""

import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import HORIZON_MS, parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.key_owner import KNOWN_BY_ALL_MS
from stripeline.workers.executor.connection.rate_gate import Rate, RateGate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from tests.support.records import Record, any_owner, command, command_record, installation

TOPICS = Topics(tiers=parse_tiers("5s,30s,2m,10m,1h"))
DECLINED = StripeAnswer(status=402, headers={}, body=b'{"error":{"type":"card_error","message":"no"}}')
FRIDAY, HOUR = 1_000_000_000, 3_600_000
MONDAY = FRIDAY + 60 * HOUR
LIMITED = StripeAnswer(status=429, headers={}, body=b'{"error":{"type":"invalid_request_error","message":"slow"}}')


class World:
    """An executor whose connection may be paused: its key is refused."""

    def __init__(self):
        self.paused_ms = None
        gate = RateGate(limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: "k1", refused=self.refused)
        setup = Setup(
            topics=TOPICS, installation=installation, actions=actions(), owner=any_owner,
            quiet_since=lambda _: self.paused_ms,
        )  # fmt: skip
        self.executor, self.ledger = Executor(setup=setup, gate=gate), Ledger()
        self.now = FRIDAY

    def refused(self, *_):
        return None if self.paused_ms is None else ("k1", self.paused_ms)

    def resume(self):
        """The key is accepted again."""
        self.paused_ms = None
        self.executor = replace(self.executor, gate=replace_gate(self.executor.gate))

    def take(self, record, *, again=False):
        decided = self.executor.take(self.ledger, record, self.now, again)
        return decided if isinstance(decided, Call) else self.waits(decided)

    def answered(self, call, answer):
        return self.waits(self.executor.answered(self.ledger, call, answer, self.now))

    def waits(self, decision):
        for change in decision.changes:
            self.ledger.restore(change.key, change.record and encode(change.record))
        (output,) = [one for one in decision.outputs if one.topic in TOPICS.retries]
        return Record(
            topic=output.topic, key=output.key, value=output.value, headers=output.headers, timestamp=self.now
        )

    def until_due(self, record):
        self.now = max(self.now, self.executor.due_ms(record))


def replace_gate(gate):
    return RateGate(limits=gate.limits, share=gate.share, key=gate.key, refused=gate.refused)


def is_attempt(decided):
    return isinstance(decided, Call) and decided.look_up is None


def order(number=1, at=FRIDAY, **fields):
    return command_record(command(f"c{number}"), timestamp=at, key=b"k%d" % number, **fields)


def test_a_first_attempt_is_made_at_any_age():
    world = World()
    world.now = FRIDAY + 10 * 24 * HOUR
    assert is_attempt(world.take(order()))


def test_its_day_counts_from_the_first_attempt():
    world = World()
    world.now = MONDAY
    record = world.answered(world.take(order()), LIMITED)
    world.now = MONDAY + HORIZON_MS - 1
    again = world.take(record)
    assert is_attempt(again)
    record = world.answered(again, LIMITED)
    world.now = MONDAY + HORIZON_MS
    assert not is_attempt(world.take(record))


def test_a_weekends_pause_leaves_ten_thousand_commands_to_send():
    """With a restart of the executor every ten minutes of it, which makes each record one that may have been taken."""
    world, waiting = World(), []
    world.paused_ms = FRIDAY
    for number in range(10_000):
        world.now = FRIDAY + KNOWN_BY_ALL_MS + number
        waiting.append(world.take(order(number, world.now)))
    for hours in (1, 2, 24, 59):
        world.now = FRIDAY + hours * HOUR
        waiting = [world.take(record, again=True) for record in waiting]
    world.resume()
    world.now = MONDAY
    assert all(is_attempt(world.take(record)) for record in waiting)


def test_a_restart_after_the_pause_parks_none_of_them():
    """A worker that died can have attempted each of them since it went to its tier: Stripe still knows such a key."""
    world = World()
    world.paused_ms = FRIDAY
    world.now = MONDAY - HOUR
    record = world.take(order(at=FRIDAY + KNOWN_BY_ALL_MS))
    world.resume()
    world.now = MONDAY
    call = world.take(record, again=True)
    assert is_attempt(call)
    record = world.answered(call, LIMITED)
    world.now = MONDAY - HOUR + HORIZON_MS  # a day after it may have been attempted first
    assert not is_attempt(world.take(record))


@pytest.mark.parametrize("appended_ms", [FRIDAY - 1, FRIDAY + KNOWN_BY_ALL_MS - 1])
def test_what_was_there_before_the_pause_may_have_been_sent(appended_ms):
    world = World()
    world.now = FRIDAY + 2 * KNOWN_BY_ALL_MS
    world.paused_ms = FRIDAY
    record = world.take(order(at=appended_ms), again=True)
    world.resume()
    world.now = MONDAY
    assert not is_attempt(world.take(record))


def test_what_is_in_no_ledger_may_have_been_attempted():
    world = World()
    world.paused_ms = FRIDAY
    record = world.take(order())
    world.ledger = Ledger()  # lost, and a person accepted the loss
    world.resume()
    world.now = MONDAY
    assert not is_attempt(world.take(record))


def test_a_command_of_an_old_event_needs_a_person():
    world = World()
    world.now = MONDAY
    aged = order(at=MONDAY, headers=((h.FIRST_APPENDED_AT, str(FRIDAY).encode()),))
    assert not is_attempt(world.take(aged))


def test_a_replay_counts_from_its_first_attempt_too():
    world = World()
    world.now = MONDAY
    decision = world.executor.answered(
        world.ledger, world.take(order()), DECLINED,
        MONDAY,
    )  # fmt: skip
    for change in decision.changes:
        world.ledger.restore(change.key, change.record and encode(change.record))
    replay = ((h.FIRST_APPENDED_AT, str(FRIDAY).encode()), (h.REPLAY, b"{}"))
    world.now = MONDAY + HORIZON_MS - 1
    assert is_attempt(world.take(order(at=world.now, headers=replay)))
    world.now = MONDAY + HORIZON_MS
    assert not is_attempt(world.take(order(at=world.now, headers=replay)))


def test_a_fast_clock_makes_no_first_attempt_younger():
    """The host that attempted it ran two days fast; its record was appended into the tier by the broker's clock."""
    world = World()
    world.now = FRIDAY + 48 * HOUR
    waits = world.answered(world.take(order()), LIMITED)
    record = Record(topic=waits.topic, key=waits.key, value=waits.value, headers=waits.headers, timestamp=FRIDAY)
    world.now = FRIDAY + HORIZON_MS
    assert not is_attempt(world.take(record))
