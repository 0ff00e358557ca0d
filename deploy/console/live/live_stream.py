"""Live streams: a list says how many rows are new, and a page has its numbers refreshed, as server-sent events.

A stream queues nothing: it looks, sends, and looks again, so a slow reader misses messages and costs no memory. It ends
when its reader has gone, when the session has ended, and at shutdown.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never
from urllib.parse import urlencode

import structlog
from aiohttp import web

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.auth.sign_in import SignIn
from stripeline.deploy.console.console_page import ConsolePage, News, Parts, Question, View
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.filters import BadFilterError
from stripeline.deploy.console.live.live_messages import END, HEARTBEAT, NEWS, SAID, message, news_words
from stripeline.deploy.console.live.live_schedule import NEWS_EVERY_S, PARTS_EVERY_S, LiveSchedule, LiveStep
from stripeline.deploy.console.rendering import Rendering

_TICK_S: Final = 0.25
_WRITE_S: Final = 20.0
_RETRY_AFTER_S: Final = 30
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold messages back
}  # fmt: skip
log = structlog.get_logger(__name__)


class LiveStreams:
    """All streams of a console. headers: of every answer."""

    def __init__(
        self, pages: Sequence[ConsolePage], sources: Sources, rendering: Rendering, sign_in: SignIn,
        headers: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._pages = {page.name: page for page in pages if page.live is not None}
        self._sources, self._rendering, self._sign_in, self._places = sources, rendering, sign_in, sources.counters.live
        self._headers, self._stopping = headers, asyncio.Event()

    async def stop(self, _: web.Application) -> None:
        """End all streams. Their readers come back, to the next process."""
        self._stopping.set()

    async def answer(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        """`GET /live/{page}?filters&newest=…`, or `&shape=…` of a page with parts."""
        page = self._pages.get(request.match_info["page"])
        if page is None:
            raise web.HTTPNotFound
        if not identity.may(page.needs):
            raise web.HTTPForbidden
        if self._stopping.is_set() or not self._places.take(identity.user):
            return web.Response(
                status=503, headers={"Retry-After": str(_RETRY_AFTER_S)}, text="Too many live streams are open."
            )
        try:
            return await self._stream(request, identity, page)
        finally:
            self._places.give_back(identity.user)

    async def _stream(self, request: web.Request, identity: Identity, page: ConsolePage) -> web.StreamResponse:
        looks, parts = self._looks(request, identity, page), isinstance(page.live, Parts)
        schedule = LiveSchedule(
            now_s=time.monotonic(), seen=self._sources.index.version(), always=parts,
            look_every_s=PARTS_EVERY_S if parts else NEWS_EVERY_S,
        )  # fmt: skip
        try:
            first = await anext(looks)
        except BadFilterError as error:
            return web.Response(status=400, text=str(error))
        response = web.StreamResponse(headers={**self._headers, **_HEADERS})
        await response.prepare(request)
        try:
            await self._send(response, first or HEARTBEAT)
            await self._go_on(request, response, identity, schedule, looks)
        except (TimeoutError, ConnectionError):  # its reader has gone, or reads nothing
            if request.transport is not None:
                request.transport.abort()
        except Exception:  # its reader opens it again; the page itself says what is wrong
            log.exception(LogEvent.PAGE_FAILED, path=request.path)
        return response

    async def _go_on(
        self, request: web.Request, response: web.StreamResponse, identity: Identity,
        schedule: LiveSchedule, looks: AsyncIterator[bytes],
    ) -> None:  # fmt: skip
        while not self._stopping.is_set() and request.transport is not None and not request.transport.is_closing():
            match schedule.step(time.monotonic(), self._sources.index.version()):
                case LiveStep.IDENTIFY:
                    if self._sign_in.identify(request) != identity:
                        await self._send(response, message(END, ""))
                        return
                case LiveStep.LOOK:
                    if found := await anext(looks):
                        await self._send(response, found)
                        schedule.sent(time.monotonic())
                case LiveStep.HEARTBEAT:
                    await self._send(response, HEARTBEAT)
                case LiveStep.WAIT:
                    await self._wait()
                case other:
                    assert_never(other)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_TICK_S):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _send(self, response: web.StreamResponse, sent: bytes) -> None:
        async with asyncio.timeout(_WRITE_S):
            await response.write(sent)
        self._places.messages += sent is not HEARTBEAT

    def _looks(self, request: web.Request, identity: Identity, page: ConsolePage) -> AsyncIterator[bytes]:
        """What to send, look by look; nothing where nothing has changed."""
        question = Question(
            sources=self._sources, identity=identity, now_ms=int(time.time() * 1000), url=page.path,
            query=dict(request.query),
        )  # fmt: skip
        match page.live:
            case News() as news:
                return self._news(news, page, question)
            case Parts() as parts:
                return self._parts(parts, page, question)
            case None:
                raise web.HTTPNotFound
            case other:
                assert_never(other)

    async def _news(self, news: News, page: ConsolePage, question: Question) -> AsyncIterator[bytes]:
        wanted, shown = news.newer(question), 0
        while True:
            count, found = await self._sources.index.ask(wanted), b""
            if count != shown:
                words = news_words(news, count)
                found = message(NEWS, self._button(page, question, words) if count else "")
                if not shown:
                    found += message(SAID, f"{words}: press n to show what is new")
            yield found
            shown = count

    async def _parts(self, parts: Parts, page: ConsolePage, question: Question) -> AsyncIterator[bytes]:
        shape, offered, former = question.given("shape"), False, dict[str, str]()
        while True:
            view = await page.show(replace(question, now_ms=int(time.time() * 1000)))
            found = b""
            if isinstance(view, View):
                moved = view.values["shape"] != shape
                for name, template in parts.templates.items():
                    if moved and name not in parts.fixed:
                        continue
                    html = self._rendering.part(template, view.values)
                    if html != former.get(name):
                        former[name] = html
                        found += message(name, html)
                if moved and not offered:
                    offered = True
                    found += message(NEWS, self._button(page, question, "Show what has changed"))
                    found += message(SAID, "The page has changed: press n to show it")
            yield found

    def _button(self, page: ConsolePage, question: Question, words: str) -> str:
        kept = {name: value for name, value in question.query.items() if name not in {"newest", "shape"}}
        address = f"{page.path}?{urlencode(kept)}" if kept else page.path
        return self._rendering.part("live/news.html", {"address": address, "words": words})
