"""The judge of expressions finds what can never be selected, however it is written."""

import pytest

from tests.support.promql import Asked, Selector, asked, mistakes


def test_an_expression_is_taken_apart():
    found = asked('sum by (role, le) (rate(a{x="}",y=~"b|c"}[5m])) > on (z) group_left () d unless e offset 1h')
    a = Selector("a", [("x", "=", "}"), ("y", "=~", "b|c")])
    assert found == Asked([a, Selector("d", ()), Selector("e", ())], ["role", "le", "z"])


@pytest.mark.parametrize(
    ("expression", "mistake"),
    [
        ('increase(stripeline_records_total{verdict="internal_error"}[1h])',
         "verdict of stripeline_records_total is never internal_error"),
        ("stripline_ready == 0", "no series stripline_ready"),
        ("stripeline_record_total", "no series stripeline_record_total"),
        ("rate(stripeline_publish_seconds[5m])", "no series stripeline_publish_seconds"),
        ('stripeline_ready{role="x"}', "stripeline_ready has no label role"),
        ('stripeline_task_open{role="ingest"}', "role of stripeline_task_open is never ingest"),
        ('stripeline_task_state_entries{kind=~"commands|done"}', "kind of stripeline_task_state_entries is never done"),
        ('stripeline_oldest_waiting_seconds{topic!~".*retri.*"}',
         "topic of stripeline_oldest_waiting_seconds is never .*retri.*"),
        ("sum by (trigger) (stripeline_ready)", "no metric of it has the label trigger"),
        ('stripeline_stripe_calls_total{status="gone"}', "status of stripeline_stripe_calls_total is never gone"),
    ],
)  # fmt: skip
def test_what_can_never_be_selected_is_found(expression, mistake):
    assert mistakes(expression) == [mistake]


def test_a_selector_without_a_name_is_refused():
    with pytest.raises(AssertionError, match="without a name"):
        asked('{__name__=~"stripeline_.*"}')


def test_what_can_be_selected_is_no_mistake():
    assert mistakes('stripeline_stripe_calls_total{status=~"refused|5..",namespace="$namespace"}') == []
    assert (
        mistakes('sum by (topic, le) (rate(stripeline_publish_seconds_bucket{topic="stripe.charge-event"}[5m]))') == []
    )
