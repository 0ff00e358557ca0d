"""Which settings of a secured Kafka go together. Pure.

A combination that says two things is refused, and never resolved to the weaker one: a CA beside a protocol without TLS
means that somebody expects TLS.
"""

from collections.abc import Iterator
from typing import Final

from stripeline.deploy.settings.settings import Settings, variable

TLS: Final = ("kafka_ca_file", "kafka_cert_file", "kafka_key_file")
LOGIN: Final = ("kafka_sasl_username", "kafka_sasl_password")
OAUTH: Final = ("kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret")


def contradiction(settings: Settings) -> str | None:
    """The first thing that is wrong, with the setting that corrects it; None when all fits."""
    return next(iter((*_about_tls(settings), *_about_login(settings))), None)


def _about_tls(settings: Settings) -> Iterator[str]:
    protocol = settings.kafka_security_protocol
    if not protocol.endswith("SSL"):
        tls = "SASL_SSL" if protocol.startswith("SASL_") else "SSL"
        for name in _given(settings, TLS):
            yield (
                f"{name} is set, but {_protocol(settings)}, which uses no TLS."
                f" Set STRIPELINE_KAFKA_SECURITY_PROTOCOL={tls}, or remove {name}."
            )
    cert, key = variable("kafka_cert_file"), variable("kafka_key_file")
    if settings.kafka_cert_file is not None and settings.kafka_key_file is None:
        yield f"{cert} is set without {key}. Set both for mutual TLS."
    if settings.kafka_key_file is not None and settings.kafka_cert_file is None:
        yield f"{key} is set without {cert}. Set both for mutual TLS."
    if settings.kafka_key_password is not None and settings.kafka_key_file is None:
        yield f"{variable('kafka_key_password')} is set without {key}. Set the key, or remove the password."


def _about_login(settings: Settings) -> Iterator[str]:
    mechanism, logs_in = settings.kafka_sasl_mechanism, settings.kafka_security_protocol.startswith("SASL_")
    if not logs_in:
        for name in _given(settings, (*LOGIN, *OAUTH)):
            yield (
                f"{name} is set, but {_protocol(settings)}, which logs nobody in."
                f" Set STRIPELINE_KAFKA_SECURITY_PROTOCOL=SASL_SSL, or remove {name}."
            )
        return
    match mechanism:
        case "OAUTHBEARER":
            yield from _missing(settings, OAUTH)
        case "AWS_MSK_IAM":
            if settings.kafka_security_protocol != "SASL_SSL":
                yield f"{_mechanism(settings)}, which needs TLS. Set STRIPELINE_KAFKA_SECURITY_PROTOCOL=SASL_SSL."
        case _:
            yield from _missing(settings, LOGIN)
    if mechanism != "OAUTHBEARER":
        for name in _given(settings, OAUTH):
            yield (
                f"{name} is set, but {_mechanism(settings)}. Set STRIPELINE_KAFKA_SASL_MECHANISM=OAUTHBEARER, or remove"
                f" {name}."
            )


def _missing(settings: Settings, fields: tuple[str, ...]) -> Iterator[str]:
    missing = [variable(field) for field in fields if getattr(settings, field) is None]
    if missing:
        yield f"{_protocol(settings)} and {_mechanism(settings)}, but {' and '.join(missing)} is not set. Set it."


def _given(settings: Settings, fields: tuple[str, ...]) -> list[str]:
    return [variable(field) for field in fields if getattr(settings, field) is not None]


def _protocol(settings: Settings) -> str:
    return f"STRIPELINE_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol}"


def _mechanism(settings: Settings) -> str:
    return f"STRIPELINE_KAFKA_SASL_MECHANISM is {settings.kafka_sasl_mechanism}"
