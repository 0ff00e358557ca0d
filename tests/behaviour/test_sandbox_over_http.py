"""What only shows on the wire: broken connections, requests at once, the control API, the process in the foreground."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from stripeline.deploy.sandbox import http_server as sandbox_app
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.executor.connection import key_probe
from stripeline.workers.executor.connection.key_probe import ProbeVerdict
from stripeline.workers.stripe.api import StripeApi

FORM = {"amount": "2000", "currency": "usd"}
HEADERS = {"Authorization": "Bearer sk_test_wire1234"}


class Wire:
    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url = http, url

    async def post(self, path: str = "/v1/payment_intents", key: str | None = None, **form: str) -> tuple[int, Any]:
        headers = HEADERS | ({"Idempotency-Key": key} if key else {})
        async with self.http.post(self.url + path, data=FORM | form, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        async with self.http.request(method, f"{self.url}/_sandbox{path}", json=body) as response:
            return await response.json()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with SandboxServer() as server, aiohttp.ClientSession() as http:
        yield Wire(http, server.url)


async def test_the_second_of_two_requests_at_once_is_a_conflict(wire: Wire) -> None:
    await wire.control("POST", "/faults", {"fault": {"delay_s": 0.2}})
    answers = await asyncio.gather(wire.post(key="k"), wire.post(key="k"))
    assert sorted(status for status, _ in answers) == [200, 409]
    ledger = await wire.control("GET", "/ledger")
    assert len(ledger["effects"]) == 1
    assert ledger["requests"]["by_status"] == {"200": 1, "409": 1}


async def test_a_request_whose_client_gave_up_still_ends_once(wire: Wire) -> None:
    await wire.control("POST", "/faults", {"fault": {"delay_s": 0.2}})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await wire.post(key="k")
    status = 409
    async with asyncio.timeout(10):
        while status == 409:
            status, _ = await wire.post(key="k")
    assert status == 200
    assert len((await wire.control("GET", "/ledger"))["effects"]) == 1


@pytest.mark.parametrize("fault", [{"drop": True}, {"cut_body": True, "delay_s": 0.01}])
async def test_a_broken_answer_after_the_effect_is_replayed(wire: Wire, fault: dict[str, Any]) -> None:
    await wire.control("POST", "/faults", {"fault": {**fault, "when": "after"}})
    with pytest.raises(aiohttp.ClientError):
        await wire.post(key="k")
    status, intent = await wire.post(key="k")
    assert status == 200
    assert [effect["id"] for effect in (await wire.control("GET", "/ledger"))["effects"]] == [intent["id"]]


async def test_a_connection_dropped_before_the_effect_has_no_effect(wire: Wire) -> None:
    await wire.control("POST", "/faults", {"match": {"path": "/v1/payment"}, "fault": {"drop": True}})
    with pytest.raises(aiohttp.ClientError):
        await wire.post()
    assert (await wire.control("GET", "/ledger"))["effects"] == []


async def test_a_body_that_is_not_json(wire: Wire) -> None:
    headers = HEADERS | {"Content-Type": "application/x-www-form-urlencoded"}
    async with wire.http.post(f"{wire.url}/v1/customers", data=b"description=[sandbox:5020]", headers=headers) as got:
        assert (got.status, got.content_type) == (502, "text/html")
        assert "Request-Id" in got.headers


async def test_bytes_that_are_no_text_are_answered(wire: Wire) -> None:
    host, _, port = wire.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"POST /v1/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_a\r\nIdempotency-Key: \xff\r\n"
    writer.write(head + b"Stripe-Version: \xff\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
    assert (await wire.control("GET", "/requests"))["requests"][0]["status"] == 400


async def test_the_control_api_over_http(wire: Wire) -> None:
    await wire.control("POST", "/settings", {"latency_s": 0.001, "search_delay_s": 60})
    await wire.control("POST", "/charges", {"id": "ch_mine", "amount": 777})
    async with wire.http.get(f"{wire.url}/v1/charges/ch_mine", headers=HEADERS) as got:
        assert (await got.json())["amount"] == 777
    requests = (await wire.control("GET", "/requests?limit=1"))["requests"]
    assert requests[0]["path"] == "/v1/charges/ch_mine"
    assert requests[0]["key"] == "sk_test_…1234"
    assert await wire.control("POST", "/reset") == {"reset": True}
    assert (await wire.control("GET", "/ledger"))["requests"]["total"] == 0


async def test_the_control_api_is_closed_to_other_machines(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_app, "_is_loopback", lambda _: False)
    async with wire.http.get(f"{wire.url}/_sandbox/ledger") as got:
        assert got.status == 403


@pytest.mark.parametrize(
    ("remote", "expected"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.7", False), (None, False), ("", False)],
)
def test_loopback_addresses(remote: str | None, expected: bool) -> None:
    assert sandbox_app._is_loopback(remote) is expected


async def test_a_request_cut_off_by_the_server_frees_its_key() -> None:
    async with SandboxServer() as server, aiohttp.ClientSession() as http:
        wire, sandbox = Wire(http, server.url), server.sandbox

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("broken on purpose")

        execute, sandbox.execute = sandbox.execute, broken  # type: ignore[method-assign,assignment]
        headers = HEADERS | {"Idempotency-Key": "k"}
        async with http.post(server.url + "/v1/payment_intents", data=FORM, headers=headers) as got:
            assert got.status == 500
        sandbox.execute = execute  # type: ignore[method-assign]
        assert (await wire.post(key="k"))[0] == 200


async def test_a_server_that_is_not_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = SandboxServer().url
    async with SandboxServer() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            await SandboxServer(port=port).start()


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
async def test_the_foreground_ends_on_a_signal(name: signal.Signals) -> None:
    said = asyncio.Queue[str]()
    running = asyncio.create_task(sandbox_app.run_foreground("127.0.0.1", 0, echo=said.put_nowait))
    line = await asyncio.wait_for(said.get(), 10)
    assert "http://127.0.0.1:" in line
    os.kill(os.getpid(), name)
    await asyncio.wait_for(running, 10)


@pytest.mark.parametrize(
    ("key", "account", "expected"),
    [
        ("sk_test_a", None, ProbeVerdict.ACCEPTED),
        ("sk_test_a", "acct_1Conn01", ProbeVerdict.ACCEPTED),
        ("sk_test_a", "acct_1Else", ProbeVerdict.REFUSED),
        ("rk_test_a", None, ProbeVerdict.ACCEPTED),  # it may not ask, and Stripe knows it all the same
        ("sk_test_gone", None, ProbeVerdict.REFUSED),
    ],
)
async def test_the_products_question_whose_key_it_is(key: str, account: str | None, expected: ProbeVerdict) -> None:
    async with SandboxServer() as server, StripeApi(server.url, lambda _: SecretStr(key)) as api:
        accounts = server.sandbox.accounts
        accounts.connect(accounts.account_of("sk_test_a"), "acct_1Conn01")
        accounts.revoke("sk_test_gone")
        answer = await api.read(key_probe.PATH, SecretStr(key), account)
    assert key_probe.verdict(answer, account) is expected
