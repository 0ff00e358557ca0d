"""G03 against the sandbox: a command that names an account acts there alone, look-ups included."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts.definition_fields import Rate
from stripeline.deploy.sandbox.accounts import own_account
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.executor.connection.rate_gate import RateGate
from stripeline.workers.stripe.api import StripeApi
from tests.support.in_memory_executor import INTENT, KEY, InMemoryExecutor
from tests.support.records import command

PLATFORM, CONNECTED, GONE = own_account(KEY), "acct_1Conn01", "acct_1Gone02"


@pytest.fixture
async def world() -> AsyncIterator[InMemoryExecutor]:
    async with SandboxServer() as server, StripeApi(server.url, lambda _: SecretStr(KEY)) as api:
        server.sandbox.accounts.connect(PLATFORM, CONNECTED)
        found = InMemoryExecutor(api.send, server.sandbox)
        gate = RateGate(limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: "k1", refused=lambda *_: None)
        found.executor = replace(found.executor, gate=gate)
        yield found


@pytest.mark.parametrize("lost", [0, 9])
async def test_an_effect_is_made_at_the_account_that_is_named(world: InMemoryExecutor, lost):
    """With every answer lost the look-up finds it there too."""
    if lost:
        world.fault(drop=True, times=lost, method="POST", when="after")
    for name, account in (("c1", CONNECTED), ("c2", None)):
        world.send(command(name, **INTENT, **({} if account is None else {"account": account})), key=name.encode())
    await world.run()
    assert {result["command_id"]: result.get("account") for result in world.results} == {"c1": CONNECTED, "c2": None}
    assert [result["status"] for result in world.results] == ["succeeded"] * 2
    assert {effect.command: effect.account for effect in world.effects} == {"c1": CONNECTED, "c2": PLATFORM}
    assert len(world.effects) == 2


async def test_an_account_that_is_gone_holds_its_own_commands_alone(world: InMemoryExecutor):
    for name, account in (("c1", GONE), ("c2", GONE), ("c3", CONNECTED), ("c4", None)):
        world.send(command(name, **INTENT, **({} if account is None else {"account": account})), key=name.encode())
    for _ in range(12):
        record = world.next_due()
        assert record is not None
        await world.once(record)
    assert {result["command_id"]: result["status"] for result in world.results} == {
        "c1": "failed", "c3": "succeeded", "c4": "succeeded",
    }  # fmt: skip
    world.sandbox.accounts.connect(PLATFORM, GONE)
    await world.run()  # the refusal never reached a control topic, so it ends
    assert [result["status"] for result in world.results if result["command_id"] == "c2"] == ["succeeded"]
    assert {effect.command: effect.account for effect in world.effects}["c2"] == GONE
