"""The options with which all Kafka clients connect, derived from the settings. Opens no connection."""

import ssl
from collections.abc import Mapping
from typing import Any, Final

from stripeline.deploy.settings.settings import Settings, SettingsError

# How long the client waits before it retries a request. Brokers since 3.5 make it retry about one transaction in ten;
# the default of 100 ms would be most of a transaction's duration.
_RETRY_BACKOFF_MS: Final = 20


def kafka_client_options(settings: Settings) -> Mapping[str, Any]:
    """The options shared by consumers, producers and admin clients. Raises SettingsError."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": "stripeline",
        "security_protocol": settings.kafka_security_protocol,
        "retry_backoff_ms": _RETRY_BACKOFF_MS,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    if settings.kafka_security_protocol.startswith("SASL_"):
        options |= _login(settings)
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.kafka_ca_file)
    except OSError as error:  # includes ssl.SSLError
        raise SettingsError(
            f"STRIPELINE_KAFKA_CA_FILE {settings.kafka_ca_file} can't be used: {error.strerror or 'no certificates'}."
            " It must be a readable file of certificates in PEM form."
        ) from error


def _login(settings: Settings) -> Mapping[str, Any]:
    if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
        raise SettingsError(
            f"STRIPELINE_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}, which logs in, but there is no"
            " user. Set STRIPELINE_KAFKA_SASL_USERNAME and STRIPELINE_KAFKA_SASL_PASSWORD."
        )
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
    }
