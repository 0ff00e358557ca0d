"""Every page of the console, found by following every link and form of the sample: no rule of the pages has a gap.

Knows no page by name: a page that is added is crawled, and one that no link leads to is refused.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit

import pytest

from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import ConsolePage
from stripeline.deploy.console.page_table import all_pages
from stripeline.deploy.contract.published_records import published
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import CLIENT_SECRET, HOSTILE, HOSTILE_ERROR
from tests.support.html_pages import Page
from tests.support.status_facts import SEALED

PAGES = all_pages()
CHANGES_NOTHING = {"workflow_trial": ConsoleRole.READER}
"""Pages that post what is too long for an address, and the role that may ask them."""
POSTS = [page for page in PAGES if page.method == "POST" and page.name not in CHANGES_NOTHING]
PERSONAL = "evil.example"  # the host of each e-mail address in the sample's payloads
OURS = {"Sec-Fetch-Site": "same-origin"}
OF_A_SHAPE = 3
"""How many addresses of one page with the same parameters are asked, the first and the last: the rest are like them."""
SECRETS = re.compile(
    rf"{CLIENT_SECRET}|_secret_[A-Za-z0-9]|\b[srpe]k_(?:live|test|org)_\w|whsec_\w|slc_\w+_[0-9a-f]"
    rf"|sealed:\w|{re.escape(SEALED.rpartition(':')[2])}"
)
FILES = {"/contract/asyncapi.json", *(f"/contract/schemas/{one.folder}.json" for one in published())}
"""Files to keep, which hold nothing of this installation's records; their made-up examples have made-up secrets."""
SCROLLED = re.compile(r'<div class="scroll">(.*?)</table>', re.DOTALL)
REACHED = re.compile(r"<(?:a|input|button)\b")
MARKUP = (HOSTILE, HOSTILE_ERROR, "<img src=x", "<b onmouse", "\x1b")


def pattern(page: ConsolePage) -> re.Pattern[str]:
    """A page's addresses, as aiohttp has them."""
    parts = re.split(r"(\{[^{}]*\})", page.path)
    return re.compile("".join("[^/]+" if part.startswith("{") and ":" not in part else
                              part[1:-1].partition(":")[2] if part.startswith("{") else re.escape(part)
                              for part in parts))  # fmt: skip


def page_at(path: str, method: str = "GET") -> ConsolePage | None:
    """The page that answers an address: the first whose pattern is its whole path."""
    return next((page for page in PAGES if page.method == method and pattern(page).fullmatch(path)), None)


@dataclass
class Found:
    """addresses: those that were asked, with their texts. forms: those that post, by the page that they ask.

    dangling: addresses that some page leads to, and no page answers.
    """

    addresses: dict[str, str] = field(default_factory=dict)
    forms: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    dangling: set[str] = field(default_factory=set)


class Crawl:
    """Asks the addresses of a console, one after the other, as an operator."""

    def __init__(self, console: ConsolePages) -> None:
        self.console, self.found = console, Found()
        self._shapes: Counter[tuple[object, ...]] = Counter()
        self._skipped: dict[tuple[object, ...], dict[str, None]] = defaultdict(dict)
        self._waiting = [page.path for page in PAGES if page.method == "GET" and "{" not in page.path]
        self._waiting += ["/"]

    async def whole(self) -> Found:
        """What is there to read, and then what each form that posts leads to, and the forms that are there."""
        await self._follow()
        posted: set[str] = set()
        while new := [name for name in self.found.forms if name not in posted]:
            for name in new:
                posted.add(name)
                await self._post(name, *self.found.forms[name])
            await self._follow()
        return self.found

    async def _post(self, name: str, action: str, fields: Mapping[str, str]) -> None:
        form = {key: value or "a reason" for key, value in fields.items()}
        async with self.console.client.post(action, data=form, headers=OURS, allow_redirects=False) as answer:
            text = await answer.text()
            if answer.status in {403, 404, 405, 500}:
                self.found.problems.append(f"POST {action} ({name}): {answer.status}")
            self._read(action, text)
            self._waiting += answer.headers.getall("Location", [])

    async def _follow(self) -> None:
        while self._waiting or self._skipped:
            if not self._waiting:  # the oldest rows of each list
                self._waiting = [one for skipped in self._skipped.values() for one in list(skipped)[-OF_A_SHAPE:]]
                self._skipped.clear()
                self._shapes.clear()
            address = urldefrag(self._waiting.pop(0)).url.removesuffix("?")
            if address not in self.found.addresses and self._is_new_shape(address):
                await self._ask(address)

    async def _ask(self, address: str) -> None:
        async with self.console.client.get(address, allow_redirects=False) as answer:
            text = await answer.text()
            if answer.status == 404 and page_at(urlsplit(address).path) is None:
                self.found.dangling.add(address)
            elif answer.status not in {200, 303}:  # the search leads to the one thing that it finds
                self.found.problems.append(f"GET {address}: {answer.status}")
            self.found.addresses[address] = text
            if address not in FILES:
                self._read(address, text)
            self._waiting += answer.headers.getall("Location", [])

    def _read(self, address: str, text: str) -> None:
        page = Page(text)
        say = self.found.problems.append
        for words in page.forbidden:
            say(f"{address} has {words}")
        for one in (*MARKUP, *SECRETS.findall(text)):
            if one in text:
                say(f"{address} shows {one!r}")
        self._waiting += [urljoin(address, link) for link in page.links if not link.startswith("#")]
        for form in page.forms:
            action = urljoin(address, form.action)
            if form.method == "get":
                self._waiting.append(
                    f"{action.partition('?')[0]}?{urlencode({k: v for k, v in form.fields.items() if v})}"
                )
            elif form.method == "post" and action != self.console.sign_in.sign_out:
                self._posted(address, action, form.fields)
        for action in page.posts:
            self._posted(address, urljoin(address, action), {})

    def _posted(self, address: str, action: str, fields: Mapping[str, str]) -> None:
        page = page_at(urlsplit(action).path, "POST")
        if page is None or page.needs is not CHANGES_NOTHING.get(page.name, ConsoleRole.OPERATOR):
            self.found.problems.append(f"{address} posts to {action}, which is no page for operators")
        else:
            self.found.forms.setdefault(page.name, (action, fields))

    def _is_new_shape(self, address: str) -> bool:
        parts = urlsplit(address)
        page = page_at(parts.path)
        names = sorted({name for name, _ in parse_qsl(parts.query)})
        shape = (page.name if page else parts.path, *(names if len(names) < 2 else [len(names)]))
        self._shapes[shape] += 1
        if self._shapes[shape] > OF_A_SHAPE:
            self._skipped[shape].setdefault(address)
        return self._shapes[shape] <= OF_A_SHAPE


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Found:
    async def crawl() -> Found:
        async with console_pages(tmp_path_factory.mktemp("crawl")) as console:
            return await Crawl(console).whole()

    return asyncio.run(crawl())


