"""Pages of the console in a browser, with all that the browser complained about."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.support.console_stack import OPERATORS, ConsoleStack

REPORT_CSP = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


def shots_folder() -> Path | None:
    """Where screenshots are kept, where the caller of the tests asks for them: SHOTS=folder."""
    asked = os.environ.get("SHOTS")
    return None if asked is None else Path(asked)


@dataclass
class Pages:
    """complaints: errors and warnings of the console, of scripts and of the content security policy."""

    stack: ConsoleStack
    browser: Browser
    shots: Path | None = None
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def context(
        self, *, group: str | None = OPERATORS, theme: Literal["light", "dark"] = "light", width: int = 1280,
        **options: Any,
    ) -> BrowserContext:  # fmt: skip
        """A browser of its own, of a person in this group; of nobody without one."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, locale="en-GB", timezone_id="Europe/Berlin",
            extra_http_headers={} if group is None else self.stack.proxy_headers(group), **options,
        )  # fmt: skip
        context.set_default_timeout(20_000)
        await context.add_init_script(REPORT_CSP)
        self.contexts.append(context)
        return context

    async def open(self, path: str, *, base: str | None = None, status: int = 200, **options: Any) -> Page:
        """A page in a browser of its own."""
        return await self.open_in(await self.context(**options), path, base=base, status=status)

    async def open_in(self, context: BrowserContext, path: str, *, base: str | None = None, status: int = 200) -> Page:
        page = await context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"{path}: {error}"))
        answer = await page.goto(f"{base or self.stack.url}{path}")
        assert answer is not None
        assert answer.status == status, await page.content()
        return page

    async def shot(self, page: Page, name: str) -> None:
        """A screenshot, where they are asked for."""
        if self.shots is not None:
            self.shots.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=self.shots / f"{name}.png", full_page=True)

    async def close(self) -> None:
        for context in self.contexts:
            await context.close()

    def _said(self, message: ConsoleMessage) -> None:
        refused = "Failed to load resource: the server responded with a status of 4" in message.text
        if message.type in {"error", "warning"} and not refused:
            self.complaints.append(f"{message.location.get('url')}: {message.text}")
