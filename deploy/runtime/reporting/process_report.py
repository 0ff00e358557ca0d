"""Wires the report of a process: its name, what every process says, and what its parts have added."""

import os
import secrets
import socket
import time

from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.deploy.running_version import running_version
from stripeline.deploy.runtime.process.admin_server import failing
from stripeline.deploy.runtime.reporting.parts import assembled, in_words
from stripeline.deploy.runtime.reporting.reporter import Reporter
from stripeline.deploy.runtime.shared import Shared


def reporter_of(shared: Shared, role: str) -> Reporter:
    """The reporter of a process."""
    settings, host, pid = shared.settings, socket.gethostname(), os.getpid()
    started_ms, version = int(time.time() * 1000), running_version()

    def report(now_ms: int, skew_ms: int | None) -> WorkerReport:
        base = WorkerReport(
            role=role, version=version, host=host, pid=pid, started_ms=started_ms, at_ms=now_ms, skew_ms=skew_ms,
            partitions=settings.partitions, not_ready=in_words(failing(shared.checks)),
            warnings=in_words(_of_the_process(failing(shared.warnings))), control=shared.table.applied,
        )  # fmt: skip
        return assembled(base, shared.report)

    name = instance_name(role, settings.instance_id, host, pid, secrets.token_hex(3))
    return Reporter(settings.topics.worker, name, report, shared.client, words=shared.words)


def instance_name(role: str, instance_id: str | None, host: str, pid: int, chance: str) -> str:
    """The name of a process, which no other has: a restart under the same STRIPELINE_INSTANCE_ID keeps it."""
    return f"{role}/{host}/{pid}-{chance}" if instance_id is None else f"{role}/{instance_id}"


def _of_the_process(warnings: dict[str, str]) -> dict[str, str]:
    """Without what any process finds when it looks at Kafka: who reads the report looks itself."""
    return {name: words for name, words in warnings.items() if name != "topics"}
