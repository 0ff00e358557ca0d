"""`stripeline demo`, `up`, `kafka run` and `sandbox run`: a stack on this machine, to try out and for tests."""

from pathlib import Path
from typing import Annotated

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import settings
from stripeline.deploy.telemetry.logs import configure_logs

kafka_app = typer.Typer(help="A local Apache Kafka, for development and tests.", no_args_is_help=True)
sandbox_app = typer.Typer(help="The sandbox: a stateful stand-in for Stripe.", no_args_is_help=True)

_DATA = Path(".stripeline/kafka")
Port = Annotated[int, typer.Option(min=1, max=65_535, help="The port, on 127.0.0.1.")]


@kafka_app.command("run")
def run_kafka(
    port: Port = 9092,
    data_dir: Annotated[Path, typer.Option(file_okay=False, help="The folder for its records.")] = _DATA,
) -> None:
    """Run a real one-node Apache Kafka in the foreground, until Ctrl-C. Needs no Docker and no Java.

    Downloads its jars once, into ~/.cache/stripeline. Requires the extra `stripeline[local]`.
    """
    from stripeline.deploy.local.kafka import run_foreground  # noqa: PLC0415  (needs the extra)

    configure_logs(settings().log_level)
    output.run(run_foreground(port, data_dir, output.note))


@sandbox_app.command("run")
def run_sandbox(
    port: Port = 12111,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    latency: Annotated[float, typer.Option(min=0, max=60, help="Delay of each answer, in seconds.")] = 0.0,
) -> None:
    """Run the sandbox Stripe in the foreground, until Ctrl-C. Point STRIPELINE_STRIPE_API_BASE at it.

    It stores customers, payment intents, charges and idempotency keys as Stripe does, each account and mode for itself:
    a key has an account of its own (GET /v1/account) until POST /_sandbox/keys says otherwise.

    Its control API, on this machine only, has a list at GET /_sandbox: every effect and call (ledger, requests), faults
    and answers of a proxy in Stripe's place (faults, hops), keys that roll or may not do all (keys), connected accounts
    for Stripe-Account (connected), and signed webhooks for what was created (webhooks).
    """
    from stripeline.deploy.sandbox.http_server import run_foreground  # noqa: PLC0415  (only this command needs it)

    configure_logs(settings().log_level)
    output.run(run_foreground(host, port, latency_s=latency, echo=output.note))


def demo(
    console: Annotated[bool, typer.Option("--console", help="Start the console too, and stay until Ctrl-C.")] = False,
) -> None:
    """Show the whole pipeline at work on this machine, without an account, Docker or Java, and exit.

    Starts a local Kafka, a sandbox Stripe, ingest, router and executor; applies an example configuration; sends signed
    events of the three families; and shows each run, result, retry and dead letter as it happens. With --console it
    also prints a link into the console, to look at all of it in a browser.

    ```
    stripeline demo --console
    ```
    """
    from stripeline.deploy.runtime.process.library_check import require_tested_libraries  # noqa: PLC0415  (--help needs none)

    require_tested_libraries()
    from stripeline.deploy.local.demo.run import run  # noqa: PLC0415  (starts a whole stack: only this command needs it)

    # Libraries log every retry. The demo reports the failures that remain.
    configure_logs("critical")
    output.run(run(settings(), console=console))


def up() -> None:
    """Run the whole stack on this machine, without traffic, until Ctrl-C.

    Prints its addresses, /readyz and /metrics among them, a link that signs in to the console, and commands to try. It
    keeps its records in .stripeline in this folder, where only one runs at a time. The file .stripeline/up.env sets up
    a second terminal for it. Logs warnings only, unless a log level is set.

    ```
    stripeline up
    stripeline up --ingest-port 8090 --admin-port 9465
    ```
    """
    from stripeline.deploy.runtime.process.library_check import require_tested_libraries  # noqa: PLC0415  (--help needs none)

    require_tested_libraries()
    from stripeline.deploy.local.up import run  # noqa: PLC0415  (starts a whole stack: only this command needs it)

    values = settings()
    configure_logs(values.log_level if "log_level" in values.model_fields_set else "warning")
    output.run(run(values, output.note))


COMMANDS = (
    Entry(name="demo", does=demo, panel=Panel.TRY, place=1),
    Entry(name="up", does=up, panel=Panel.TRY, place=2),
    Entry(name="kafka", does=kafka_app, panel=Panel.TRY, place=3),
    Entry(name="sandbox", does=sandbox_app, panel=Panel.TRY, place=4),
)
