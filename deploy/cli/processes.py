"""`stripeline ingest`, `router`, `executor` and `worker`: one process each, until SIGTERM or Ctrl-C."""

from collections.abc import Awaitable, Callable

from stripeline.deploy.cli import output
from stripeline.deploy.cli.options import settings
from stripeline.deploy.settings.parsing import sends_keys_in_clear
from stripeline.deploy.settings.settings import Settings
from stripeline.deploy.telemetry.logs import configure_logs


def ingest() -> None:
    """Run one ingest process: receives Stripe's deliveries at POST /webhooks/{trigger} and publishes them to Kafka.

    Answers 200 only after Kafka has stored the event. Listens on STRIPELINE_INGEST_HOST and _PORT (8080); health and
    metrics are on STRIPELINE_ADMIN_HOST and _PORT. Requires STRIPELINE_MASTER_KEY. Run more processes for more
    throughput.
    """
    from stripeline.deploy.runtime.processes import run_ingest  # noqa: PLC0415  (a process loads its own parts only)

    _run(run_ingest)


def router() -> None:
    """Run one router process: starts a run for each event that matches a workflow, and the next step after each result.

    Run up to STRIPELINE_PARTITIONS processes: Kafka assigns each a share of the partitions.
    """
    from stripeline.deploy.runtime.processes import run_router  # noqa: PLC0415  (a process loads its own parts only)

    _run(run_router)


def executor() -> None:
    """Run one executor process: reads commands, calls Stripe, and writes each command's result.

    Requires STRIPELINE_MASTER_KEY. Run up to STRIPELINE_PARTITIONS processes: Kafka assigns each a share of the
    partitions.
    """
    from stripeline.deploy.runtime.processes import run_executor  # noqa: PLC0415  (a process loads its own parts only)

    _run(run_executor)


def worker() -> None:
    """Run router and executor in one process, for small deployments."""
    from stripeline.deploy.runtime.processes import run_worker  # noqa: PLC0415  (a process loads its own parts only)

    _run(run_worker)


def _run(process: Callable[[Settings], Awaitable[None]]) -> None:
    values = settings()
    configure_logs(values.log_level)
    if sends_keys_in_clear(values.stripe_api_base):
        output.note(
            f"Warning: STRIPELINE_STRIPE_API_BASE is {values.stripe_api_base}: secret keys cross the network in clear."
            " Use https for anything but a sandbox with test keys."
        )

    async def until_done() -> None:
        await process(values)

    output.run(until_done())
