"""The messages of a live stream, as server-sent events, and the words on the button of what is new. Pure."""

from typing import Final

from stripeline.deploy.console.console_page import News
from stripeline.deploy.console.index.queries.keyset import MOST_NEWER

NEWS: Final = "news"  # the button
SAID: Final = "said"  # for a screen reader, once: the button's count may change twice a second
END: Final = "end"  # do not open the stream again
HEARTBEAT: Final = b":\n\n"


def message(event: str, html: str) -> bytes:
    """One event. Its data is HTML, on lines of their own: a line break of any kind would begin another field."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {event}\n{lines}\n".encode()


def news_words(news: News, count: int) -> str:
    """`1 new run`, `99+ new runs`."""
    if count >= MOST_NEWER:
        return f"{MOST_NEWER - 1}+ new {news.many}"
    return f"{count} new {news.one if count == 1 else news.many}"
