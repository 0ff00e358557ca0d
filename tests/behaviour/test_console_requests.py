"""What every request to the console must pass: methods, where a POST comes from, headers, sizes."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from tests.support.console_pages import ConsolePages, console_pages


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


HOST = "console.example.com:8081"
POSTS = [
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),  # the browser's own word is enough
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": f"https://{HOST}"}, False),
    ({"Sec-Fetch-Site": "none"}, False),
    ({"Sec-Fetch-Site": ""}, False),
    ({"Origin": f"http://{HOST}"}, True),
    ({"Origin": f"https://{HOST}"}, True),
    ({"Origin": "null"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("headers", "passes"), POSTS)
async def test_a_post_must_come_from_a_page_of_the_console(console: ConsolePages, headers, passes) -> None:  # type: ignore[no-untyped-def]
    async with console.client.post("/nowhere", headers={"Host": HOST, **headers}) as response:
        assert response.status == (404 if passes else 403)
    assert console.sign_in.counts.refused == ({} if passes else {SignInRefusal.CROSS_SITE: 1})


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_other_methods_are_refused(console: ConsolePages, method: str) -> None:
    async with console.client.request(method, "/runs", headers={"Sec-Fetch-Site": "same-origin"}) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD,POST")


async def test_head_is_get_without_a_body(console: ConsolePages) -> None:
    async with console.client.head("/runs") as response:
        assert (response.status, await response.read()) == (200, b"")


PATHS = [
    "/", "/runs", "/nowhere", "/static/../runs", "/static/..%2fruns", "/static/%2e%2e/runs", "//evil.example/",
    "//runs", "/%2frun", "/runs/../../evil", "/\\evil.example", "/%5cevil.example/..%2f", "*",
    "http://evil.example/runs", "/ runs", "/runs\x00", "/static/..;/runs", "/RUNS",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_leads_around_the_sign_in(console: ConsolePages, path: str) -> None:
    console.sign_in.identity = None
    answer = await raw(console, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert int(answer.split()[1]) in {400, 401, 403, 404}
    assert not re.search(r"evt_1Sample|^location:", answer, re.IGNORECASE | re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_leads_to_another_host(console: ConsolePages, path: str) -> None:
    answer = await raw(console, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert "evil.example" not in "".join(re.findall(r"^location:.*$", answer, re.IGNORECASE | re.MULTILINE))


async def raw(console: ConsolePages, request: str) -> str:
    """The answer to a request that no client would send."""
    reader, writer = await asyncio.open_connection(console.client.host, console.client.port)
    writer.write(request.encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer.decode(errors="replace")


async def test_a_large_header_or_body_is_refused(console: ConsolePages) -> None:
    async with console.client.get("/runs", headers={"X-Large": "x" * 40_000}) as response:
        assert response.status == 400
    body = {"why": "x" * 300_000}
    async with console.client.post("/runs", data=body, headers={"Sec-Fetch-Site": "same-origin"}) as response:
        assert response.status in {405, 413}
