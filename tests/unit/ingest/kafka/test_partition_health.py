"""Which partitions take nothing, in words."""

from typing import Any

import pytest

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.ingest.kafka.partition_health import FAILURE_COUNTS_S, FailedBatch, in_words, names, why_it_takes_none

FAILED = FailedBatch(at_s=100.0, reason=NotTakenReason.NOT_ALLOWED, error="TopicAuthorizationFailedError")
WELL: dict[str, Any] = {"led": True, "unanswered_s": 0.0, "failed": None, "now_s": 130.0, "deadline_s": 5.0}


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({}, None),
        ({"unanswered_s": 4.9}, None),
        ({"unanswered_s": 5.0}, "no acknowledgement in time"),
        ({"led": False, "unanswered_s": 9.0}, "no broker leads it"),
        ({"failed": FAILED}, "its last batch failed: not_authorised (TopicAuthorizationFailedError)"),
        ({"failed": FAILED, "now_s": 100.0 + FAILURE_COUNTS_S}, None),
    ],
)
def test_a_partition_takes_nothing_with_a_reason(seen: dict[str, Any], words: str | None) -> None:
    found = why_it_takes_none(**(WELL | seen))
    assert found == words if words is None else words in (found or "")


def test_partitions_are_named_by_reason() -> None:
    found = in_words(
        {("stripe.charge-event", 3): "a", ("stripe.charge-event", 1): "a", ("stripe.payment-event", 0): "b"}
    )
    assert found == (
        "These partitions take no records. stripe.charge-event-1, stripe.charge-event-3: a. stripe.payment-event-0: b."
    )
    assert in_words({}) is None


def test_many_partitions_are_named_in_part() -> None:
    found = names({("stripe.charge-event", number) for number in range(64)})
    assert found.startswith("stripe.charge-event-0, stripe.charge-event-1, ")
    assert found.endswith("stripe.charge-event-19 and 44 more")
