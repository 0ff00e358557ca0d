"""`stripeline ingest`, `router`, `executor` and `worker`: one process each, until SIGTERM or Ctrl-C."""

from typing import Literal, assert_never

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import settings
from stripeline.deploy.settings.parsing import sends_keys_in_clear
from stripeline.deploy.telemetry.logs import configure_logs


def ingest() -> None:
    """Run one ingest process: receives Stripe's deliveries at POST /webhooks/{trigger} and publishes them to Kafka.

    Answers 200 only after Kafka has stored the event. Listens on STRIPELINE_INGEST_HOST and _PORT (8080); health and
    metrics are on STRIPELINE_ADMIN_HOST and _PORT. Requires STRIPELINE_MASTER_KEY. Run more processes for more
    throughput.
    """
    _run("ingest")


def router() -> None:
    """Run one router process: starts a run for each event that matches a workflow, and the next step after each result.

    Run up to STRIPELINE_PARTITIONS processes: Kafka assigns each a share of the partitions.
    """
    _run("router")


def executor() -> None:
    """Run one executor process: reads commands, calls Stripe, and writes each command's result.

    Requires STRIPELINE_MASTER_KEY. Run up to STRIPELINE_PARTITIONS processes: Kafka assigns each a share of the
    partitions.
    """
    _run("executor")


def worker() -> None:
    """Run router and executor in one process, for small deployments."""
    _run("worker")


def _run(kind: Literal["ingest", "router", "executor", "worker"]) -> None:
    from stripeline.deploy.runtime.process.library_check import require_tested_libraries  # noqa: PLC0415  (--help needs none)

    require_tested_libraries()
    from stripeline.deploy.runtime import processes  # noqa: PLC0415  (checked first, and loaded by a process only)

    values = settings()
    configure_logs(values.log_level)
    if sends_keys_in_clear(values.stripe_api_base):
        output.note(
            f"Warning: STRIPELINE_STRIPE_API_BASE is {values.stripe_api_base}: secret keys cross the network in clear."
            " Use https for anything but a sandbox with test keys."
        )

    async def until_done() -> None:
        match kind:
            case "ingest":
                await processes.run_ingest(values)
            case "router":
                await processes.run_router(values)
            case "executor":
                await processes.run_executor(values)
            case "worker":
                await processes.run_worker(values)
            case _:
                assert_never(kind)

    output.run(until_done())


COMMANDS = (
    Entry(name="ingest", does=ingest, panel=Panel.RUN, place=1),
    Entry(name="router", does=router, panel=Panel.RUN, place=2),
    Entry(name="executor", does=executor, panel=Panel.RUN, place=3),
    Entry(name="worker", does=worker, panel=Panel.RUN, place=4),
)
