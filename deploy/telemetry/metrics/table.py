"""The table of all metrics of our own: a new one is a row in one of these modules, and the call that counts it.

Names and base units as Prometheus has them (https://prometheus.io/docs/practices/naming/). Labels hold names of ours or
of the operator's (roles, topics, partitions, triggers, connections, codes): never an id, a key or a secret.
"""

from collections.abc import Mapping
from typing import Any, Final

from stripeline.deploy.telemetry.collector import MetricRow
from stripeline.deploy.telemetry.metrics.brake_rows import BRAKES
from stripeline.deploy.telemetry.metrics.console import CONSOLE
from stripeline.deploy.telemetry.metrics.endpoint_rows import ENDPOINTS
from stripeline.deploy.telemetry.metrics.ingest import INGEST
from stripeline.deploy.telemetry.metrics.pause_rows import PAUSED_WORKFLOWS
from stripeline.deploy.telemetry.metrics.process import PROCESS
from stripeline.deploy.telemetry.metrics.process_group import GROUP
from stripeline.deploy.telemetry.metrics.stripe import CONNECTIONS, STRIPE
from stripeline.deploy.telemetry.metrics.sweep_rows import SWEEPS
from stripeline.deploy.telemetry.metrics.worker import WORKER

SECTIONS: Final[Mapping[str, tuple[MetricRow[Any], ...]]] = {
    "Ingest": INGEST,
    "Endpoints": ENDPOINTS,
    "Workers": WORKER,
    "Stripe": (*STRIPE, *CONNECTIONS),
    "Missed events": SWEEPS,
    "Limits": (*BRAKES, *PAUSED_WORKFLOWS),
    "Console": CONSOLE,
    "Process": (*PROCESS, *GROUP),
}
"""The rows by the heading under which the page explains them."""

ROWS: Final = tuple(row for rows in SECTIONS.values() for row in rows)
