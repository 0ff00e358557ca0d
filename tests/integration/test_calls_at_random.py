"""Random faults and dead workers: one result each, and the status says what the sandbox's ledger says."""

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.stripe.api import StripeApi
from tests.support.in_memory_executor import GATEWAY, INTENT, KEY, REFUSAL, InMemoryExecutor, WorkerDiedError, dies
from tests.support.records import command


@pytest.fixture
async def world() -> AsyncIterator[InMemoryExecutor]:
    async with SandboxServer() as server, StripeApi(server.url, lambda _: SecretStr(KEY)) as api:
        yield InMemoryExecutor(api.send, server.sandbox)


FAULTS = (
    {"status": 500, "stored": True, "when": "before"},
    {"status": 500, "stored": True, "when": "after"},
    {"status": 500, "stored": True, "when": "after", "headers": {"Stripe-Should-Retry": "false"}},
    {"status": 500, "when": "before"},
    {"status": 500, "when": "after"},
    {"status": 429, "when": "before", "headers": {"Retry-After": "7"}},
    {"status": 429, "when": "before", "code": "lock_timeout", "headers": {"Stripe-Should-Retry": "true"}},
    {"status": 409, "when": "before", "code": "idempotency_key_in_use"},
    {"status": 503, "when": "after"},
    {"status": 502, "when": "before", "body": GATEWAY},
    {"drop": True, "when": "before"},
    {"drop": True, "when": "after"},
    {"cut_body": True, "when": "after"},
    {"status": 200, "body": "<html>", "when": "after"},
)
FINAL = (
    {"status": 400, "when": "before", "body": GATEWAY},
    {"status": 403, "when": "before"},
    {"status": 402, "stored": True},
)
"""Without deaths. A declined intent whose answer a worker died of is there, and a look-up finds it as it is."""
COMMANDS = 150


@pytest.mark.parametrize("deaths", [0.0, 0.1])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_faults_and_kills_give_one_right_result(world, seed, deaths, note):
    """Customers and intents of 60 keys; half of the POSTs and a third of the look-ups meet a fault, a tenth a death."""
    choice = random.Random(seed)
    world.sandbox.faults.rng.seed(seed)
    world.sandbox.endpoints.search_delay_ms = 90_000
    world.fault(**REFUSAL, path="/v1/customers/search", times=None, probability=0.3)
    world.fault(status=503, method="GET", times=None, probability=0.05)
    for fault in FAULTS if deaths else (*FAULTS, *FINAL):
        path = "/v1/payment_intents" if fault.get("status") == 402 else "/v1/"
        world.fault(**fault, method="POST", times=None, probability=0.5 / len(FAULTS), path=path)
    commands = {}
    for number in range(COMMANDS):
        commands[f"c{number:03}"] = key = b"key-%d" % (number % 60)
        world.send(command(f"c{number:03}", **(INTENT if number % 2 else {"input": {"name": "Ada"}})), key=key)
    died = await run_and_die(world, choice, deaths)
    ended = check(world, set(commands))
    check_order(world, commands)
    assert ended["succeeded"] > COMMANDS / 2
    note(f"seed {seed}: {dict(ended)}, {len(world.posts)} POSTs, {len(world.looks)} look-ups, {died} deaths")


async def run_and_die(world: InMemoryExecutor, choice: random.Random, probability: float) -> int:
    """Each death loses one record's outcome, and the record is read again first: it was not committed."""
    died = 0
    while (record := world.next_due()) is not None:
        try:
            await world.once(record, dies(world, choice.random() < 0.5, lambda: choice.random() < probability))
        except WorkerDiedError:
            died += 1
            world.put_back(record)
    return died


def check(world: InMemoryExecutor, wanted: set[str]) -> Counter:
    results = {result["command_id"]: result for result in world.results}
    assert (len(world.results), set(results)) == (len(wanted), wanted)
    effects = Counter(effect.command for effect in world.effects)
    ids = {effect.command: effect.id for effect in world.effects}
    assert set(effects.values()) == {1}
    dead = Counter(command_id for command_id, _ in world.dead)
    for command_id, result in results.items():
        assert (result["status"] == "succeeded") == (effects[command_id] == 1), (result, effects[command_id])
        if result["status"] == "succeeded":
            assert result["output"]["id"] == ids[command_id]
        if result["status"] == "indeterminate":
            assert "not found at Stripe" in result["error"]["message"]
        error = result["error"] or {}
        assert dead[command_id] == (error.get("retryable") or error.get("code") in ("AUTH_EXPIRED", "INDETERMINATE"))
    return Counter(result["status"] for result in world.results)


def check_order(world: InMemoryExecutor, key_of: dict[str, bytes]) -> None:
    done, asked = defaultdict(list), defaultdict(list)
    made = {effect.command for effect in world.effects}
    for effect in world.effects:
        done[key_of[effect.command]].append(effect.command)
    for command_id, key in key_of.items():
        if command_id in made:
            asked[key].append(command_id)
    assert done == asked
