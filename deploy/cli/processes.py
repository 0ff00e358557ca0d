"""`stripeline ingest`, `router`, `executor`, `worker` and `console`: processes that run until SIGTERM or Ctrl-C."""

from typing import TYPE_CHECKING, Annotated

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import given, settings
from stripeline.deploy.settings.parsing import sends_keys_in_clear
from stripeline.deploy.settings.settings import Settings
from stripeline.deploy.telemetry.logs import configure_logs

if TYPE_CHECKING:  # --help needs none
    from stripeline.deploy.runtime.process_group.membership import GroupRole


Processes = Annotated[
    int | None, typer.Option("--processes", min=1, max=256, help="How many processes to run. [default: 1]")
]
Member = Annotated[str | None, typer.Option("--member", hidden=True)]


def ingest(processes: Processes = None, member: Member = None) -> None:
    """Run ingest: receives Stripe's deliveries at POST /webhooks/{trigger} and publishes them to Kafka.

    Answers 200 only after Kafka has stored the event. Listens on STRIPELINE_INGEST_HOST and _PORT (8080); health and
    metrics are on STRIPELINE_ADMIN_HOST and _PORT. Requires STRIPELINE_MASTER_KEY.

    One process uses one core. With --processes (or STRIPELINE_INGEST_PROCESSES) several share the port under a parent,
    which restarts one that ends. The admin port answers for all of them: ready when one is, counters summed. SIGTERM to
    the parent loses no connection that was accepted.

    ```
    stripeline ingest --processes 4
    ```
    """
    _run_role("ingest", processes, member)


def router(processes: Processes = None, member: Member = None) -> None:
    """Run the router: starts a run for each event that matches a workflow, and the next step after each result.

    Run up to STRIPELINE_PARTITIONS processes on all hosts together: Kafka assigns each a share of the partitions. One
    process uses one core. With --processes (or STRIPELINE_WORKER_PROCESSES) several run under a parent, which restarts
    one that ends and ends them one after another. The admin port answers for all of them: ready when all are.

    ```
    stripeline router --processes 2
    ```
    """
    _run_role("router", processes, member)


def executor(processes: Processes = None, member: Member = None) -> None:
    """Run the executor: reads commands, calls Stripe, and writes each command's result.

    Requires STRIPELINE_MASTER_KEY. Run up to STRIPELINE_PARTITIONS processes on all hosts together: Kafka assigns each
    a share of the partitions. One process uses one core and makes STRIPELINE_EXECUTOR_CONCURRENCY calls at a time. With
    --processes (or STRIPELINE_WORKER_PROCESSES) several run under a parent, as for `stripeline router`.

    ```
    stripeline executor --processes 2
    ```
    """
    _run_role("executor", processes, member)


def worker(processes: Processes = None, member: Member = None) -> None:
    """Run router and executor in one process, for small deployments.

    With --processes (or STRIPELINE_WORKER_PROCESSES) several run under a parent, as for `stripeline router`.

    ```
    stripeline worker --processes 2
    ```
    """
    _run_role("worker", processes, member)


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
    values = settings()
    _begin(values)
    from stripeline.deploy.runtime.processes import run_console  # noqa: PLC0415  (its libraries are checked first)

    output.run(run_console(values))


def _run_role(role: "GroupRole", processes: int | None, member: str | None) -> None:
    values = settings()
    count = processes or (values.ingest_processes if role == "ingest" else values.worker_processes)
    if member is None and count > 1:
        from stripeline.deploy.runtime.process_group.group import run_group  # noqa: PLC0415  (--help needs none)

        configure_logs(values.log_level)
        output.run(run_group(values, role, count, given()))
        return
    _begin(values)
    from stripeline.deploy.runtime.process_group.membership import GroupMembership  # noqa: PLC0415  (the same)
    from stripeline.deploy.runtime.processes import run_role  # noqa: PLC0415  (its libraries are checked first)

    output.run(run_role(role, values, None if member is None else GroupMembership.parse(member)))


def _begin(values: Settings) -> None:
    """What each process does before it loads the rest."""
    from stripeline.deploy.runtime.process.library_check import require_tested_libraries  # noqa: PLC0415  (--help needs none)

    require_tested_libraries()
    configure_logs(values.log_level)
    if sends_keys_in_clear(values.stripe_api_base):
        output.note(
            f"Warning: STRIPELINE_STRIPE_API_BASE is {values.stripe_api_base}: secret keys cross the network in clear."
            " Use https for anything but a sandbox with test keys."
        )


COMMANDS = (
    Entry(name="ingest", does=ingest, panel=Panel.RUN, place=1),
    Entry(name="router", does=router, panel=Panel.RUN, place=2),
    Entry(name="executor", does=executor, panel=Panel.RUN, place=3),
    Entry(name="worker", does=worker, panel=Panel.RUN, place=4),
    Entry(name="console", does=console, panel=Panel.RUN, place=5),
)
