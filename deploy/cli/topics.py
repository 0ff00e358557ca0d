"""`stripeline topics`: create, check and list the topics; move past a batch that no client can read."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer

from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.format_check import of_known_format
from stripeline.deploy.cli.terminal.list_layout import Column, Fit
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.cli.terminal.rights_listing import list_rights
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations import topics as admin
from stripeline.deploy.operations.acl_commands import acl_commands
from stripeline.deploy.operations.kafka_abilities import lacking
from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.operations.topic_problems import Denied, Found, TopicProblem, TopicState, paragraph
from stripeline.deploy.operations.topics_admin import principal_of
from stripeline.deploy.settings.parsing import duration_text
from stripeline.deploy.settings.settings import Settings

_COLUMNS = (
    Column("topic", 0),
    Column("partitions", 3),
    Column("cleanup", 5),
    Column("retention", 4),
    Column("exists", 2),
    Column("problems", 1, Fit.WRAPPED),
)
app = typer.Typer(help="Create, check and list the topics.", no_args_is_help=True)


@app.command("apply")
def apply(
    *,
    installation: Annotated[
        str | None,
        typer.Option(
            "--installation", metavar="ID", help="The id of an installation that moves to these topics; else a new one."
        ),
    ] = None,
) -> None:
    """Create missing topics, correct the settings of existing ones, and write which installation they belong to.

    An installation's id is in the Idempotency-Key of each of its commands: staging and production, or an old and a new
    prefix, never take each other's effects for their own. It is made up once and never changes. An installation that
    moves to new topics keeps it with --installation ID, so that nothing is done twice.

    The partition count of an existing topic never changes: keys that move to another partition would lose their order
    and their state. For more partitions, choose a new STRIPELINE_TOPIC_PREFIX.
    """
    values = settings()
    done = output.run(
        admin.apply(
            values.topics, values.partitions, kafka(), replication=values.replication_factor, wanted=installation
        ),
    )
    for name in done.created:
        output.say(f"created {name}")
    for name, wanted in done.changed.items():
        output.say(f"updated {name}: {', '.join(f'{key}={value}' for key, value in wanted.items())}")
    if done.installation.written:
        output.say(f"wrote installation {done.installation.id}")
    elif not done.created and not done.changed:
        output.say(f"Nothing to do: all topics of installation {done.installation.id} are as they must be.")
    _warn_of_auto_creation()


@app.command("check")
def check(
    *,
    rights: Annotated[
        bool, typer.Option("--rights", help="List what this Kafka user must be allowed, and what it is.")
    ] = False,
    role: Annotated[
        list[Purpose] | None, typer.Option(help="With --rights: what the user is for. Repeatable; all by default.")
    ] = None,
    as_json: output.Json = False,
) -> None:
    """Report what is wrong with the topics, and how to correct it. Exits with 1 if it finds anything.

    Each worker runs the same check at its start, and refuses to run on a wrong topic. With --rights it compares what
    this user may do with what it needs, and prints the commands that grant the rest.
    """
    values = settings()
    if rights:
        if not list_rights(values, kafka(), role or list(Purpose), as_json=as_json):
            raise typer.Exit(1)
        return
    seen = output.run(_whole(values))
    problems = [*seen.problems, *_of_installation(values, seen)]
    found = [{"topic": one.topic, "problem": one.fault, "mend": one.remedy} for one in problems]
    if as_json:
        output.print_json(found)
    elif problems:
        for problem in problems:
            output.say(problem.sentence)
        _show_grants(problems)
    else:
        output.say("All topics are as they must be.")
    if seen.advice:
        output.note(f"Warning: {paragraph(seen.advice)}")
    _warn_of_auto_creation()
    if problems:
        raise typer.Exit(1)


@app.command("list")
def list_topics(*, as_json: output.Json = False) -> None:
    """List every topic with its partitions, cleanup policy, retention and problems."""
    values = settings()
    states = output.run(of_known_format(admin.survey(values.topics, values.partitions, kafka())))
    output.rows([_row(state) for state in states], _COLUMNS, as_json=as_json, empty="")


@app.command("export")
def export(
    *,
    cluster: Annotated[str, typer.Option("--cluster", metavar="NAME", help="The Kafka resource: strimzi.io/cluster.")],
    login: Annotated[
        Literal["scram-sha-512", "tls"], typer.Option("--login", help="How the users log in.")
    ] = "scram-sha-512",
    role: Annotated[
        list[Purpose] | None,
        typer.Option(help="What a user is for. Repeatable; by default what an installation needs."),
    ] = None,
    optional: Annotated[
        bool, typer.Option("--optional", help="Also grant what is good to have, such as acts on the console.")
    ] = False,
) -> None:
    """Print topics and users as Strimzi's KafkaTopic and KafkaUser, in YAML (kafka.strimzi.io/v1).

    For a cluster whose topics and users Strimzi makes. Asks no Kafka. The topics are those that
    `stripeline topics apply` creates, with STRIPELINE_PARTITIONS and STRIPELINE_REPLICATION_FACTOR; each user has
    exactly the rights of its role. Run `stripeline topics apply` once all the same: it writes the installation's
    record, and creates nothing then.

    Deleting a KafkaTopic deletes its records. Before you remove these resources, annotate the topics with
    strimzi.io/managed=false.

    ```
    stripeline topics export --cluster kafka --topic-prefix stripe. --partitions 12 > topics.yaml
    kubectl --namespace kafka apply --filename topics.yaml
    ```
    """
    import yaml  # noqa: PLC0415  (only this command writes resources)

    from stripeline.deploy.kubernetes import strimzi  # noqa: PLC0415

    values = settings()
    topics = values.topics
    made = [
        *strimzi.topic_resources(topics, values.partitions, cluster, replication=values.replication_factor),
        *strimzi.user_resources(role or strimzi.PROCESSES, topics, cluster, authentication=login, optional=optional),
    ]
    output.line(yaml.safe_dump_all(made, sort_keys=False, explicit_start=True).rstrip())


@app.command("skip")
def skip(
    topic: Annotated[str, typer.Argument(help="The topic, such as stripe.action-command.")],
    partition: Annotated[int, typer.Argument(min=0, help="The partition number.")],
    offset: Annotated[int, typer.Argument(min=0, help="An offset of the batch; /readyz and the log name it.")],
    *,
    why: Annotated[str, typer.Option(help="The reason. It is recorded with your user name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Skip without asking; needed where nobody can answer.")] = False,
    as_json: output.Json = False,
) -> None:
    """Move past a batch that no client can read, and that holds its partition.

    Shows what would be skipped, and asks. The worker that owns the partition then goes on behind the batch and writes
    it to the dead letters as it is. Refused where a client can read the batch, and on changelogs and definitions.
    """
    from stripeline.deploy.cli.terminal.acting_user import require_reason, signed  # noqa: PLC0415
    from stripeline.deploy.operations.acts import batch_skip  # noqa: PLC0415  (only this command writes)

    require_reason(why, "Nothing was skipped: --why needs a reason. It is recorded for those who ask later.")
    topics, tp = settings().topics, batch_skip.place(topic, partition)
    found = output.run(of_known_format(batch_skip.look(topics, tp, offset, kafka())))
    output.details(batch_skip.view(tp, found), as_json=as_json)
    if topic in topics.retries:
        output.note(
            "A key whose next command is in this batch waits for ever, and its later commands with it: they have to be"
            " sent again under new ids. See *A batch that can't be read* in docs/operations.md."
        )
    if not yes and not sys.stdin.isatty():
        raise FailureError("Nothing was skipped: nobody can be asked here. Add --yes to skip this batch.")
    if not yes and not typer.confirm(f"Skip offsets {found.first} to {found.last}?", err=True):
        raise FailureError("Nothing was skipped.")
    output.run(batch_skip.skip(topics, tp, found, signed(why), kafka()))
    output.note("Recorded. The worker that owns the partition moves past it, and writes a dead letter.")


def _of_installation(values: Settings, seen: admin.Look) -> list[TopicProblem]:
    """Of the installation's record, where there is a control topic that can be read."""
    control = values.topics.control
    if any(state.wanted.name == control and not isinstance(state.found, Found) for state in seen.states):
        return []
    wrong = output.run(admin.installation_problem(values.topics, kafka()))
    return [] if wrong is None else [wrong]


