"""Parses and formats the values of settings: durations, sizes, addresses. Pure."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from stripeline.contracts.retry_tiers import parse_duration_ms
from stripeline.deploy.operations.reading.moments import span_ms
from stripeline.workers.stripe.http_proxy import Proxy

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_SIZES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2}
_SIZE = re.compile(r"^(\d{1,12}) ?(B|KiB|MiB)?$")
# The characters Kafka allows in a topic name; 200 of its 249 leave room for the rest of the name.
_PREFIX = re.compile(r"^[A-Za-z0-9._-]{0,200}$")
# https://www.rfc-editor.org/rfc/rfc7628#section-3.1: keys of letters, values of visible characters.
_EXTENSION = re.compile(r"^(?!auth=)([A-Za-z]+)=([\x21-\x7e]+)$")
_REGION = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d$")
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_HEADER = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
_DURATIONS = (("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def duration_ms(value: Any) -> Any:
    """`5s` in milliseconds. A number is returned unchanged."""
    return parse_duration_ms(value) if isinstance(value, str) else value


def window_ms(value: Any) -> Any:
    """`7d` or `36h` in milliseconds. A number is returned unchanged."""
    return span_ms(value) if isinstance(value, str) else value


def duration_text(value_ms: int) -> str:
    """Milliseconds as `5s`, in the largest unit without a fraction."""
    unit, size = next((unit, size) for unit, size in _DURATIONS if value_ms % size == 0)
    return f"{value_ms // size}{unit}"


def size_bytes(value: Any) -> Any:
    """`900KiB` in bytes. A number is returned unchanged."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is not a size: write bytes, or a number with KiB or MiB, like 900KiB")
    return int(match[1]) * _SIZES[match[2] or ""]


def size_text(value: int) -> str:
    return f"{value // 1024}KiB" if value % 1024 == 0 else str(value)


def topic_prefix(value: Any) -> Any:
    if isinstance(value, str) and not _PREFIX.fullmatch(value):
        raise ValueError(f"{value!r} can't start a topic's name: use letters, digits, dot, dash and underscore")
    return value


def api_base(value: Any) -> str:
    """Scheme, host and port of Stripe or of a sandbox."""
    text = str(value).rstrip("/")
    parts = urlsplit(text)
    if parts.path.rstrip("/") == "/v1":
        raise ValueError("leave /v1 away: it is part of each call's path; write https://api.stripe.com")
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise ValueError("it must be scheme, host and port, like https://api.stripe.com or http://127.0.0.1:12111")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not carry a user or password: the key belongs to a connection")
    return text


def stripe_proxy(value: SecretStr) -> SecretStr:
    """A proxy's URL. The message never shows it: it may have a password."""
    Proxy(value)
    return value


def console_store(value: SecretStr) -> SecretStr:
    """A path, or the URL of a PostgreSQL database. The message never shows it: it may have a password."""
    text = value.get_secret_value().strip()
    if "://" in text and not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("it must be the path of a file, or postgresql://user:password@host:5432/database")
    return SecretStr(text)


def sends_keys_in_clear(base: str) -> bool:
    """Whether secret keys would cross a network unencrypted, by http to another machine."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return parts.scheme == "http" and not local


def token_url(value: Any) -> str:
    """The address of a token endpoint. A client's secret is sent there, so http is for this machine alone."""
    text = str(value).strip()
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.fragment:
        raise ValueError("it must be an address like https://login.example.com/oauth2/token")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not carry a user or password: set STRIPELINE_KAFKA_OAUTH_CLIENT_ID and _SECRET")
    if sends_keys_in_clear(text):
        raise ValueError("http to another machine would send the client's secret unencrypted: use https")
    return text


def oauth_extensions(value: Any) -> str:
    """`name=value,name=value`, as Kafka's OAUTHBEARER sends them beside the token."""
    text = str(value).strip()
    if not all(_EXTENSION.fullmatch(part.strip()) for part in text.split(",")):
        raise ValueError("write name=value,name=value: names of letters (not auth), values without blanks")
    return text


def named_extensions(text: str | None) -> Mapping[str, str]:
    """Extensions by name, of a text that `oauth_extensions` took."""
    return {name: value for name, _, value in (part.strip().partition("=") for part in text.split(","))} if text else {}


def aws_region(value: Any) -> str:
    text = str(value).strip()
    if not _REGION.fullmatch(text):
        raise ValueError(f"{text!r} is not a region: write one like eu-central-1")
    return text


def header_name(value: Any) -> str:
    text = str(value).strip()
    if not _HEADER.fullmatch(text):
        raise ValueError(f"{text!r} is no header's name: write one like X-Forwarded-User")
    return text


def networks(value: Any) -> Any:
    """`10.0.0.0/8,2001:db8::1` as networks; an address is the network of itself alone."""
    if not isinstance(value, str):
        return value
    return tuple(_network(part.strip()) for part in value.split(",") if part.strip())


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither an address nor a network: write them like 10.0.0.0/8,192.0.2.7,2001:db8::/32"
        ) from None
    raise ValueError(f"{text!r} is an address within a network: write {wider}, or the address alone")
