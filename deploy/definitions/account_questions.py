"""Asks Stripe whose keys a file's connections have, with `GET /v1/account`, in bounded time. Shows no key.

https://docs.stripe.com/api/accounts/retrieve
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from stripeline.contracts.definitions import AnyDefinition, Definitions
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import ACCOUNT
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.deploy.definitions.key_accounts import (
    AccountAnswer,
    AccountError,
    Learned,
    NoAnswer,
    answer_of,
    judge,
    questions,
)
from stripeline.deploy.settings.settings import Settings
from stripeline.workers.executor.connection.key_probe import PATH
from stripeline.workers.secrets.vault import Vault, VaultError, connection_secret

_ANSWER_S: Final = 10.0
_AT_A_TIME: Final = 8


async def learn(settings: Settings, vault: Vault, stored: Definitions, wanted: Mapping[str, AnyDefinition]) -> Learned:
    """The accounts of the connections whose key is new, or whose account is not known. Raises VaultError."""
    connections = Definitions.of(wanted).connections
    keys = {
        name: vault.open(connection_secret(name), connections[name].secret_key)
        for name in questions(stored, connections)
    }
    answers = await _ask(settings, keys) if keys else {}
    accounts: dict[str, ConnectionAccount] = {}
    warnings: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, answer in answers.items():
        same_key = _stored_key(vault, stored, name) == keys[name]
        try:
            found = judge(stored, name, connections[name], answer, same_key=same_key)
        except AccountError as error:
            problems[name] = str(error)
            continue
        match found:
            case ConnectionAccount():
                accounts[name] = found
            case str():
                warnings[name] = found
            case None:
                pass
    return Learned(accounts=accounts, warnings=warnings, problems=problems)


def account_records(learned: Learned) -> dict[str, bytes | None]:
    """What to write before the connections."""
    return {f"{ACCOUNT}/{name}": encode(record) for name, record in learned.accounts.items()}


def _stored_key(vault: Vault, stored: Definitions, name: str) -> SecretStr | None:
    before = stored.connections.get(name)
    try:
        return None if before is None else vault.open(connection_secret(name), before.secret_key)
    except VaultError:
        return None


async def _ask(settings: Settings, keys: Mapping[str, SecretStr]) -> Mapping[str, AccountAnswer]:
    from stripeline.deploy.runtime.stripe_client import stripe_client  # noqa: PLC0415  (most files have no new key)

    room = asyncio.Semaphore(_AT_A_TIME)
    async with stripe_client(settings) as stripe:

        async def one(key: SecretStr) -> AccountAnswer:
            async with room:
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        return answer_of(await stripe.read(PATH, key))
                except TimeoutError:
                    return NoAnswer(f"Stripe did not answer within {_ANSWER_S:.0f} s")

        return dict(zip(keys, await asyncio.gather(*map(one, keys.values())), strict=True))
