"""`stripeline ingest`, `router`, `executor`, `worker` and `console`: one process each, until SIGTERM or Ctrl-C."""

from typing import Annotated, Literal, assert_never

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import given, settings
from stripeline.deploy.settings.parsing import sends_keys_in_clear
from stripeline.deploy.telemetry.logs import configure_logs


def ingest(
    processes: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many processes share the port. [default: 1]")
    ] = None,
    member: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run ingest: receives Stripe's deliveries at POST /webhooks/{trigger} and publishes them to Kafka.

    Answers 200 only after Kafka has stored the event. Listens on STRIPELINE_INGEST_HOST and _PORT (8080); health and
    metrics are on STRIPELINE_ADMIN_HOST and _PORT. Requires STRIPELINE_MASTER_KEY.

    One process uses one core. With --processes (or STRIPELINE_INGEST_PROCESSES) several share the port, started again
    when one ends. The admin port answers for all of them: ready when one is, metrics with the label `process`.

    ```
    stripeline ingest --processes 4
    ```
    """
    count = processes or settings().ingest_processes
    if member is None and count > 1:
        _run_group(count)
    else:
        _run("ingest", member)


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


def console() -> None:
    """Run the console: pages that show what happens and what broke, and where an operator acts on it.

    Listens on STRIPELINE_CONSOLE_HOST and _PORT (127.0.0.1:8081). Refuses to start without a way to sign in:
    STRIPELINE_CONSOLE_AUTH=token, with the file of hashed tokens in STRIPELINE_CONSOLE_TOKENS_FILE, or =proxy, behind a
    proxy that signs people in. Put a proxy with TLS in front of it: the browser keeps its session in a secure cookie.

    It reads Kafka without a consumer group and keeps an index in STRIPELINE_CONSOLE_STORE: a file, a cache that may be
    deleted at any time, or postgresql://…. It shows events and finished runs of STRIPELINE_CONSOLE_WINDOW (7d), and all
    that waits for a person. It starts while Kafka is away, and its pages say so. Run as many as you like: all show the
    same. Health and metrics are on STRIPELINE_ADMIN_HOST and _PORT.

    ```
    STRIPELINE_CONSOLE_STORE=console.db stripeline console --console-auth token --console-tokens-file tokens.json
    ```
    """
    _run("console")


def _run_group(count: int) -> None:
    from stripeline.deploy.runtime.ingest_group.group import run_ingest_group  # noqa: PLC0415  (a process loads it)

    values = settings()
    configure_logs(values.log_level)
    output.run(run_ingest_group(values, count, given()))


def _run(kind: Literal["ingest", "router", "executor", "worker", "console"], member: str | None = None) -> None:
    from stripeline.deploy.runtime.process.library_check import require_tested_libraries  # noqa: PLC0415  (--help needs none)

    require_tested_libraries()
    from stripeline.deploy.runtime import processes  # noqa: PLC0415  (checked first, and loaded by a process only)
    from stripeline.deploy.runtime.ingest_group.membership import GroupMembership  # noqa: PLC0415  (the same)

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
                await processes.run_ingest(values, None if member is None else GroupMembership.parse(member))
            case "router":
                await processes.run_router(values)
            case "executor":
                await processes.run_executor(values)
            case "worker":
                await processes.run_worker(values)
            case "console":
                await processes.run_console(values)
            case _:
                assert_never(kind)

    output.run(until_done())


COMMANDS = (
    Entry(name="ingest", does=ingest, panel=Panel.RUN, place=1),
    Entry(name="router", does=router, panel=Panel.RUN, place=2),
    Entry(name="executor", does=executor, panel=Panel.RUN, place=3),
    Entry(name="worker", does=worker, panel=Panel.RUN, place=4),
    Entry(name="console", does=console, panel=Panel.RUN, place=5),
)
