"""Serves a webhook over HTTP: carries its decisions out, one request of a connection at a time.

A usual delivery is served where it was read, and answered where Kafka's word comes; any other request by a task of
aiohttp's server. Both ask the same decisions.
A client that leaves stops no publication: what was decided goes on, and only its answer is lost.
"""

import asyncio
import random
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol, Self

import structlog
from aiohttp import HttpVersion11, web

from stripeline.contracts.deliveries.delivery_vocabulary import ClosedReason
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest import refusals
from stripeline.ingest.forwarded_peer import Network
from stripeline.ingest.http.connection import ClientConnection
from stripeline.ingest.http.deadlines import Connections, Limits
from stripeline.ingest.http.handed_connections import HandedConnections
from stripeline.ingest.http.listening import OpenPort
from stripeline.ingest.http.refusal_log import RefusalLog, Sender, sender_of
from stripeline.ingest.http.request_reader import Bodies, head_of
from stripeline.ingest.http.responses import Answers
from stripeline.ingest.http.usual_delivery import UsualDeliveries, UsualDelivery
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.linger import Linger
from stripeline.ingest.publish_result import Done, NotTaken, Published
from stripeline.ingest.refusals import Refusal
from stripeline.ingest.routing import Publication
from stripeline.ingest.traceparent import ENTROPY_BYTES
from stripeline.ingest.webhook import Accepted, Delivery, Webhook

log = structlog.get_logger(__name__)
Answered = Callable[[Accepted | Refusal], None]

GATHER_S: Final = 0.008
"""A delivery costs twice as much alone as among others, and a produce request as much as several deliveries."""
ENOUGH: Final = 16


class Publishes(Protocol):
    def publish(self, publication: Publication, done: Done) -> None: ...


class Receiver:
    """The handler of one port's requests."""

    def __init__(
        self, webhook: Webhook, publisher: Publishes, limits: Limits, clock: Callable[[], float], refused: RefusalLog
    ) -> None:
        self.connections = Connections(limits, webhook.counters, refused.closed)
        self.server = web.Server(self._handle)
        self._webhook = webhook
        self._publisher = publisher
        self._clock = clock
        self._lingering_s = limits.lingering_s
        self._bodies = Bodies(max_body=webhook.max_body, limits=limits)
        self._answers = Answers()
        self._usual, self._gathering = UsualDeliveries(), Linger(self.connections.loop, GATHER_S, ENOUGH)
        # Ids of traces need to be distinct, not secret, and asking the system for each costs a system call.
        self._entropy = random.Random().randbytes  # noqa: S311
        self._log, self._refusals = LimitedLog(log), refused

    def connection(self) -> ClientConnection:
        return ClientConnection(self.server, self.connections, self._lingering_s, self._serve, self._failed)

    def _serve(self, connection: ClientConnection, data: bytes) -> bool:
        """Serve a usual delivery, together with others; False for any other request."""
        read = self._usual.read(data)
        if read is None:
            return False
        connection.begin_whole()
        self._gathering.schedule(partial(self._work_off, connection, *read))
        self._gathering.count()
        return True

    def _work_off(self, connection: ClientConnection, delivery: UsualDelivery, body: bytes) -> None:
        try:
            self._decide(connection, delivery, body)
        except Exception as error:  # noqa: BLE001  the others that were gathered must be served
            self._report(error)
            self._answers.of(refusals.FAILED, keeps=False, bodiless=False).send(connection)

    def _decide(self, connection: ClientConnection, delivery: UsualDelivery, body: bytes) -> None:
        webhook = self._webhook
        admitted = webhook.head(delivery.head)
        if isinstance(admitted, Refusal):
            self._reply(connection, delivery, webhook.known_name(delivery.head.path), admitted)
            return
        decided = webhook.body(admitted, body, now_s=self._clock(), entropy=self._entropy(ENTROPY_BYTES))
        reply = partial(self._reply, connection, delivery, admitted.path.name)
        if isinstance(decided, Delivery):
            self._publish(decided, reply)
        else:
            reply(decided)

    def _reply(
        self, connection: ClientConnection, delivery: UsualDelivery, trigger: str, answer: Accepted | Refusal
    ) -> None:
        if isinstance(answer, Refusal):
            head, peer = delivery.head, connection.peer
            sender = Sender(head.method, head.path, peer, delivery.forwarded_for, delivery.forwarded)
            self._refusals.refused(trigger, answer, lambda: sender)
        self._answers.of(answer, keeps=not self.connections.ending, bodiless=False).send(connection)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection, webhook, head = request.protocol, self._webhook, head_of(request)
        assert isinstance(connection, ClientConnection)  # noqa: S101  this server makes no others
        connection.begin(request.content, head.content_length)
        if connection.holds_more:  # from Python 3.12 on aiohttp answers all that it has in one turn of the loop
            await asyncio.sleep(0)
        admitted = webhook.head(head)
        if isinstance(admitted, Refusal):
            return self._refused(webhook.known_name(head.path), admitted, request)
        is_whole = request.content.is_eof()  # it came with its head
        body = self._bodies.whole(request) if is_whole else await self._bodies.arriving(connection, request)
        if isinstance(body, Refusal):
            return self._refused(admitted.path.name, webhook.refused(admitted.path.name, body), request)
        decided = webhook.body(admitted, body, now_s=self._clock(), entropy=self._entropy(ENTROPY_BYTES))
        answer = await self._published(decided) if isinstance(decided, Delivery) else decided
        if isinstance(answer, Refusal):
            return self._refused(admitted.path.name, answer, request)
        return self._rendered(answer, request)

    def _refused(self, trigger: str, refusal: Refusal, request: web.BaseRequest) -> web.StreamResponse:
        self._refusals.refused(trigger, refusal, partial(sender_of, request))
        return self._rendered(refusal, request)

    def _published(self, delivery: Delivery) -> "asyncio.Future[Accepted | Refusal]":
        answer: asyncio.Future[Accepted | Refusal] = self.connections.loop.create_future()
        self._publish(delivery, lambda settled: None if answer.done() else answer.set_result(settled))
        return answer

    def _publish(self, delivery: Delivery, answered: Answered) -> None:
        began_s = self.connections.loop.time()
        self._publisher.publish(delivery.publication, partial(self._settled, delivery, answered, began_s))

    def _settled(self, delivery: Delivery, answered: Answered, began_s: float, outcome: Published | NotTaken) -> None:
        """Kafka's word on a delivery. It counts also when the client has left."""
        try:
            settled = self._webhook.settled(delivery, outcome, self.connections.loop.time() - began_s)
        except Exception as error:  # noqa: BLE001  the publisher must go on with the records behind this one
            self._report(error)
            settled = refusals.FAILED
        answered(settled)

    def _failed(self, request: web.BaseRequest, status: int, exc: BaseException | None) -> web.StreamResponse:
        """The answer to what is not HTTP, and to an error in our own code: the last one of its connection."""
        if status == HTTPStatus.BAD_REQUEST:
            self.connections.count(ClosedReason.NOT_HTTP)
            refusal = refusals.NOT_HTTP
            assert isinstance(request.protocol, ClientConnection)  # noqa: S101  this server makes no others
            self._refusals.unparsed(refusal, request.protocol)
        else:
            self._report(exc)
            refusal = refusals.FAILED
        return self._answers.of(refusal, keeps=False, bodiless=request.method == "HEAD")

    def _rendered(self, answer: Accepted | Refusal, request: web.BaseRequest) -> web.StreamResponse:
        keeps = (
            request.keep_alive
            and request.version == HttpVersion11
            and not self.connections.ending
            and request.content.is_eof()
        )
        return self._answers.of(answer, keeps=keeps, bodiless=request.method == "HEAD")

    def _report(self, exc: BaseException | None) -> None:
        """An error in our own code: where it was raised, and never its message, which may quote a payload."""
        where = "" if exc is None else "".join(traceback.format_tb(exc.__traceback__, -3))
        name = type(exc).__name__
        self._log.error(LogEvent.REQUEST_FAILED, name, error=name, where=where)


