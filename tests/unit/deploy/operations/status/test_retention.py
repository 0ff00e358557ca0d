from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.status.facts import event_retention_ms


def test_a_take_up_is_counted_from_the_event_topics():
    assert event_retention_ms(Topics()) == 7 * 86_400_000
