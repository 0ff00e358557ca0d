"""`stripeline pause` and `resume`: a connection, whose commands wait, or a workflow, whose events start no run."""

from typing import Annotated, Literal

import typer

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import require_reason, signed
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.operations.acts import workflow_pauses
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.paused_commands import words
from stripeline.deploy.operations.acts.pausing import Pausing
from stripeline.deploy.operations.acts.workflow_resume import taken_up_words

Kind = Annotated[Literal["connection", "workflow"], typer.Argument(help="What to pause.")]
Name = Annotated[str, typer.Argument(help="Its name.")]


def pause(
    kind: Kind, name: Name, why: Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")]
) -> None:
    """Pause a connection, whose commands wait in order, or a workflow, whose events start no run.

    A connection: nothing is called until it is resumed, calls under way end first, and runs start and wait. The command
    says how many commands wait, and which of them a person will have to decide about after 23 hours.

    A workflow: its events are published and counted, and start no run; runs that run go on. The command says until when
    the first event can be taken up: that long its topic keeps it.

    ```
    stripeline pause connection acme --why "the client asked us to stop charging"
    stripeline pause workflow thank-big-spenders --why "its where is wrong"
    ```
    """
    require_reason(why, f"Nothing was paused: --why needs a reason, for those who ask later why {kind} {name} waits.")
    act = signed(why)
    _pause_connection(name, act) if kind == "connection" else _pause_workflow(name, act)


def _pause_connection(name: str, act: Signed) -> None:
    acts = _acts()
    output.run(acts.pause_connection(name, act))
    output.note(f"paused connection {name}; `stripeline resume connection {name}` ends it")
    output.note(words(output.run(acts.waiting(name, act.at_ms))))


def _pause_workflow(name: str, act: Signed) -> None:
    paused = output.run(_acts().pause_workflow(name, act))
    output.note(f"paused workflow {name}: {workflow_pauses.until_text(paused)}")
    output.note(f"`stripeline resume workflow {name} --take-up` starts what came meanwhile, and ends the pause")


def resume(
    kind: Kind,
    name: Name,
    why: Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")] = "",
    *,
    take_up: Annotated[
        bool, typer.Option("--take-up", help="Of a workflow: first start the runs of what came while it was paused.")
    ] = False,
    rate: Annotated[float, typer.Option(min=0.01, max=1_000, help="Runs started per second by --take-up.")] = 100.0,
) -> None:
    """Resume a connection, whose commands go on in order, or a workflow, whose next events start runs again.

    A connection: where Stripe refused its key, or its access to an account, a running executor asks Stripe with one
    call whether that still holds. If so, the commands go on waiting.

    A workflow: what came while it was paused stays not started, and the command says how many events that are and how
    to start them. With --take-up it starts them first, in the order of each key, and resumes then. If it is cut short,
    run it again: nothing starts twice.

    ```
    stripeline resume workflow thank-big-spenders --take-up --why "its where is right now"
    ```
    """
    if take_up and kind == "connection":
        raise typer.BadParameter("only a workflow has events to take up", param_hint="--take-up")
    act = signed(why)
    _resume_connection(name, act) if kind == "connection" else _resume_workflow(name, act, take_up, rate)


def _resume_connection(name: str, act: Signed) -> None:
    if output.run(_acts().resume_connection(name, act)):
        output.note(f"asked an executor to try the key of {name}; `stripeline get connections` shows what Stripe says")
    else:
        output.note(f"resumed connection {name}")


def _resume_workflow(name: str, act: Signed, take_up: bool, rate: float) -> None:
    done = output.run(_acts().resume_workflow(name, act, rate if take_up else None))
    if take_up:
        output.note(f"resumed workflow {name}: {taken_up_words(done)}")
        return
    output.note(f"resumed workflow {name}; {done.unstarted} of the events that came meanwhile started no run")
    if done.unstarted:
        command = workflow_pauses.take_up_command(name, done.pause.at_ms, done.at_ms)
        output.note(f"`{command}` shows them, and starts them with --why and --yes, in no promised order")


def _acts() -> Pausing:
    return Pausing(settings().topics, kafka())


COMMANDS = (
    Entry(name="pause", does=pause, panel=Panel.LOOK, place=8),
    Entry(name="resume", does=resume, panel=Panel.LOOK, place=9),
)
