"""How a command ends: failed or indeterminate is decided in one place."""

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import DeadLetterReason, Verdict
from stripeline.workers.executor import outcome_records
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.retry_headers import ticket
from stripeline.workers.executor.stripe_answer import Failed, Succeeded
from tests.support.records import Record, command_record

TOPICS = Topics(tiers=parse_tiers("5s"))


def failed(*, unknown, decisive, code="PROVIDER_ERROR"):
    error = {"code": code, "message": "m", "retryable": True, "http_status": 500}
    return Failed(error=error, retryable=True, unknown=unknown, decisive=decisive)


@pytest.mark.parametrize(
    ("unknown", "decisive", "earlier_unknown", "status"),
    [
        (False, False, False, "failed"), (False, True, False, "failed"), (False, True, True, "failed"),
        (False, False, True, "indeterminate"), (True, True, False, "indeterminate"),
        (True, False, False, "indeterminate"), (True, True, True, "indeterminate"),
    ],
)  # fmt: skip
def test_who_may_have_had_an_effect_and_was_not_told_otherwise_is_indeterminate(
    unknown, decisive, earlier_unknown, status
):
    how = outcome_records.end(
        failed(unknown=unknown, decisive=decisive), earlier_unknown=earlier_unknown, attempts=2, reason=None
    )
    assert (how.status, how.attempts) == (status, 2)
    if status == "indeterminate":
        assert how.error == {
            "code": "INDETERMINATE", "message": "may or may not have been done; last answer PROVIDER_ERROR: m",
            "retryable": False, "http_status": 500,
        }  # fmt: skip
        assert how.dead_reason == "indeterminate"
    else:
        assert how.error["code"] == "PROVIDER_ERROR"
        assert how.dead_reason is None


def test_an_indeterminate_outcome_keeps_its_own_words():
    how = outcome_records.end(
        failed(unknown=True, decisive=False, code="INDETERMINATE"), earlier_unknown=False, attempts=0, reason="x"
    )
    assert (how.error["message"], how.dead_reason) == ("m", "x")


@pytest.mark.parametrize("earlier_unknown", [False, True])
def test_a_success_has_no_dead_letter_whatever_came_before(earlier_unknown):
    how = outcome_records.end(
        Succeeded(output={"id": "x"}), earlier_unknown=earlier_unknown, attempts=3, reason=DeadLetterReason.EXHAUSTED
    )
    assert (how.status, how.output, how.error, how.dead_reason) == ("succeeded", {"id": "x"}, None, None)


def test_a_dead_letter_without_an_error_has_no_code():
    how = outcome_records.End(status="failed", attempts=1)
    of = ticket(command_record(), returned=False)
    headers = h.read(outcome_records.dead_letter(TOPICS, of, how, DeadLetterReason.EXHAUSTED).headers)
    read = (headers[h.REASON], headers[h.CODE], headers[h.LAST_ERROR], headers[h.ATTEMPTS])
    assert read == (b"exhausted", b"", b"", b"1")


def test_a_fault_of_ours_keeps_the_record_and_says_that_it_is_ours():
    record = Record(
        topic="stripe.action-retry.5s", partition=3, offset=9, value=b"v", timestamp=7,
        headers=(("x", b"y"), (h.PLACE, b"1"), (h.FIRST_APPENDED_AT, b"5")),
    )  # fmt: skip
    decision = outcome_records.broken(TOPICS.dead_letter, record, KeyError("sk_live_x"))
    (letter,) = decision.outputs
    assert (decision.verdict, decision.changes) == (Verdict.BROKEN, ())
    assert (letter.topic, letter.key, letter.value) == (TOPICS.dead_letter, b"k1", b"v")
    assert h.read(letter.headers) == {
        "x": b"y", h.ORIGIN_TOPIC: b"stripe.action-retry.5s", h.ORIGIN_PARTITION: b"3", h.ORIGIN_OFFSET: b"9",
        h.REASON: b"internal_error", h.CODE: b"INDETERMINATE", h.ATTEMPTS: b"0", h.FIRST_APPENDED_AT: b"5",
        h.LAST_ERROR: b"KeyError: this is a fault of Stripeline; the log has the traceback",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "place", "left"),
    [(b"k1", b"0", 1), (b"k1", b"1", 0), (b"k1", None, 0), (b"k2", b"0", 0), (None, b"0", 0)],
)
def test_only_the_head_of_a_queue_gives_its_turn_away(key, place, left):
    ledger = Ledger()
    ledger.apply("queue/k1", {"head": 0, "tail": 2, "due_at": 5})
    record = command_record(key=key, headers=() if place is None else ((h.PLACE, place),))
    changes = outcome_records.next_of_key(ledger, ticket(record, returned=True))
    assert [change.value for change in changes] == [{"head": 1, "tail": 2, "due_at": 5}] * left
