"""Serves the pages over HTTP: who asks, what they ask, and what the answer becomes. Knows no page by name."""

import time
from pathlib import Path
from typing import Final, assert_never

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.auth.request_checks import IDENTITY, request_checks
from stripeline.deploy.console.auth.sign_in import SignIn
from stripeline.deploy.console.console_counters import ConsoleCounters
from stripeline.deploy.console.console_page import Answer, ConsolePage, PageProblem, Question, Raw, Redirect, View
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.live.live_stream import LiveStreams
from stripeline.deploy.console.page_table import all_pages
from stripeline.deploy.console.rendering import Rendering

STATIC: Final = Path(__file__).with_name("static")
STATIC_PATH: Final = "/static/"
MAX_FORM_BYTES: Final = 1024 * 1024
"""An event of 256 KiB that is tried, with each sign of it as three."""
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE: Final = web.RequestKey("page", str)
log = structlog.get_logger(__name__)


def console_app(sources: Sources, sign_in: SignIn) -> web.Application:
    """The application: every address but those of the sign-in and the static files needs an identity."""
    pages, open_routes = all_pages(), sign_in.routes()
    rendering = Rendering(pages, sign_in.sign_out)
    public: set[object] = {route.handler for route in open_routes}
    app = web.Application(
        client_max_size=MAX_FORM_BYTES,
        middlewares=[_security_headers, _errors(rendering, sources.counters), *request_checks(sign_in, public)],
    )
    app.add_routes(open_routes)
    static = app.router.add_static(STATIC_PATH, STATIC, append_version=False)
    public.update(route.handler for route in static)
    for page in pages:
        handler = _handler(page, sources, rendering)
        if page.method == "GET":
            app.router.add_get(page.path, handler)  # and HEAD
        else:
            app.router.add_post(page.path, handler)
    live = LiveStreams(pages, sources, rendering, sign_in, SECURITY_HEADERS)
    app.router.add_get("/live/{page}", _streamed(live), allow_head=False)
    app.on_shutdown.append(live.stop)
    app.on_cleanup.append(lambda _: sources.acting.close())
    return app


def _handler(page: ConsolePage, sources: Sources, rendering: Rendering) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        identity = request[IDENTITY]
        request[PAGE] = page.name
        if not identity.may(page.needs):
            return await _respond(_not_allowed(page, identity), request, rendering, identity)
        began_s = time.perf_counter()
        question = await _question(request, sources, identity)
        answered = await _respond(await page.show(question), request, rendering, identity, sources)
        sources.counters.page_s[page.name,].add(time.perf_counter() - began_s)
        return answered

    return handle


def _streamed(live: LiveStreams) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await live.answer(request, request[IDENTITY])

    return handle


async def _question(request: web.Request, sources: Sources, identity: Identity) -> Question:
    if any("\0" in text for text in (*request.match_info.values(), *request.query.values())):
        raise web.HTTPNotFound  # no id has one, and PostgreSQL takes none
    form: dict[str, list[str]] = {}
    if request.method == "POST":
        for name, value in (await request.post()).items():
            form.setdefault(name, []).append(value if isinstance(value, str) else "")
    return Question(
        sources=sources, identity=identity, now_ms=int(time.time() * 1000), url=request.path_qs,
        path=dict(request.match_info), query=dict(request.query), form=form,
        fragment=request.headers.get("HX-Request") == "true", target=request.headers.get("HX-Target", ""),
    )  # fmt: skip


async def _respond(
    answer: Answer, request: web.Request, rendering: Rendering, identity: Identity | None,
    sources: Sources | None = None,
) -> web.StreamResponse:  # fmt: skip
    match answer:
        case View():
            text = rendering.page(answer, request.path, identity, sources)
            return web.Response(status=answer.status, text=text, content_type="text/html")
        case Redirect(url):
            return web.Response(status=303, headers={"Location": url})
        case Raw(body=body, content_type=kind, filename=name):
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return web.Response(body=body, content_type=kind, headers=headers)
        case PageProblem():
            text = rendering.problem(answer, request.path, identity)
            return web.Response(status=answer.status, text=text, content_type="text/html")
        case _:
            assert_never(answer)


def _not_allowed(page: ConsolePage, identity: Identity) -> PageProblem:
    return PageProblem(
        status=403,
        title="This needs another role",
        words=f"This needs the role {page.needs.word}. {identity.user} is a {identity.role.word}.",
    )


@web.middleware
async def _security_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:  # a stream sends its own, before its first event
        response.headers.update(SECURITY_HEADERS)
        # A static file is asked for each time, and sent where it is another one, as after an upgrade.
        response.headers["Cache-Control"] = "no-cache" if request.path.startswith(STATIC_PATH) else "no-store"
    return response


def _errors(rendering: Rendering, counters: ConsoleCounters) -> Middleware:
    """Every error is a page with a way back. What a bug raised is logged, and never shown."""

    @web.middleware
    async def page_of(request: web.Request, handler: Handler) -> web.StreamResponse:
        allowed: dict[str, str] = {}
        try:
            return await handler(request)
        except web.HTTPException as error:
            allowed = {name: value for name, value in error.headers.items() if name == "Allow"}
            missing = error.status == web.HTTPNotFound.status_code
            words = "There is no such page." if missing else error.reason
            problem = PageProblem(status=error.status, title=error.reason, words=words)
        except Exception:
            counters.failures[request.get(PAGE, "")] += 1
            log.exception(LogEvent.PAGE_FAILED, path=request.path)
            problem = PageProblem(
                status=500, title="This page failed", words="The console's log has the reason. The other pages go on."
            )
        response = await _respond(problem, request, rendering, request.get(IDENTITY))
        response.headers.update(allowed)
        return response

    return page_of
