"""What a command on a retry topic waits for: its turn, its time, or that its connection may call."""

import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.internal_records import LedgerQueue, Tried
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.call_shares import ALL_SLOTS, CallShares
from stripeline.workers.executor.connection.key_breaker import PAUSE_MAX_MS
from stripeline.workers.executor.connection.pacing import TURN_LEAD_MS
from stripeline.workers.executor.connection.rate_gate import Hold, Pass
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger, remember
from stripeline.workers.executor.retry_headers import BEHIND, RATE
from stripeline.workers.task.decision import Waits
from stripeline.workers.task.waiting.waiting_room import MANY
from tests.support.in_memory_executor import TOPICS, new_executor
from tests.support.records import Record, command, command_record
from tests.unit.workers.executor.test_before_call import apply, failure

NOW = 2_000_000
TIER = next(iter(TOPICS.retries))
GATE = ("acme", None)
PAUSED = Hold(wait_ms=60_000, why="waits for its connection to be resumed", closed=True)


def waiting(place: int | None = 0, why: str = "", attempts: int = 0, *, due_ms: int = NOW + 4_000, **fields) -> Record:
    headers = [(h.DUE_AT, str(due_ms).encode()), (h.LAST_ERROR, why.encode()), (h.ATTEMPT, str(attempts).encode())]
    headers += [] if place is None else [(h.PLACE, str(place).encode())]
    return command_record(
        fields.pop("value", None), topic=TIER, headers=tuple(headers), timestamp=NOW - 1_000, **fields
    )


def in_line(turn_ms: int) -> Waits:
    return Waits(until_ms=turn_ms - TURN_LEAD_MS, gate=("line", "acme", None))


def queued(head: int = 0) -> Ledger:
    """c1 waits in the queue of k1."""
    ledger = Ledger()
    apply(ledger, executor_that(PAUSED).take(ledger, command_record(), NOW))
    ledger.apply("queue/k1", LedgerQueue(head, head + 3, NOW))
    return ledger


class Held:
    """A gate that answers the same to each."""

    def __init__(self, answer):
        self.answer, self.shares = answer, CallShares(ALL_SLOTS)

    def ask(self, *_, **__):
        return self.answer

    def lets(self, *asked):
        return asked


def executor_that(answer) -> Executor:
    return replace(new_executor(), gate=Held(answer))


class TestWhatWasRead:
    @pytest.mark.parametrize(
        ("record", "waits"),
        [
            (waiting(1), Waits(place=1)),
            (waiting(1, key=None), Waits(until_ms=NOW + 4_000)),
            (waiting(0, due_ms=NOW), None),
            (waiting(0, RATE), Waits(until_ms=NOW + 4_000)),
            (waiting(0, "RATE_LIMITED: slow", 1), Waits(until_ms=NOW + 4_000)),
            (waiting(0, BEHIND), None),
            (waiting(0, PAUSED.why), Waits(until_ms=NOW + 4_000, gate=GATE)),
            (waiting(0, "PROVIDER_ERROR: no", 2), Waits(until_ms=NOW + 4_000, gate=GATE, fresh=False)),
            (waiting(0, "PROVIDER_ERROR: no", 2, value=b"{"), Waits(until_ms=NOW + 4_000)),
        ],
        ids=["another's turn", "no key", "due", "rate", "429", "behind", "held", "500", "unreadable"],
    )
    def test_it_waits_for(self, record, waits):
        assert new_executor().waits(queued(), record, NOW) == waits

    @pytest.mark.parametrize(
        ("fields", "waits_ms"),
        [
            ({}, 9_900),
            ({"not_after": NOW + 6_000}, 6_001),
            ({"not_after": NOW + 3_000}, 4_000),
        ],
        ids=["its turn", "wanted no longer", "wanted no longer, before it is due"],
    )
    def test_in_a_line_it_waits_for_its_turn(self, fields, waits_ms):
        value, ledger = command(**fields), queued()
        ledger.apply("command/c1", replace(ledger.known("c1"), turn_ms=NOW + 10_000))
        record = waiting(0, RATE, value=value)
        assert new_executor().waits(ledger, record, NOW) == replace(in_line(0), until_ms=NOW + waits_ms)

    def test_a_turn_that_its_record_contradicts_is_not_waited_for(self):
        ledger = queued()
        ledger.apply("command/c1", replace(ledger.known("c1"), turn_ms=NOW + 7_200_000))
        next_tier_ms = NOW - 1_000 + TOPICS.tiers[1].delay_ms
        assert new_executor().waits(ledger, waiting(0, RATE), NOW) == in_line(next_tier_ms)

    def test_a_line_is_open_where_there_is_no_limit(self):
        executor = new_executor()
        assert executor.lets(in_line(0).gate, NOW) == MANY
        executor.gate.limits = lambda _: Rate(endpoint=25)
        assert executor.lets(in_line(0).gate, NOW) == 0

    def test_without_a_queue_no_place_waits(self):
        assert new_executor().waits(Ledger(), waiting(1, due_ms=NOW), NOW) is None

    def test_a_gate_is_a_connection_with_the_account_that_is_named(self):
        record = waiting(None, PAUSED.why, value=command(account="acct_1"))
        gate = new_executor().waits(Ledger(), record, NOW).gate
        executor = executor_that(None)
        assert executor.lets(gate, NOW) == ("acme", "acct_1", NOW)
        assert executor.lets(GATE, NOW) == (*GATE, NOW)
        assert executor.lets("another", NOW) == MANY


