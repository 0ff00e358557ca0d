"""The admin port of a group: asks its processes on their loopback ports, and answers for all of them.

Health is asked every second, so that a probe's answer waits for no process; metrics are asked when they are scraped.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

import aiohttp
import orjson
from aiohttp import web
from prometheus_client import Metric

from stripeline.deploy.runtime.process.admin_server import Families, json_answer, metrics_page, serve_app
from stripeline.deploy.runtime.process_group import merged_pages
from stripeline.deploy.runtime.process_group.member import Member
from stripeline.deploy.runtime.process_group.member_health import MemberHealth
from stripeline.deploy.runtime.process_group.membership import GroupRole
from stripeline.deploy.runtime.process_group.merged_metrics import GroupTotals, MemberText
from stripeline.deploy.runtime.process_group.merged_pages import Page
from stripeline.deploy.telemetry.collector import MetricsCollector
from stripeline.deploy.telemetry.metrics.process_group import GROUP
from stripeline.deploy.telemetry.sources import GroupView

_EVERY_S: Final = 1.0
_WITHIN_S: Final = 2.0


class GroupWatch:
    """What the processes of a group say of themselves."""

    def __init__(self, role: GroupRole, members: Sequence[Member]) -> None:
        self.members, self._role = members, role
        self._totals = GroupTotals()
        self._client: aiohttp.ClientSession | None = None
        self._asking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_WITHIN_S))
        self._asking = asyncio.create_task(self._ask_all(), name="health of the processes")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._asking is not None  # noqa: S101  it was entered
        assert self._client is not None  # noqa: S101
        self._asking.cancel()
        await asyncio.wait((self._asking,))
        await self._client.close()

    @property
    def health(self) -> Mapping[int, MemberHealth]:
        return {member.number: member.health for member in self.members}

    def broken(self) -> Mapping[str, str]:
        """What only a restart corrects, by process and name."""
        found: Mapping[str, str] = merged_pages.healthz(self.health)[1].get("reasons", {})
        return found

    def missing(self) -> Mapping[str, str]:
        """What keeps the group from being ready, by process and name."""
        found: Mapping[str, str] = self.readyz(ending=False)[1].get("missing", {})
        return found

    def readyz(self, *, ending: bool) -> Page:
        return merged_pages.readyz(self.health, ending=ending, needs_all=self._role != "ingest")

    def counted(self) -> GroupView:
        states = [member.health.ready for member in self.members]
        restarts = {str(member.number): member.restarts for member in self.members}
        return GroupView(role=self._role, processes=len(states), ready=sum(states), restarts=restarts)

    async def metrics(self) -> Iterable[Metric]:
        """The families of all processes."""
        running = [member for member in self.members if member.running]
        answers = await asyncio.gather(*map(self._counted_by, running))
        return self._totals.merged(
            {member.number: answer for member, answer in zip(running, answers, strict=True) if answer}
        )

    async def _counted_by(self, member: Member) -> MemberText | None:
        generation = member.restarts
        said = await self._get(member, "/metrics")
        return None if said is None or member.restarts != generation else MemberText(generation, said[1].decode())

    async def _ask_all(self) -> None:
        while True:
            await asyncio.gather(*(self._ask(member) for member in self.members if member.running))
            await asyncio.sleep(_EVERY_S)

    async def _ask(self, member: Member) -> None:
        ready, healthy = await asyncio.gather(self._get(member, "/readyz"), self._get(member, "/healthz"))
        if not member.running:
            return
        if ready is None or healthy is None:
            member.says_nothing()
            return
        said, broken = orjson.loads(ready[1]), orjson.loads(healthy[1])
        member.says(
            MemberHealth(
                ready=ready[0] == web.HTTPOk.status_code,
                missing=said.get("missing", {}),
                warnings=said.get("warnings", {}),
                broken=broken.get("reasons", {}),
            )
        )

    async def _get(self, member: Member, path: str) -> tuple[int, bytes] | None:
        assert self._client is not None  # noqa: S101  it was entered
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._client.get(member.url + path) as answer:
                return answer.status, await answer.read()
        return None


async def serve_group(host: str, port: int, watch: GroupWatch, stop: asyncio.Event) -> web.AppRunner:
    """Serve the pages of the group; the caller ends it with `await runner.cleanup()`. Raises OSError."""
    own = MetricsCollector()
    own.show(GROUP, watch.counted)

    async def healthz(_: web.Request) -> web.Response:
        return _answer(merged_pages.healthz(watch.health))

    async def readyz(_: web.Request) -> web.Response:
        return _answer(watch.readyz(ending=stop.is_set()))

    async def metrics(_: web.Request) -> web.Response:
        return await metrics_page(Families([*await watch.metrics(), *own.collect()]))

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return await serve_app(app, (host, port))


def _answer(page: Page) -> web.Response:
    status, body = page
    found: dict[str, Any] = body
    return json_answer(status, found)
