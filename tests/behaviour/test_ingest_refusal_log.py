"""Each refusal and each closed connection is a line with its peer: bounded, escaped, and few."""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from stripeline.contracts.deliveries.delivery_vocabulary import ClosedReason, NotTakenReason
from stripeline.ingest.http.deadlines import Limits
from stripeline.ingest.http.server import serve
from stripeline.ingest.publish_result import Done, NotTaken
from stripeline.ingest.routing import Publication
from stripeline.ingest.webhook import Webhook
from tests.support.webhook_paths import own_path

SECRET = "whsec_one"
LIMITS = Limits(head_deadline_s=0.2, max_connections=4, handshake_s=0.0, last_head_s=0.0)
JSON = {"Content-Type": "application/json"}
BODY = (
    b'{"id":"evt_1","object":"event","type":"charge.succeeded","created":1790000000,"livemode":false,'
    b'"data":{"object":{"id":"ch_1","object":"charge"}}}'
)


def signed(secret: str = SECRET) -> str:
    now_s = int(time.time())
    return f"t={now_s},v1={hmac.digest(secret.encode(), b'%d.%b' % (now_s, BODY), 'sha256').hex()}"


class Away:
    def publish(self, publication: Publication, done: Done) -> None:
        done(NotTaken(NotTakenReason.AWAY))


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def port() -> AsyncIterator[int]:
    views = {
        "pay": own_path(
            name="pay", family_kind="stripe/charge-event", connection="acme", livemode=False, secrets=(SECRET.encode(),)
        ),
        "sealed": own_path(name="sealed", family_kind="stripe/charge-event", connection="acme", sealed=1),
    }
    webhook = Webhook(paths=views.get, max_body=1_000)
    trusted = (ipaddress.ip_network("127.0.0.0/8"),)
    async with await serve(
        webhook, Away(), host="127.0.0.1", port=0, limits=LIMITS, grace_s=1, trusted_proxies=trusted
    ) as running:
        yield running.port


async def said(port: int, lines: list[Any], path: str, method: str = "POST", **request: Any) -> dict[str, Any]:
    """The one line of one request."""
    before = len(lines)
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"http://127.0.0.1:{port}{path}", **request) as got,
    ):
        status = got.status
    (line,) = lines[before:]
    assert line["status"] == status
    return line


async def test_every_kind_of_refusal_is_a_line(port: int, lines: list[Any]) -> None:
    genuine = {**JSON, "Stripe-Signature": signed()}
    asked: list[tuple[int, str, str, dict[str, Any]]] = [
        (400, "missing", "/webhooks/pay", {"data": BODY, "headers": JSON}),
        (
            400,
            "mismatch",
            "/webhooks/pay",
            {"data": BODY, "headers": {**JSON, "Stripe-Signature": signed("whsec_two")}},
        ),
        (404, "unknown_trigger", "/webhooks/x", {}),
        (404, "unknown_path", "/", {}),
        (405, "method", "/webhooks/pay", {"method": "GET"}),
        (413, "too_large", "/webhooks/pay", {"data": b"x" * 1_001, "headers": JSON}),
        (415, "content_type", "/webhooks/pay", {"data": b"x"}),
        (503, "not_taken", "/webhooks/pay", {"data": BODY, "headers": genuine}),
        (503, "sealed_secret", "/webhooks/sealed", {"data": BODY, "headers": genuine}),
    ]
    for status, reason, path, request in asked:
        line = await said(port, lines, path, **request)
        assert (line["event"], line["status"], line["reason"], line["peer"], line["left_out"]) == (
            "delivery_refused", status, reason, "127.0.0.1", 0,
        )  # fmt: skip
        named = {name for name in ("trigger", "path") if name in line}
        assert named == ({"path"} if status == 404 else {"trigger"})


async def test_a_flood_of_unknown_paths_is_one_line(port: int, lines: list[Any]) -> None:
    for number in range(50):
        async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{port}/webhooks/t{number}") as got:
            assert got.status == 404
    assert [(line["reason"], line["path"]) for line in lines] == [("unknown_trigger", "/webhooks/t0")]


async def test_a_hostile_path_is_escaped_masked_and_cut(port: int, lines: list[Any]) -> None:
    path = "/webhooks/%1b%5b31m%0a%e2%80%aewhsec_abcdefgh" + "x" * 5_000
    async with aiohttp.ClientSession() as http:
        await http.post(f"http://127.0.0.1:{port}{path}")
    (line,) = lines
    assert line["path"].startswith("/webhooks/\\x1b[31m\\n\\u202ewhsec_…masked")
    assert (len(line["path"]) <= 200, "abcdefgh" in line["path"]) == (True, False)


async def test_a_trusted_proxy_names_the_client(port: int, lines: list[Any]) -> None:
    line = await said(port, lines, "/", headers={"X-Forwarded-For": "1.1.1.1, 198.51.100.7"})
    assert line["peer"] == "198.51.100.7"


async def test_what_is_not_http_is_one_line(port: int, lines: list[Any]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    await reader.read()
    writer.close()
    (line,) = lines
    assert (line["event"], line["status"], line["reason"], line["peer"]) == (
        "delivery_refused", 400, "not_http", "127.0.0.1",
    )  # fmt: skip


async def test_closed_connections_are_a_line_of_each_reason(port: int, lines: list[Any]) -> None:
    stalled = [await asyncio.open_connection("127.0.0.1", port) for _ in range(6)]
    await asyncio.gather(*(reader.read() for reader, _ in stalled), return_exceptions=True)
    for _, writer in stalled:
        writer.close()
    assert [(line["event"], line["reason"], line["peer"], line["left_out"]) for line in lines] == [
        ("connection_closed", ClosedReason.TOO_MANY, "127.0.0.1", 0),
        ("connection_closed", ClosedReason.STALLED, "127.0.0.1", 0),
    ]
