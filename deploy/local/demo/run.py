"""Runs the demo: starts the stack, sends the scenario, watches the topics until all is settled, and checks the end."""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import orjson
from pydantic import SecretStr

from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.demo.final_checks import AnswerCounts, final_checks, settled
from stripeline.deploy.local.demo.kafka_traffic import put
from stripeline.deploy.local.demo.observations import Observations
from stripeline.deploy.local.demo.scenario import CROWD, CROWD_NAME, STEPS, ScenarioDelivery, commands, deliveries
from stripeline.deploy.local.demo.screen import Screen
from stripeline.deploy.local.invocation import command_word
from stripeline.deploy.local.kafka_config import free_port
from stripeline.deploy.local.port_choice import any_port, asked_port
from stripeline.deploy.local.reconciliation import Sent
from stripeline.deploy.local.stack import SECRETS, Ports, Stack, local_stack
from stripeline.deploy.local.webhook_sender import deliver
from stripeline.deploy.operations.reading.topic_follow import BEGINNING, follow
from stripeline.deploy.settings.settings import Settings

SETTLED_S = 60.0
_TIERS = "500ms,1s,2s"
_SECRET_OF = {
    "acme-payments": SECRETS["ACME_PAYMENTS_WHSEC"],
    "acme-charges": SECRETS["ACME_CHARGES_WHSEC"],
    "acme-customers": SECRETS["ACME_CUSTOMERS_WHSEC"],
}


async def run(settings: Settings, *, console: bool = False) -> None:
    """The whole demo; with its console until SIGINT or SIGTERM. Raises FailureError when a promise does not hold."""
    began_s = time.monotonic()
    ports = Ports(
        kafka=free_port(),
        sandbox=free_port(),
        ingest=asked_port(settings, "ingest_port", any_port),
        admin=asked_port(settings, "admin_port", any_port),
        console=asked_port(settings, "console_port", any_port) if console else None,
    )
    with Screen() as screen:
        async with local_stack(
            lambda text: screen.line("starting", "", text), ports, overrides={"retry_tiers": _TIERS}
        ) as stack:
            if not console:
                await _show(stack, screen, began_s)
                return
            screen.line("console", "", f"watch it at {stack.console_link()}")
            await _show(stack, screen, began_s)
            await _stay(stack, screen)


async def _stay(stack: Stack, screen: Screen) -> None:
    """What happened can be looked at until Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    screen.console.print(
        f"\nThe console stays at {stack.console_url} until Ctrl-C. This link signs you in, once, within ten minutes:\n"
        f"{stack.console_link()}",
        soft_wrap=True,
    )
    await stop.wait()


async def _show(stack: Stack, screen: Screen, began_s: float) -> None:
    topics = stack.settings.topics
    seen = Observations(topics=topics, show=screen.line, hidden=CROWD_NAME)
    screen.watch(seen)
    names = (*topics.events, topics.command, topics.run, topics.result, *topics.retries, topics.dead_letter)
    watcher = asyncio.create_task(_watch(seen, names, stack.client))
    started_s = time.monotonic()
    try:
        answers, events = await _deliver(stack, screen, seen)
        await _command(stack, screen, seen)
        await _settle(seen, answers.acknowledged, watcher)
    finally:
        watcher.cancel()
    state = seen.end_state(stack.sandbox.sandbox.endpoints.ledger.view({})["effects"])
    found = final_checks(_sent(events), seen, state, answers)
    screen.summary(
        found,
        f"{len(seen.events)} events, {len(seen.runs)} runs, {len(seen.results)} results, {seen.retries} retries, "
        f"{len(seen.dead_letters)} dead letter; {time.monotonic() - started_s:.0f} s "
        f"of {time.monotonic() - began_s:.0f} s in all",
        f"To explore it yourself, run `{command_word()} up`.",
    )
    if not all(check.holds for check in found):
        raise FailureError("A promise does not hold, see above. This is a fault of Stripeline: please report it.")


async def _watch(seen: Observations, topics: tuple[str, ...], client: Mapping[str, Any]) -> None:
    async with aclosing(follow(topics, client, BEGINNING)) as found:
        async for read in found:
            seen.take(read)


async def _deliver(stack: Stack, screen: Screen, seen: Observations) -> tuple[AnswerCounts, dict[str, list[str]]]:
    """Send every delivery. Returns the answers, and the workflows that each published event starts."""
    answers, events = AnswerCounts(), dict[str, list[str]]()
    for delivery in deliveries():
        event = orjson.loads(delivery.body)["id"]
        if delivery.name == CROWD_NAME and CROWD_NAME not in seen.sent:
            screen.line("sent", CROWD_NAME, f"{CROWD} more payments at once, counted and not shown")
        if delivery.shows:
            screen.line("sent", delivery.name, delivery.shows)
        seen.names[event] = delivery.name
        seen.sent[delivery.name] += 1
        status = seen.answers[delivery.name] = await _post(stack, delivery)
        answers.wrong += status != delivery.expected
        if status == 200 and delivery.published:  # noqa: PLR2004
            answers.acknowledged += 1
            events[event] = [delivery.starts] if delivery.starts else []
    return answers, events


def _sent(events: Mapping[str, list[str]]) -> Sent:
    values = [command.value for command in commands()]
    ids = frozenset(value["command_id"] for value in values if not isinstance(value, bytes))
    return Sent(
        events=events, events_acknowledged=frozenset(events), steps=STEPS, commands=ids, commands_acknowledged=ids,
        rubbish=frozenset(value for value in values if isinstance(value, bytes)),
    )  # fmt: skip


async def _post(stack: Stack, delivery: ScenarioDelivery) -> int:
    secret = "whsec_somebody_elses" if delivery.forged else _SECRET_OF[delivery.trigger]
    url = f"{stack.ingest_url}/{delivery.trigger}"
    async for answer in deliver(url, SecretStr(secret), [delivery.body], lambda: int(time.time())):
        return answer.status
    raise AssertionError("one body, one answer")


async def _command(stack: Stack, screen: Screen, seen: Observations) -> None:
    records = []
    for one in commands():
        screen.line("sent", one.key.decode(), one.shows)
        seen.sent[one.key.decode()] += 1
        records.append((one.key, one.value if isinstance(one.value, bytes) else orjson.dumps(one.value)))
    await put(stack.settings.topics.command, stack.client, records)


async def _settle(seen: Observations, acknowledged: int, watcher: asyncio.Task[None]) -> None:
    deadline = time.monotonic() + SETTLED_S
    while not settled(seen, acknowledged, commands=1, dead_letters=1):
        if watcher.done():
            await watcher
        if time.monotonic() > deadline:
            raise FailureError(f"Not everything came to its end within {SETTLED_S:g} s: {seen.running} runs still run.")
        await asyncio.sleep(0.05)
