"""Webhook to result on a secured Kafka: TLS, a login, and the rights of the topic model alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.settings.settings import load_settings, variable
from tests.support.cluster import Cluster, Process, cluster
from tests.support.end_state import find, no_lag
from tests.support.invariants import check
from tests.support.scripted_workers import until
from tests.support.secured_kafka import PASSWORD, SHORT_SESSION_MS, SecuredKafka
from tests.support.token_server import token_server
from tests.support.traffic import Traffic

RATE_PER_S = 40
TOKEN_S = 20.0
READY_S = 180.0  # TLS and logins cost seconds of a busy machine
CLOSED = "Connection at 127.0.0.1:"


ROLES = {"ingest": Purpose.INGEST, "router": Purpose.ROUTER, "executor": Purpose.EXECUTOR}
OF_CONFIGURING = (Purpose.TOPICS_APPLY, Purpose.APPLY)


@asynccontextmanager
async def secured(
    kafka: SecuredKafka, prefix: str, folder: Path, base: Mapping[str, Any], users: Mapping[str, Mapping[str, Any]]
) -> AsyncIterator[Cluster]:
    """Everything with the settings of `base`, and each role with its own of `users` over them."""
    own = {name: value for name, value in base.items() if name != "kafka_bootstrap_servers"}
    async with cluster(base["kafka_bootstrap_servers"], prefix, folder, **own) as found:
        for role, fields in users.items():
            found.add(role, role, **{variable(name): str(value) for name, value in fields.items()})
        waiting = (process.ready(within_s=READY_S) for process in found.processes.values() if process.name != "sandbox")
        await asyncio.gather(*waiting)
        yield found


async def judged(found: Cluster, kafka: SecuredKafka, traffic: Traffic) -> None:
    """All rules at the end, read by the super user."""
    plain = load_settings({**kafka.settings("PLAINTEXT"), "topic_prefix": found.settings.topic_prefix, "partitions": 4})
    seen = replace(found, settings=plain)
    await no_lag(seen, within_s=60)
    assert check(await find(seen), traffic.acknowledged)["events"] >= len(set(traffic.acknowledged))


async def warned_of_a_broken_certificate(found: Cluster, cert: Path) -> None:
    """`/readyz` of ingest, whose certificate it is, says so while it is ready with the former one."""
    good = await asyncio.to_thread(cert.read_bytes)
    url = f"http://127.0.0.1:{found.processes['ingest'].admin_port}/readyz"
    async with aiohttp.ClientSession() as session:
        for content, warned in ((b"half a file", True), (good, False)):
            await asyncio.to_thread(cert.write_bytes, content)
            async with session.get(url) as answer:
                body = await answer.json()
            assert answer.status == 200, body
            assert ("STRIPELINE_KAFKA_CERT_FILE" in str(body.get("warnings"))) is warned, body


@pytest.mark.parametrize("listener", ["LOGIN", pytest.param("MTLS", marks=pytest.mark.long)])
async def test_each_process_runs_with_the_rights_of_its_own(
    secured_kafka: SecuredKafka, prefix: str, tmp_path: Path, listener: str
):
    users = {role: f"{prefix}{role}" for role in ROLES}
    topics = Topics(prefix=prefix)
    if listener == "LOGIN":
        for user in users.values():
            secured_kafka.add_user(user)
    for role, purpose in ROLES.items():
        secured_kafka.give_rights(users[role], topics, purpose, *(OF_CONFIGURING if role == "ingest" else ()))
    fields = {role: secured_kafka.settings(listener, user) for role, user in users.items()}
    base = fields.pop("ingest")
    async with secured(secured_kafka, prefix, tmp_path, base, fields) as found:
        traffic = Traffic(found.url, RATE_PER_S)
        await traffic.run(3)
        await judged(found, secured_kafka, traffic)
        if listener == "MTLS":
            await warned_of_a_broken_certificate(found, Path(base["kafka_cert_file"]))
    for user in users.values():
        secured_kafka.forget_rights(user)


@pytest.mark.long
async def test_sessions_that_end_cost_nothing_under_oauthbearer(
    secured_kafka: SecuredKafka, prefix: str, tmp_path: Path
):
    """Every connection is renewed several times, with tokens that end too, and no request is lost with it."""
    user = f"{prefix}app"
    secured_kafka.give_rights(user, Topics(prefix=prefix), *ROLES.values(), *OF_CONFIGURING)
    keys = secured_kafka.token_keys
    async with token_server(lambda: keys.token(user, lifetime_s=TOKEN_S), lifetime_s=TOKEN_S) as server:
        base = secured_kafka.oauth("SHORT", server)
        async with secured(secured_kafka, prefix, tmp_path, base, {"router": {}, "executor": {}}) as found:
            traffic = Traffic(found.url, RATE_PER_S)
            await traffic.run(2.5 * SHORT_SESSION_MS / 1000)
            await judged(found, secured_kafka, traffic)
            logs = {process.name: process.log.read_text() for process in found.processes.values()}
    assert traffic.refused == 0
    broken = [line for log in logs.values() for line in log.splitlines() if CLOSED in line]
    assert not broken, broken[:5]
    assert len(server.requests) > 4  # the first of four clients, and renewals
    secured_kafka.forget_rights(user)


@pytest.mark.long
async def test_a_changed_password_is_said_by_every_process(secured_kafka: SecuredKafka, prefix: str, tmp_path: Path):
    """Connections that are open go on until their sessions end, so a login that fails is noticed by its silence."""
    user = f"{prefix}app"
    secured_kafka.add_user(user)
    secured_kafka.give_rights(user, Topics(prefix=prefix), *ROLES.values(), *OF_CONFIGURING)
    base = secured_kafka.settings("SHORT", user)
    async with secured(secured_kafka, prefix, tmp_path, base, {"router": {}, "executor": {}}) as found:
        working = [process for process in found.processes.values() if process.name != "sandbox"]
        await asyncio.to_thread(secured_kafka.add_user, user, "another password")

        async def said() -> bool:
            answers = [await readiness(process) for process in working]
            return all(status == 503 and "STRIPELINE_KAFKA_SASL_PASSWORD" in why for status, why in answers)

        await until(said, "the cause in every /readyz", within_s=READY_S)
        assert all(PASSWORD not in process.log.read_text() for process in working)
        await asyncio.to_thread(secured_kafka.add_user, user)
        await asyncio.gather(*(process.ready(within_s=READY_S) for process in working))
        traffic = Traffic(found.url, RATE_PER_S)
        await traffic.run(1)
        await judged(found, secured_kafka, traffic)
    secured_kafka.forget_rights(user)


async def readiness(process: Process) -> tuple[int, str]:
    """The status of `/readyz`, and what it says of Kafka."""
    url = f"http://127.0.0.1:{process.admin_port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, (await answer.json()).get("missing", {}).get("kafka", "")
