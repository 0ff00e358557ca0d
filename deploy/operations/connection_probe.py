"""Finds out why Kafka can't be reached: one connection by hand to each bootstrap address, step by step.

    name ─► connection ─► TLS ─► first answer ─► login ─► the addresses that the brokers advertise

aiokafka logs the cause of a failed bootstrap and raises an error without it; and a port that speaks TLS where none is
expected, or the reverse, shows only in the first bytes. Every step is bounded. Nothing but what a client sends anyway
is sent, and a password or a token only to a server that the settings trust.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from aiokafka.errors import KafkaError, SaslAuthenticationFailed

from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations import kafka_frames as frames
from stripeline.deploy.operations.aiokafka_internals import Node, bootstrap_addresses, log_in
from stripeline.deploy.operations.connection_causes import cause_of, is_alert, is_certificate_alert, may_be_no_tls
from stripeline.deploy.operations.connection_errors import Cause, Connecting, ConnectionFailure, sentence
from stripeline.deploy.operations.raw_connection import NotKafkaError, RawConnection, tls_of
from stripeline.deploy.settings.settings import Settings

STEP_S: Final = 5.0
_ADDRESSES_TRIED: Final = 4
"""Of one name, and of the bootstrap list: a sentence names no more."""

Done = TypeVar("Done")


async def why_unreachable(settings: Settings, client: Mapping[str, Any], step_s: float = STEP_S) -> str | None:
    """Why no client can work with this Kafka, in a sentence; None if one can connect and log in."""
    addresses = bootstrap_addresses(client["bootstrap_servers"])[:_ADDRESSES_TRIED]
    connecting = connecting_of(settings)
    probes = [_Probe(host, port, client, connecting, step_s) for host, port in addresses]
    failures = await asyncio.gather(*(probe.failure() for probe in probes))
    found = [failure for failure in failures if failure is not None]
    if len(found) < len(failures) or not found:
        return await _advertised([probe for probe in probes if probe.nodes])
    return " ".join(dict.fromkeys(sentence(failure, connecting) for failure in found))


def connecting_of(settings: Settings) -> Connecting:
    """What a sentence may say about the settings, and what it must not."""
    secrets = (settings.kafka_sasl_password, settings.kafka_oauth_client_secret, settings.kafka_key_password)
    return Connecting(
        protocol=settings.kafka_security_protocol,
        mechanism=settings.kafka_sasl_mechanism,
        user=settings.kafka_sasl_username or "",
        ca_file=str(settings.kafka_ca_file or ""),
        certificate_file=str(settings.kafka_cert_file or ""),
        secrets=tuple(secret.get_secret_value() for secret in secrets if secret),
    )


async def _advertised(answering: Sequence["_Probe"]) -> str | None:
    """The first broker that can't be reached at the address that it advertises."""
    tried = {(probe.host, probe.port) for probe in answering}
    nodes = {(node.host, node.port): probe for probe in answering for node in probe.nodes}
    others = [replace(probe, host=at[0], port=at[1]) for at, probe in nodes.items() if at not in tried]
    failures = await asyncio.gather(*(probe.failure() for probe in others[:_ADDRESSES_TRIED]))
    for failure in failures:
        if failure is not None:
            by = ", ".join(probe.address for probe in answering)
            return sentence(replace(failure, advertised_by=by), answering[0].connecting)
    return None


class _Failed(Exception):  # noqa: N818  (it ends one probe, and is a value elsewhere)
    def __init__(self, cause: Cause, detail: str = "") -> None:
        self.cause, self.detail = cause, detail


