"""What each action takes, sends and gives: the card, word for word."""

import inspect

import pytest
from msgspec.structs import replace

from stripeline.contracts.action import Action, ActionInput, ActionOutput, RefusedInput, Request
from stripeline.workers.actions import actions

TEXT, MAYBE_TEXT = str, str | None
CARD = {
    "stripe/create-payment-intent": (
        "POST",
        "/v1/payment_intents",
        {
            "amount": (int, ...), "currency": (TEXT, ...), "customer": (MAYBE_TEXT, None),
            "description": (MAYBE_TEXT, None), "receipt_email": (MAYBE_TEXT, None),
            "automatic_payment_methods_enabled": (bool, True),
        },
        {
            "id": TEXT, "object": TEXT, "amount": int, "currency": TEXT, "status": TEXT, "client_secret": MAYBE_TEXT,
            "customer": MAYBE_TEXT, "created": int,
        },
    ),
    "stripe/retrieve-charge": (
        "GET",
        "/v1/charges/{id}",
        {"id": (TEXT, ...)},
        {
            "id": TEXT, "object": TEXT, "amount": int, "currency": TEXT, "status": TEXT, "customer": MAYBE_TEXT,
            "paid": bool, "refunded": bool,
        },
    ),
    "stripe/create-customer": (
        "POST",
        "/v1/customers",
        dict.fromkeys(("email", "name", "phone", "description"), (MAYBE_TEXT, None)),
        {"id": TEXT, "object": TEXT, "email": MAYBE_TEXT, "name": MAYBE_TEXT, "created": int},
    ),
}  # fmt: skip
INTENT = {"amount": 5_000, "currency": "eur"}


def request(key, value):
    return actions()[key].request(value)


def refusal(key, value):
    refused = request(key, value)
    assert isinstance(refused, RefusedInput)
    return refused.message


def test_there_are_these_three_actions():
    assert set(actions()) == set(CARD)


@pytest.mark.parametrize("key", CARD)
def test_an_action_is_as_on_the_card(key):
    action, (method, path, given, made) = actions()[key], CARD[key]
    assert (action.method, action.path) == (method, path)
    fields = action.input.model_fields
    assert {name: field.annotation for name, field in fields.items()} == {n: kind for n, (kind, _) in given.items()}
    assert {name: field.is_required() for name, field in fields.items()} == {n: d is ... for n, (_, d) in given.items()}
    defaults = {name: default for name, (_, default) in given.items() if default is not ...}
    assert {name: fields[name].default for name in defaults} == defaults
    assert {name: field.annotation for name, field in action.output.model_fields.items()} == made


@pytest.mark.parametrize(("amount", "sent"), [(550.0, 550), (550, 550), (2.0**53, 2**53)])
def test_a_number_without_a_fraction_is_that_whole_number(amount, sent):  # case G06
    call = request("stripe/create-payment-intent", {**INTENT, "amount": amount})
    assert (call.params["amount"], type(call.params["amount"])) == (sent, int)


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("55", "this is a text (in an expression, int() makes a number of it)"),
        (55.5, "this has a fraction (calculate in whole numbers: amount * 29 / 100)"),
        (float("inf"), "this has a fraction"),
        (2.0**60, "this has a fraction"),
        (True, "amount: "),
        (None, "amount: "),
    ],
)
def test_what_is_no_whole_number_says_what_to_write(amount, says):
    assert says in refusal("stripe/create-payment-intent", {**INTENT, "amount": amount})


@pytest.mark.parametrize("key", CARD)
def test_an_output_has_exactly_the_cards_fields(key):
    output = actions()[key].output
    assert all(field.is_required() for field in output.model_fields.values())
    values = {str: "x", int: 1, bool: True, str | None: None}
    stripes = {name: values[field.annotation] for name, field in output.model_fields.items()}
    assert output.model_validate({**stripes, "more": [1]}).model_dump() == stripes


@pytest.mark.parametrize(
    ("key", "value", "path", "params"),
    [
        (
            "stripe/create-payment-intent", INTENT, "/v1/payment_intents",
            {"amount": 5_000, "currency": "eur", "automatic_payment_methods": {"enabled": True}},
        ),
        (
            "stripe/create-payment-intent",
            {
                "amount": 1, "currency": "USD", "customer": "cus_1", "description": "d", "receipt_email": "a@b.c",
                "automatic_payment_methods_enabled": False,
            },
            "/v1/payment_intents",
            {
                "amount": 1, "currency": "usd", "customer": "cus_1", "description": "d", "receipt_email": "a@b.c",
                "automatic_payment_methods": {"enabled": False},
            },
        ),
        ("stripe/retrieve-charge", {"id": "ch_1"}, "/v1/charges/ch_1", {}),
        ("stripe/create-customer", {}, "/v1/customers", {}),
        (
            "stripe/create-customer", {"email": "a@b.c", "name": "Ada", "phone": None, "description": ""},
            "/v1/customers", {"email": "a@b.c", "name": "Ada", "description": ""},
        ),
    ],
)  # fmt: skip
def test_an_input_becomes_this_call(key, value, path, params):
    asked = request(key, value)
    assert isinstance(asked, Request)
    assert (asked.method, asked.path, asked.params) == (actions()[key].method, path, params)


