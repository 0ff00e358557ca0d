"""Why a client can't reach or log in to Kafka, as one sentence: what happened, why, and what corrects it. Pure.

Invariants:
- Each cause has its own sentence, which names the setting, or the broker's property, that corrects it.
- No sentence holds a password or a token, also where the broker sends one back.
- Text that a broker wrote is cut, and has no control characters: it is printed on terminals and in log lines.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

BROKER_TEXT_CHARACTERS: Final = 200
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")
_TOKEN: Final = re.compile(r"eyJ[\w.~+/=-]+|[\w.~+/=-]{40,}")
"""A JSON Web Token, and what is too long for a word: an opaque token."""


class Cause(StrEnum):
    """What keeps a client from Kafka. Each is a row of the table in `docs/faults.md`."""

    UNKNOWN_HOST = "unknown_host"
    REFUSED = "refused"
    NO_ROUTE = "no_route"
    TIMES_OUT = "times_out"
    SILENT = "silent"
    CLOSED = "closed"
    NOT_KAFKA = "not_kafka"
    TOO_OLD = "too_old"
    TLS_TO_PLAINTEXT = "tls_to_plaintext"
    PLAINTEXT_TO_TLS = "plaintext_to_tls"
    UNKNOWN_CA = "unknown_ca"
    HOSTNAME_MISMATCH = "hostname_mismatch"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    TLS_FAILED = "tls_failed"
    CERTIFICATE_WANTED = "certificate_wanted"
    CERTIFICATE_REFUSED = "certificate_refused"
    SASL_WANTED = "sasl_wanted"
    SASL_NOT_OFFERED = "sasl_not_offered"
    MECHANISM_NOT_OFFERED = "mechanism_not_offered"
    LOGIN_REFUSED = "login_refused"
    TOKEN_REFUSED = "token_refused"  # noqa: S105  (a word, no token)
    TOKEN_UNAVAILABLE = "token_unavailable"  # noqa: S105
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """How this client connects: what the settings say, as far as a sentence names it."""

    protocol: str
    mechanism: str = ""
    user: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not be printed, also if a broker sends it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFailure:
    """One failed connection. `detail`: the text of the library or the broker, may be empty."""

    cause: Cause
    address: str
    detail: str = ""
    advertised_by: str = ""
    """The bootstrap address that sent us here; empty for a bootstrap address itself."""


_BOOTSTRAP: Final = "KAFKA_BOOTSTRAP_SERVERS"
_PROTOCOL: Final = "STRIPELINE_KAFKA_SECURITY_PROTOCOL"
_START: Final = f"start Kafka there (`stripeline kafka run` starts one on this machine), or correct {_BOOTSTRAP}"


class _Text(NamedTuple):
    what: str
    remedy: str


_TEXTS: Final[Mapping[Cause, _Text]] = {
    Cause.UNKNOWN_HOST: _Text(
        "the host {host} is unknown here{because}",
        f"correct the name in {_BOOTSTRAP}, or the name service of this host",
    ),
    Cause.REFUSED: _Text("nothing listens at {address} (connection refused)", _START),
    Cause.NO_ROUTE: _Text(
        "there is no route from here to {address}{because}",
        f"correct {_BOOTSTRAP}, or the network between this host and Kafka",
    ),
    Cause.TIMES_OUT: _Text(
        "{address} does not answer a connection attempt",
        f"a firewall that drops it, or a host that is down: open the port, start Kafka, or correct {_BOOTSTRAP}",
    ),
    Cause.SILENT: _Text(
        "{address} accepts connections and answers no request",
        "the broker hangs or is starting, or a proxy in front of it reaches none: look at the broker's log",
    ),
    Cause.CLOSED: _Text(
        "{address} closes the connection at the first request{because}",
        f"look at the broker's log for the reason; if {{address}} is a proxy or a balancer, at whether it reaches a"
        f" broker. With a TLS listener set {_PROTOCOL} to SSL or SASL_SSL",
    ),
    Cause.NOT_KAFKA: _Text(
        "what listens at {address} is not Kafka{because}",
        f"correct host and port in {_BOOTSTRAP}",
    ),
    Cause.TOO_OLD: _Text(
        "the Kafka at {address} is too old, or has no transactions: it lacks {detail}",
        "use Apache Kafka 2.1 or later, or a service that has all of that",
    ),
    Cause.TLS_TO_PLAINTEXT: _Text(
        "{address} does not speak TLS, and " + _PROTOCOL + " is {protocol}",
        "set it to {other_protocol}, or use the port of the TLS listener",
    ),
    Cause.PLAINTEXT_TO_TLS: _Text(
        "{address} speaks TLS, and " + _PROTOCOL + " is {protocol}",
        "set it to {other_protocol}, or use the port of the listener without TLS",
    ),
    Cause.UNKNOWN_CA: _Text(
        "the certificate of {address} is signed by no CA that {trust} has{because}",
        "set STRIPELINE_KAFKA_CA_FILE to the PEM file of the CA that signed it",
    ),
    Cause.HOSTNAME_MISMATCH: _Text(
        "the certificate of {address} is for another name{because}",
        f"write in {_BOOTSTRAP} a name that it has, or issue one that has {{host}} among its alternative names",
    ),
    Cause.EXPIRED: _Text(
        "the certificate of {address}, or of its CA, has expired",
        "renew it on the broker, and if the CA expired, renew STRIPELINE_KAFKA_CA_FILE; or set this host's clock",
    ),
    Cause.NOT_YET_VALID: _Text(
        "the certificate of {address} is not valid yet",
        "set this host's clock, or issue the certificate again",
    ),
    Cause.TLS_FAILED: _Text(
        "the TLS handshake with {address} fails{because}",
        "compare the broker's ssl.enabled.protocols and ssl.cipher.suites with what this host has",
    ),
    Cause.CERTIFICATE_WANTED: _Text(
        "{address} wants a client certificate, and none is set",
        "set STRIPELINE_KAFKA_CERT_FILE and STRIPELINE_KAFKA_KEY_FILE, or use a listener with ssl.client.auth=none",
    ),
    Cause.CERTIFICATE_REFUSED: _Text(
        "{address} refuses the client certificate of STRIPELINE_KAFKA_CERT_FILE {certificate_file}{because}",
        "use one that has not expired and that a CA of the broker's ssl.truststore signed, with its whole chain",
    ),
    Cause.SASL_WANTED: _Text(
        "{address} wants a login, and " + _PROTOCOL + " is {protocol}",
        "set it to SASL_{protocol}, with STRIPELINE_KAFKA_SASL_MECHANISM (offered: {detail}) and its user or token",
    ),
    Cause.SASL_NOT_OFFERED: _Text(
        "{address} takes no login, and " + _PROTOCOL + " is {protocol}",
        "set it to {other_protocol}, or use the port of the SASL listener",
    ),
    Cause.MECHANISM_NOT_OFFERED: _Text(
        "{address} does not offer the login mechanism {mechanism}",
        "set STRIPELINE_KAFKA_SASL_MECHANISM to one that it offers ({detail}), or enable {mechanism} on the broker"
        " (sasl.enabled.mechanisms)",
    ),
    Cause.LOGIN_REFUSED: _Text(
        "{address} refuses the login of the user {user} by {mechanism}{because}",
        "correct STRIPELINE_KAFKA_SASL_USERNAME or STRIPELINE_KAFKA_SASL_PASSWORD, or create the user on Kafka for"
        " this mechanism",
    ),
    Cause.TOKEN_REFUSED: _Text(
        "{address} refuses the OAuth token{because}",
        "{check_token}",
    ),
    Cause.TOKEN_UNAVAILABLE: _Text(
        "there is no token to log in to {address} with{because}",
        "{check_login}",
    ),
    Cause.OTHER: _Text("the connection to {address} fails{because}", "look at the broker's log"),
}

_WITH_OAUTH: Final = {
    "check_token": (
        "compare issuer, audience, scope and signing keys of the token with the broker's sasl.oauthbearer settings, and"
        " check the STRIPELINE_KAFKA_OAUTH settings"
    ),
    "check_login": "correct the STRIPELINE_KAFKA_OAUTH settings, or the token endpoint",
}
_WITH_IAM: Final = {
    "check_token": (
        "allow kafka-cluster:Connect on this cluster to the IAM role of this process, and check"
        " STRIPELINE_KAFKA_AWS_REGION and this host's clock"
    ),
    "check_login": "give this process AWS credentials: a role of its pod or instance, or AWS_PROFILE",
}
_NETWORK: Final = frozenset({Cause.UNKNOWN_HOST, Cause.REFUSED, Cause.NO_ROUTE, Cause.TIMES_OUT, Cause.SILENT})
_OTHER_PROTOCOL: Final[Mapping[tuple[Cause, str], str]] = {
    (Cause.TLS_TO_PLAINTEXT, "SSL"): "PLAINTEXT",
    (Cause.TLS_TO_PLAINTEXT, "SASL_SSL"): "SASL_PLAINTEXT",
    (Cause.PLAINTEXT_TO_TLS, "PLAINTEXT"): "SSL",
    (Cause.PLAINTEXT_TO_TLS, "SASL_PLAINTEXT"): "SASL_SSL",
    (Cause.SASL_NOT_OFFERED, "SASL_PLAINTEXT"): "PLAINTEXT",
    (Cause.SASL_NOT_OFFERED, "SASL_SSL"): "SSL",
}


def sentence(failure: ConnectionFailure, connecting: Connecting) -> str:
    """The failure and its remedy."""
    detail = cleaned(failure.detail, connecting.secrets)
    words = {
        "address": failure.address,
        "host": failure.address.rpartition(":")[0],
        "detail": detail or "none",
        "because": f" ({detail})" if detail else "",
        "protocol": connecting.protocol,
        "other_protocol": _OTHER_PROTOCOL.get((failure.cause, connecting.protocol), "another one"),
        "mechanism": connecting.mechanism,
        "user": connecting.user,
        "trust": f"STRIPELINE_KAFKA_CA_FILE {connecting.ca_file}" if connecting.ca_file else "this host",
        "certificate_file": connecting.certificate_file,
        **(_WITH_IAM if connecting.mechanism == "AWS_MSK_IAM" else _WITH_OAUTH),
    }
    what, remedy = (text.format_map(words) for text in _TEXTS[failure.cause])
    if not failure.advertised_by:
        return f"Can't reach Kafka: {what}. {_capitalised(remedy)}."
    if failure.cause in _NETWORK:
        remedy = "Make this address reachable from here, or correct advertised.listeners of that broker, and restart it"
    return (
        f"Kafka at {failure.advertised_by} answers, and sends its clients to {failure.address}"
        f" (advertised.listeners), where the connection fails: {what}. {_capitalised(remedy)}."
    )


def cleaned(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Text of a broker or a library, fit to print: one line, bounded, without secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    line = " ".join(_UNPRINTABLE.sub(" ", _TOKEN.sub(_hidden, text)).split())
    return line if len(line) <= BROKER_TEXT_CHARACTERS else f"{line[: BROKER_TEXT_CHARACTERS - 3]}..."


def _hidden(found: re.Match[str]) -> str:
    """A class name or a path is long, too, and tells the cause."""
    word = found[0]
    return word if word.startswith(("org.apache.", "/", "java", "javax")) and "eyJ" not in word else "***"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