@pytest.fixture
async def console(tmp_path: Path):
    async with console_pages(tmp_path) as pages:
        yield pages


def test_no_page_shows_a_secret_or_markup_of_others(crawled: Found) -> None:
    assert crawled.problems == []


def test_no_link_leads_nowhere(crawled: Found) -> None:
    assert crawled.dangling == set()


def test_the_hostile_texts_are_on_some_page(crawled: Found) -> None:
    """Else the rule above holds nothing."""
    assert any("&lt;b onmouse" in text for text in crawled.addresses.values())


def test_each_page_to_read_is_reached(crawled: Found) -> None:
    """A second address of the same page counts with the first."""
    asked = {page.show for address in crawled.addresses if (page := page_at(urlsplit(address).path)) is not None}
    assert [page.name for page in PAGES if page.method == "GET" and page.show not in asked] == []
    assert crawled.forms


def test_what_scrolls_is_reached_by_keyboard(crawled: Found) -> None:
    """By what is in it, or by itself: `tabindex`, with its role and a name."""
    tables = {(address, one) for address, text in crawled.addresses.items() for one in SCROLLED.findall(text)}
    assert [f"{address}: {one[:200]}" for address, one in sorted(tables) if not REACHED.search(one)] == []


@pytest.mark.parametrize("page", POSTS, ids=lambda page: page.name)
async def test_a_post_is_for_operators_of_this_console(console: ConsolePages, page: ConsolePage) -> None:
    path = re.sub(r"\{[^{}]*\}", "1", page.path)
    assert page.needs is ConsoleRole.OPERATOR
    for role in (ConsoleRole.VIEWER, ConsoleRole.READER):
        console.become(role)
        await console.post(path, {}, status=403)
    console.become(ConsoleRole.OPERATOR)
    for headers in (
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://evil.example"},
    ):
        async with console.client.post(path, data={}, headers=headers) as response:
            assert response.status == 403
    async with console.client.get(path) as response:
        assert response.status in {200, 404, 405}  # 200: the page that asks first has the same address
    console.sign_in.identity = None
    await console.post(path, {}, status=401)
    assert (console.committed, console.pausing.done) == ([], [])


async def test_nobody_sees_anything(console: ConsolePages, crawled: Found) -> None:
    console.sign_in.identity = None
    for address in crawled.addresses:
        async with console.client.get(address, allow_redirects=False) as response:
            assert (response.status, await response.text()) == (401, ""), address


async def test_a_viewer_sees_no_payload_and_no_form_that_acts(console: ConsolePages, crawled: Found) -> None:
    """And reads every other page."""
    console.become(ConsoleRole.VIEWER)
    problems = []
    for address in crawled.addresses:
        page = page_at(urlsplit(address).path)
        async with console.client.get(address, allow_redirects=False) as response:
            text = await response.text()
        may = page is None or page.needs is ConsoleRole.VIEWER
        if may == (response.status == 403):
            problems.append(f"{address}: {response.status}")
        if PERSONAL in text:
            problems.append(f"{address} shows an e-mail address")
        read = Page(text)
        acts = [form.action for form in read.forms if form.method == "post"] + read.posts
        problems += [f"{address} has a form for {action}" for action in acts if action != console.sign_in.sign_out]
    assert problems == []
