"""Assembles the command line: names, order and help panels. Each group's module defines its commands."""

import typer

from stripeline.deploy.cli import (
    command,
    contracts,
    dead_letters,
    definitions,
    local,
    processes,
    runs,
    settings,
    topics,
    trigger,
)

_ABOUT = """Stripe webhooks into Kafka topics, and Kafka topics into Stripe actions.

**Start here:** `stripeline demo` runs the whole pipeline on this machine and shows what happens.

Every setting can be an environment variable, a line in `.env`, or an option of any command, such as
`--topic-prefix test.`. `stripeline settings` lists them.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
"""

app = typer.Typer(
    help=_ABOUT, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False, add_completion=False
)

_TRY, _SET_UP, _RUN, _LOOK, _DEVELOP = "Try it out", "Set it up", "Run it", "Inspect and repair", "Build on it"

app.command("demo", rich_help_panel=_TRY)(local.demo)
app.command("up", rich_help_panel=_TRY)(local.up)
app.add_typer(local.kafka_app, name="kafka", rich_help_panel=_TRY)
app.add_typer(local.sandbox_app, name="sandbox", rich_help_panel=_TRY)
app.command("trigger", rich_help_panel=_TRY)(trigger.trigger)
app.command("command", rich_help_panel=_TRY)(command.command)
app.add_typer(settings.app, name="settings", rich_help_panel=_SET_UP)
app.add_typer(topics.app, name="topics", rich_help_panel=_SET_UP)
app.command("apply", rich_help_panel=_SET_UP)(definitions.apply)
app.add_typer(definitions.get_app, name="get", rich_help_panel=_SET_UP)
app.command("delete", rich_help_panel=_SET_UP)(definitions.delete)
app.command("ingest", rich_help_panel=_RUN)(processes.ingest)
app.command("router", rich_help_panel=_RUN)(processes.router)
app.command("executor", rich_help_panel=_RUN)(processes.executor)
app.command("worker", rich_help_panel=_RUN)(processes.worker)
app.add_typer(runs.app, name="runs", rich_help_panel=_LOOK)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=_LOOK)
app.add_typer(contracts.app, name="contracts", rich_help_panel=_DEVELOP)
