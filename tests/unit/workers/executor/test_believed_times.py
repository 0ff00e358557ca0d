"""No time that a worker wrote is believed beyond what the append time of its record bears out."""

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.internal_records import LedgerCommand, encode
from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.retry_tiers import HORIZON_MS, parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.actions import actions
from stripeline.workers.executor import believed_times
from stripeline.workers.executor.command_state import Call, digest_of
from stripeline.workers.executor.connection.rate_gate import open_gate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.task.decision import Decision
from tests.support.records import Record, any_owner, command_record, installation

HOUR_MS, NOW = 3_600_000, 1_800_000_000_000
TOPICS = Topics(tiers=parse_tiers("1s,5s,30s,1h"))
SETUP = Setup(topics=TOPICS, installation=installation, actions=actions(), owner=any_owner)
TWO_HOURS = 2 * HOUR_MS


@pytest.mark.parametrize(
    ("written", "due"),
    [
        (5_000, 5_000),  # right
        (4_960, 4_960),  # decided 40 ms before it was appended
        (None, -NOW),
        (5_001, 5_000),
        (TWO_HOURS, 5_000),  # M1b: the host was two hours fast
        (-TWO_HOURS, 5_000),  # two hours slow: its attempts would be used up at once
        (-55_000, -55_000),
        (-55_001, 5_000),
    ],
)
def test_a_due_time_is_the_appends_and_its_tiers(written, due):
    written_ms = None if written is None else NOW + written
    assert believed_times.due_ms(written_ms, appended_ms=NOW, delay_ms=5_000) == NOW + due
    headers = () if written_ms is None else ((h.DUE_AT, str(written_ms).encode()),)
    record = Record(topic=TOPICS.retry(TOPICS.tiers[1]), key=b"k", value=b"", headers=headers, timestamp=NOW)
    assert Executor(setup=SETUP).due_ms(record) == NOW + due


@pytest.mark.parametrize(
    ("topic", "delay_ms"),
    [
        ("stripe.action-retry.5s", 5_000),
        ("stripe.action-retry.45s", 45_000),  # of a tier that was taken away
        ("stripe.action-retry.250ms", 250),
        ("stripe.action-retry.soon", 0),
        ("stripe.action-command", 0),
    ],
)
def test_a_tiers_delay_is_in_its_topics_name(topic, delay_ms):
    assert TOPICS.delay_ms(topic) == delay_ms


@pytest.mark.parametrize(
    ("written", "delay_ms", "believed"),
    [
        (120_000, 5_000, 120_000),
        (120_001, 5_000, 120_000),
        (TWO_HOURS, 5_000, 120_000),
        (TWO_HOURS, HOUR_MS, HOUR_MS),
        (-TWO_HOURS, 5_000, -TWO_HOURS),
        (TWO_HOURS, 0, 120_000),  # a replay
    ],
)
def test_a_look_up_waits_for_the_search_or_its_tier(written, delay_ms, believed):
    found = believed_times.look_at_ms(NOW + written, appended_ms=NOW, delay_ms=delay_ms, reconcile_after_ms=120_000)
    assert found == NOW + believed


@pytest.mark.parametrize(
    ("written", "delay_ms", "believed"),
    [
        (4_999, 1_000, 4_999),
        (TWO_HOURS, 1_000, 5_000),
        (TWO_HOURS, 30_000, HOUR_MS),
        (TWO_HOURS, HOUR_MS, TWO_HOURS),  # a long line: nothing says otherwise
        (2 * HORIZON_MS, HOUR_MS, HORIZON_MS),
        (0, 1_000, 0),
    ],
)
def test_a_turn_is_before_the_end_of_the_next_tier(written, delay_ms, believed):
    found = believed_times.turn_ms(NOW + written, appended_ms=NOW, delay_ms=delay_ms, tiers=TOPICS.tiers)
    assert found == NOW + believed


def waiting(**entry) -> tuple[Executor, Ledger, Record]:
    """A command that waited a second, and is back; its ledger's entry was written by a clock that was wrong."""
    gate = open_gate()
    gate.limits = lambda _: Rate(account=10)
    topic, headers = TOPICS.retry(TOPICS.tiers[0]), ((h.FIRST_APPENDED_AT, str(NOW - 5).encode()),)
    ledger, record = Ledger(), command_record(topic=topic, key=None, timestamp=NOW, headers=headers)
    parsed = parse_command(record.value)
    assert isinstance(parsed, Command)
    known = LedgerCommand(status="waiting", digest=digest_of(parsed), revision=0, at_ms=NOW + TWO_HOURS, **entry)
    ledger.restore("command/c1", encode(known))
    return Executor(setup=SETUP, gate=gate), ledger, record


def test_a_turn_two_hours_ahead_holds_no_command():
    executor, ledger, record = waiting(turn_ms=NOW + TWO_HOURS)
    assert isinstance(executor.take(ledger, record, NOW + 5_000), Call)


def test_a_look_up_two_hours_ahead_is_made_when_it_can_be():
    executor, ledger, record = waiting(look_at_ms=NOW + TWO_HOURS, unknown=True)
    early = executor.take(ledger, record, NOW + 1_000)
    assert isinstance(early, Decision)
    assert early.verdict == Verdict.RETRIED
    late = executor.take(ledger, record, NOW + 120_000)
    assert isinstance(late, Call)
    assert late.look_up is not None
