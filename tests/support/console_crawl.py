"""All that is reached by links from the console's pages, and which page each address is of."""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import aiohttp

from stripeline.deploy.console.page_table import all_pages
from tests.support.console_stack import ConsoleStack

PAGES = [page for page in all_pages() if page.method == "GET"]
DOWNLOADS = {"contract_asyncapi", "contract_schema"}
MOST_ADDRESSES = 400
_PLACE = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_BY_SPECIFICITY = sorted(PAGES, key=lambda page: -len(_PLACE.sub("", page.path)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What an address answered. links: to the console itself, without their fragments. ids: what a fragment names."""

    status: int
    text: str = ""
    links: Sequence[str] = ()
    fragments: Sequence[tuple[str, str]] = ()
    ids: frozenset[str] = frozenset()


Crawl = Callable[[str], Awaitable[Mapping[str, Reached]]]
"""What a person of a group reaches; each group looks once."""


async def crawled(stack: ConsoleStack, group: str) -> Mapping[str, Reached]:
    """Every address that a person of this group reaches, from the pages without an id on."""
    found: dict[str, Reached] = {}
    waiting = deque(["/", *(page.path for page in PAGES if "{" not in page.path)])
    async with aiohttp.ClientSession(headers=stack.proxy_headers(group)) as session:
        while waiting and len(found) < MOST_ADDRESSES:
            address = waiting.popleft()
            if address not in found:
                found[address] = await _reached(session, stack.url, address)
                waiting.extend(found[address].links)
    return found


async def _reached(session: aiohttp.ClientSession, base: str, address: str) -> Reached:
    async with session.get(f"{base}{address}") as answer:
        if answer.content_type == "text/event-stream":
            return Reached(status=answer.status)
        text = await answer.text(errors="replace")
    if answer.content_type != "text/html":
        return Reached(status=answer.status, text=text)
    read = _Anchors()
    read.feed(text)
    whole = [urljoin(f"{base}{address}", link) for link in read.links]
    own = [urldefrag(link.removeprefix(base)) for link in whole if link.startswith(f"{base}/")]
    return Reached(
        status=answer.status, text=text, links=[url for url, _ in own], ids=frozenset(read.ids),
        fragments=[(url, unquote(fragment)) for url, fragment in own if fragment],
    )  # fmt: skip


def fullest_of_each(reached: Mapping[str, Reached]) -> dict[str, str]:
    """An address of each page, by its name: where most is shown. Files that are downloaded are no pages."""
    found: dict[str, str] = {}
    for address, one in reached.items():
        name = page_of(address)
        if one.status == 200 and name not in DOWNLOADS | {None}:
            former = found.get(name)
            found[name] = address if former is None or len(one.text) > len(reached[former].text) else former
    return found


def page_of(address: str) -> str | None:
    path = urlsplit(address).path
    return next((page.name for page in _BY_SPECIFICITY if _pattern(page.path).fullmatch(path)), None)


def _pattern(path: str) -> re.Pattern[str]:
    """What a page's address looks like."""
    return re.compile(".+".join(re.escape(part) for part in _PLACE.split(path)))


class _Anchors(HTMLParser):
    """What a page links to, and the ids that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and (link := given.get("href")) is not None:
            self.links.append(link)
        if (id_ := given.get("id")) is not None:
            self.ids.add(id_)
