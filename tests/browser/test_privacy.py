"""Who sees what, by any link: a viewer no payload and no text of an error, and nobody a key or a client secret."""

import re

from tests.support.console_crawl import Crawl
from tests.support.console_stack import BOUGHT, BY_HAND, DECLINE, OPERATORS, VIEWERS

PAYLOADS = {BOUGHT, BY_HAND, DECLINE}
SECRET = re.compile(r"\w_secret_\w|\b(?:sk|rk)_(?:test|live)_\w|\bwhsec_\w")


async def test_a_viewer_sees_no_payload(crawl: Crawl) -> None:
    seen = {text for one in (await crawl(OPERATORS)).values() for text in PAYLOADS if text in one.text}
    assert seen == PAYLOADS  # they are there for those who may
    reached = await crawl(VIEWERS)
    assert [f"{address}: {text}" for address, one in reached.items() for text in PAYLOADS if text in one.text] == []
    assert {address: one.status for address, one in reached.items() if one.status not in {200, 403}} == {}


async def test_nobody_sees_a_key_or_a_client_secret(crawl: Crawl) -> None:
    reached = await crawl(OPERATORS)
    assert any("client_secret" in one.text for address, one in reached.items() if address.startswith("/runs/"))
    pages = {address: one.text for address, one in reached.items() if not address.startswith("/contract")}
    found = {address: SECRET.findall(text) for address, text in pages.items()}
    assert {address: texts for address, texts in found.items() if texts} == {}
