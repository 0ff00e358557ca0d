"""One real Kafka with listeners secured in every usual way, and an authorizer that denies what no ACL allows.

| listener | protocol | what it wants |
|---|---|---|
| PLAINTEXT | PLAINTEXT | nothing: every client here is the super user |
| LOGIN | SASL_SSL | SCRAM-SHA-256, SCRAM-SHA-512, PLAIN or OAUTHBEARER |
| SCRAM | SASL_SSL | SCRAM-SHA-512 alone |
| CLEAR | SASL_PLAINTEXT | SCRAM-SHA-512 alone, without TLS |
| MTLS | SSL | a client certificate; CN=name is User:name |
| EXPIRED | SASL_SSL | SCRAM-SHA-512; the broker's certificate has expired |
| ELSEWHERE | SASL_SSL | SCRAM-SHA-512; the broker's certificate is for kafka.example.com |
| SHORT | SASL_SSL | as LOGIN; a session ends after `SHORT_SESSION_MS` unless the client logs in again |

The keys of OAUTHBEARER's tokens are `token_keys`; Kafka reads their public halves from a JWKS file.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from stripeline.contracts.topics import Topics
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.local.kafka_warm_up import warm_up
from stripeline.deploy.operations.rights import Purpose, ResourceKind, Right, rights_of
from tests.support.certificates import LOOPBACK, Authority, Identity
from tests.support.token_keys import AUDIENCE, ISSUER, TokenKeys
from tests.support.token_server import CLIENT, SECRET, TokenServer

PASSWORD = "correct horse"
PLAIN_USERS = ("plain-user", "plain-stranger")
SHORT_SESSION_MS = 8_000
ADMIN_S = 15.0

Note = Callable[[str], None]
Rights = tuple[ResourceType, str, AclOperation]

_SASL = {"LOGIN", "SCRAM", "CLEAR", "EXPIRED", "ELSEWHERE", "SHORT"}
_PROTOCOLS = {
    "PLAINTEXT": "PLAINTEXT", "LOGIN": "SASL_SSL", "SCRAM": "SASL_SSL", "CLEAR": "SASL_PLAINTEXT", "MTLS": "SSL",
    "EXPIRED": "SASL_SSL", "ELSEWHERE": "SASL_SSL", "SHORT": "SASL_SSL",
}  # fmt: skip
_EVERY_MECHANISM = ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "OAUTHBEARER")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredKafka:
    kafka: LocalKafka
    ports: Mapping[str, int]
    authority: Authority
    stranger: Authority
    """An authority that the broker does not trust."""
    token_keys: TokenKeys

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    def settings(self, listener: str, user: str | None = None, **overrides: Any) -> dict[str, Any]:
        """Fields of our Settings for a listener. MTLS has the certificate of `user`."""
        fields: dict[str, Any] = {
            "kafka_bootstrap_servers": self.address(listener),
            "kafka_security_protocol": _PROTOCOLS[listener],
        }
        if _PROTOCOLS[listener].endswith("SSL"):
            fields["kafka_ca_file"] = str(self.authority.ca_file)
        if listener in _SASL and user is not None:
            fields |= {
                "kafka_sasl_mechanism": "SCRAM-SHA-512", "kafka_sasl_username": user, "kafka_sasl_password": PASSWORD,
            }  # fmt: skip
        if listener == "MTLS" and user is not None:
            identity = self.certificate(user)
            fields |= {"kafka_cert_file": str(identity.cert_file), "kafka_key_file": str(identity.key_file)}
        return fields | overrides

    def oauth(self, listener: str, server: TokenServer, **overrides: Any) -> dict[str, Any]:
        """Fields of our Settings for OAUTHBEARER, with a token server of the test's."""
        return self.settings(listener) | {
            "kafka_sasl_mechanism": "OAUTHBEARER", "kafka_oauth_token_url": server.url,
            "kafka_oauth_client_id": CLIENT, "kafka_oauth_client_secret": SECRET,
        } | overrides  # fmt: skip

    def certificate(self, user: str, **options: Any) -> Identity:
        return self.authority.issue(user, file=f"client-{user}", **options)

    def add_user(self, user: str, password: str = PASSWORD) -> None:
        """Create a SCRAM user, or change its password, and return when the broker logs it in with it."""
        admin = self._admin()  # held: a client that is collected takes its answers along
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # one a request, by Kafka's rule
            change = UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), password.encode())
            for done in admin.alter_user_scram_credentials([change]).values():
                done.result(ADMIN_S)
        self.logged_in(user, password)

    def logged_in(self, user: str, password: str = PASSWORD) -> None:
        """Return when the broker takes the user's password: it hears of a new one a little after the controller."""
        client = AdminClient({**self.librdkafka("SCRAM", user, password), "log_level": 0})

        def answered() -> bool:
            with contextlib.suppress(KafkaException):
                return bool(client.list_topics(timeout=2).brokers)
            return False

        self._until(answered)

    def allow(self, user: str, *rights: Rights, prefixed: bool = False) -> None:
        """Give rights, and return when the broker obeys them."""
        self._write(user, rights, AclPermissionType.ALLOW, prefixed=prefixed)

    def give_rights(self, user: str, topics: Topics, *purposes: Purpose) -> None:
        """All that these purposes need, by the topic model, and nothing else."""
        needed = {right for purpose in purposes for right in rights_of(purpose, topics) if not right.optional}
        for prefixed in (False, True):
            if wanted := [_acl_of(right) for right in needed if right.prefixed is prefixed]:
                self.allow(user, *wanted, prefixed=prefixed)

    def deny(self, user: str, *rights: Rights, prefixed: bool = False) -> None:
        """Take rights away whatever else allows them, and return when the broker obeys."""
        self._write(user, rights, AclPermissionType.DENY, prefixed=prefixed)

    def forget_rights(self, user: str) -> None:
        """Remove every ACL of a user, and return when the broker obeys."""
        every = _of(user, ResourceType.ANY, None, AclOperation.ANY, AclPermissionType.ANY, ResourcePatternType.ANY)
        admin = self._admin()
        for done in admin.delete_acls([every]).values():
            done.result(ADMIN_S)
        self._until(lambda: not admin.describe_acls(every).result(ADMIN_S))

    def forget_denials(self, user: str) -> None:
        """Remove what `deny` wrote, and return when the broker obeys."""
        denials = _of(user, ResourceType.ANY, None, AclOperation.ANY, AclPermissionType.DENY, ResourcePatternType.ANY)
        admin = self._admin()
        for done in admin.delete_acls([denials]).values():
            done.result(ADMIN_S)
        self._until(lambda: not admin.describe_acls(denials).result(ADMIN_S))

    def librdkafka(self, listener: str, user: str, password: str = PASSWORD) -> dict[str, Any]:
        """The configuration of another team's client, by SCRAM."""
        return {
            "bootstrap.servers": self.address(listener), "security.protocol": _PROTOCOLS[listener],
            "ssl.ca.location": str(self.authority.ca_file), "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": user,
            "sasl.password": password,
        }  # fmt: skip

    def _write(self, user: str, rights: tuple[Rights, ...], permission: AclPermissionType, *, prefixed: bool) -> None:
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        admin = self._admin()
        written = [
            AclBinding(kind, name, pattern, f"User:{user}", "*", operation, permission)
            for kind, name, operation in rights
        ]
        for done in admin.create_acls(written).values():
            done.result(ADMIN_S)
        wanted = _of(user, ResourceType.ANY, None, AclOperation.ANY, permission, pattern)
        self._until(lambda: set(written) <= set(admin.describe_acls(wanted).result(ADMIN_S)))

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address("PLAINTEXT"), "log_level": 0})

    def _until(self, true: Callable[[], bool]) -> None:
        until_s = time.monotonic() + ADMIN_S
        while not true():
            assert time.monotonic() < until_s, "the broker does not obey what the controller has taken"
            time.sleep(0.02)