@pytest.mark.parametrize("given", ["", ".", ".."])
def test_an_id_that_leads_to_another_path_is_refused(given):
    class Loose(ActionInput):
        id: str

    action = replace(actions()["stripe/retrieve-charge"], input=Loose)
    assert action.request({"id": given}) == RefusedInput(message="id: it must name an object")
    assert action.request({"id": "../v1"}) == Request(method="GET", path="/v1/charges/..%2Fv1", params={})


@pytest.mark.parametrize(
    ("key", "value", "names"),
    [
        ("stripe/create-payment-intent", {}, ["amount", "currency"]),
        ("stripe/create-payment-intent", {**INTENT, "amount": 0}, ["amount"]),
        ("stripe/create-payment-intent", {**INTENT, "amount": -5}, ["amount"]),
        ("stripe/create-payment-intent", {**INTENT, "amount": "5000"}, ["amount"]),
        ("stripe/create-payment-intent", {**INTENT, "amount": 50.5}, ["amount"]),
        ("stripe/create-payment-intent", {**INTENT, "amount": True}, ["amount"]),
        ("stripe/create-payment-intent", {**INTENT, "amount": None}, ["amount"]),
        ("stripe/create-payment-intent", {**INTENT, "currency": "euro"}, ["currency"]),
        ("stripe/create-payment-intent", {**INTENT, "currency": "eu"}, ["currency"]),
        ("stripe/create-payment-intent", {**INTENT, "currency": "eur\n"}, ["currency"]),
        ("stripe/create-payment-intent", {**INTENT, "currency": "€€€"}, ["currency"]),
        ("stripe/create-payment-intent", {**INTENT, "customer": 5}, ["customer"]),
        (
            "stripe/create-payment-intent", {**INTENT, "automatic_payment_methods_enabled": "true"},
            ["automatic_payment_methods_enabled"],
        ),
        ("stripe/create-payment-intent", {**INTENT, "confirm": True}, ["confirm"]),
        ("stripe/create-payment-intent", {**INTENT, "metadata": {}}, ["metadata"]),
        ("stripe/retrieve-charge", {}, ["id"]),
        ("stripe/retrieve-charge", {"id": ""}, ["id"]),
        ("stripe/retrieve-charge", {"id": "ch_1/refund"}, ["id"]),
        ("stripe/retrieve-charge", {"id": ".."}, ["id"]),
        ("stripe/retrieve-charge", {"id": "ch_1\n"}, ["id"]),
        ("stripe/retrieve-charge", {"id": "c" * 256}, ["id"]),
        ("stripe/retrieve-charge", {"id": "ch_1", "expand": ["customer"]}, ["expand"]),
        ("stripe/create-customer", {"nmae": "Ada"}, ["nmae"]),
        ("stripe/create-customer", {"name": 5, "email": []}, ["name", "email"]),
        ("stripe/create-customer", "Ada", ["input"]),
        ("stripe/create-customer", None, ["input"]),
    ],
)  # fmt: skip
def test_an_inexact_input_is_refused_with_each_field_named(key, value, names):
    message = refusal(key, value)
    assert len(message.split("; ")) == len(names)
    assert all(f"{name}: " in message for name in names)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stripe/create-payment-intent", {"amount": "sk_live_x", "currency": "sk_live_x", "customer": ["sk_live_x"]}),
        ("stripe/create-payment-intent", {**INTENT, "secret": "sk_live_x"}),
        ("stripe/retrieve-charge", {"id": "/sk_live_x"}),
        ("stripe/create-customer", "sk_live_x"),
    ],
)
def test_a_refusal_shows_no_value(key, value):
    assert "sk_live_x" not in refusal(key, value)


def test_an_id_is_one_segment_of_the_path_whatever_is_in_it():
    class AnyId(ActionInput):
        id: str

    action = Action(
        key="stripe/test",
        method="GET",
        path="/v1/tests/{id}",
        makes="test",
        input=AnyId,
        output=ActionOutput,
        statuses=frozenset(),
    )
    asked = action.request({"id": "../a?b#c/ü"})
    assert isinstance(asked, Request)
    assert asked.path == "/v1/tests/..%2Fa%3Fb%23c%2F%C3%BC"


def test_the_client_secret_is_tagged_wherever_it_stands():
    schema = actions()["stripe/create-payment-intent"].output.model_json_schema()
    tagged = {name for name, field in schema["properties"].items() if field.get("x-sensitive")}
    assert tagged == {"client_secret"}


@pytest.mark.parametrize("key", CARD)
def test_each_action_names_the_page_that_it_comes_from(key):
    assert "https://docs.stripe.com/api/" in (inspect.getmodule(actions()[key].input).__doc__ or "")
