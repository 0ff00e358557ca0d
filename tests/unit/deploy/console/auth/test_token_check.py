"""A check of a token costs one hash for every name, away from the event loop, and at most two at a time."""

import asyncio
import threading

import pytest

from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.auth.token_check import TokenCheck
from stripeline.deploy.console.auth.token_hash import TokenHash, token_hash, token_text
from stripeline.deploy.console.auth.token_lines import TokenLine

ADA = token_text("ada_b", bytes(32))
LINE = TokenLine(name="ada_b", role=ConsoleRole.READER, hash=token_hash(ADA, bytes(16)))


@pytest.mark.parametrize("token", [ADA, ADA[:-1] + "1", token_text("nobody", bytes(32)), "", "slc_", "x_y"])
async def test_each_check_costs_one_hash(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int, int]] = []
    known = TokenHash.matches

    def matches(self: TokenHash, given: str) -> bool:
        made.append((self.n, self.r, self.p))
        return known(self, given)

    monkeypatch.setattr(TokenHash, "matches", matches)
    found = await TokenCheck({"ada_b": LINE}.get).holder(token)
    assert (found == LINE.holder) is (token == ADA)
    assert made == [(16_384, 8, 1)]


async def test_hashes_run_two_at_a_time_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[int] = []
    now, go, lock = set[int](), threading.Event(), threading.Lock()

    def matches(_: TokenHash, __: str) -> bool:
        with lock:
            now.add(threading.get_ident())
            running.append(len(now))
        go.wait(10)
        with lock:
            now.discard(threading.get_ident())
        return False

    monkeypatch.setattr(TokenHash, "matches", matches)
    check = TokenCheck({"ada_b": LINE}.get)
    waiting = [asyncio.create_task(check.holder(ADA)) for _ in range(6)]
    async with asyncio.timeout(10):
        while len(running) < 2:  # noqa: ASYNC110  (the loop runs while threads hash)
            await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*waiting)
    assert (len(running), max(running)) == (6, 2)


async def test_a_line_replaced_meanwhile_grants_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {"ada_b": LINE}

    def matches(_: TokenHash, __: str) -> bool:
        lines.clear()
        return True

    monkeypatch.setattr(TokenHash, "matches", matches)
    assert await TokenCheck(lines.get).holder(ADA) is None
