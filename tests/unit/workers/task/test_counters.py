import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import DeadLetterReason
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Succeeded
from stripeline.workers.task import gaps
from stripeline.workers.task.counters import Counts, Histogram, Histograms
from stripeline.workers.task.dead_letters import unreadable
from stripeline.workers.task.decision import Ended, OutputRecord
from tests.support.records import command, command_record, installation, owner_of_acme

DONE = Succeeded(output={"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1})


def test_a_bound_is_in_its_bucket_and_the_last_one_is_open():
    seen = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        seen.add(value)
    assert (seen.counts, seen.total) == ([2, 2, 1], 14.0)


def test_histograms_are_made_when_their_first_value_comes():
    by_action = Histograms((1.0,))
    by_action["a",].add(1)
    by_action["a",].add(2)
    assert {labels: found.counts for labels, found in by_action.items()} == {("a",): [1, 1]}


def test_a_gap_counts_as_a_record_and_its_lost_offsets():
    counts = Counts()
    counts.passed(gaps.lost("letters", "commands", 0, 9, gaps.MissingOffsets(2, 9, 7), 1), "letters")
    skipped = gaps.skipped("letters", "commands", 0, 9, gaps.MissingOffsets(1, 1, 1), why="", batch=b"", at_ms=1)
    counts.passed(skipped, "letters")
    assert dict(counts.records) == {("commands", "lost"): 1, ("commands", "skipped"): 1}
    assert dict(counts.lost_offsets) == {"commands": 7}
    assert written(counts) == {"lost_by_retention": 1, "unreadable_batch": 1}


def written(counts: Counts) -> dict[str, int]:
    return {reason: count for reason, count in counts.dead_letters.items() if count}


def test_dead_letters_are_counted_by_reason_from_0_on():
    counts = Counts()
    assert dict(counts.dead_letters) == dict.fromkeys(DeadLetterReason, 0)
    letter = unreadable("letters", command_record(), 1, "no JSON")
    result = OutputRecord("results", None, b"", ((h.REASON, b"exhausted"),))
    counts.wrote((letter, result), "letters")
    counts.wrote((letter,), "letters")
    assert written(counts) == {"unreadable": 2}


def test_a_replayed_letter_counts_by_its_new_reason():
    counts = Counts()
    replayed = command_record(headers=((h.REASON, b"exhausted"),))
    counts.wrote((unreadable("letters", replayed, 1, "no JSON"),), "letters")
    assert written(counts) == {"unreadable": 1}


def test_records_are_counted_by_verdict_and_ends_by_code():
    counts = Counts()
    counts.finished("commands", "retried", None)
    counts.finished("commands", "failed", Ended("stripe/create-customer", "RATE_LIMITED", 6))
    counts.committed(0.01, 2)
    assert dict(counts.records) == {("commands", "retried"): 1, ("commands", "failed"): 1}
    assert dict(counts.results) == {("stripe/create-customer", "RATE_LIMITED"): 1}
    assert counts.attempts["stripe/create-customer",].total == 6
    assert (sum(counts.commit_s.counts), counts.commit_records.total) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "ended"),
    [
        ({}, Ended("stripe/create-customer", "OK", 1)),
        ({"connection": "nobody"}, Ended("stripe/create-customer", "VALIDATION_ERROR", 0)),
        ({"action": "stripe/made-up"}, Ended("unknown", "VALIDATION_ERROR", 0)),
    ],
)
def test_an_unknown_action_is_counted_without_its_name(fields, ended):
    executor = Executor(setup=Setup(topics=Topics(), installation=installation, actions=actions(), owner=owner_of_acme))
    ledger = Ledger()
    decision = executor.take(ledger, command_record(command(**fields)), 1_000)
    if isinstance(decision, Call):
        decision = executor.settle(ledger, decision, DONE, 1_000)
    assert decision.ended == ended