async def _whole(values: Settings) -> admin.Look:
    client, limit = kafka(), values.session_timeout_ms
    return await admin.look(
        values.topics, values.partitions, client, session_timeout_ms=limit, lacks=await lacking(client)
    )


def _row(state: TopicState) -> dict[str, Any]:
    found = state.found if isinstance(state.found, Found) else None
    config = found.config if found else state.wanted.config
    return {
        "topic": state.wanted.name,
        "partitions": found.partitions if found else state.wanted.partitions,
        "cleanup": config.get("cleanup.policy"),
        "retention": _retention(config),
        # Of a topic that this user may not see, nobody knows.
        "exists": None if isinstance(state.found, Denied) and state.found.hidden else state.found is not None,
        "problems": [problem.sentence for problem in state.problems],
    }


def _retention(config: Mapping[str, str]) -> str | None:
    """In days if it is whole days. None for a compacted topic, which keeps the newest record of each key forever."""
    retention_ms = int(config.get("retention.ms", "-1"))
    if config.get("cleanup.policy") == "compact" or retention_ms < 0:
        return None
    return f"{retention_ms // DAY_MS}d" if retention_ms % DAY_MS == 0 else duration_text(retention_ms)


def _show_grants(problems: Sequence[TopicProblem]) -> None:
    """Kafka's own commands that grant what this user lacks."""
    lacked = [right for problem in problems if problem.denied for right in problem.denied.rights]
    for command in acl_commands(lacked, principal_of(kafka()), settings().kafka_bootstrap_servers):
        output.say(command)


def _warn_of_auto_creation() -> None:
    if output.run(admin.auto_creates(kafka())):
        output.note(
            "Warning: this Kafka creates a topic at every misspelt name. Set auto.create.topics.enable=false on its"
            " brokers."
        )


COMMANDS = (Entry(name="topics", does=app, panel=Panel.SET_UP, place=2),)
