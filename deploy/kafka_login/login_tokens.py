"""aiokafka's token provider: one token for all connections of a process, fetched once for however many wait for it.

It decides nothing about time (`token_cache`) and knows no endpoint: `fetch` does. What goes wrong reaches aiokafka as a
KafkaError, which it treats as a broker that can't be connected to; any other exception would end its background tasks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

import structlog
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.kafka_login.token_cache import Failure, Token, TokenStep, next_token_step

log = structlog.get_logger(__name__)

FETCH_S: Final = 10.0
"""For all attempts of one fetch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    value: str = field(repr=False)
    lifetime_s: float


class TokenError(Exception):
    """No token: why, and what to set. Without the secret. `refused`: it will not pass by itself."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class KafkaLoginError(KafkaError, FailureError):  # type: ignore[misc]
    """A connection that had no token to log in with: its text is the cause."""

    def __str__(self) -> str:
        return str(self.args[0])


class LoginTokens(AbstractTokenProvider):  # type: ignore[misc]
    """`sasl_oauth_token_provider` of every client of a process."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Fetched]],
        *,
        extensions: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._now = fetch, now
        self._extensions = dict(extensions or {})
        self._token: Token | None = None
        self._failure: Failure | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def token(self) -> str:
        """A token that holds. Raises KafkaLoginError."""
        match next_token_step(self._token, self._failure, self._now()):
            case TokenStep.USE:
                pass
            case TokenStep.USE_AND_RENEW:
                self._renewed()
            case TokenStep.RENEW:
                # Shielded: the fetch is everybody's, and one connection that is given up must not end it.
                await asyncio.shield(self._renewed())
            case TokenStep.FAIL:
                raise self._error()
            case other:
                assert_never(other)
        if self._token is None or self._now() >= self._token.ends_at_s:
            raise self._error()
        return self._token.value

    def extensions(self) -> dict[str, str]:
        return self._extensions

    def problem(self) -> str | None:
        """Why the last fetch failed, in words; None when it did not."""
        return self._failure.reason if self._failure else None

    def _error(self) -> KafkaLoginError:
        return KafkaLoginError(self._failure.reason if self._failure else "the login token has expired")

    def _renewed(self) -> asyncio.Task[None]:
        """The fetch that runs; started if none does."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(), name="kafka login token")
        return self._renewal

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                found = await self._fetch()
        except TimeoutError:
            self._failed(f"the login token for Kafka did not come within {FETCH_S:g} s", refused=False)
        except TokenError as error:
            self._failed(str(error), refused=error.refused)
        except Exception as error:  # noqa: BLE001  whatever a signer raises, aiokafka must see a KafkaError
            self._failed(f"the login token for Kafka could not be made: {type(error).__name__}", refused=False)
        else:
            self._token, self._failure = Token.lasting(found.value, found.lifetime_s, now_s=self._now()), None

    def _failed(self, reason: str, *, refused: bool) -> None:
        self._failure = Failure.after(self._failure, reason, refused=refused, now_s=self._now())
        log.error(LogEvent.KAFKA_LOGIN_FAILED, reason=reason, failures=self._failure.count)
