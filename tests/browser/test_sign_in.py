"""Who is let in: by a token, by a proxy, and nobody else; and no other site acts in a person's name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from stripeline.deploy.local.kafka_config import free_port
from tests.support.browser_pages import Pages
from tests.support.console_stack import OPERATORS, VIEWERS, ConsoleStack
from tests.support.end_state import read_topic

FORGED = {
    "no secret": {"X-Forwarded-User": "mallory", "X-Forwarded-Groups": OPERATORS},
    "a wrong secret": {
        "X-Forwarded-User": "mallory", "X-Forwarded-Groups": OPERATORS,
        "X-Stripeline-Proxy-Secret": "another-secret-0123456789",
    },
    "no user": {k: v for k, v in ConsoleStack.proxy_headers().items() if k != "X-Forwarded-User"},
}  # fmt: skip


async def test_a_token_signs_in_and_out(stack: ConsoleStack, pages: Pages) -> None:
    context = await pages.context(group=None)
    page = await pages.open_in(context, "/runs", base=stack.token_url, status=401)
    await page.goto(f"{stack.token_url}/sign-in?next=/runs")
    await page.get_by_label("Your token").fill("slc_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("alert").wait_for()
    await page.get_by_label("Your token").fill(stack.token)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/runs")
    (cookie,) = await context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert stack.token not in str(cookie)
    assert await page.get_by_text("grace").count() >= 1
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in")
    assert await context.cookies() == []


@pytest.mark.parametrize("how", FORGED)
async def test_forged_headers_of_the_proxy_let_nobody_in(stack: ConsoleStack, pages: Pages, how: str) -> None:
    context = await pages.context(group=None)
    await context.set_extra_http_headers(FORGED[how])
    page = await pages.open_in(context, "/runs", status=403)
    assert await page.locator("table").count() == 0


async def test_a_viewer_is_refused_what_an_operator_may(pages: Pages) -> None:
    await pages.open("/connections/acme/pause", group=VIEWERS, status=403)


@asynccontextmanager
async def other_site(action: str) -> AsyncIterator[str]:
    """A page of somebody else with a form that acts here."""

    async def page(_: web.Request) -> web.Response:
        form = f'<form method="post" action="{action}"><input name="why" value="mischief"><button>Win</button></form>'
        return web.Response(text=f"<!doctype html><title>Win</title>{form}", content_type="text/html")

    app, port = web.Application(), free_port()
    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://localhost:{port}/"
    finally:
        await runner.cleanup()


async def test_a_form_of_another_site_does_nothing(stack: ConsoleStack, pages: Pages) -> None:
    """The browser sends the proxy's headers with it, as a proxy would: only the site that the form is of is wrong."""
    topics, bootstrap = stack.cluster.settings.topics, stack.cluster.settings.kafka_bootstrap_servers
    before = len(await read_topic(bootstrap, topics.audit, 4))
    context = await pages.context()
    async with other_site(f"{stack.url}/connections/acme/pause") as address:
        page = await context.new_page()
        await page.goto(address)
        async with page.expect_navigation() as navigation:
            await page.get_by_role("button", name="Win").click()
        answer = await navigation.value
    assert answer is not None
    assert answer.status == 403
    assert len(await read_topic(bootstrap, topics.audit, 4)) == before
