"""The way to Stripe through a proxy: a tunnel or nothing, and no secret shown."""

import asyncio

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from stripeline.contracts.vocabulary import Fault
from stripeline.workers.stripe.api import StripeApi
from stripeline.workers.stripe.http_client import HttpClient, NotSentError, ProxyError
from stripeline.workers.stripe.http_connector import authorities_of
from stripeline.workers.stripe.http_proxy import Proxy
from tests.integration.test_http_client_tls import certificate, server_side
from tests.support.connect_proxy import ConnectProxy, connect_proxy
from tests.support.in_memory_executor import KEY, call_of
from tests.support.raw_server import raw_server
from tests.support.records import command

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
LOGIN, PASSWORD = "ada:s3cr%40t", "s3cr@t"


def proxied(url: str, proxy: ConnectProxy, *, scheme: str = "http", login: str = "", tls=None) -> HttpClient:
    way = Proxy(SecretStr(f"{scheme}://{login + '@' if login else ''}127.0.0.1:{proxy.port}"))
    return HttpClient(url, headers={}, limit=4, max_body_bytes=1_000, deadline_s=20, tls=tls, proxy=way)


async def ask(http: HttpClient) -> bytes:
    return (await http.ask("POST", "/v1/x", {"Authorization": "Bearer secret"}, b"a=1")).body


@pytest.mark.parametrize("login", ["", LOGIN])
async def test_http_goes_through_the_tunnel(login):
    async with connect_proxy(login=f"ada:{PASSWORD}" if login else None) as proxy, raw_server(OK) as server:
        async with proxied(server.url, proxy, login=login) as http:
            assert [await ask(http) for _ in range(3)] == [b"hi"] * 3
        assert proxy.asked == [server.url.removeprefix("http://")]  # one connection, which is kept
        assert (b"proxy-authorization" in proxy.heads[0].lower()) == bool(login)
        assert all(b"roxy" not in request for request in server.requests)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_https_is_verified_at_the_end_of_the_tunnel(tmp_path, scheme):
    path = certificate(tmp_path)
    theirs = server_side(path) if scheme == "https" else None
    async with connect_proxy(tls=theirs) as proxy, raw_server(OK, tls=server_side(path)) as server:
        async with proxied(server.url, proxy, scheme=scheme, tls=authorities_of(path)) as http:
            assert await asyncio.gather(*(ask(http) for _ in range(4))) == [b"hi"] * 4
        assert b"secret" not in b"".join(proxy.heads)
        async with proxied(server.url, proxy, scheme=scheme) as http:
            with pytest.raises(NotSentError, match="Certificate"):
                await ask(http)
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "answered 407.*STRIPE_PROXY"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n<html>no</html>", "answered 403 to CONNECT"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n", "answered 302 to CONNECT"),
        (PAGE, "more than its answer"),
        (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "ended the connection"),
        (b"", "ended the connection"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_gets_no_request(answer, why):
    async with connect_proxy(answer=answer) as proxy, raw_server(OK) as server:
        async with proxied(server.url, proxy, login=LOGIN) as http:
            with pytest.raises(ProxyError, match=why) as caught:
                await ask(http)
            assert len(http._connector._open) == 0
        assert (server.requests, PASSWORD in str(caught.value)) == ([], False)


async def test_bytes_behind_the_tunnel_are_no_answer():
    async with connect_proxy(after=OK) as proxy, raw_server(OK) as server, proxied(server.url, proxy) as http:
        with pytest.raises(NotSentError):
            await ask(http)
        assert server.requests == []


async def test_a_proxy_that_is_away_is_no_connection():
    way = Proxy(SecretStr("http://127.0.0.1:9"))
    async with HttpClient(
        "http://127.0.0.1:1", headers={}, limit=4, max_body_bytes=9, deadline_s=20, proxy=way
    ) as http:
        with pytest.raises(NotSentError):
            await ask(http)


async def test_the_log_names_what_the_proxy_answered_and_no_secret():
    async with connect_proxy(login="someone:else") as proxy, raw_server(OK) as server:
        way = Proxy(SecretStr(f"http://{LOGIN}@127.0.0.1:{proxy.port}"))
        with capture_logs() as logs:
            async with StripeApi(server.url, lambda _: SecretStr(KEY), proxy=way) as api:
                for _ in range(3):
                    assert await api.send(call_of(command())) is Fault.REFUSED
        (line,) = logs
        assert (line["event"], line["log_level"]) == ("proxy_refused", "warning")
        assert "it answered 407" in line["reason"]
        shown = repr((logs, way, vars(way)))
        assert not any(secret in shown for secret in (PASSWORD, "s3cr", KEY))
        assert server.requests == []


@pytest.mark.parametrize("through", [False, True])
async def test_an_ipv6_address_is_reached(through):
    async with connect_proxy() as proxy, raw_server(OK, host="::1") as server:
        url = f"http://[::1]:{server.port}"
        way = proxied(url, proxy) if through else HttpClient(
            url, headers={}, limit=4, max_body_bytes=1_000, deadline_s=20
        )  # fmt: skip
        async with way as http:
            assert await ask(http) == b"hi"
        assert f"Host: [::1]:{server.port}".encode() in server.requests[0]
        assert proxy.asked == ([f"[::1]:{server.port}"] if through else [])


@pytest.mark.parametrize(
    "url",
    ["squid:3128", "ftp://h:1", "http://", "http://h:x", "http://h:1/path", "http://h:1?x=1", "socks5://h:1", "", "//"],
)
def test_a_proxy_that_is_no_address_is_refused_without_its_text(url):
    with pytest.raises(ValueError, match="http://") as caught:
        Proxy(SecretStr(url.replace("h:", "u:p4ss@h:")))
    assert "p4ss" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://h", ("h", 80, False)), ("https://h", ("h", 443, True)),
        ("http://u:p@[::1]:3128/", ("::1", 3128, False)),
    ],
)  # fmt: skip
def test_a_proxys_address(url, found):
    proxy = Proxy(SecretStr(url))
    assert (proxy.host, proxy.port, proxy.encrypted) == found
