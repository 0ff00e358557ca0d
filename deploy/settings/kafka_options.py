"""The options with which all Kafka clients connect, derived from the settings. Opens no connection."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from stripeline.deploy.kafka_login.aiokafka_internals import renew_sessions
from stripeline.deploy.kafka_login.login_tokens import Fetched, LoginTokens
from stripeline.deploy.kafka_login.msk_iam import MskError, msk_tokens, region_of
from stripeline.deploy.kafka_login.reloading_tls import ReloadingTls
from stripeline.deploy.kafka_login.tls_files import TlsFileError, TlsFiles
from stripeline.deploy.settings.kafka_security import contradiction
from stripeline.deploy.settings.kafka_timeouts import KAFKA_TIMEOUTS
from stripeline.deploy.settings.parsing import named_extensions
from stripeline.deploy.settings.settings import Settings, SettingsError

# How long the client waits before it retries a request. Brokers since 3.5 make it retry about one transaction in ten;
# the default of 100 ms would be most of a transaction's duration.
_RETRY_BACKOFF_MS: Final = 20


def kafka_client_options(settings: Settings) -> Mapping[str, Any]:
    """The options shared by consumers, producers and admin clients. Raises SettingsError."""
    if (problem := contradiction(settings)) is not None:
        raise SettingsError(problem)
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": "stripeline",
        "security_protocol": settings.kafka_security_protocol,
        "retry_backoff_ms": _RETRY_BACKOFF_MS,
        **KAFKA_TIMEOUTS,
    }
    try:
        if settings.kafka_security_protocol.endswith("SSL"):
            options["ssl_context"] = ReloadingTls(_files(settings))
        if settings.kafka_security_protocol.startswith("SASL_"):
            options |= _login(settings)
            renew_sessions()
    except (TlsFileError, MskError) as error:
        raise SettingsError(str(error)) from error
    return options


def kafka_warnings(client: Mapping[str, Any]) -> Mapping[str, Callable[[], str | None]]:
    """What may be wrong with how these clients prove who they are, as checks for `/readyz`: name to words."""
    found: dict[str, Callable[[], str | None]] = {}
    if isinstance(tls := client.get("ssl_context"), ReloadingTls):
        found["kafka certificates"] = tls.problem
    if isinstance(tokens := client.get("sasl_oauth_token_provider"), LoginTokens):
        found["kafka login"] = tokens.problem
    return found


def _files(settings: Settings) -> TlsFiles:
    return TlsFiles(
        ca=settings.kafka_ca_file,
        cert=settings.kafka_cert_file,
        key=settings.kafka_key_file,
        password=settings.kafka_key_password,
    )


def _login(settings: Settings) -> Mapping[str, Any]:
    match settings.kafka_sasl_mechanism:
        case "OAUTHBEARER":
            extensions = named_extensions(settings.kafka_oauth_extensions)
            return _with_tokens(LoginTokens(_client_credentials(settings), extensions=extensions))
        case "AWS_MSK_IAM":
            return _with_tokens(LoginTokens(msk_tokens(_region(settings))))
        case mechanism:
            assert settings.kafka_sasl_password is not None  # noqa: S101  (`contradiction` has said so)
            return {
                "sasl_mechanism": mechanism,
                "sasl_plain_username": settings.kafka_sasl_username,
                "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
            }


def _with_tokens(tokens: LoginTokens) -> Mapping[str, Any]:
    return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": tokens}


def _client_credentials(settings: Settings) -> Callable[[], Awaitable[Fetched]]:
    from stripeline.deploy.kafka_login.client_credentials import ClientCredentials  # noqa: PLC0415  (aiohttp: no command needs it)

    url, client_id, secret = (
        settings.kafka_oauth_token_url, settings.kafka_oauth_client_id, settings.kafka_oauth_client_secret,
    )  # fmt: skip
    assert url is not None and client_id is not None and secret is not None  # noqa: S101, PT018  (`contradiction`)
    return ClientCredentials(
        url=url,
        client_id=client_id,
        secret=secret,
        scope=settings.kafka_oauth_scope,
        audience=settings.kafka_oauth_audience,
        tls=_trusting(settings),
    )


def _trusting(settings: Settings) -> ssl.SSLContext | None:
    if settings.kafka_oauth_ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.kafka_oauth_ca_file)
    except OSError as error:  # includes ssl.SSLError
        raise SettingsError(
            f"STRIPELINE_KAFKA_OAUTH_CA_FILE {settings.kafka_oauth_ca_file} can't be used:"
            f" {error.strerror or 'no certificates'}. It must be a readable file of certificates in PEM form."
        ) from error


def _region(settings: Settings) -> str:
    region = settings.kafka_aws_region or region_of(settings.kafka_bootstrap_servers)
    if region is None:
        raise SettingsError(
            "STRIPELINE_KAFKA_SASL_MECHANISM is AWS_MSK_IAM, and the brokers' names in KAFKA_BOOTSTRAP_SERVERS have no"
            " region. Set STRIPELINE_KAFKA_AWS_REGION to the cluster's."
        )
    return region
