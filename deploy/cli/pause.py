"""`stripeline pause` and `resume`: a connection, whose commands wait in order."""

from typing import Annotated, Literal

import typer

from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import signed
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import pauses
from stripeline.workers.kafka.control_table import read_all

Kind = Annotated[Literal["connection"], typer.Argument(help="What to pause.")]
Name = Annotated[str, typer.Argument(help="Its name.")]


def pause(
    kind: Kind, name: Name, why: Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")]
) -> None:
    """Pause a connection: its commands wait in order, and nothing is called until it is resumed.

    Calls under way end first. Webhooks are still received and published, and runs start and wait.

    ```
    stripeline pause connection acme --why "the client asked us to stop charging"
    ```
    """
    if not why.strip():
        raise FailureError(
            f"Nothing was paused: --why needs a reason, for those who ask later why {kind} {name} waits."
        )
    topics, act = settings().topics, signed(why)
    changes = pauses.pause(output.run(read_all(topics.control, kafka())), name, act)
    output.run(pauses.carry_out(topics, kafka(), AuditedAct.PAUSE_CONNECTION, name, act, changes))
    output.note(f"paused {kind} {name}; `stripeline resume {kind} {name}` ends it")


def resume(
    kind: Kind, name: Name, why: Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")] = ""
) -> None:
    """Resume a connection: the commands that waited continue in order.

    Where Stripe refused the connection's key, or its access to an account, a running executor asks Stripe with one call
    whether that still holds. If so, the commands go on waiting.
    """
    topics, act = settings().topics, signed(why)
    stored = output.run(read_all(topics.control, kafka()))
    changes = pauses.resume(stored, name, act)
    output.run(pauses.carry_out(topics, kafka(), AuditedAct.RESUME_CONNECTION, name, act, changes))
    if stored.refused(name):
        output.note(f"asked an executor to try the key of {name}; `stripeline get connections` shows what Stripe says")
    else:
        output.note(f"resumed {kind} {name}")


COMMANDS = (
    Entry(name="pause", does=pause, panel=Panel.LOOK, place=8),
    Entry(name="resume", does=resume, panel=Panel.LOOK, place=9),
)
