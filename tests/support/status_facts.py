"""Facts for the rules of `stripeline status`: an installation where all is well, and changes to it."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace as with_fields

from stripeline.contracts.definitions import Connection, Definitions, Trigger
from stripeline.contracts.operator.worker_report import TaskReport, WorkerReport
from stripeline.deploy.operations.status.facts import Facts
from stripeline.deploy.operations.status.workers import Instance, Workers

NOW_MS = 1_800_000_000_000
STARTED_MS = NOW_MS - 3_600_000
SEALED = "sealed:v1:3f9a1c2b:RXhhbXBsZQ"
PARTITIONS = 4


def instance(role: str, name: str = "", *, age_ms: int = 1_000, tasks: Any = None, **fields: Any) -> Instance:
    roles = {"worker": ("router", "executor"), "router": ("router",), "executor": ("executor",)}.get(role, ())
    own = [TaskReport(role=one, partition=number) for one in roles for number in range(PARTITIONS)]
    report = WorkerReport(
        role=role, version="0.2.0", host=name or f"{role}-0", started_ms=STARTED_MS, at_ms=NOW_MS - age_ms,
        partitions=PARTITIONS, tasks=tuple(own if tasks is None else tasks),
    )  # fmt: skip
    return Instance(name=f"{role}/{name or f'{role}-0'}", report=with_fields(report, **fields), age_ms=age_ms)


def workers(*instances: Instance, unreadable: tuple[str, ...] = ()) -> Workers:
    return Workers(instances=instances, now_ms=NOW_MS, unreadable=unreadable)


def definitions(**facts: Mapping[str, Any]) -> Definitions:
    connection = Connection(secret_key=SEALED, mode="test", hint="sk_test_…wxyz")
    trigger = Trigger(kind="stripe/payment-event", connection="acme", mode="test", signing_secrets=(SEALED,))
    return Definitions(**{"connections": {"acme": connection}, "triggers": {"acme-payments": trigger}, **facts})


ALL = (instance("ingest"), instance("router"), instance("executor"))
WELL = Facts(
    now_ms=NOW_MS, kafka="kafka:9092", prefix="stripe.", version="0.2.0", partitions=PARTITIONS,
    workers=workers(*ALL), definitions=definitions(),
)  # fmt: skip
