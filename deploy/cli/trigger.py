"""`stripeline trigger`: sign an example event and POST it, as Stripe would. Shows no secret."""

import json
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.definitions.secrets import SecretError, Source, complaint, find
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.local.webhook_sender import deliver
from stripeline.deploy.settings.settings import environment
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import Vault

_OK = 200


def trigger(
    event_type: Annotated[
        str, typer.Argument(metavar="TYPE", help="The event type, such as payment_intent.succeeded.")
    ],
    url: Annotated[str, typer.Option(help="The trigger's URL: http://127.0.0.1:8080/webhooks/NAME.")],
    secret: Annotated[
        str | None,
        typer.Option(help='The signing secret, preferably as "${env:NAME}". Default: the one stored for the trigger.'),
    ] = None,
    object_file: Annotated[
        Path | None,
        typer.Option("--object", dir_okay=False, help="A JSON file whose fields replace those of the example object."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="The number of events, each with its own id.")] = 1,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="The maximum rate per second. Default: unlimited.")
    ] = None,
) -> None:
    """Sign an example event of a type and POST it to a trigger, as Stripe would.

    ```
    stripeline trigger payment_intent.succeeded --url http://127.0.0.1:8080/webhooks/acme-payments
    stripeline trigger charge.refunded --url … --secret '${env:ACME_WHSEC}' --count 100 --rate 20
    ```

    Without --secret, the stored one is decrypted with STRIPELINE_MASTER_KEY. Exits with 1 unless every answer is 200.
    """
    signing = _secret(url, secret)
    overrides = _overrides(object_file)
    bodies = [example_event(event_type, overrides) for _ in range(count)]
    refused = output.run(_send(url, signing, bodies, rate))
    if refused:
        raise FailureError(f"{refused} of {count} events were not taken: the answers above say why.")


async def _send(url: str, secret: SecretStr, bodies: list[bytes], rate: float | None) -> int:
    refused = 0
    answers = deliver(url, secret, bodies, lambda: int(time.time()), rate)
    index = 0
    async for answer in answers:
        event = json.loads(bodies[index])
        output.say(f"{answer.status} {event['id']} {event['type']} {answer.answer.strip()}".rstrip())
        refused += answer.status != _OK
        index += 1
    return refused


def _overrides(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise FailureError(f"The file {file} can't be used: {reason}.") from None
    if not isinstance(read, dict):
        raise FailureError(f"The file {file} can't be used: it must hold one JSON object, the event's data object.")
    return read


def _secret(url: str, written: str | None) -> SecretStr:
    if written is None:
        return _stored(urlsplit(url).path.rpartition("/")[2])
    try:
        if written.startswith("${"):
            return find(written, "signing_secret", Source(environment=environment, folder=Path.cwd()))
    except SecretError as error:
        raise FailureError(f"--secret: {error}.") from None
    wrong = complaint(written, "signing_secret")
    if wrong:
        raise FailureError(f"--secret: {wrong}.")
    return SecretStr(written)


def _stored(name: str) -> SecretStr:
    values = settings()
    found = output.run(read_all(values.topics.control, kafka())).triggers.get(name)
    if found is None or not found.signing_secrets:
        what = "has no signing secret" if found else "does not exist"
        raise FailureError(f"The trigger {name!r} {what}. Apply it with `stripeline apply`, or give --secret.")
    return Secrets(Vault.from_ring(values.master_keys)).signing_secrets(name, found)[0]


COMMANDS = (Entry(name="trigger", does=trigger, panel=Panel.TRY, place=5),)
