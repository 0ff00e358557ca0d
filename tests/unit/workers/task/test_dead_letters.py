"""Dead letters: the record unchanged, with where it came from and why it is here."""

from stripeline.contracts import headers as h
from stripeline.workers.task import dead_letters
from tests.support.records import Record, command_record

OURS = ((h.ATTEMPT, b"2"), (h.FIRST_APPENDED_AT, b"500"), (h.PLACE, b"3"), (h.DUE_AT, b"9"), (h.LAST_ERROR, b"e"))
THEIRS = (("x", b"1"), ("traceparent", b"00-a-b-01"), (h.REPLAY, b"r"))
TOPIC = "stripe.action-dead-letter"


def test_a_dead_letter_names_its_origin_and_waits_no_more():
    record = command_record(partition=4, offset=8, headers=(*THEIRS, *OURS))
    headers = dead_letters.dead_letter(
        TOPIC, record, first_appended_ms=500, reason="exhausted", code="RATE_LIMITED", attempts=6, last_error="é" * 600
    ).headers
    assert headers[: len(THEIRS)] == THEIRS
    assert dict(headers[len(THEIRS) :]) == {
        h.ORIGIN_TOPIC: b"stripe.action-command", h.ORIGIN_PARTITION: b"4", h.ORIGIN_OFFSET: b"8",
        h.REASON: b"exhausted", h.CODE: b"RATE_LIMITED", h.ATTEMPTS: b"6", h.FIRST_APPENDED_AT: b"500",
        h.LAST_ERROR: ("é" * 500).encode(),
    }  # fmt: skip


def test_a_failed_decision_keeps_the_record_and_names_the_error():
    record = Record(
        topic="stripe.action-retry.5s", partition=3, offset=9, value=b"v", timestamp=7,
        headers=(("x", b"y"), (h.PLACE, b"1"), (h.FIRST_APPENDED_AT, b"5")),
    )  # fmt: skip
    decision = dead_letters.broken(TOPIC, record, KeyError("sk_live_x"))
    (letter,) = decision.outputs
    assert (decision.verdict, decision.changes) == ("broken", ())
    assert (letter.topic, letter.key, letter.value) == (TOPIC, b"k1", b"v")
    assert h.read(letter.headers) == {
        "x": b"y", h.ORIGIN_TOPIC: b"stripe.action-retry.5s", h.ORIGIN_PARTITION: b"3", h.ORIGIN_OFFSET: b"9",
        h.REASON: b"internal_error", h.CODE: b"INDETERMINATE", h.ATTEMPTS: b"0", h.FIRST_APPENDED_AT: b"5",
        h.LAST_ERROR: b"KeyError: this is a fault of Stripeline; the log has the traceback",
    }  # fmt: skip