class TestWhatWasTaken:
    def waits(self, answer, record=None) -> Waits | None:
        return executor_that(answer).take(queued(), record or waiting(), NOW).waits

    def test_a_closed_gate_is_waited_for(self):
        assert self.waits(PAUSED) == Waits(until_ms=NOW + PAUSE_MAX_MS, gate=GATE, closed=True)
        tried = self.waits(PAUSED, waiting(attempts=1))
        assert tried == Waits(until_ms=NOW + PAUSE_MAX_MS, gate=GATE, closed=True, fresh=False)

    def test_its_turn_in_the_line_is_kept(self):
        ledger, turn_ms = queued(), NOW + 20_000
        executor = executor_that(Hold(wait_ms=20_000, why=RATE, turn_ms=turn_ms))
        waits = executor.take(ledger, waiting(), NOW).waits
        assert waits.until_ms == turn_ms - TURN_LEAD_MS
        (promised,) = waits.changes
        assert promised.record.turn_ms == turn_ms
        ledger.apply(promised.key, promised.record)
        assert executor.take(ledger, waiting(), NOW).waits == in_line(turn_ms)

    def test_a_turn_that_has_come_is_asked_for_soon(self):
        assert self.waits(Hold(wait_ms=0, why=RATE, turn_ms=NOW)).until_ms == NOW + 1

    def test_any_other_wait_is_longer_the_longer_it_lasts(self):
        assert self.waits(Hold(wait_ms=1_000, why="")) == Waits(until_ms=NOW + 1_000)
        assert self.waits(Hold(wait_ms=9_000, why="")) == Waits(until_ms=NOW + 9_000)
        old = replace_timestamp(waiting(), NOW - 50_000)
        assert self.waits(Hold(wait_ms=1_000, why=""), old) == Waits(until_ms=NOW + 50_000)

    def test_behind_its_key_it_waits_for_its_turn(self):
        decided = new_executor().take(queued(), waiting(2), NOW)
        assert (decided.verdict, decided.waits, len(decided.outputs)) == (Verdict.HELD, Waits(place=2), 1)

    def test_a_fresh_command_is_written_once(self):
        assert executor_that(PAUSED).take(Ledger(), command_record(), NOW).waits is None
        assert new_executor().take(queued(), command_record(command("c2")), NOW).waits is None

    def test_what_the_ledger_does_not_know_is_written(self):
        assert executor_that(PAUSED).take(Ledger(), waiting(), NOW).waits is None

    def test_a_look_up_is_waited_for(self):
        ledger = queued()
        known = replace(ledger.known("c1"), look_at_ms=NOW + 60_000, unknown=True)
        ledger.apply(*change(remember("c1", known)))
        assert new_executor().take(ledger, waiting(), NOW).waits == Waits(until_ms=NOW + 60_000)


def change(of) -> tuple:
    return of.key, of.record


def replace_timestamp(record: Record, timestamp: int) -> Record:
    return Record(topic=record.topic, key=record.key, value=record.value, headers=record.headers, timestamp=timestamp)


class TestBeforeItsTime:
    def attempted(self, outcome, *, why="PROVIDER_ERROR: no", due_ms=NOW + 4_000, attempts=5):
        ledger, executor = queued(), executor_that(Pass())
        executor = replace(executor, gate=new_executor().gate)
        call = executor.take(ledger, waiting(0, why, attempts, due_ms=due_ms), NOW)
        assert isinstance(call, Call)
        return executor.settle(ledger, call, outcome, NOW + 100)

    def test_a_failure_by_stripe_counts_as_no_attempt(self):
        decided = self.attempted(failure(500))
        waits = decided.waits
        assert (waits.until_ms, waits.gate, waits.fresh) == (NOW + 4_000, GATE, False)
        (state,) = waits.changes
        assert (state.record.status, state.record.unknown) == ("waiting", True)
        assert isinstance(state.record.tried, Tried)
        (output,) = decided.outputs
        written = h.read(output.headers)
        assert (h.number(written, h.ATTEMPT), h.number(written, h.DUE_AT)) == (5, NOW + 100 + 5_000)

    def test_what_stripe_has_stored_ends_it(self):
        decided = self.attempted(failure(500, idempotent_replayed="true"))
        assert decided.waits is None
        assert h.number(h.read(decided.outputs[0].headers), h.ATTEMPT) == 6

    @pytest.mark.parametrize(
        "fields",
        [{"due_ms": NOW}, {"why": "RATE_LIMITED: slow"}, {"attempts": 0}],
        ids=["due", "not failed by Stripe", "never attempted"],
    )
    def test_any_other_attempt_counts(self, fields):
        decided = self.attempted(failure(500), **fields)
        assert decided.waits is None
        written = h.read(decided.outputs[0].headers)
        assert h.number(written, h.ATTEMPT) == fields.get("attempts", 5) + 1
