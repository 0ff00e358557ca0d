"""Signing in to the console by a token or a link: who is let in, for how long, and what ends it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.auth.one_time_link import OneTimeLinks
from stripeline.deploy.console.auth.sign_in import SignIn
from stripeline.deploy.console.auth.signing_key import signing_key
from stripeline.deploy.console.auth.token_hash import token_hash, token_text
from stripeline.deploy.console.auth.token_lines import TokenLine
from stripeline.deploy.console.index.index_store import open_store
from tests.support.signed_console import OURS, Client, cookie_of, sign_in, signed_console

ADA, GRACE = token_text("ada", bytes(32)), token_text("grace@example.com", bytes(32))
LINES = [
    TokenLine(name="ada", role=ConsoleRole.OPERATOR, hash=token_hash(ADA, bytes(16))),
    TokenLine(name="grace@example.com", role=ConsoleRole.VIEWER, hash=token_hash(GRACE, bytes(16))),
]


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    return path


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return write(tmp_path / "tokens", "# who may use the console", *LINES)


@pytest.fixture
async def console(tmp_path: Path, tokens: Path) -> AsyncIterator[tuple[Client, SignIn]]:
    async with signed_console(tmp_path, console_auth="token", console_tokens_file=tokens) as made:
        yield made


async def status(client: Client, path: str, cookie: dict[str, str]) -> int:
    async with client.get(path, headers=cookie, allow_redirects=False) as response:
        return response.status


async def test_a_token_opens_the_pages_and_sets_a_strict_cookie(console: tuple[Client, SignIn]) -> None:
    client, way = console
    assert await status(client, "/runs", {}) == 401
    response = await sign_in(client, ADA, next="/runs?status=stopped")
    assert (response.status, response.headers["Location"]) == (303, "/runs?status=stopped")
    name, *attributes = response.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-stripeline=")
    assert set(attributes) == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Strict", "Secure"}
    assert await status(client, "/runs", cookie_of(response)) == 200
    assert way.counts.signed_in == 1


@pytest.mark.parametrize(
    "token",
    ["", "slc_", ADA[:-1], ADA + "0", token_text("nobody", bytes(32)), "slc_ada_\x00\ud800", "x" * 4_000],
)
async def test_another_token_opens_nothing(console: tuple[Client, SignIn], token: str) -> None:
    client, way = console
    response = await sign_in(client, token.encode(errors="replace").decode())
    text = await response.text()
    assert (response.status, "Set-Cookie" in response.headers) == (403, False)
    assert "Nobody has this token" in text
    assert len(token) < 9 or token[:100] not in text
    assert way.counts.refused == {SignInRefusal.WRONG_TOKEN: 1}


@pytest.mark.parametrize(
    "after", ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "/sign-out", "x"]
)
async def test_a_sign_in_leads_to_no_other_host(console: tuple[Client, SignIn], after: str) -> None:
    assert (await sign_in(console[0], ADA, next=after)).headers["Location"] == "/"


async def test_a_line_that_goes_or_changes_ends_its_sessions(console: tuple[Client, SignIn], tokens: Path) -> None:
    client, _ = console
    ada, grace = cookie_of(await sign_in(client, ADA)), cookie_of(await sign_in(client, GRACE))
    write(tokens, LINES[1])
    assert (await status(client, "/runs", ada), await status(client, "/runs", grace)) == (401, 200)
    promoted = TokenLine(name="grace@example.com", role=ConsoleRole.OPERATOR, hash=LINES[1].hash)
    write(tokens, LINES[0], promoted)
    assert (await status(client, "/runs", ada), await status(client, "/runs", grace)) == (200, 401)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.chmod(0o644),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: write(path, *LINES, LINES[0]),
        lambda path: write(path, f"{LINES[0]} x", LINES[1]),
    ],
    ids=["missing", "readable", "not text", "twice", "broken"],
)
async def test_what_cannot_be_read_grants_nothing(console: tuple[Client, SignIn], tokens: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    client, way = console
    ada = cookie_of(await sign_in(client, ADA))
    spoil(tokens)
    assert await status(client, "/runs", ada) == 401
    assert (await sign_in(client, ADA)).status == 403
    assert str(tokens) in way.problem()  # type: ignore[attr-defined]


async def test_a_session_holds_on_each_console_of_an_index(tmp_path: Path, tokens: Path) -> None:
    first, second = open_store(str(tmp_path / "one.db")), open_store(str(tmp_path / "one.db"))
    keys = await asyncio.gather(*(signing_key(store) for store in (first, second, first)))  # type: ignore[arg-type]
    await first.close()
    await second.close()
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    restarted, other = open_store(str(tmp_path / "one.db")), open_store(str(tmp_path / "two.db"))
    assert await signing_key(restarted) == keys[0]  # type: ignore[arg-type]
    assert await signing_key(other) != keys[0]  # type: ignore[arg-type]
    await restarted.close()
    await other.close()


async def test_signing_out_takes_the_cookie_away(console: tuple[Client, SignIn]) -> None:
    client, _ = console
    ada = cookie_of(await sign_in(client, ADA))
    async with client.get("/runs", headers=ada) as page:
        assert '<form method="post" action="/sign-out">' in await page.text()
    assert await status(client, "/sign-out", ada) == 405
    async with client.post("/sign-out", headers={**ada, **OURS}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/sign-in")
        assert "Max-Age=0" in response.headers["Set-Cookie"]
        assert "Secure" in response.headers["Set-Cookie"]


async def test_many_attempts_have_to_wait(console: tuple[Client, SignIn]) -> None:
    client, way = console
    ada = cookie_of(await sign_in(client, ADA))
    for _ in range(10):
        assert (await sign_in(client, "slc_ada_0")).status == 403
    for token in ("slc_ada_0", ADA):
        response = await sign_in(client, token)
        assert (response.status, 1 <= int(response.headers["Retry-After"]) <= 7) == (429, True)
        assert "Too many attempts" in await response.text()
    assert way.counts.refused == {SignInRefusal.WRONG_TOKEN: 10, SignInRefusal.TOO_MANY: 2}
    assert await status(client, "/runs", ada) == 200


async def test_a_link_signs_in_once_and_only_by_its_button(tmp_path: Path) -> None:
    links = OneTimeLinks()
    async with signed_console(tmp_path, links) as (client, way):
        link = links.new("http://127.0.0.1:1", user="ada", now_s=time.monotonic())
        path, code = link.removeprefix("http://127.0.0.1:1"), link.split("=")[1]
        for _ in range(2):
            async with client.get(path) as page:
                assert code in await page.text()
                assert "Set-Cookie" not in page.headers
        first = await client.post("/sign-in/link", data={"code": code}, headers=OURS, allow_redirects=False)
        assert await status(client, "/runs", cookie_of(first)) == 200
        again = await client.post("/sign-in/link", data={"code": code}, headers=OURS, allow_redirects=False)
        assert (again.status, "Set-Cookie" in again.headers) == (403, False)
        assert way.counts.refused == {SignInRefusal.WRONG_LINK: 1}


async def test_a_link_of_another_site_loads_the_page_again(console: tuple[Client, SignIn]) -> None:
    client, _ = console
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with client.get("/runs", headers=headers) as page:
        assert '<meta http-equiv="refresh" content="0">' in await page.text()
    async with client.get("/runs", headers=OURS) as page:
        assert "refresh" not in await page.text()


async def test_a_part_of_a_page_is_told_to_load_the_page(console: tuple[Client, SignIn]) -> None:
    async with console[0].get("/runs", headers={"HX-Request": "true"}) as response:
        assert (response.status, response.headers["HX-Refresh"]) == (401, "true")


async def test_a_large_form_is_not_read(console: tuple[Client, SignIn]) -> None:
    assert (await sign_in(console[0], "x" * 20_000)).status == 413
