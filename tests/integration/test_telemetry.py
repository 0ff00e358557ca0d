"""What the product shows of itself after traffic on real Kafka: every metric of the table, and no secret anywhere."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from stripeline.contracts.vocabulary import CODE_OK
from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.local.webhook_sender import deliver
from stripeline.deploy.telemetry.metrics.console import CONSOLE
from stripeline.deploy.telemetry.metrics.table import ROWS
from stripeline.workers.secrets.vault import new_master_key
from tests.integration.test_worker_task import until
from tests.support.broker import Broker
from tests.support.cluster import CONFIG, KEY, SECRET, configure
from tests.support.in_process_stack import InProcessStack, in_process_stack
from tests.support.records import command

SECRETS = re.compile(r"sk_(test|live)_|whsec_|_secret_|[\w.]+@[\w.]+\.\w+|pi_\d|cus_|evt_")
EMAIL = "ada@example.com"


def paid(number: int, **fields: Any) -> bytes:
    intent = {"id": f"pi_{number}", "amount": 6_000, "receipt_email": EMAIL, **fields}
    return example_event("payment_intent.succeeded", intent, event_id=f"evt_{number:04}")


async def send(found: InProcessStack, *bodies: bytes, skew_s: int = 0, secret: str = SECRET) -> list[int]:
    answers = deliver(found.cluster.url, SecretStr(secret), list(bodies), lambda: int(time.time()) + skew_s)
    return [answer.status async for answer in answers]


def samples(text: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Values by sample name and labels; fails for a family that comes twice, as Prometheus would."""
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def total(found: Any, name: str, **labels: str) -> float:
    return sum(value for given, value in found.get(name, {}).items() if set(labels.items()) <= given)


EXACT: dict[tuple[str, ...], float] = {
    ("stripeline_deliveries_total", "trigger=payments", "verdict=published"): 22,
    ("stripeline_deliveries_total", "verdict=ignored", "reason=other_family"): 1,
    ("stripeline_deliveries_total", "verdict=refused", "reason=mismatch"): 1,
    ("stripeline_deliveries_total", "trigger=", "reason=unknown_trigger"): 1,
    ("stripeline_signatures_total", "trigger=payments", "secret=0"): 23,
    ("stripeline_records_total", "role=router", "verdict=started"): 22,
    ("stripeline_records_total", "role=executor", "verdict=succeeded"): 43,
    ("stripeline_records_total", "role=executor", "verdict=retried"): 1,
    ("stripeline_results_total", "code=OK"): 43,
    ("stripeline_results_total", "code=PAYMENT_REQUIRED"): 1,
    ("stripeline_result_attempts_sum",): 45,
    ("stripeline_stripe_calls_total", "kind=attempt", "status=200"): 43,
    ("stripeline_stripe_calls_total", "status=429"): 1,
    ("stripeline_stripe_calls_total", "status=402"): 1,
    ("stripeline_stripe_call_seconds_count",): 45,
    ("stripeline_commit_records_sum", "role=executor"): 45,
    ("stripeline_worker_events_total", "event=assigned"): 2,
    ("stripeline_task_open", "role=router"): 2,
    ("stripeline_task_state_entries", "role=executor", "kind=commands"): 44,
    ("stripeline_task_state_entries", "kind=waiting"): 0,
    ("stripeline_task_state_entries", "role=router", "kind=finished"): 21,
    ("stripeline_task_state_entries", "role=router", "kind=open"): 0,
    ("stripeline_task_state_entries", "role=router", "kind=stopped"): 1,
    ("stripeline_runs_not_started_total", "workflow=orders", "reason=where_missing"): 22,
    ("stripeline_ready",): 9,
}
BETWEEN = [
    ("stripeline_publish_seconds_sum", 0, 22 * 5),
    ("stripeline_delivery_clock_skew_seconds", 590, 610),
    ("stripeline_stripe_call_seconds_sum", 0, 45 * 5),
    ("stripeline_commit_seconds_count", 2, 1_000),
    ("stripeline_task_restore_seconds", 0, 60),
    ("stripeline_task_lanes_limit", 2, 10_000),
    ("stripeline_connection_rate_ratio", 0, 10),
    ("stripeline_event_loop_lag_seconds_count", 2, 1_000),
    ("stripeline_broker_clock_skew_seconds", -5, 5),
    ("process_resident_memory_bytes", 10_000_000, 10_000_000_000),
]


def strange_words(seen: Any) -> list[tuple[str, str, str]]:
    """Label values that the vocabulary does not have: an alert could not be written for them."""
    found = []
    for row in ROWS:
        for label, enums in row.words.items():
            known = {str(word.value) for enum in enums for word in enum} | {"", CODE_OK}
            given = {value for labels in seen.get(row.name, {}) for name, value in labels if name == label}
            found += [
                (row.name, label, value) for value in given - known if not (label == "status" and value.isdigit())
            ]
    return found


