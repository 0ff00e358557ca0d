import pytest

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason
from stripeline.ingest.refusals import not_an_event


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (EventReason.WRONG_MODE, "of the other mode"),
        (EventReason.THIN_EVENT, "snapshot"),
        (EventReason.NOT_JSON, "no Stripe event: not_json"),
    ],
)
def test_a_body_that_is_no_event_is_refused_with_the_reason(reason: EventReason, words: str):
    refusal = not_an_event(reason)
    assert (refusal.status, refusal.reason) == (400, reason)
    assert words in refusal.text
