"""What a command carries on its way through the tiers."""

import pytest

from stripeline.contracts import headers as h
from stripeline.workers.executor.retry_headers import read_record, waiting_headers
from tests.support.records import command_record

OURS = ((h.ATTEMPT, b"2"), (h.FIRST_APPENDED_AT, b"500"), (h.PLACE, b"3"), (h.DUE_AT, b"9"), (h.LAST_ERROR, b"e"))
THEIRS = (("x", b"1"), ("traceparent", b"00-a-b-01"), (h.REPLAY, b"r"))


def test_ours_count_on_a_retry_topic_alone():
    record = command_record(headers=(*THEIRS, *OURS))
    back, fresh = read_record(record, returned=True), read_record(record, returned=False)
    assert (back.attempts, back.first_appended_ms, back.place, back.traceparent) == (2, 500, 3, b"00-a-b-01")
    # The first append time may make a command older wherever it comes from.
    assert (fresh.attempts, fresh.first_appended_ms, fresh.place, fresh.traceparent) == (0, 500, None, b"00-a-b-01")


def test_a_retry_record_without_our_headers_starts_again():
    found = read_record(command_record(headers=((h.ATTEMPT, b"x"), (h.PLACE, b""))), returned=True)
    assert (found.attempts, found.first_appended_ms, found.place, found.traceparent) == (0, 1_000_000, None, None)


def test_first_appended_at_zero_is_a_time():
    assert read_record(command_record(headers=((h.FIRST_APPENDED_AT, b"0"),)), returned=True).first_appended_ms == 0


@pytest.mark.parametrize(("key", "text"), [(None, None), (b"", ""), (b"k", "k"), (b"\xff\xc3\xa9", "\xff\xc3\xa9")])
def test_no_two_keys_become_one(key, text):
    assert read_record(command_record(key=key), returned=False).key == text


@pytest.mark.parametrize("place", [None, 0, 7])
def test_waiting_replaces_ours_and_keeps_theirs(place):
    of = read_record(command_record(headers=(*THEIRS, *OURS)), returned=True)
    headers = waiting_headers(of, attempts=3, due_ms=77, place=place, last_error="e" * 2_000)
    assert headers[: len(THEIRS)] == THEIRS
    assert dict(headers[len(THEIRS) :]) == {
        h.ATTEMPT: b"3", h.DUE_AT: b"77", h.FIRST_APPENDED_AT: b"500", h.LAST_ERROR: b"e" * 1_000,
        **({} if place is None else {h.PLACE: str(place).encode()}),
    }  # fmt: skip
    assert len(headers) == len(dict(headers))
