"""Signing in to the console by a proxy, over HTTP: forged headers, and what somebody who is refused sees."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.deploy.console.auth.sign_in import SignIn
from tests.support.signed_console import OURS, PROXY, SECRET, Client, signed_console

GOOD = {"X-Stripeline-Proxy-Secret": SECRET, "X-Forwarded-User": "ada@example.com", "X-Forwarded-Groups": "ops"}


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[tuple[Client, SignIn]]:
    async with signed_console(tmp_path, **PROXY) as made:
        yield made


async def test_a_proxy_signs_people_in_with_their_roles(console: tuple[Client, SignIn]) -> None:
    client, _ = console
    for groups, status in (("ops", 200), ("x", 403), ("support", 403)):
        async with client.get("/connections/acme/pause", headers={**GOOD, "X-Forwarded-Groups": groups}) as page:
            assert page.status == status
            text = await page.text()
            assert "ada@example.com" in text
            assert "Sign out" not in text
            assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"X-Stripeline-Proxy-Secret": "guess"}, SignInRefusal.WRONG_SECRET),
        ({"X-Stripeline-Proxy-Secret": ""}, SignInRefusal.WRONG_SECRET),
        ({"X-Forwarded-User": ""}, SignInRefusal.BAD_USER),
        ({"X-Forwarded-User": "eve, ada"}, SignInRefusal.BAD_USER),
    ],
)
async def test_a_forged_request_is_refused_and_counted(console: tuple[Client, SignIn], changed, reason) -> None:  # type: ignore[no-untyped-def]
    client, way = console
    async with client.get("/runs", headers={**GOOD, **changed}) as page:
        text = await page.text()
        assert page.status == 403
        assert "You are not signed in" in text
        assert SECRET not in text
        assert "evt_1Sample" not in text
    assert way.counts.refused == {reason: 1}


async def test_a_peer_that_is_no_proxy_is_refused(tmp_path: Path) -> None:
    async with signed_console(tmp_path, **{**PROXY, "console_trusted_proxies": "10.0.0.0/8"}) as (client, way):
        async with client.get("/runs", headers={**GOOD, "X-Forwarded-For": "10.0.0.1"}) as page:
            assert page.status == 403
        assert way.counts.refused == {SignInRefusal.UNTRUSTED_PEER: 1}


async def test_guesses_have_to_wait_and_the_proxy_does_not(console: tuple[Client, SignIn]) -> None:
    client, way = console
    wrong = {**GOOD, "X-Stripeline-Proxy-Secret": "guess"}
    answers = [(await client.get("/runs", headers=wrong)).status for _ in range(12)]
    assert answers == [403] * 10 + [429] * 2
    assert (await client.get("/runs", headers=GOOD)).status == 200
    assert way.counts.refused == {SignInRefusal.WRONG_SECRET: 10, SignInRefusal.TOO_MANY: 2}


async def test_a_proxy_is_no_way_around_the_origin(console: tuple[Client, SignIn]) -> None:
    client, _ = console
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        async with client.post("/connections/acme/pause", data={"why": "x"}, headers={**GOOD, **headers}) as page:
            assert page.status == 403
    async with client.post("/sign-in", data={"token": "x"}, headers={**GOOD, **OURS}) as page:
        assert page.status == 404
