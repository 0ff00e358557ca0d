"""Expressions: compiled once, cheap over large objects, and never more than an ExpressionError."""

import pytest

from stripeline.workers.router.expressions import ExpressionError, compile_error, compiled, holds, resolve
from tests.support.records import event


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        (None, True),
        ("data.amount >= 5000", True),
        ("data.amount > 6000", False),
        ("has(data.missing)", False),
        ("has(data.amount) && type == 'payment_intent.succeeded'", True),
        ("size(data) > 3", True),
    ],
)
def test_where(where, passes):
    assert holds(where, event()) is passes


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("data.missing > 5", "missing"),
        ("data.amount", "must be true or false"),
        ("data.amount / 0 > 1", "division"),
        ("nothing.there", "nothing"),
        ("data.amount >", "no CEL"),
        ("1" * 1_001, "1000 characters"),
    ],
)
def test_a_broken_where_says_what_is_wrong(where, says):
    with pytest.raises(ExpressionError, match=says):
        holds(where, event())


def test_an_error_shows_no_value_of_the_event():
    with pytest.raises(ExpressionError) as caught:
        holds("data.client_secret > 5", event(data={"client_secret": "pi_1_secret_x"}))
    assert "secret_x" not in str(caught.value)


def test_inputs_are_resolved_at_any_depth():
    given = {"a": "=data.amount", "b": ["=steps.first.id", 1, None], "c": {"d": "plain", "e": True}}
    context = {**event(), "steps": {"first": {"id": "cus_1"}}}
    assert resolve(given, context) == {"a": 6_000, "b": ["cus_1", 1, None], "c": {"d": "plain", "e": True}}


@pytest.mark.parametrize("expression", ["=timestamp('2024-01-01T00:00:00Z')", "=b'abc'", "=duration('5s')"])
def test_a_value_that_json_cannot_carry_is_refused(expression):
    with pytest.raises(ExpressionError, match="JSON"):
        resolve(expression, event())


def test_compile_error_is_none_for_a_good_expression():
    assert compile_error("data.amount >= 1") is None
    assert "no CEL" in str(compile_error("data.amount >="))


def test_an_expression_gets_only_the_fields_that_it_reads():
    assert compiled("data.amount >= 1 && data.currency == 'eur'").fields == {"amount", "currency"}
    assert compiled("data['amount'] >= 1").fields is None
    assert compiled("type == 'x'").fields == frozenset()


def test_data_that_is_no_object_is_the_expressions_own_problem():
    with pytest.raises(ExpressionError):
        compiled("data.amount > 1").evaluate({"data": None})
