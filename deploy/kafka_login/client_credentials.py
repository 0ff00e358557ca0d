"""Fetches a token by OAuth's client credentials grant (RFC 6749, section 4.4).

The client's secret goes to the token endpoint alone: redirects are not followed, and no error repeats what was sent.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus

import aiohttp
import orjson
from pydantic import SecretStr

from stripeline.deploy.kafka_login.login_tokens import Fetched, TokenError

_ATTEMPT_S: Final = 4.0
_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.25
_MAX_ANSWER_BYTES: Final = 64 * 1024
_MAX_SHOWN: Final = 200
_DEFAULT_LIFETIME_S: Final = 300.0  # where the answer has no `expires_in`
# https://www.rfc-editor.org/rfc/rfc6750#section-2.1: anything else could end the field of Kafka's login message.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_OVERLOADED: Final = (408, 429)

_ADVICE: Final[Mapping[str, str]] = {
    "invalid_client": "Check STRIPELINE_KAFKA_OAUTH_CLIENT_ID and STRIPELINE_KAFKA_OAUTH_CLIENT_SECRET.",
    "unauthorized_client": "Allow the client_credentials grant for this client at the provider.",
    "unsupported_grant_type": "Allow the client_credentials grant for this client at the provider.",
    "invalid_scope": "Check STRIPELINE_KAFKA_OAUTH_SCOPE.",
}
"""By the error codes of RFC 6749, section 5.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """A client of a token endpoint. Called, it fetches a token or raises TokenError."""

    url: str
    client_id: str
    secret: SecretStr = field(repr=False)
    scope: str | None = None
    audience: str | None = None
    tls: ssl.SSLContext | None = None

    async def __call__(self) -> Fetched:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._once()
            except TokenError as error:
                if error.refused or attempt == _ATTEMPTS:
                    raise
            await asyncio.sleep(_PAUSE_S * attempt)
        raise AssertionError

    async def _once(self) -> Fetched:
        timeout = aiohttp.ClientTimeout(total=_ATTEMPT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(
                    self.url, data=self._form(), headers=self._headers(), ssl=self.tls or True, allow_redirects=False
                ) as answer,
            ):
                raw = await answer.content.read(_MAX_ANSWER_BYTES)
                return self._fetched(answer.status, raw)
        except aiohttp.ClientConnectorCertificateError as error:
            raise TokenError(self._untrusted(error.certificate_error), refused=True) from None
        except aiohttp.ClientConnectorSSLError as error:
            raise TokenError(self._untrusted(error.os_error), refused=True) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise TokenError(
                f"the token endpoint {self.url} can't be reached: {self._harmless(reason)}. Check"
                " STRIPELINE_KAFKA_OAUTH_TOKEN_URL and the network."
            ) from None

    def _form(self) -> dict[str, str]:
        optional = {"scope": self.scope, "audience": self.audience}
        return {"grant_type": "client_credentials", **{name: value for name, value in optional.items() if value}}

    def _headers(self) -> dict[str, str]:
        # Both are form-encoded before they are put together: RFC 6749, section 2.3.1.
        login = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.get_secret_value())}"
        encoded = base64.b64encode(login.encode()).decode()
        return {"Authorization": f"Basic {encoded}", "Accept": "application/json"}

    def _fetched(self, status: int, raw: bytes) -> Fetched:
        answer = _object(raw)
        if status != 200:  # noqa: PLR2004  (RFC 6749, section 5.1)
            raise self._refusal(status, answer)
        token, kind = answer.get("access_token"), str(answer.get("token_type", "Bearer"))
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or kind.lower() != "bearer":
            raise TokenError(
                f"{self.url} answered without a bearer token. STRIPELINE_KAFKA_OAUTH_TOKEN_URL must be the provider's"
                " token endpoint.",
                refused=True,
            )
        return Fetched(value=token, lifetime_s=_lifetime_s(answer.get("expires_in")))

    def _refusal(self, status: int, answer: Mapping[str, Any]) -> TokenError:
        code, said = str(answer.get("error", "")), str(answer.get("error_description", ""))
        named = f", {self._harmless(code)}" if code else ""
        detail = f": {self._harmless(said)}" if said else ""
        passes = status in _OVERLOADED or status >= 500  # noqa: PLR2004
        advice = _ADVICE.get(code, "" if passes else "Check the STRIPELINE_KAFKA_OAUTH_… settings.")
        sentence = f"the token endpoint {self.url} gave no token (HTTP {status}{named}){detail}"
        return TokenError(f"{sentence.rstrip('.')}. {advice}".rstrip(), refused=not passes)

    def _untrusted(self, error: BaseException) -> str:
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or type(error).__name__
        return (
            f"the certificate of the token endpoint {self.url} is not trusted: {reason}. Set"
            " STRIPELINE_KAFKA_OAUTH_CA_FILE to the CA that signed it."
        )

    def _harmless(self, text: str) -> str:
        """A text of the other side, bounded, on one line, without the secret."""
        secret = self.secret.get_secret_value()
        for shown in (secret, quote_plus(secret)):
            text = text.replace(shown, "…masked")
        return "".join(char if char.isprintable() else " " for char in text)[:_MAX_SHOWN]


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _lifetime_s(given: Any) -> float:
    """`expires_in`, which some providers send as a text."""
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        return _DEFAULT_LIFETIME_S
    return seconds if 0 < seconds < float("inf") else _DEFAULT_LIFETIME_S
