"""Expressions: compiled once, cheap over large objects, and never more than an ExpressionError."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.router.expressions import (
    ExpressionError,
    Holds,
    MissingError,
    compile_error,
    compiled,
    holds,
    resolve,
)
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
    assert (holds(where, event()) is Holds.YES) is passes


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("data.amount * 0.1 > 5", r"whole number and 0\.1 is none.*write data\.amount \* 10 / 100, which is exact$"),
        ("0.29 * data.amount > 5", r"write data\.amount \* 29 / 100, which is exact$"),
        ("data.amount / 2.5 > 5.0", r"write data\.amount \* 100 / 250, which is exact$"),
        ("data.amount / 10.0 > 5.0", r"write data\.amount / 10, which is exact$"),
        ("data.amount * 2.0 > 5.0", r"write data\.amount \* 2, which is exact$"),
        ("data.currency * 2 > 5", r"data\.currency is a text: write int\(data\.currency\)$"),
        ("data.currency > 5", r"data\.currency is a text: write int\(data\.currency\)$"),
        ("data.amount.there", "No such overload: the operation is not defined for the given operand types$"),
        ("int(data.currency) > 5", r"the function int\(\) can't take what it was given$"),
        ("data.amount * 9223372036854775807 > 1", "the number is too large$"),
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


@pytest.mark.parametrize(
    "where", ["duration(data.s) > duration('5s')", "data.amount * data.n > 5", "{'a': 1}[data.s] > 1"]
)
def test_the_engines_words_about_a_value_are_not_repeated(where):
    data = {"s": "secret", "n": 9_223_372_036_854_775_806, "amount": 7}
    with pytest.raises(ExpressionError) as caught:
        compiled(where).evaluate(event(data=data))
    assert not re.search(r": .*(secret|922337|\b7\b)", str(caught.value))


DATA = {
    "amount": 6_000, "none": None, "text": "eur", "metadata": {"order_id": "o1"}, "items": [{"id": "i1", "none": None}],
    "deep": {"none": None},
}  # fmt: skip


@pytest.mark.parametrize(
    "where",
    [
        "data.metadata.fee != ''",
        "!(data.metadata.fee == '')",
        "data.metadata['fee'] == 'x'",
        "data.none.inner == 1",
        "!(data.none.inner == 1)",
        "data.deep.none.inner != 1",
        "data.items[1].id == 'x'",
        "!(data.items[0].nothing == 'x')",
        "data.items[0].none.id == 'x'",
        "data.none > 5",
        "!(data.none > 5)",
        "5 <= data.none",
        "data.none.startsWith('x')",
        "!has(data.none.inner)",
        "has(data.none) && data.none > 5",
        "has(data.lacking.inner)",
        "data.items.exists(item, item.nothing == 1)",
        "previous_attributes.amount == 1",
        "!(previous_attributes.amount == 1)",
        "request.idempotency_key == 'x'",
        "data.amount * 0.1 > 5 && data.metadata.fee == 'x'",
    ],
)
def test_what_the_event_lacks_makes_the_whole_where_false(where):  # case G11
    assert holds(where, event(data=DATA)) is Holds.MISSING


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ("has(data.metadata.fee) && data.metadata.fee != ''", Holds.NO),
        ("!has(data.metadata.fee)", Holds.YES),
        ("data.metadata.fee == 'x' || data.amount > 5", Holds.YES),
        ("data.none == null", Holds.YES),
        ("data.none != 5", Holds.YES),
        ("request == null && !has(data.lacking)", Holds.YES),
        ("data.metadata.order_id == 'data.lacking.inner > 5'", Holds.NO),
        ("data.items.exists(item, item.id == 'i1')", Holds.YES),
        ("account == null", Holds.YES),
    ],
)
def test_where_over_what_is_there_and_what_is_asked_for(where, passes):
    assert holds(where, event(data=DATA)) is passes


@pytest.mark.parametrize(
    "where",
    [
        "data.amount / 0 > 1",
        "data.amount * 0.1 > 5.0 && data.none == null",
        "(!has(data.metadata.fee) || data.metadata.fee != '') && data.amount * 0.1 > 5.0",
        "(!has(data.metadata.fee) || data.metadata.fee * 2 > 5) && data.text * 2 > 5",
        "data.text.inner == 1",
        "nothing.there",
        "data.none",
    ],
)
def test_any_other_error_of_where_stops_the_run(where):
    with pytest.raises(ExpressionError) as caught:
        holds(where, event(data=DATA))
    assert not isinstance(caught.value, MissingError)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("=data.metadata.fee", "the event has no data.metadata.fee; guard it with has(data.metadata.fee)"),
        ("=data.none.inner", "data.none is null; guard it with data.none != null"),
        ("=data.items[1].id", "the event has no data.items[1]; guard it with size(data.items) > 1"),
        ("=data.metadata['a b']", "the event has no data.metadata['a b']; guard it with 'a b' in data.metadata"),
        (
            "=data.metadata.order_id * 2",
            (
                "data.metadata.order_id is a text, as every value of Stripe's metadata is:"
                " write int(data.metadata.order_id)"
            ),
        ),
        ("=steps.first.lacking", "there is no 'lacking' (guard a field that may be missing with has())"),
        ("=[1][data.amount]", "a list is shorter (guard a field that may be missing with has())"),
    ],
)  # fmt: skip
def test_an_error_of_an_input_says_what_to_write(expression, says):
    with pytest.raises(ExpressionError) as caught:
        resolve(expression, event(data=DATA) | {"steps": {"first": {"id": "x"}}})
    assert str(caught.value) == f"{expression[1:]!r}: {says}"
    if "guard it with " in says:
        assert compile_error(says.partition("guard it with ")[2]) is None


@pytest.mark.parametrize("field", ["receipt_email", "description", "client_secret", "metadata"])
@given(value=st.one_of(st.none(), st.integers(), st.text(), st.dictionaries(st.text(), st.integers())))
def test_no_event_makes_more_than_an_expression_error(field, value):
    for where in (f"data.{field} > 5", f"data.{field}.a.b == 1", f"data.{field} * 0.1 > 5.0", f"int(data.{field}) > 5"):
        with contextlib.suppress(ExpressionError):
            assert isinstance(holds(where, event(data={field: value})), Holds)


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
