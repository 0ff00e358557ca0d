"""The official SDK is the judge of what we send: the same parameters must make the same request."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
import stripe
from aiohttp import web
from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts.action import RefusedInput
from stripeline.contracts.ids import digest
from stripeline.contracts.stripe_metadata import Origin
from stripeline.workers.executor import stripe_lookup
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection import key_probe
from stripeline.workers.executor.stripe_lookup import LookUp
from stripeline.workers.stripe.api import STRIPE_VERSION, StripeApi, form
from tests.support.in_memory_executor import ACTIONS, KEY, call_of
from tests.support.records import INSTALLATION, OWNER, command


def metadata(value):
    """What every created object gets, for this command."""
    marks = {"stripeline_installation": "inst1", "stripeline_command": "c1", "stripeline_partition": "0"}
    account = value.get("account")
    return {**marks, "stripeline_digest": digest(value["action"], value["connection"], value["input"], account)}


AWKWARD = "Zoë & Søn = 100 % + 1 / 日本語 \U0001f600 [x]=y;#?\r\n\t\"'\\"


@dataclass
class Recorder:
    """A server that answers nothing of use and keeps what it was sent."""

    url: str = ""
    requests: list[tuple[str, str, str, dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = request.rel_url.raw_query_string
        self.requests.append((request.method, request.rel_url.raw_path, query, headers, await request.read()))
        return web.json_response({"object": "list", "data": [], "has_more": False, "id": "x_1"})


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder, app = Recorder(), web.Application()
    app.router.add_route("*", "/{rest:.*}", recorder.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    recorder.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield recorder
    await runner.cleanup()


@contextlib.asynccontextmanager
async def judge_of(recorder: Recorder) -> AsyncIterator[stripe.StripeClient]:
    addresses: Any = {"api": recorder.url}
    client = stripe.StripeClient(
        KEY, base_addresses=addresses, max_network_retries=0, http_client=stripe.AIOHTTPClient()
    )
    yield client
    await client._requestor._get_http_client().close_async()


async def ours(recorder: Recorder, call: Call):
    async with StripeApi(recorder.url, lambda _: SecretStr(KEY)) as api:
        await api.send(call)
    return recorder.requests[-1]


def read(request):
    """A request as Stripe reads it: what must be the same, and the headers to look at."""
    method, path, query, headers, body = request
    fields, asked = parse_qsl(body.decode(), keep_blank_values=True), parse_qsl(query, keep_blank_values=True)
    kind = headers.get("content-type", "").partition(";")[0] if method == "POST" else None
    return (method, path, sorted(asked), sorted(fields), kind, headers["authorization"])


def agree(mine, judged) -> None:
    assert read(mine) == read(judged)
    for method, _, _, headers, body in (mine, judged):
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers["stripe-version"]
        assert ("idempotency-key" in headers) == (method == "POST")
        assert (not body) == (method == "GET")
    assert mine[3].get("stripe-account") == judged[3].get("stripe-account")
    assert mine[3]["stripe-version"] == STRIPE_VERSION
    assert (mine[3]["user-agent"], mine[3]["accept"]) == ("stripeline", "*/*")


CUSTOMERS = {
    "nothing": ({}, {}),
    "everything": (
        {"email": "ada@example.com", "name": "Ada", "phone": "+44 20 7946 0000", "description": "a & b"},
        {"email": "ada@example.com", "name": "Ada", "phone": "+44 20 7946 0000", "description": "a & b"},
    ),
    "nulls": ({"email": None, "name": None, "phone": None, "description": None}, {}),
    "some nulls": ({"email": None, "name": "Ada"}, {"email": None, "name": "Ada"}),
    "empty text": ({"name": ""}, {"name": ""}),
    "blank text": ({"name": " ", "phone": "+"}, {"name": " ", "phone": "+"}),
    "awkward": ({"name": AWKWARD, "description": AWKWARD * 3}, {"name": AWKWARD, "description": AWKWARD * 3}),
    "looks like a form": (
        {"description": "a&metadata[stripeline_command]=other&b=%41%zz"},
        {"description": "a&metadata[stripeline_command]=other&b=%41%zz"},
    ),
}
SERVICES = [("create-customer", "customers"), ("create-payment-intent", "payment_intents")]
ENABLED = {"automatic_payment_methods": {"enabled": True}}
INTENTS = {
    "least": ({"amount": 1, "currency": "usd"}, {"amount": 1, "currency": "usd", **ENABLED}),
    "upper case": ({"amount": 99_999_999, "currency": "EUR"}, {"amount": 99_999_999, "currency": "eur", **ENABLED}),
    "everything": (
        {
            "amount": 2_000, "currency": "jpy", "customer": "cus_1", "description": AWKWARD,
            "receipt_email": "a+b@example.com", "automatic_payment_methods_enabled": True,
        },
        {
            "amount": 2_000, "currency": "jpy", "customer": "cus_1", "description": AWKWARD,
            "receipt_email": "a+b@example.com", **ENABLED,
        },
    ),
    "no automatic methods": (
        {"amount": 2_000, "currency": "usd", "automatic_payment_methods_enabled": False},
        {"amount": 2_000, "currency": "usd", "automatic_payment_methods": {"enabled": False}},
    ),
    "nulls": (
        {"amount": 10**18, "currency": "usd", "customer": None, "description": None, "receipt_email": None},
        {"amount": 10**18, "currency": "usd", **ENABLED},
    ),
    "empty text": (
        {"amount": 50, "currency": "usd", "description": ""},
        {"amount": 50, "currency": "usd", "description": "", **ENABLED},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "params"), CUSTOMERS.values(), ids=CUSTOMERS)
async def test_create_customer_is_sent_as_the_sdk_sends_it(recorder: Recorder, given, params):
    value = command(input=given)
    mine = await ours(recorder, call_of(value))
    async with judge_of(recorder) as judge:
        await judge.v1.customers.create_async({**params, "metadata": metadata(value)})
    agree(mine, recorder.requests[-1])
    assert mine[3]["idempotency-key"] == "stripeline:inst1:c1"


@pytest.mark.parametrize(("given", "params"), INTENTS.values(), ids=INTENTS)
async def test_create_payment_intent_is_sent_as_the_sdk_sends_it(recorder: Recorder, given, params):
    value = command(action="stripe/create-payment-intent", input=given)
    mine = await ours(recorder, call_of(value))
    async with judge_of(recorder) as judge:
        await judge.v1.payment_intents.create_async({**params, "metadata": metadata(value)})
    agree(mine, recorder.requests[-1])


async def test_a_command_that_names_an_account_acts_for_it(recorder: Recorder):
    value = command(account="acct_1Conn01")
    mine = await ours(recorder, call_of(value))
    async with judge_of(recorder) as judge:
        options: Any = {"stripe_account": "acct_1Conn01"}
        await judge.v1.customers.create_async({"metadata": metadata(value)}, options)
        agree(mine, recorder.requests[-1])
        assert mine[3]["stripe-account"] == "acct_1Conn01"
        assert mine[3]["idempotency-key"] == "stripeline:inst1:c1"


@pytest.mark.parametrize("look_up", [LookUp(), LookUp(pages=1)])
async def test_a_look_up_acts_for_the_commands_account(recorder: Recorder, look_up):
    attempt = call_of(command(account="acct_1Conn01"))
    request = stripe_lookup.search(attempt.action, Origin(installation=INSTALLATION, command_id="c1"))
    mine = await ours(recorder, replace(attempt, request=request, idempotency_key=None, look_up=look_up))
    assert (mine[0], mine[3]["stripe-account"]) == ("GET", "acct_1Conn01")


@pytest.mark.parametrize("account", [None, "acct_1Conn01"])
async def test_whose_key_it_is_is_asked_as_the_sdk_asks_it(recorder: Recorder, account):
    async with StripeApi(recorder.url, lambda _: SecretStr(KEY)) as api:
        await api.read(key_probe.PATH, SecretStr(KEY), account)
    mine = recorder.requests[-1]
    async with judge_of(recorder) as judge:
        options: Any = {} if account is None else {"stripe_account": account}
        await judge.v1.accounts.retrieve_current_async(None, options)
    agree(mine, recorder.requests[-1])


@pytest.mark.parametrize("charge", ["ch_1", "py_3MmlLrLkdIwHu7ix0snN0B15", "ch_" + "x" * 252])
async def test_retrieve_charge_is_sent_as_the_sdk_sends_it(recorder: Recorder, charge):
    mine = await ours(recorder, call_of(command(action="stripe/retrieve-charge", input={"id": charge})))
    async with judge_of(recorder) as judge:
        await judge.v1.charges.retrieve_async(charge)
    agree(mine, recorder.requests[-1])


@pytest.mark.parametrize(
    "charge", ["", ".", "..", "ch_1/refunds", "../customers", "ch_1?x=1", "ch_1#", "ch%2F1", "ch_1\n", "ch é", None, 1]
)
def test_an_id_that_changes_the_resource_is_refused(charge):
    assert isinstance(ACTIONS["stripe/retrieve-charge"].request({"id": charge}), RefusedInput)


@pytest.mark.parametrize("command_id", ["c1", "evt_1:flow:step", "it's", 'a"b', "a\\b", "a'\\'b]:{}&=%+", "'" * 200])
@pytest.mark.parametrize(("action", "service"), SERVICES)
async def test_a_look_up_is_sent_as_the_sdk_sends_it(recorder: Recorder, command_id, action, service):
    kind = ACTIONS[f"stripe/{action}"]
    given = {"amount": 50, "currency": "usd"} if service == "payment_intents" else {}
    attempt = call_of(command(command_id, action=kind.key, input=given))
    look = Call(
        state=attempt.state,
        action=kind,
        request=stripe_lookup.search(kind, Origin(installation=INSTALLATION, command_id=command_id)),
        idempotency_key=None,
        owner=OWNER,
        at_ms=0,
        look_up=LookUp(),
    )
    mine = await ours(recorder, look)
    query = dict(parse_qsl(mine[2]))
    async with judge_of(recorder) as judge:
        await getattr(judge.v1, service).search_async({"query": query["query"], "limit": int(query["limit"])})
        agree(mine, recorder.requests[-1])
        # Where search is not offered: a page of the list, and the next one.
        for after in (None, "cus_9"):
            page = stripe_lookup.page(kind, 1_700_000_000_000, after)
            assert page.path == f"/v1/{service}"
            params: Any = {"created": {"gte": 1_699_999_400}, "limit": 100, "starting_after": after}
            await getattr(judge.v1, service).list_async(params)
            judged = parse_qsl(recorder.requests[-1][2])
            assert sorted(parse_qsl(form(page.params).decode())) == sorted(judged)
            assert recorder.requests[-1][1] == page.path


async def test_a_call_keeps_the_path_of_its_base_and_uses_no_proxy(recorder: Recorder, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with StripeApi(recorder.url + "/", lambda _: SecretStr(KEY)) as api:
        await api.send(call_of(command()))
    assert recorder.requests[-1][1] == "/v1/customers"
