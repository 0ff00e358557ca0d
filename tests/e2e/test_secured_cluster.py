"""Webhook to result on a secured Kafka: TLS, a login, an authorizer, and no more rights than are needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from stripeline.deploy.operations.topics import apply as apply_topics
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import find, no_lag
from tests.support.invariants import check
from tests.support.secured_kafka import SHORT_SESSION_MS, SecuredKafka
from tests.support.token_server import token_server
from tests.support.traffic import Traffic

RATE_PER_S = 40
TOKEN_S = 20.0
READY_S = 180.0  # TLS and logins cost seconds of a busy machine
CLOSED = "Connection at 127.0.0.1:"


def give_rights(kafka: SecuredKafka, user: str, prefix: str) -> None:
    """What ingest, router and executor need together. Topics are created by somebody else."""
    topic, group, txn = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
    of_topics = (AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)  # each implies DESCRIBE
    kafka.allow(
        user,
        *((topic, prefix, operation) for operation in of_topics),
        (group, prefix, AclOperation.READ),
        (txn, prefix, AclOperation.WRITE),
        prefixed=True,
    )


@asynccontextmanager
async def secured(kafka: SecuredKafka, fields: dict[str, Any], prefix: str, folder: Path) -> AsyncIterator[Cluster]:
    plain = load_settings({**kafka.settings("PLAINTEXT"), "topic_prefix": prefix, "partitions": 4})
    await apply_topics(plain.topics, plain.partitions, kafka_client_options(plain))
    own = {name: value for name, value in fields.items() if name != "kafka_bootstrap_servers"}
    async with cluster(fields["kafka_bootstrap_servers"], prefix, folder, **own) as found:
        for role in ("router", "executor"):
            found.add(role, role)
        waiting = (process.ready(within_s=READY_S) for process in found.processes.values() if process.name != "sandbox")
        await asyncio.gather(*waiting)
        yield found


async def judged(found: Cluster, kafka: SecuredKafka, traffic: Traffic) -> None:
    """All rules at the end, read by the super user."""
    plain = load_settings({**kafka.settings("PLAINTEXT"), "topic_prefix": found.settings.topic_prefix, "partitions": 4})
    seen = replace(found, settings=plain)
    await no_lag(seen, within_s=60)
    assert check(await find(seen), traffic.acknowledged)["events"] >= len(set(traffic.acknowledged))


@pytest.mark.parametrize("listener", ["LOGIN", "MTLS"])
async def test_a_user_with_least_rights_runs_the_whole_pipeline(
    secured_kafka: SecuredKafka, prefix: str, tmp_path: Path, listener: str
):
    user = f"{prefix}app"
    if listener == "LOGIN":
        secured_kafka.add_user(user)
    give_rights(secured_kafka, user, prefix)
    fields = secured_kafka.settings(listener, user)
    async with secured(secured_kafka, fields, prefix, tmp_path) as found:
        traffic = Traffic(found.url, RATE_PER_S)
        await traffic.run(3)
        await judged(found, secured_kafka, traffic)
    secured_kafka.forget_rights(user)


async def test_sessions_that_end_cost_nothing_under_oauthbearer(
    secured_kafka: SecuredKafka, prefix: str, tmp_path: Path
):
    """Every connection is renewed several times, with tokens that end too, and no request is lost with it."""
    user = f"{prefix}app"
    give_rights(secured_kafka, user, prefix)
    keys = secured_kafka.token_keys
    async with token_server(lambda: keys.token(user, lifetime_s=TOKEN_S), lifetime_s=TOKEN_S) as server:
        fields = secured_kafka.oauth("SHORT", server)
        async with secured(secured_kafka, fields, prefix, tmp_path) as found:
            traffic = Traffic(found.url, RATE_PER_S)
            await traffic.run(2.5 * SHORT_SESSION_MS / 1000)
            await judged(found, secured_kafka, traffic)
            logs = {process.name: process.log.read_text() for process in found.processes.values()}
    assert traffic.refused == 0
    broken = [line for log in logs.values() for line in log.splitlines() if CLOSED in line]
    assert not broken, broken[:5]
    assert len(server.requests) > 4  # the first of four clients, and renewals
    secured_kafka.forget_rights(user)
