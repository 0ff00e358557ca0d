"""How a command ends: failed or indeterminate is decided in one place."""

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import DeadLetterReason
from stripeline.workers.executor import outcome_records
from stripeline.workers.executor.retry_headers import read_record
from stripeline.workers.executor.stripe_answer import Failed, Succeeded
from tests.support.records import command_record

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
def test_a_possible_effect_without_a_decision_is_indeterminate(unknown, decisive, earlier_unknown, status):
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
    record = read_record(command_record(), returned=False)
    headers = h.read(outcome_records.dead_letter(TOPICS, record, how, DeadLetterReason.EXHAUSTED).headers)
    read = (headers[h.REASON], headers[h.CODE], headers[h.LAST_ERROR], headers[h.ATTEMPTS])
    assert read == (b"exhausted", b"", b"", b"1")
