"""Every way to log in to a secured Kafka, with our settings, on a real one."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAuthorizationFailedError, for_code
from confluent_kafka.admin import AclOperation, ResourceType

from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings
from tests.support.secured_kafka import SecuredKafka
from tests.support.token_server import SECRET, token_server

SCRAM_512 = {"kafka_sasl_mechanism": "SCRAM-SHA-512"}
SCRAM_256 = {"kafka_sasl_mechanism": "SCRAM-SHA-256"}
PLAIN = {"kafka_sasl_mechanism": "PLAIN"}


async def create_topic(kafka: SecuredKafka, fields: Mapping[str, object], name: str) -> int:
    return await created(kafka_client_options(load_settings(fields)), name)


def put(kafka: SecuredKafka, user: str, cert: Path, key: Path) -> None:
    identity = kafka.certificate(user)
    for source, place in ((identity.cert_file, cert), (identity.key_file, key)):
        new = place.with_suffix(".new")
        shutil.copy(source, new)
        new.replace(place)


async def created(options: Mapping[str, Any], name: str) -> int:
    """Kafka's answer as an error code: whether this user logs in, and what it may."""
    client = AIOKafkaAdminClient(**options)
    await client.start()
    try:
        answer = await client.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await client.close()
    return answer.topic_errors[0][1]


@pytest.mark.parametrize(
    ("listener", "how"),
    [("LOGIN", SCRAM_512), ("LOGIN", SCRAM_256), ("LOGIN", PLAIN), ("SHORT", SCRAM_512), ("CLEAR", SCRAM_512)],
    ids=lambda value: value if isinstance(value, str) else value["kafka_sasl_mechanism"],
)
async def test_a_password_logs_in_and_rights_decide(secured_kafka, prefix, listener, how):
    user = "plain-user" if how is PLAIN else f"{prefix}alice"
    if how is not PLAIN:
        secured_kafka.add_user(user)
    fields = secured_kafka.settings(listener, user, **how)
    try:
        denied = await create_topic(secured_kafka, fields, f"{prefix}a")
        assert for_code(denied) is TopicAuthorizationFailedError
        secured_kafka.allow(user, (ResourceType.TOPIC, prefix, AclOperation.CREATE), prefixed=True)
        assert await create_topic(secured_kafka, fields, f"{prefix}a") == 0
    finally:
        secured_kafka.forget_rights(user)


async def test_a_client_certificate_logs_in_and_a_replaced_one_too(secured_kafka, prefix, tmp_path):
    cert, key = tmp_path / "cert", tmp_path / "key"
    fields = secured_kafka.settings("MTLS", kafka_cert_file=str(cert), kafka_key_file=str(key))
    for user in (f"{prefix}carol", f"{prefix}dave"):
        identity = secured_kafka.certificate(user, password="pass")
        shutil.copy(identity.cert_file, cert)
        shutil.copy(identity.key_file, key)
        options = kafka_client_options(load_settings({**fields, "kafka_key_password": "pass"}))
        secured_kafka.allow(user, (ResourceType.TOPIC, user, AclOperation.CREATE))
        try:
            assert await created(options, user) == 0
        finally:
            secured_kafka.forget_rights(user)


async def test_one_set_of_clients_follows_a_replaced_certificate(secured_kafka, prefix, tmp_path):
    """The principal that Kafka sees changes with the files, without new options."""
    cert, key = tmp_path / "cert", tmp_path / "key"
    first, second = f"{prefix}erin", f"{prefix}frank"
    fields = secured_kafka.settings("MTLS", kafka_cert_file=str(cert), kafka_key_file=str(key))
    put(secured_kafka, first, cert, key)
    options = kafka_client_options(load_settings(fields))
    secured_kafka.allow(second, (ResourceType.TOPIC, prefix, AclOperation.CREATE), prefixed=True)
    try:
        assert for_code(await created(options, f"{prefix}t")) is TopicAuthorizationFailedError
        put(secured_kafka, second, cert, key)
        assert await created(options, f"{prefix}t") == 0
    finally:
        secured_kafka.forget_rights(second)


async def test_a_token_logs_in_its_subject_and_kafka_checks_it(secured_kafka, prefix):
    user, keys = f"{prefix}grace", secured_kafka.token_keys
    secured_kafka.allow(user, (ResourceType.TOPIC, prefix, AclOperation.CREATE), prefixed=True)
    try:
        async with token_server(lambda: keys.token(user)) as server:
            settings = load_settings(secured_kafka.oauth("LOGIN", server))
            options = kafka_client_options(settings)
            assert await created(options, f"{prefix}t") == 0
            assert await created(options, f"{prefix}u") == 0
            assert len(server.requests) == 1  # one token for all connections
            assert await why_unreachable(settings, options) is None
            server.token = lambda: keys.token(user, aud="another")
            refused = await why_unreachable(settings, kafka_client_options(settings))
            assert refused is not None
            assert "token" in refused
            server.down = True
            unavailable = await why_unreachable(settings, kafka_client_options(settings))
            assert "HTTP 503" in str(unavailable)
            assert SECRET not in f"{refused} {unavailable}"
    finally:
        secured_kafka.forget_rights(user)


async def test_kafka_may_want_a_login_and_a_certificate(secured_kafka, prefix):
    """A certificate is presented on a SASL_SSL listener too; this one does not ask for it."""
    user = f"{prefix}heidi"
    secured_kafka.add_user(user)
    identity = secured_kafka.certificate(user)
    pair = {"kafka_cert_file": str(identity.cert_file), "kafka_key_file": str(identity.key_file)}
    denied = await create_topic(secured_kafka, secured_kafka.settings("LOGIN", user, **pair), f"{prefix}a")
    assert for_code(denied) is TopicAuthorizationFailedError