@dataclass
class _Probe:
    """One address. `nodes`: the brokers that it named, once it answered."""

    host: str
    port: int
    client: Mapping[str, Any] = field(repr=False)  # it has the password
    connecting: Connecting
    step_s: float
    nodes: list[Node] = field(default_factory=list)

    async def failure(self) -> ConnectionFailure | None:
        try:
            await self._by_hand()
            await self._as_a_client()
        except _Failed as failed:
            return ConnectionFailure(cause=failed.cause, detail=failed.detail, address=self.address)
        return None

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def _protocol(self) -> str:
        return str(self.client["security_protocol"])

    @property
    def _tls(self) -> ssl.SSLContext | None:
        return tls_of(self.client)

    async def _by_hand(self) -> None:
        connection = await self._connected()
        try:
            versions = await self._versions(connection)
            if missing := frames.missing_requests(versions):
                raise _Failed(Cause.TOO_OLD, ", ".join(missing))
            if self._protocol.startswith("SASL_"):
                await self._mechanism(connection)
        finally:
            await connection.close()

    async def _connected(self) -> RawConnection:
        await self._listening()
        try:
            return await self._bounded(RawConnection.open(self.host, self.port, self._tls))
        except Exception as error:
            if self._tls is None:
                raise _Failed(*cause_of(error)) from error
            raise await self._without_tls(error) from error

    async def _listening(self) -> None:
        """Name and port, before anything is sent there."""
        try:
            connection = await self._bounded(RawConnection.open(self.host, self.port, None))
        except Exception as error:
            raise _Failed(*cause_of(error)) from error
        await connection.close()

    async def _without_tls(self, error: Exception) -> _Failed:
        """A handshake that failed: because of the certificates, or because nothing there speaks TLS."""
        if is_certificate_alert(error):
            return self._certificate(error)
        if may_be_no_tls(error):
            with suppress(Exception):
                plain = await self._bounded(RawConnection.open(self.host, self.port, None))
                try:
                    await self._versions(plain)
                except _Failed as failed:
                    if failed.cause is Cause.NOT_KAFKA:
                        return failed
                else:
                    return _Failed(Cause.TLS_TO_PLAINTEXT)
                finally:
                    await plain.close()
        if isinstance(error, TimeoutError):
            return _Failed(Cause.SILENT)
        cause, detail = cause_of(error)
        return _Failed(Cause.TLS_FAILED if cause is Cause.CLOSED else cause, detail)

    async def _versions(self, connection: RawConnection) -> Mapping[int, int]:
        """The first answer tells whether this is Kafka, and which one."""
        try:
            answer = await self._bounded(connection.ask(frames.api_versions_request()))
            return frames.api_versions(answer)
        except NotKafkaError as error:
            if self._tls is None and frames.is_tls(error.first):
                raise _Failed(Cause.PLAINTEXT_TO_TLS) from error
            raise _Failed(Cause.NOT_KAFKA, _first_words(error.first)) from error
        except frames.FrameError as error:
            raise _Failed(Cause.NOT_KAFKA, str(error)) from error
        except TimeoutError as error:
            raise _Failed(Cause.PLAINTEXT_TO_TLS if await self._speaks_tls() else Cause.SILENT) from error
        except (OSError, EOFError) as error:
            if is_certificate_alert(error):
                raise self._certificate(error) from error
            raise _Failed(Cause.PLAINTEXT_TO_TLS if await self._speaks_tls() else Cause.CLOSED) from error

    async def _speaks_tls(self) -> bool:
        """Whether a TLS handshake succeeds there, or ends with an alert. It trusts no one, and sends nothing."""
        if self._tls is not None:
            return False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            connection = await self._bounded(RawConnection.open(self.host, self.port, context))
        except Exception as error:  # noqa: BLE001  whatever it is, it is no TLS
            return is_alert(error)
        await connection.close()
        return True

    def _certificate(self, error: BaseException) -> _Failed:
        """An alert after our certificate was looked at, or was missing. TLS 1.3 sends it after the handshake."""
        _, detail = cause_of(error)
        presented = self.connecting.certificate_file
        return _Failed(Cause.CERTIFICATE_REFUSED if presented else Cause.CERTIFICATE_WANTED, detail)

    async def _mechanism(self, connection: RawConnection) -> None:
        mechanism = str(self.client["sasl_mechanism"])
        answer = frames.mechanisms(await self._step(connection, frames.sasl_handshake_request(mechanism)))
        if answer.error_code == frames.ILLEGAL_SASL_STATE:
            raise _Failed(Cause.SASL_NOT_OFFERED)
        if answer.error_code == frames.UNSUPPORTED_MECHANISM or mechanism not in answer.offered:
            raise _Failed(Cause.MECHANISM_NOT_OFFERED, ", ".join(answer.offered))
        if mechanism == "OAUTHBEARER":
            await self._token(connection)

    async def _token(self, connection: RawConnection) -> None:
        """Log in with the token by hand: a refusal is the answer to the first step, which aiokafka does not read."""
        try:
            provider = self.client["sasl_oauth_token_provider"]
            token = await self._bounded(provider.token())
        except Exception as error:
            detail = str(error) if isinstance(error, FailureError) else cause_of(error)[1]
            raise _Failed(Cause.TOKEN_UNAVAILABLE, detail) from error
        step = frames.sasl_bearer_request(token, provider.extensions())
        answer = frames.authentication(await self._step(connection, step))
        if answer.challenge or answer.error_code:
            raise _Failed(Cause.TOKEN_REFUSED, answer.message or answer.challenge.decode(errors="replace"))

    async def _step(self, connection: RawConnection, request: bytes) -> bytes:
        try:
            return await self._bounded(connection.ask(request))
        except TimeoutError as error:
            raise _Failed(Cause.SILENT) from error
        except (OSError, EOFError, NotKafkaError) as error:
            raise _Failed(Cause.CLOSED, "during the login") from error

    async def _as_a_client(self) -> None:
        """The whole login, as aiokafka does it, and the first question of every client."""
        try:
            self.nodes = await log_in(self.host, self.port, self.client, self.step_s)
        except SaslAuthenticationFailed as error:
            raise _Failed(Cause.LOGIN_REFUSED, ", ".join(map(str, error.args))) from error
        except TimeoutError as error:
            raise _Failed(Cause.SILENT) from error
        except (KafkaError, OSError) as error:
            if offered := await self._login_wanted():
                raise _Failed(Cause.SASL_WANTED, offered) from error
            raise _Failed(Cause.CLOSED, str(error.__cause__ or error)) from error
        except Exception as error:  # the library's own assertions
            raise _Failed(*cause_of(error)) from error

    async def _login_wanted(self) -> str:
        """The mechanisms of a listener that wants a login; empty for another one."""
        if self._protocol.startswith("SASL_"):
            return ""
        with suppress(Exception):
            connection = await self._bounded(RawConnection.open(self.host, self.port, self._tls))
            try:
                answer = await self._bounded(connection.ask(frames.sasl_handshake_request("PLAIN")))
            finally:
                await connection.close()
            return ", ".join(frames.mechanisms(answer).offered)
        return ""

    async def _bounded(self, step: Awaitable[Done]) -> Done:
        async with asyncio.timeout(self.step_s):
            return await step


def _first_words(first: bytes) -> str:
    return "it answers like a web server" if first.startswith((b"HTTP", b"<htm", b"<HTM")) else ""
