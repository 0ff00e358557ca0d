"""A search of many connections: beside one another, in bounds, and one that can't be compared ends no other."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions, Trigger
from stripeline.contracts.families import families
from stripeline.deploy.failure import FailureError
from stripeline.deploy.settings.settings import Settings
from stripeline.deploy.stripe_side.sweeps import missed_search as module
from stripeline.deploy.stripe_side.sweeps.missed_search import MissedFound, MissedRange, MissedSearch
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.secrets.vault import VaultError

KIND = "stripe/payment-event"
NOW_S = int(time.time())
REFUSED = StripeAnswer(status=403, headers={}, body=b'{"error": {"type": "invalid_request_error", "message": "no"}}')


def connections(count: int) -> Definitions:
    names = [f"c{number:02}" for number in range(count)]
    return Definitions(
        connections={
            name: Connection(secret_key=f"sealed:{name}", mode="live", hint="sk_live_…1234") for name in names
        },
        triggers={f"pay-{name}": Trigger(kind=KIND, connection=name, mode="live") for name in names},
    )


class Stripe:
    """Each connection has one event, the last one the oldest. Answers wait for `answers`."""

    def __init__(self, refused: str = "") -> None:
        self.refused, self.answers, self.busy = refused, asyncio.Event(), asyncio.Event()
        self.asking = self.most = 0

    async def read(self, _: str, key: SecretStr, __: str | None) -> StripeAnswer:
        self.asking += 1
        self.most = max(self.most, self.asking)
        if self.asking == 32:
            self.busy.set()
        await self.answers.wait()
        self.asking -= 1
        name = key.get_secret_value()
        if name == self.refused:
            return REFUSED
        event = {
            "id": f"evt_{name}", "object": "event", "type": families()[KIND].types[0], "livemode": True,
            "created": NOW_S - 2_000 - int(name[1:]), "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
        }  # fmt: skip
        return StripeAnswer(status=200, headers={}, body=orjson.dumps({"data": [event], "has_more": False}))


class Vault:
    def __init__(self, closed: str) -> None:
        self._closed = closed

    def open(self, _: Any, sealed: str) -> SecretStr:
        name = sealed.removeprefix("sealed:")
        if name == self._closed:
            raise VaultError("its key is sealed with another master key.")
        return SecretStr(name)


class Seen:
    """No event has come."""

    async def strike(self, *_: Any) -> None:
        pass


def search(
    monkeypatch: pytest.MonkeyPatch, stripe: Stripe, count: int, *, closed: str = "", limit: int = 100
) -> MissedSearch:
    @asynccontextmanager
    async def given(what: Any) -> AsyncIterator[Any]:
        yield what

    async def read_all(*_: Any) -> Definitions:
        return connections(count)

    monkeypatch.setattr(module, "read_all", read_all)
    monkeypatch.setattr(module, "required_vault", lambda _: Vault(closed))
    monkeypatch.setattr(module, "stripe_client", lambda _: given(stripe))
    monkeypatch.setattr(module, "seen_log", lambda *_: given(Seen()))
    return MissedSearch(Settings(), {}, MissedRange(NOW_S - 3_600, NOW_S - 900), None, limit)


async def found(searched: MissedSearch, say: Callable[[str], None] = lambda _: None) -> MissedFound:
    return await searched.all(say, None)


async def test_many_connections_are_compared_beside_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stripe = Stripe()
    searching = asyncio.create_task(found(search(monkeypatch, stripe, 80)))
    async with asyncio.timeout(10):
        await stripe.busy.wait()
        stripe.answers.set()
        done = await searching
    assert stripe.most == 32
    assert (done.count, done.done, done.failed) == (80, 80, {})
    assert [row["event"] for row in done.rows] == [f"evt_c{number:02}" for number in reversed(range(80))]
    done.require_all()


async def test_one_that_cant_be_compared_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stripe = Stripe(refused="c01")
    stripe.answers.set()
    done = await found(search(monkeypatch, stripe, 4, closed="c02"))
    assert {row["connection"] for row in done.rows} == {"c00", "c03"}
    with pytest.raises(
        FailureError, match=r"c01: .*may not list events.*; c02: its key is sealed .* key. Once"
    ) as error:
        done.require_all()
    assert ".." not in str(error.value)


def test_of_many_that_failed_some_are_named() -> None:
    failed = MissedFound(failed={f"c{number}": "no answer" for number in range(1_003)})
    with pytest.raises(FailureError, match="c0: no answer; c1: no answer; c10: no answer; and 1,000 more connections"):
        failed.require_all()


async def test_how_far_it_is_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SAY_EVERY_S", 0.001)
    stripe, said = Stripe(), list[str]()

    def say(line: str) -> None:
        if line.startswith("compared"):
            said.append(line)
            stripe.answers.set()

    async with asyncio.timeout(10):
        await found(search(monkeypatch, stripe, 3), say)
    assert said[0] == "compared 0 events, 0 of 3 connections to their end: 0 missing"
