"""Every way to log in to a secured Kafka, with our settings, on a real one."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAuthorizationFailedError, for_code
from confluent_kafka.admin import AclOperation, ResourceType

from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings
from tests.support.secured_kafka import SecuredKafka

SCRAM_512 = {"kafka_sasl_mechanism": "SCRAM-SHA-512"}
SCRAM_256 = {"kafka_sasl_mechanism": "SCRAM-SHA-256"}
PLAIN = {"kafka_sasl_mechanism": "PLAIN"}


async def create_topic(kafka: SecuredKafka, fields: dict[str, object], name: str) -> int:
    """Kafka's answer as an error code: whether this user logs in, and what it may."""
    client = AIOKafkaAdminClient(**kafka_client_options(load_settings(fields)))
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
