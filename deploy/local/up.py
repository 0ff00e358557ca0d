"""`stripeline up`: the local stack without traffic, until Ctrl-C, and what to try with it."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from stripeline.deploy.local.kafka_config import free_port, is_free
from stripeline.deploy.local.stack import SECRETS, Ports, Progress, Stack, local_stack
from stripeline.deploy.settings.settings import Settings
from stripeline.workers.secrets.vault import new_master_key

HOME: Final = Path(".stripeline")
_ENV: Final = HOME / "up.env"
_KAFKA_PORT, _SANDBOX_PORT = 9092, 12111


async def run(settings: Settings, echo: Progress) -> None:
    """Start the stack, say how to use it, and wait for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ports = Ports(kafka=_near(_KAFKA_PORT), sandbox=_near(_SANDBOX_PORT), ingest=_near(settings.ingest_port))
    # The control topic stays on disk, so the key that opens its secrets has to stay as well.
    overrides = {
        "master_key": _master_key(),
        "topic_prefix": settings.topic_prefix,
        "retry_tiers": settings.retry_tiers,
    }
    async with local_stack(echo, ports, data_dir=HOME, overrides=overrides) as stack:
        _write_env(stack)
        echo(_GUIDE.format(**_facts(stack)))
        await stop.wait()
        echo("Stopping")


def _near(port: int) -> int:
    return port if is_free(port) else free_port()


def _master_key() -> str:
    return dotenv_values(_ENV).get("STRIPELINE_MASTER_KEY") or new_master_key()


def _write_env(stack: Stack) -> None:
    """The environment for a second terminal; readable for its owner alone, because the master key is in it."""
    key = ",".join(key.get_secret_value() for key in stack.settings.master_keys)
    lines = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.settings.kafka_bootstrap_servers,
        "STRIPELINE_MASTER_KEY": key,
        "STRIPELINE_PARTITIONS": str(stack.settings.partitions),
        "STRIPELINE_TOPIC_PREFIX": stack.settings.topic_prefix,
        "STRIPELINE_STRIPE_API_BASE": stack.settings.stripe_api_base,
        **SECRETS,
    }
    with os.fdopen(os.open(_ENV, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())


def _facts(stack: Stack) -> dict[str, str]:
    return {
        "kafka": stack.settings.kafka_bootstrap_servers,
        "sandbox": stack.sandbox.url,
        "ingest": stack.ingest_url,
        "env": str(_ENV),
        "secret": SECRETS["ACME_PAYMENTS_WHSEC"],
    }


_GUIDE = """
Everything runs. Ctrl-C stops it.

  Kafka     {kafka}
  sandbox   {sandbox}/_sandbox          every call it got: {sandbox}/_sandbox/ledger
  ingest    {ingest}/acme-payments (acme-charges, acme-customers)

Try, in a second terminal in this folder:

  set -a; . {env}; set +a
  stripeline trigger payment_intent.succeeded --url {ingest}/acme-payments --secret {secret}
  stripeline runs list
  stripeline command stripe/create-customer --connection acme --input email=ada@example.com --wait
  stripeline dead-letters list
  stripeline get workflows
"""
