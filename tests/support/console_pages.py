"""The console without Kafka: an index with rows of every kind, and a signed-in person, for tests of single pages.

`python -m tests.support.console_pages` serves it on port 8081, to look at.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import create_engine

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import read
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.console.auth.sign_in_counts import SignInCounts
from stripeline.deploy.console.console_app import console_app
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.index.catch_up import CatchUp
from stripeline.deploy.console.index.index_store import IndexStore, open_store
from stripeline.deploy.console.index.tables import metadata
from stripeline.deploy.operations.acts import pauses, workflow_pauses
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.take_up import TakenUp
from stripeline.deploy.operations.acts.workflow_pauses import PauseStart
from stripeline.deploy.operations.acts.workflow_resume import Resumed
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.status.facts import WaitingCommands
from stripeline.workers.kafka.control_table import Changes
from tests.support.console_sample import fill, sample_definitions, sample_history, sample_records, sample_workers

OPERATOR = Identity(user="ada@example.com", role=ConsoleRole.OPERATOR)


class SampleIndex:
    """A store that nobody fills any more."""

    def __init__(self, store: IndexStore) -> None:
        self._store, self.state, self._version = store, CatchUp(read=1, caught_up=True), 1
        self.ask, self.change = store.ask, store.change

    def catch_up(self) -> CatchUp:
        return self.state

    def version(self) -> int:
        return self._version

    async def grow(self) -> None:
        self._version += 1


@dataclass
class SampleRecords:
    """Records by their places."""

    known: dict[tuple[str, int, int], Read] = field(default_factory=dict)

    async def at(self, topic: str, partition: int, offset: int) -> Read | None:
        return self.known.get((topic, partition, offset))

    async def many(self, places: Sequence[tuple[str, int, int]]) -> Mapping[tuple[str, int, int], Read]:
        return {place: self.known[place] for place in places if place in self.known}


@dataclass
class SamplePausing:
    """Pauses in memory, by the rules of the acts. done: the acts, in words. failing: what the next one raises."""

    definitions: Definitions = field(repr=False)  # ten thousand take seconds to be written out
    done: list[tuple[str, str, Signed]] = field(default_factory=list)
    counted: WaitingCommands | None = None
    failing: Exception | None = None

    async def pause_connection(self, name: str, signed: Signed) -> None:
        self._change("pause connection", name, signed, pauses.pause(self.definitions, name, signed))

    async def resume_connection(self, name: str, signed: Signed) -> bool:
        self._change("resume connection", name, signed, pauses.resume(self.definitions, name, signed))
        return bool(self.definitions.refused(name))

    async def waiting(self, name: str, now_ms: int) -> WaitingCommands | None:
        if self.failing is not None:
            raise self.failing
        return self.counted

    async def pause_workflow(self, name: str, signed: Signed) -> Pause:
        start = PauseStart(topic="stripe.payment-event", offsets=(1, 2, 3, 4), kept_ms=7 * 86_400_000)
        changes = workflow_pauses.pause(self.definitions, name, signed, start)
        self._change("pause workflow", name, signed, changes)
        return workflow_pauses.recorded(changes, name)

    async def resume_workflow(self, name: str, signed: Signed, take_up_per_s: float | None = None) -> Resumed:
        held = workflow_pauses.held(self.definitions, name)
        word = "resume workflow" if take_up_per_s is None else "take up workflow"
        self._change(word, name, signed, {workflow_pauses.pause_key(name): None})
        return Resumed(pause=held, at_ms=signed.at_ms, unstarted=12, taken_up=TakenUp(events=12, started=12))

    def _change(self, word: str, name: str, signed: Signed, changes: Changes) -> None:
        if self.failing is not None:
            raise self.failing
        self.done.append((word, name, signed))
        held = dict(self.definitions.pauses)
        for key, value in changes.items():
            kind, _, rest = key.partition("/")
            if kind == "pause":
                held.pop(rest, None)
                held |= {} if value is None else {rest: read(Pause, value)}
        self.definitions = replace(self.definitions, pauses=held)


class FixedSignIn:
    """Everybody is this person; nobody when it is None."""

    def __init__(self, identity: Identity | None = OPERATOR) -> None:
        self.identity = identity
        self.counts = SignInCounts()
        self.sign_out: str | None = "/sign-out"

    def identify(self, _: web.Request) -> Identity | None:
        return self.identity

    def routes(self) -> list[web.RouteDef]:
        return []

    def challenge(self, _: web.Request) -> web.StreamResponse:
        return web.Response(status=401)


@dataclass
class ConsolePages:
    """A console under test. committed: the acts that it was asked to carry out."""

    client: TestClient[web.Request, web.Application]
    sources: Sources
    index: SampleIndex
    records: SampleRecords
    sign_in: FixedSignIn
    committed: list[Act]
    pausing: SamplePausing

    async def get(self, path: str, status: int = 200) -> str:
        """The text of a page."""
        async with self.client.get(path, allow_redirects=False) as response:
            text = await response.text()
            assert response.status == status, text
            return text

    async def post(self, path: str, form: Mapping[str, Any], status: int = 303) -> str:
        """Where a form leads to, or the text of its answer."""
        headers = {"Sec-Fetch-Site": "same-origin"}
        async with self.client.post(path, data=form, headers=headers, allow_redirects=False) as response:
            text = await response.text()
            assert response.status == status, text
            return response.headers.get("Location", text)

    def become(self, role: ConsoleRole) -> None:
        self.sign_in.identity = Identity(user="ada@example.com", role=role)


@cache
def _sample_store() -> bytes:
    """A store with the sample's rows, as a file: made once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.db"
        engine = create_engine(f"sqlite:///{path}")
        metadata.create_all(engine)
        with engine.begin() as db:
            fill(db)
        engine.dispose()
        return path.read_bytes()


@asynccontextmanager
async def console_pages(folder: Path, **changed: Any) -> AsyncIterator[ConsolePages]:
    """A console with the sample's rows. changed: fields of its `Sources`."""
    path = folder / "console.db"
    path.write_bytes(_sample_store())
    path.chmod(0o600)
    store = open_store(str(path))
    index, records, committed = SampleIndex(store), SampleRecords(dict(sample_records())), []
    pausing = SamplePausing(sample_definitions())

    async def commit(acts: Sequence[Act], *, rate_per_s: float) -> int:
        committed.extend(acts)
        return len(acts)

    sources = Sources(
        topics=Topics(), client={}, partitions=4, window_ms=7 * 86_400_000, index=index, records=records,
        workers=sample_workers, history=sample_history, definitions=lambda: pausing.definitions,
        missing=lambda: None, commit=commit, pausing=pausing,
    )  # fmt: skip
    sources = replace(sources, **changed)
    sign_in = FixedSignIn()
    try:
        async with TestClient(TestServer(console_app(sources, sign_in))) as client:
            yield ConsolePages(client, sources, index, records, sign_in, committed, pausing)
    finally:
        await store.close()


async def _serve(port: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with console_pages(Path(folder)) as pages:
            runner = web.AppRunner(console_app(pages.sources, pages.sign_in))
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 8081))
