"""The whole product with two consoles, as real processes, and something of everything to look at.

One console stands behind a proxy that signs people in: a browser is that proxy, by its headers. The other one asks for
tokens. Both read the same Kafka.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from stripeline.deploy.local.kafka import free_port
from tests.support.cluster import CONFIG, Cluster, cluster
from tests.support.money import Order, deliver, ended, order, run_is, stripeline

PROXY_SECRET = "a-secret-of-the-proxy-0123"
SOME_OF_ALL = CONFIG.replace("connections:\n", 'connections:\n  idle: {secret_key: "${env:ACME_KEY}"}\n')
OPERATORS, READERS, VIEWERS = "ops", "support", "everybody"
HOSTILE = "<script>document.title='hacked'</script>@example.com"
BOUGHT, BY_HAND, DECLINE = "order 4711 of Ada", "a customer made by hand", "The card of Ada was declined"
"""Of an event, of a command's input, of an error: texts for those only who may see payloads."""
DECLINED: Mapping[str, object] = {"status": 402, "stored": True, "message": DECLINE}
STOPPED = tuple(f"evt_stop_{number}" for number in range(1, 7))
SUCCEEDED = ("evt_ok_1", "evt_ok_2", "evt_ok_3")
LETTERS = ("letter-1", "letter-2", "letter-3")


@dataclass(frozen=True, slots=True)
class ConsoleStack:
    """url: of the console behind a proxy. token_url: of the one that asks for this token."""

    cluster: Cluster
    url: str
    token_url: str
    token: str

    @staticmethod
    def proxy_headers(group: str = OPERATORS, *, user: str = "ada@example.com") -> dict[str, str]:
        """What the proxy sends with each request of a person."""
        return {"X-Forwarded-User": user, "X-Forwarded-Groups": group, "X-Stripeline-Proxy-Secret": PROXY_SECRET}


@asynccontextmanager
async def console_stack(bootstrap: str, prefix: str, folder: Path) -> AsyncIterator[ConsoleStack]:
    """Everything ready, seeded, and the consoles caught up."""
    async with cluster(bootstrap, prefix, folder, config=SOME_OF_ALL, retry_tiers="200ms,400ms") as found:
        token_file = folder / "tokens"
        found.add("worker", "worker")
        made = await stripeline(found, "console-token", "grace", "--role", "operator", "--file", str(token_file))
        assert made.code == 0, made.err
        ports = free_port(), free_port()
        found.add("console", "console", STRIPELINE_CONSOLE_PORT=str(ports[0]), **BEHIND_PROXY)
        found.add(
            "token-console", "console", STRIPELINE_CONSOLE_PORT=str(ports[1]), STRIPELINE_CONSOLE_AUTH="token",
            STRIPELINE_CONSOLE_TOKENS_FILE=str(token_file),
        )  # fmt: skip
        await found.ready()
        await seed(found)
        stack = ConsoleStack(
            found, f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}", made.out.split()[-1]
        )
        await shows(stack, "/runs", *(f"{event}:two-steps" for event in (*SUCCEEDED, *STOPPED)))
        yield stack


BEHIND_PROXY = {
    "STRIPELINE_CONSOLE_AUTH": "proxy",
    "STRIPELINE_CONSOLE_TRUSTED_PROXIES": "127.0.0.1",
    "STRIPELINE_CONSOLE_PROXY_SECRET": PROXY_SECRET,
    "STRIPELINE_CONSOLE_ROLES": f"operator={OPERATORS},reader={READERS},viewer=*",
}


async def seed(found: Cluster) -> None:
    """Runs that succeeded and that stopped, dead letters, a paused connection, and texts that mean harm."""
    paused = await stripeline(found, "pause", "connection", "idle", "--why", "nobody needs it")
    assert paused.code == 0, paused.err
    customers = {"method": "POST", "path": "/v1/customers"}
    await found.sandbox("/faults", {"match": customers, "fault": DECLINED, "times": None})
    await asyncio.gather(*(paid(found, event) for event in STOPPED))
    await asyncio.gather(*(run_is(found, f"{event}:two-steps", "stopped") for event in STOPPED))
    await found.sandbox("/faults", method="DELETE")
    await found.sandbox("/faults", {"match": {"method": "POST"}, "fault": {"status": 429}, "times": None})
    poison = b'{"command_id": "poisoned", "input": {"email": "%s"}}' % HOSTILE.encode()
    letters = [Order(id=name, input={"description": BY_HAND}, key=name.encode()) for name in LETTERS]
    await order(found, [*letters, (HOSTILE.encode(), poison)])
    await ended(found, LETTERS)
    await found.sandbox("/faults", method="DELETE")
    await asyncio.gather(*(paid(found, event, HOSTILE) for event in SUCCEEDED))
    await asyncio.gather(*(run_is(found, f"{event}:two-steps", "succeeded") for event in SUCCEEDED))


async def paid(found: Cluster, event: str, bought: str = BOUGHT) -> None:
    about = {"id": f"pi_{event}", "amount": 900, "receipt_email": "payer@example.com", "description": bought}
    await deliver(found, "payment_intent.succeeded", about, event)


async def shows(stack: ConsoleStack, path: str, *texts: str, within_s: float = 30) -> str:
    """Wait until a page of the console shows these texts."""
    page: str = ""
    async with asyncio.timeout(within_s), aiohttp.ClientSession(headers=stack.proxy_headers()) as session:
        while not (page and all(text in page for text in texts)):
            async with session.get(f"{stack.url}{path}") as answer:
                page = await answer.text()
                assert answer.status == 200, page
            await asyncio.sleep(0.1)
    return page