def _acl_of(right: Right) -> Rights:
    kind = ResourceType.BROKER if right.resource is ResourceKind.CLUSTER else ResourceType[right.resource.name]
    return kind, right.name, AclOperation[right.operation.name]


def _of(
    user: str, kind: ResourceType, name: str | None, operation: AclOperation, permission: AclPermissionType,
    pattern: ResourcePatternType,
) -> AclBindingFilter:  # fmt: skip
    return AclBindingFilter(kind, name, pattern, f"User:{user}", None, operation, permission)


@contextmanager
def secured_broker(folder: Path, note: Note, settings: Mapping[str, str] | None = None) -> Iterator[SecuredKafka]:
    """Start it, and stop it at the end of the block. `settings` are over those of the broker."""
    authority, stranger = Authority.create(folder / "pki"), Authority.create(folder / "stranger")
    keys = TokenKeys.create(folder / "jwks.json")
    ports = {name: free_port() for name in (*_PROTOCOLS, "CONTROLLER")}
    spec = KafkaSpec(
        port=ports["PLAINTEXT"],
        data_dir=folder / "kafka",
        start_timeout_s=180,
        settings={**_broker_settings(ports, authority, keys), **(settings or {})},
    )
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys.jwks_file.as_uri()}"
    kafka = LocalKafka(spec, java_options=(allowed,))
    asyncio.run(_start(kafka, note))
    try:
        yield SecuredKafka(kafka=kafka, ports=ports, authority=authority, stranger=stranger, token_keys=keys)
    finally:
        asyncio.run(kafka.stop())


