"""Reads the settings from the environment, a `.env` file, and options, which override both. Nothing else reads them.

Every setting is defined once, here, with its meaning; `stripeline settings` and the command's options are derived from
this class. A secret setting may be in a file, which NAME_FILE names; its value never appears in an error.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from dotenv import dotenv_values
from pydantic import AfterValidator, AliasGenerator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stripeline.contracts.retry_tiers import DEFAULT_TIERS, Tier, parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.auth.role_grants import RoleGrant, parse_role_grants
from stripeline.deploy.failure import FailureError
from stripeline.deploy.settings.parsing import (
    Network,
    api_base,
    aws_region,
    console_store,
    duration_ms,
    header_name,
    networks,
    oauth_extensions,
    size_bytes,
    stripe_proxy,
    token_url,
    topic_prefix,
    window_ms,
)
from stripeline.deploy.settings.secret_files import file_variable, secrets_in_files

DOTENV = ".env"
Port = Annotated[int, Field(ge=0, le=65_535)]
DurationMs = Annotated[int, BeforeValidator(duration_ms), Field(ge=1)]
WindowMs = Annotated[int, BeforeValidator(window_ms), Field(ge=60_000)]
Prefix = Annotated[str, BeforeValidator(topic_prefix)]
TokenUrl = Annotated[str, BeforeValidator(token_url)]
OAuthExtensions = Annotated[str, BeforeValidator(oauth_extensions)]
AwsRegion = Annotated[str, BeforeValidator(aws_region)]
StripeProxy = Annotated[SecretStr, AfterValidator(stripe_proxy)]
ApiBase = Annotated[str, BeforeValidator(api_base)]
SizeBytes = Annotated[int, BeforeValidator(size_bytes), Field(ge=1)]
Tiers = Annotated[tuple[Tier, ...], NoDecode, BeforeValidator(lambda v: parse_tiers(v) if isinstance(v, str) else v)]
ConsoleStore = Annotated[SecretStr, AfterValidator(console_store)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(networks)]
RoleGrants = Annotated[tuple[RoleGrant, ...], NoDecode, BeforeValidator(parse_role_grants)]
HeaderName = Annotated[str, BeforeValidator(header_name)]
Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]
Level = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lambda v: str(v).lower())]


class SettingsError(FailureError):
    """Invalid settings: which, why, and what to write instead."""


def variable(field: str) -> str:
    """A field's environment variable, without the unit in the field's name."""
    name = field.removesuffix("_ms").removesuffix("_bytes").upper()
    return name if name == "KAFKA_BOOTSTRAP_SERVERS" else f"STRIPELINE_{name}"


class Settings(BaseSettings):
    """All settings of all processes. `stripeline settings` shows the description of each field."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=variable),
        env_file=DOTENV,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    kafka_bootstrap_servers: str = Field(
        "localhost:9092", description="Kafka's addresses: host:port, separated by commas"
    )
    kafka_security_protocol: Protocol = Field("PLAINTEXT", description="the protocol for Kafka")
    kafka_sasl_mechanism: Mechanism = Field("PLAIN", description="the login mechanism of a SASL_ protocol")
    kafka_sasl_username: str | None = Field(None, description="the Kafka user, for PLAIN and SCRAM")
    kafka_sasl_password: SecretStr | None = Field(None, description="the password of the Kafka user")
    kafka_ca_file: Path | None = Field(
        None, description="the CA that signed Kafka's certificate (default: the system's CAs)"
    )
    kafka_cert_file: Path | None = Field(None, description="the client certificate for mutual TLS, in PEM form")
    kafka_key_file: Path | None = Field(None, description="the key of the client certificate, in PEM form")
    kafka_key_password: SecretStr | None = Field(None, description="the password of that key, if it is encrypted")
    kafka_oauth_token_url: TokenUrl | None = Field(
        None, description="for OAUTHBEARER: the token endpoint of the client credentials grant"
    )
    kafka_oauth_client_id: str | None = Field(None, min_length=1, description="the client at the token endpoint")
    kafka_oauth_client_secret: SecretStr | None = Field(None, description="the secret of that client")
    kafka_oauth_scope: str | None = Field(None, description="the scope to ask for, if the provider wants one")
    kafka_oauth_audience: str | None = Field(None, description="the audience to ask for, if the provider wants one")
    kafka_oauth_extensions: OAuthExtensions | None = Field(
        None, description="what Kafka wants beside the token, such as logicalCluster=lkc-1,identityPoolId=pool-1"
    )
    kafka_oauth_ca_file: Path | None = Field(
        None, description="the CA that signed the token endpoint's certificate (default: the system's CAs)"
    )
    kafka_aws_region: AwsRegion | None = Field(
        None, description="for AWS_MSK_IAM: the cluster's region (default: the one in the brokers' names)"
    )
    master_key: SecretStr | None = Field(
        None,
        description="encrypts the secrets on the control topic: base64 of 32 bytes; of several, the first encrypts",
    )
    topic_prefix: Prefix = Field("stripe.", description="the prefix of every topic's name")
    partitions: int = Field(
        8, ge=1, le=10_000, description="the partition count of each topic but control; permanent once created"
    )
    replication_factor: int = Field(
        -1, ge=-1, le=32_767, description="the replication factor for `topics apply`; -1 is Kafka's default"
    )
    retry_tiers: Tiers = Field(
        parse_tiers(DEFAULT_TIERS), description="how long a command waits after each failure; one topic per tier"
    )
    stripe_api_base: ApiBase = Field(
        "https://api.stripe.com", description="Stripe's address: scheme, host and port, without /v1"
    )
    stripe_proxy: StripeProxy | None = Field(
        None, description="the proxy to Stripe: http:// or https://, user:password@ if it wants one, host and port"
    )
    stripe_ca_file: Path | None = Field(
        None, description="a CA for Stripe's or the proxy's certificate, beside the system's CAs, in PEM form"
    )
    ingest_host: str = Field("0.0.0.0", description="the address that serves webhooks")  # noqa: S104  (the public port)
    ingest_port: Port = Field(8080, description="the public port, for /webhooks/{trigger}")
    ingest_max_body_bytes: SizeBytes = Field(900 * 1024, description="the largest delivery; it must fit a record")
    ingest_publish_deadline_ms: DurationMs = Field(
        5_000, description="the time to publish an event, after which Stripe gets a 503 and sends it again"
    )
    ingest_processes: int = Field(1, ge=1, le=256, description="the ingest processes of a host that share its port")
    worker_processes: int = Field(
        1, ge=1, le=256, description="the processes of a host's router, executor or worker: one uses one core"
    )
    worker_state_dir: str | None = Field(
        None, min_length=1, description="a folder where routers and executors keep their states, to start sooner"
    )
    ingest_trusted_proxies: Networks = Field(
        (), description="the proxies whose X-Forwarded-For names the client in the log: addresses or networks"
    )
    admin_host: str = Field("127.0.0.1", description="the address of /healthz, /readyz and /metrics")
    admin_port: Port = Field(9464, description="the port of /healthz, /readyz and /metrics")
    executor_concurrency: int = Field(256, ge=1, le=100_000, description="concurrent calls to Stripe per process")
    reconcile_after_ms: DurationMs = Field(120_000, description="how long Stripe's search may lag behind a call")
    call_timeout_ms: DurationMs = Field(30_000, description="the deadline of one call to Stripe")
    sweep: bool = Field(
        True, description="whether the executors look for events that never came in Stripe's list, and publish them"
    )
    session_timeout_ms: DurationMs = Field(
        12_000, description="the time without a heartbeat after which a worker's tasks move to another"
    )
    commit_interval_ms: DurationMs = Field(50, description="the interval between commits")
    drain_timeout_ms: DurationMs = Field(10_000, description="how long shutdown waits for calls in flight")
    instance_id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="a name that is stable across restarts, such as a StatefulSet's pod name",
    )
    console_host: str = Field("127.0.0.1", description="the address that serves the console")
    console_port: Port = Field(8081, description="the console's port")
    console_auth: Literal["token", "proxy"] | None = Field(
        None, description="how people sign in to the console: by a token, or by a proxy that has signed them in"
    )
    console_tokens_file: Path | None = Field(None, description="for CONSOLE_AUTH=token: the file of hashed tokens")
    console_trusted_proxies: Networks = Field(
        (), description="for CONSOLE_AUTH=proxy: the proxies that sign people in: addresses or networks"
    )
    console_proxy_secret: SecretStr | None = Field(
        None, description="for CONSOLE_AUTH=proxy: what the proxy sends as X-Stripeline-Proxy-Secret"
    )
    console_user_header: HeaderName = Field(
        "X-Forwarded-User", description="for CONSOLE_AUTH=proxy: the header that names the user"
    )
    console_groups_header: HeaderName = Field(
        "X-Forwarded-Groups", description="for CONSOLE_AUTH=proxy: the header that names the user's groups"
    )
    console_roles: RoleGrants = Field(
        (), description="for CONSOLE_AUTH=proxy: the roles of groups, such as operator=ops,reader=support,viewer=*"
    )
    console_store: ConsoleStore | None = Field(
        None,
        description="the console's index: a file, or postgresql://… (default: a file that ends with the process)",
    )
    console_window_ms: WindowMs = Field(
        7 * 86_400_000, description="how far back the console shows events, commands and finished runs"
    )
    log_level: Level = Field("info", description="debug, info, warning or error")

    @property
    def topics(self) -> Topics:
        return Topics(prefix=self.topic_prefix, tiers=self.retry_tiers)

    @property
    def master_keys(self) -> tuple[SecretStr, ...]:
        """The master keys, empty if there are none."""
        ring = self.master_key.get_secret_value() if self.master_key else ""
        return tuple(SecretStr(key.strip()) for key in ring.split(",") if key.strip())


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings. `overrides`, by field name, take precedence. Raises SettingsError."""
    overruled = overrides or {}
    secrets = [variable(field) for field in SECRETS if field not in overruled]
    given: dict[str, Any] = {variable(field): value for field, value in overruled.items()}
    try:
        given.update(secrets_in_files(secrets, (os.environ, dotenv_values(DOTENV))))
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(_sentence(_problems(error))) from None  # pydantic's text is for programmers
    except UnicodeDecodeError:
        raise SettingsError(f"The file {DOTENV} is not UTF-8. Save it as UTF-8, one NAME=value a line.") from None
    except ValueError as error:
        raise SettingsError(_sentence([str(error)])) from None


def environment(name: str) -> str | None:
    """The value of `${env:NAME}` in a configuration file: from the environment, else from `.env`."""
    return os.environ.get(name) or dotenv_values(DOTENV).get(name) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEnvironment:
    """What systemd gives a process that notifies it. watchdog_s: how long it may be silent."""

    notify_socket: str | None = None
    watchdog_s: float | None = None


def service_environment() -> ServiceEnvironment:
    """What this process was given: sd_notify(3), sd_watchdog_enabled(3). A watchdog may be another process's."""
    given = os.environ.get("WATCHDOG_USEC", "")
    own = os.environ.get("WATCHDOG_PID") in {None, str(os.getpid())}
    watchdog_s = int(given) / 1_000_000 if own and given.isdecimal() and int(given) else None
    return ServiceEnvironment(notify_socket=os.environ.get("NOTIFY_SOCKET") or None, watchdog_s=watchdog_s)


def unknown_variables() -> list[str]:
    """`STRIPELINE_…` variables that match no setting, mostly because of a typing mistake."""
    known = {variable(field) for field in Settings.model_fields} | {file_variable(variable(field)) for field in SECRETS}
    given = {*os.environ, *dotenv_values(DOTENV)}
    return sorted(name for name in given if name.startswith("STRIPELINE_") and name not in known)


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, problem['loc'][:1]))}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _sentence(problems: Sequence[str]) -> str:
    return f"The settings can't be used. {'. '.join(problems)}. See `stripeline settings --help`."


def _holds_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))


SECRETS: Final = tuple(name for name, field in Settings.model_fields.items() if _holds_secret(field.annotation))
"""The fields whose values are never shown, and never options."""
