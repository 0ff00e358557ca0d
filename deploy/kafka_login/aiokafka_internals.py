"""All that the Kafka login uses of aiokafka below its public interface, read in aiokafka 0.14.0.

aiokafka lacks KIP-368: it logs in once per connection. A broker with `connections.max.reauth.ms`, or one that ends a
session with its token, closes a connection that is used after that, and what it carried fails: a heartbeat, a fetch, a
commit. Here a connection is closed by us before its session ends, at a moment when it carries nothing; the next request
opens another one, which logs in again, with the token or the password of that time.

What the public interface lacks: the answer to the login has the session's length, and aiokafka drops it; and nothing
public closes a connection between two requests, or says which class its clients make connections of. `SHAPES` lists
what this relies on: every process compares it with the installed aiokafka when it starts
(`stripeline.deploy.runtime.process.library_check`), and so do the tests.
"""

import asyncio
import random
import weakref
from collections.abc import Awaitable, Mapping
from functools import wraps
from typing import Any, Final

from aiokafka import client as aiokafka_client
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.protocol.admin import SaslAuthenticateRequest

SHAPES: Final[Mapping[str, str | tuple[str, ...]]] = {
    "aiokafka.conn.AIOKafkaConnection.__init__": ("_requests", "_loop", "_idle_handle"),
    "aiokafka.conn.AIOKafkaConnection._do_sasl_handshake": "(self)",
    "aiokafka.conn.AIOKafkaConnection._handle_frame": "(self, resp)",
    "aiokafka.conn.AIOKafkaConnection.send": "(self, request, expect_response)",
    "aiokafka.conn.AIOKafkaConnection.close": "(self, reason, exc)",
    "aiokafka.client.AIOKafkaClient._get_conn": "(self, node_id, *, group, no_hint)",
    "aiokafka.client.create_conn": (
        "(host, port, *, client_id, request_timeout_ms, ssl_context, security_protocol, max_idle_ms, on_close,"
        " sasl_mechanism, sasl_plain_username, sasl_plain_password, sasl_kerberos_service_name,"
        " sasl_kerberos_domain_name, sasl_oauth_token_provider)"
    ),
}
"""By dotted name: a function's parameters, `property`, or the attributes that a constructor sets."""

USED_SHARE: Final = (0.7, 0.85)
"""Of a session, drawn for each connection: those of one process do not all log in at the same moment. The rest is for a
connection that is never without a request: it has until the end to find a moment."""


def renew_sessions() -> None:
    """From now on, every connection of this process is renewed before its session ends. Again is the same."""
    aiokafka_client.create_conn = _create_conn


@wraps(aiokafka_client.create_conn)  # with its signature: the library check may come later
async def _create_conn(host: str, port: int, **options: Any) -> AIOKafkaConnection:
    connection = SessionConnection(host, port, **options)
    await connection.connect()
    return connection


class SessionConnection(AIOKafkaConnection):  # type: ignore[misc]
    """Closes itself, as an idle one does, before the broker would."""

    _session_ms = 0
    _renewal: asyncio.TimerHandle | None = None
    _over = False

    async def _do_sasl_handshake(self) -> None:
        await super()._do_sasl_handshake()
        if self._session_ms > 0:
            used_s = self._session_ms / 1000 * random.uniform(*USED_SHARE)  # noqa: S311  (spreads logins)
            # Weakly, as aiokafka's own timer of idle connections: a forgotten one must not live until its session ends.
            self._renewal = self._loop.call_later(used_s, _end_session, weakref.ref(self))

    def send(self, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        answer: Awaitable[Any] = super().send(request, expect_response)
        return self._noted(answer) if isinstance(request, SaslAuthenticateRequest) else answer

    async def _noted(self, answer: Awaitable[Any]) -> Any:
        found = await answer
        self._session_ms = getattr(found, "session_lifetime_ms", 0)  # the last answer of a login has it
        return found

    def end_session(self) -> None:
        self._over = True
        self._close_between_requests()

    def _handle_frame(self, resp: bytes) -> None:
        super()._handle_frame(resp)
        if self._over:
            self._close_between_requests()

    def _close_between_requests(self) -> None:
        if not self._requests:
            self.close(reason=CloseReason.IDLE_DROP)

    def close(self, reason: Any = None, exc: BaseException | None = None) -> Any:
        if self._renewal is not None:
            self._renewal.cancel()
        return super().close(reason=reason, exc=exc)


def _end_session(connection: "weakref.ref[SessionConnection]") -> None:
    if (found := connection()) is not None:
        found.end_session()
