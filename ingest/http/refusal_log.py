"""Logs each refusal and each closed connection with its peer: one line of each trigger and reason in ten seconds.

The kinds are applied triggers and endpoints, and words of the vocabulary, so that no client can make more of them. What
a client wrote is masked, escaped and cut. Nothing is worked out for a line that is left out.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog
from aiohttp import hdrs, web
from multidict import istr

from stripeline.contracts.deliveries.delivery_vocabulary import ClosedReason
from stripeline.contracts.log_limit import LogLimit
from stripeline.contracts.shown_text import shown
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.forwarded_peer import Network, client_of
from stripeline.ingest.http.connection import ClientConnection
from stripeline.ingest.limited_log import EVERY_S
from stripeline.ingest.refusals import Refusal

log = structlog.get_logger(__name__)
_FORWARDED_FOR: Final = istr("X-Forwarded-For")


class Sender(NamedTuple):
    """Who sent a request, and where to. The headers: every line of each, in order."""

    method: str
    path: str
    peer: str
    forwarded_for: Sequence[str]
    forwarded: Sequence[str]


def sender_of(request: web.BaseRequest) -> Sender:
    headers, connection = request.headers, request.protocol
    assert isinstance(connection, ClientConnection)  # noqa: S101  our server makes no others
    forwarded_for, forwarded = headers.getall(_FORWARDED_FOR, ()), headers.getall(hdrs.FORWARDED, ())
    return Sender(request.method, request.path, connection.peer, forwarded_for, forwarded)


class RefusalLog:
    """trusted: the proxies whose word on the client's address is believed."""

    def __init__(self, trusted: Sequence[Network] = (), *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._trusted, self._monotonic = trusted, monotonic
        self._limit = LogLimit(EVERY_S)

    def refused(self, trigger: str, refusal: Refusal, who: Callable[[], Sender]) -> None:
        """`trigger` is that of the path, or its endpoint. Empty where there is none: the line has the path then."""
        left_out = self._limit.admit((trigger, refusal.reason), self._monotonic())
        if left_out is None:
            return
        sender = who()
        where = {"trigger": trigger} if trigger else {"method": shown(sender.method, 20), "path": shown(sender.path)}
        log.warning(
            LogEvent.DELIVERY_REFUSED, **where, status=refusal.status, reason=refusal.reason, peer=self._peer(sender),
            left_out=left_out,
        )  # fmt: skip

    def unparsed(self, refusal: Refusal, connection: ClientConnection) -> None:
        """What is not HTTP has no trigger, and no header that could be believed."""
        left_out = self._limit.admit(("", refusal.reason), self._monotonic())
        if left_out is not None:
            log.warning(
                LogEvent.DELIVERY_REFUSED, status=refusal.status, reason=refusal.reason, peer=connection.peer,
                left_out=left_out,
            )  # fmt: skip

    def closed(self, reason: ClosedReason, connection: ClientConnection) -> None:
        """A connection that ends without an answer. Its peer is its own: no header says another."""
        left_out = self._limit.admit(reason, self._monotonic())
        if left_out is not None:
            log.warning(LogEvent.CONNECTION_CLOSED, reason=reason, peer=connection.peer, left_out=left_out)

    def _peer(self, sender: Sender) -> str:
        return client_of(sender.peer, sender.forwarded_for, sender.forwarded, self._trusted)