class Running:
    """A receiver that serves."""

    def __init__(self, receiver: Receiver, arrivals: OpenPort | HandedConnections, grace_s: float) -> None:
        self._receiver, self._arrivals = receiver, arrivals
        self._sweeper = asyncio.create_task(receiver.connections.sweep(), name="ingest-sweep")
        self._grace_s = grace_s

    @property
    def port(self) -> int:
        """The port that was bound, also when 0 was asked for."""
        return self._arrivals.number

    @property
    def connections(self) -> int:
        return len(self._receiver.connections)

    async def stop(self) -> None:
        """Accept no more, let the requests that have begun be answered within the grace, and close what is left."""
        connections = self._receiver.connections
        await self._arrivals.end()
        connections.end()
        await connections.emptied(self._grace_s)
        await self._receiver.server.shutdown(0.1)  # cancels the requests that are left
        for connection in tuple(connections):
            connection.abort()
        await connections.emptied(1.0)
        self._sweeper.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def serve(
    webhook: Webhook,
    publisher: Publishes,
    *,
    host: str,
    port: int,
    handed: socket.socket | None = None,
    limits: Limits | None = None,
    grace_s: float = 20.0,
    clock: Callable[[], float] = time.time,
    trusted_proxies: Sequence[Network] = (),
) -> Running:
    """Serve `webhook` until `stop`. handed: where a parent that has the port gives its connections."""
    limits = limits or Limits()
    receiver = Receiver(webhook, publisher, limits, clock, RefusalLog(trusted_proxies))
    if handed is None:
        own = await OpenPort.of(host, port, receiver.connection, handshake_s=limits.handshake_s)
        return Running(receiver, own, grace_s)
    arrivals = HandedConnections(handed, port, receiver.connection)
    receiver.connections.on_lost = arrivals.closed
    return Running(receiver, arrivals, grace_s)