def exact(seen: Any) -> dict[tuple[str, ...], float]:
    return {key: total(seen, key[0], **dict(label.split("=") for label in key[1:])) for key in EXACT}


async def test_every_metric_of_the_table_counts(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = (Path(__file__).parents[1] / "support/telemetry.yaml").read_text()
    async with in_process_stack(broker.bootstrap_servers, prefix, tmp_path, monkeypatch, config=config) as found:
        assert await send(found, *(paid(number) for number in range(20))) == [200] * 20
        assert await send(found, paid(21, amount=4002), paid(22, amount=4029)) == [200, 200]
        assert await send(found, example_event("charge.succeeded", {"id": "ch_1"}, event_id="evt_c")) == [200]
        assert await send(found, paid(30), secret="whsec_wrong") == [400]
        assert await send(found, paid(30), skew_s=-600) == [400]
        async with aiohttp.ClientSession() as session, session.post(found.cluster.url + "x", data=b"") as answer:
            assert answer.status == 404

        await until(lambda: exact(samples(found.metrics)) == EXACT)
        await until(lambda: total(samples(found.metrics), "stripeline_consumer_lag_records") == 0)
        await until(lambda: "stripeline_sweep_age_seconds{" in found.metrics)
        text = found.metrics
    seen = samples(text)
    assert [name for name, low, high in BETWEEN if not low < total(seen, name) < high] == []
    assert total(seen, "stripeline_publish_seconds_count", topic=f"{prefix}payment-event") == 22
    shown = {family.name for family in text_string_to_metric_families(text) if family.samples}
    # Nobody held a connection or a transaction open, no topic has a problem, every partition takes records, no
    # connection or workflow has a limit, no workflow is paused, ingest is one process, no console runs, every event is
    # noted, none was missed, and no endpoint has destinations at Stripe.
    quiet = {
        "stripeline_connections_closed", "stripeline_input_blocked_seconds", "stripeline_partition_unavailable",
        "stripeline_topic_problems", "stripeline_limit", "stripeline_limit_spent", "stripeline_brake_trips",
        "stripeline_workflow_take_up_seconds", "stripeline_group_processes", "stripeline_group_processes_ready",
        "stripeline_group_process_restarts", "stripeline_events_seen_dropped", "stripeline_events_backfilled",
        "stripeline_sweep_events", "stripeline_sweep_failures", "stripeline_endpoint_troubles",
        *(row.name.removesuffix("_total") for row in CONSOLE),
    }  # fmt: skip
    assert {row.name.removesuffix("_total") for row in ROWS} - shown == quiet
    assert strange_words(seen) == []
    assert SECRETS.findall(text) == []


async def test_a_tier_and_a_paused_connection_are_seen(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with in_process_stack(broker.bootstrap_servers, prefix, tmp_path, monkeypatch, retry_tiers="30s,1m") as found:
        await found.cluster.sandbox("/keys", {"key": KEY, "revoked": True})
        assert await send(found, *(paid(number) for number in range(3))) == [200] * 3
        await until(lambda: total(samples(found.metrics), "stripeline_task_state_entries", kind="waiting") == 2)
        # Until they are read, the markers of their transactions count, too.
        await until(lambda: total(samples(found.metrics), "stripeline_tier_records", tier="30s") == 2)
        seen = samples(found.metrics)
        assert total(seen, "stripeline_task_state_entries", kind="queues") == 2
        assert total(seen, "stripeline_connection_paused", connection="acme") == 1
        assert total(seen, "stripeline_tier_overdue_seconds") == 0
        await until(lambda: total(samples(found.metrics), "stripeline_tier_oldest_command_seconds", tier="30s") > 0)


async def test_with_the_wrong_master_key_commands_wait(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with in_process_stack(broker.bootstrap_servers, prefix, tmp_path, monkeypatch, retry_tiers="30s,1m") as found:
        theirs = found.cluster.settings.model_copy(update={"master_key": SecretStr(new_master_key())})
        sealed_by_another = replace(found.cluster, settings=theirs)
        other = CONFIG.replace("acme", "other").split("triggers:")[0]
        await configure(sealed_by_another, other.replace("${env:ACME_KEY}", "${env:OTHER_KEY}"), {"OTHER_KEY": KEY})
        await until(lambda: "other (sealed with master key" in str(found.shared.warnings["keys"]()))
        async with AIOKafkaProducer(**found.cluster.client) as producer:
            value = orjson.dumps(command("c1", connection="other"))
            await producer.send_and_wait(found.cluster.settings.topics.command, value, key=b"k", partition=0)
        await until(lambda: total(samples(found.metrics), "stripeline_connection_paused", connection="other") == 1)
        await until(lambda: total(samples(found.metrics), "stripeline_task_state_entries", kind="waiting") == 1)
        assert total(samples(found.metrics), "stripeline_results_total") == 0
        assert total(samples(found.metrics), "stripeline_stripe_calls_total") == 0
        assert total(samples(found.metrics), "stripeline_ready", check="keys") == 1  # others can be opened
