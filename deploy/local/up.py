"""`stripeline up`: the local stack without traffic, until Ctrl-C, and what to try with it."""

import asyncio
import os
import shlex
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from stripeline.deploy.local.folder_lock import only_one
from stripeline.deploy.local.invocation import folder_of_command
from stripeline.deploy.local.port_choice import asked_port, near
from stripeline.deploy.local.stack import SECRETS, Ports, Progress, Stack, local_stack
from stripeline.deploy.settings.settings import Settings
from stripeline.workers.secrets.vault import new_master_key

HOME: Final = Path(".stripeline")
_ENV: Final = HOME / "up.env"
_KAFKA_PORT, _SANDBOX_PORT = 9092, 12111


async def run(settings: Settings, echo: Progress) -> None:
    """Start the stack, say how to use it, and wait for SIGINT or SIGTERM. Raises FailureError for a second one."""
    with (
        only_one(HOME / "up.lock", "`stripeline up`", "start this one in another folder"),
        only_one(HOME / "kafka" / "run.lock", "`stripeline kafka run`", "start this one in another folder"),
    ):
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        ports = _ports(settings)
        # The control topic stays on disk, so the key that opens its secrets has to stay as well.
        overrides = {
            "master_key": _master_key(),
            "topic_prefix": settings.topic_prefix,
            "retry_tiers": settings.retry_tiers,
        }
        async with local_stack(echo, ports, data_dir=HOME, overrides=overrides) as stack:
            _write_env(stack)
            echo(guide(stack, stack.console_link(), _ENV.absolute(), folder_of_command()))
            await stop.wait()
            echo("Stopping")


def _ports(settings: Settings) -> Ports:
    ingest, admin = asked_port(settings, "ingest_port", near), asked_port(settings, "admin_port", near)
    console = asked_port(settings, "console_port", partial(near, taken=(ingest, admin)))
    return Ports(kafka=near(_KAFKA_PORT), sandbox=near(_SANDBOX_PORT), ingest=ingest, admin=admin, console=console)


def _master_key() -> str:
    return dotenv_values(_ENV).get("STRIPELINE_MASTER_KEY") or new_master_key()


def _write_env(stack: Stack) -> None:
    """The environment for a second terminal; readable for its owner alone, because the master key is in it."""
    text = env_file(stack, folder_of_command())
    with os.fdopen(os.open(_ENV, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def env_file(stack: Stack, folder: Path | None) -> str:
    """What the shell of a second terminal reads: the settings, the example's secrets, and where `stripeline` is."""
    key = ",".join(key.get_secret_value() for key in stack.settings.master_keys)
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.settings.kafka_bootstrap_servers,
        "STRIPELINE_MASTER_KEY": key,
        "STRIPELINE_PARTITIONS": str(stack.settings.partitions),
        "STRIPELINE_TOPIC_PREFIX": stack.settings.topic_prefix,
        "STRIPELINE_STRIPE_API_BASE": stack.settings.stripe_api_base,
        **SECRETS,
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    # A command that is advised anywhere begins with `stripeline`: so it works where it is pasted.
    path = [] if folder is None else [f'PATH={shlex.quote(str(folder))}:"$PATH"']
    return "".join(f"{line}\n" for line in [*lines, *path])


def guide(stack: Stack, link: str, env: Path, folder: Path | None) -> str:
    """What to try. Every command works as it is pasted, in any folder, once the first line was.

    link: signs in to the console, once.
    """
    base = f"http://127.0.0.1:{stack.ports.admin}"
    return _GUIDE.format(
        kafka=stack.settings.kafka_bootstrap_servers,
        sandbox=stack.sandbox.url,
        ingest=stack.ingest_url,
        admin=base,
        console=stack.console_url,
        link=link,
        env=shlex.quote(str(env)),
        stripeline="stripeline" if folder else f"{shlex.quote(sys.executable)} -m stripeline.deploy",
    )


_GUIDE = """
Everything runs. Ctrl-C stops it.

  Kafka     {kafka}
  sandbox   {sandbox}/_sandbox   every call it got: {sandbox}/_sandbox/ledger
  ingest    {ingest}/acme-payments (acme-charges, acme-customers)
  admin     {admin}/readyz   {admin}/metrics
  console   {console}   this link signs you in, once, within ten minutes:
            {link}

Try, in a second terminal:

  set -a; . {env}; set +a
  {stripeline} trigger payment_intent.succeeded --url {ingest}/acme-payments
  {stripeline} events list
  {stripeline} runs list
  {stripeline} command stripe/create-customer --connection acme --input email=ada@example.com --wait
  {stripeline} dead-letters list
  {stripeline} get workflows
"""
