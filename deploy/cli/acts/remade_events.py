"""`stripeline events remake`: an event that Stripe failed to make, published by the notice that says so."""

import time
from typing import Annotated

import typer

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import require_reason, signed
from stripeline.deploy.cli.terminal.options import kafka, settings


def remake(
    notice: Annotated[str, typer.Argument(metavar="NOTICE", help="A notice's id, evt_…, of `events unmade --json`.")],
    *,
    event_type: Annotated[
        str | None, typer.Option("--type", help="The event's type, where the notice does not say it.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="Whose event it is, where several triggers of the connection take its type.")
    ] = None,
    why: Annotated[str, typer.Option(help="The reason. It is recorded with your user name.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Publish. Without it, only show what would be published.")] = False,
    as_json: output.Json = False,
) -> None:
    """Publish an event that Stripe failed to make, with its object as it is now.

    Asks Stripe for the notice and for the object that it names, with the connection's key, and needs the master key.
    The event has the notice's id and time, so publishing it twice starts one run, and the headers stripeline-source:
    notice, stripeline-late-by and stripeline-payload: object. It stands behind newer events of its object, and a
    workflow's `late` says what becomes of it.

    Without --yes nothing is published. Look first whether what should have followed was done by hand since.

    ```
    stripeline events remake evt_65TnPq
    stripeline events remake evt_65TnPq --why "Stripe's incident of 30 November" --yes
    ```
    """
    from stripeline.deploy.stripe_side.unmade.event_remaking import (  # noqa: PLC0415  (loads the client to Stripe)
        RemakeWanted,
        publish_remade,
        remade_event,
    )

    if yes:
        require_reason(why, "Nothing was published: --why needs a reason, for those who ask later.")
    wanted = RemakeWanted(notice, event_type, trigger)
    found = output.run(remade_event(settings(), kafka(), wanted, int(time.time() * 1000)))
    output.details(found.view, as_json=as_json)
    for doubt in found.doubts:
        output.note(doubt)
    if not yes:
        output.note("It would be published. Nothing was done: add --yes to do it.")
        return
    output.run(publish_remade(settings().topics, kafka(), found, signed(why)))
    output.note("Published.")
