"""What the sandbox answers, judged by the examples of Stripe's own OpenAPI: the same fields, and the same requests."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from stripeline.deploy.sandbox.http_server import SandboxServer
from tests.support.stripe_mock import KEY, StripeMock

FORM = {"url": "https://x.example", "enabled_events[]": "customer.created"}
UNSET = frozenset({"account", "context"})
"""What the examples have of Connect, and an account's own event has not."""


@pytest.fixture
async def urls(stripe: StripeMock) -> AsyncIterator[Mapping[str, str]]:
    async with SandboxServer() as server:
        yield {"mock": stripe.url, "sandbox": server.url}


async def ask(url: str, method: str, path: str, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.request(method, url + path, **more) as answer:
        return answer.status, await answer.json()


async def test_an_endpoint_has_the_fields_of_stripes(urls: Mapping[str, str]):
    made = {name: await ask(url, "POST", "/v1/webhook_endpoints", data=FORM) for name, url in urls.items()}
    assert made["sandbox"][0] == made["mock"][0] == 200
    assert made["sandbox"][1].keys() - {"secret"} == made["mock"][1].keys() - {"secret"}


async def test_an_event_has_the_fields_of_stripes(urls: Mapping[str, str]):
    await ask(urls["sandbox"], "POST", "/v1/customers", data={"name": "Ada"})
    status, theirs = await ask(urls["mock"], "GET", "/v1/events")
    assert status == 200
    ours = (await ask(urls["sandbox"], "GET", "/v1/events"))[1]
    assert ours.keys() == theirs.keys()
    assert ours["data"][0].keys() == theirs["data"][0].keys() - UNSET


ACCEPTED = {
    "types": {"types[]": ["customer.created", "charge.failed"], "limit": "100"},
    "a wildcard": {"type": "customer.*"},
    "a range": {"created[gt]": "1", "created[gte]": "1", "created[lt]": "9", "created[lte]": "9"},
    "success": {"delivery_success": "false"},
}


@pytest.mark.parametrize("query", ACCEPTED.values(), ids=ACCEPTED)
async def test_a_question_that_stripe_takes_is_taken(urls: Mapping[str, str], query: Mapping[str, Any]):
    answers = [await ask(url, "GET", "/v1/events", params=query) for url in urls.values()]
    assert [status for status, _ in answers] == [200, 200]


REFUSED = {
    "an unknown filter": ("GET", "/v1/events", {"object_id": "cus_1"}),
    "a boolean that is none": ("GET", "/v1/events", {"delivery_success": "maybe"}),
    "types that are no list": ("GET", "/v1/events", {"types": "customer.created"}),
    "an endpoint without a URL": ("POST", "/v1/webhook_endpoints", {"enabled_events[]": "*"}),
    "an endpoint without events": ("POST", "/v1/webhook_endpoints", {"url": "https://x.example"}),
    "an event that there is not": ("POST", "/v1/webhook_endpoints", FORM | {"enabled_events[]": "customer.misspelt"}),
    "an endpoint disabled at birth": ("POST", "/v1/webhook_endpoints", FORM | {"disabled": "true"}),
    "another version for an endpoint": ("POST", "/v1/webhook_endpoints/we_1", {"api_version": "2024-06-20"}),
}


@pytest.mark.parametrize(("method", "path", "params"), REFUSED.values(), ids=REFUSED)
async def test_what_stripe_refuses_is_refused(
    urls: Mapping[str, str], method: str, path: str, params: Mapping[str, str]
):
    more = {"params" if method == "GET" else "data": params}
    answers = [await ask(url, method, path, **more) for url in urls.values()]
    assert [status for status, _ in answers] == [400, 400]
