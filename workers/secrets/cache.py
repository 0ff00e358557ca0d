"""Decrypts the secrets of definitions, and caches them by their sealed text.

The cache is in memory only, holds SecretStr values, and is bounded.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Trigger
from stripeline.workers.secrets.vault import Vault, VaultError, connection_secret, signing_secret

_REMEMBERED: Final = 65_536
"""More than an installation of ten thousand tenants has in use; some 20 MB."""


class Secrets:
    """The decrypted secrets of connections and triggers."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: dict[tuple[str, str], SecretStr] = {}

    def secret_key(self, name: str, connection: Connection) -> SecretStr:
        """A connection's secret key. Raises VaultError."""
        return self._open(connection_secret(name), connection.secret_key)

    def signing_secrets(self, name: str, trigger: Trigger) -> tuple[SecretStr, ...]:
        """A trigger's signing secrets, in the trigger's order. Raises VaultError."""
        return tuple(self._open(signing_secret(name), sealed) for sealed in trigger.signing_secrets)

    def openable(self, name: str, sealed: Sequence[str]) -> list[SecretStr | VaultError]:
        """Secrets that are bound to one name, in their order, each with why it can't be opened where it can't."""
        return [self._open_or_why(name, one) for one in sealed]

    def why_closed(self, name: str, sealed: str) -> VaultError | None:
        """Why a secret can't be opened; None where it can. It is not kept."""
        try:
            self._vault.open(name, sealed)
        except VaultError as error:
            return error
        return None

    def _open_or_why(self, name: str, sealed: str) -> SecretStr | VaultError:
        try:
            return self._open(name, sealed)
        except VaultError as error:
            return error

    def _open(self, name: str, sealed: str) -> SecretStr:
        known = self._opened.get((name, sealed))
        if known is not None:
            return known
        if len(self._opened) >= _REMEMBERED:  # replaced keys must not accumulate over months
            self._opened.clear()
        return self._opened.setdefault((name, sealed), self._vault.open(name, sealed))