async def _start(kafka: LocalKafka, note: Note) -> None:
    await warm_up(progress=note)
    await kafka.start(note)


def _broker_settings(ports: Mapping[str, int], authority: Authority, keys: TokenKeys) -> dict[str, str]:
    broker = authority.issue("broker", hosts=LOOPBACK)
    expired = authority.issue("expired", hosts=LOOPBACK, days=-1)
    elsewhere = authority.issue("elsewhere", hosts=("kafka.example.com",))
    protocols = {"CONTROLLER": "PLAINTEXT", **_PROTOCOLS}
    return {
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items()),
        "advertised.listeners": ",".join(f"{name}://127.0.0.1:{ports[name]}" for name in _PROTOCOLS),
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['CONTROLLER']}",
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "inter.broker.listener.name": "PLAINTEXT",
        "num.network.threads": "1",  # for each listener
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:admin",
        **_key_store("", broker),
        **_key_store("listener.name.expired.", expired),
        **_key_store("listener.name.elsewhere.", elsewhere),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.ca_file),
        "listener.name.mtls.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
        **_logins("login", _EVERY_MECHANISM, keys),
        **_logins("short", _EVERY_MECHANISM, keys),
        **{key: value for name in ("scram", "clear", "expired", "elsewhere")
           for key, value in _logins(name, ("SCRAM-SHA-512",), keys).items()},
        "listener.name.short.connections.max.reauth.ms": str(SHORT_SESSION_MS),
    }  # fmt: skip


def _key_store(prefix: str, identity: Identity) -> dict[str, str]:
    return {f"{prefix}ssl.keystore.type": "PEM", f"{prefix}ssl.keystore.location": str(identity.key_store)}


def _logins(listener: str, mechanisms: tuple[str, ...], keys: TokenKeys) -> dict[str, str]:
    package = "org.apache.kafka.common.security"
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in PLAIN_USERS)
    modules = {
        "PLAIN": f"{package}.plain.PlainLoginModule required {users};",
        "OAUTHBEARER": f"{package}.oauthbearer.OAuthBearerLoginModule required;",
    }
    start = f"listener.name.{listener}."
    settings = {f"{start}sasl.enabled.mechanisms": ",".join(mechanisms)}
    for mechanism in mechanisms:
        module = modules.get(mechanism, f"{package}.scram.ScramLoginModule required;")
        settings[f"{start}{mechanism.lower()}.sasl.jaas.config"] = module
    if "OAUTHBEARER" in mechanisms:
        settings |= {
            f"{start}oauthbearer.sasl.server.callback.handler.class":
                f"{package}.oauthbearer.OAuthBearerValidatorCallbackHandler",
            f"{start}oauthbearer.sasl.oauthbearer.jwks.endpoint.url": keys.jwks_file.as_uri(),
            f"{start}oauthbearer.sasl.oauthbearer.expected.audience": AUDIENCE,
            f"{start}oauthbearer.sasl.oauthbearer.expected.issuer": ISSUER,
        }  # fmt: skip
    return settings
