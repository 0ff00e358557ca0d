"""Seals the secrets that a file names, and keeps those that are stored where the environment does not have them.

Sealing is random, so a secret that is already stored, under the first master key, keeps its sealed text: reading the
same file twice gives the same definitions. Shows no secret.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr

from stripeline.contracts.definition_fields import Mode
from stripeline.contracts.definitions import Definitions
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.deploy.definitions.secrets import Kind, SecretError, Source, UnsetError, find, hint_of, mode_of
from stripeline.deploy.operations.master_keys.resealing import name_to_keep
from stripeline.workers.secrets.vault import (
    Vault,
    VaultError,
    connection_secret,
    endpoint_secret,
    key_id_of,
    signing_secret,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """A connection's key as it is stored."""

    secret_key: str
    mode: Mode
    hint: str
    key_name_kept: str | None = None


@dataclass(slots=True, kw_only=True)
class Sealing:
    """One file's secrets. problems: what was found wrong so far. kept: the places of secrets that stay, with why."""

    source: Source
    vault: Vault
    stored: Definitions
    problems: list[Problem] = field(default_factory=list)
    kept: dict[Place, str] = field(default_factory=dict)

    def key(self, name: str, written: str) -> SealedKey | None:
        """A connection's key; None where there is none, and why is among the problems."""
        place, stored = ("connections", name, "secret_key"), self.stored.connections.get(name)
        found = self._found(place, written, "secret_key", may_be_unset=stored is not None)
        match found:
            case SecretStr():
                self._require_mode(place, name, mode_of(found))
                sealed = self._seal(connection_secret(name), found, (stored.secret_key,) if stored else ())
                kept = name_to_keep(name, stored, sealed, found, self.vault)
                return SealedKey(secret_key=sealed, mode=mode_of(found), hint=hint_of(found), key_name_kept=kept)
            case UnsetError() if stored is not None:
                self.kept[place] = found.name
                sealed = self._again(connection_secret(name), stored.secret_key)
                kept = stored.key_name_kept if sealed == stored.secret_key else stored.key_name
                return SealedKey(secret_key=sealed, mode=stored.mode, hint=stored.hint, key_name_kept=kept)
            case _:
                return None

    def trigger_ring(self, name: str, written: Sequence[str]) -> tuple[str, ...]:
        """A trigger's signing secrets."""
        stored = self.stored.triggers.get(name)
        return self._ring(("triggers", name), signing_secret(name), written, stored.signing_secrets if stored else ())

    def endpoint_ring(self, name: str, written: Sequence[str]) -> tuple[str, ...]:
        """An endpoint's signing secrets, without those of the destinations that were made for it."""
        stored = self.stored.endpoints.get(name)
        return self._ring(("endpoints", name), endpoint_secret(name), written, stored.signing_secrets if stored else ())

    def _ring(self, owner: Place, secret_name: str, written: Sequence[str], stored: tuple[str, ...]) -> tuple[str, ...]:
        """Stored ones stay for those that are unset, where it is clear which are meant."""
        places: list[Place] = [(*owner, "signing_secrets", position) for position in range(len(written))]
        found = [
            self._found(place, text, "signing_secret", may_be_unset=True)
            for place, text in zip(places, written, strict=True)
        ]
        given = [one for one in found if isinstance(one, SecretStr)]
        others = [sealed for sealed in stored if self._opened(secret_name, sealed) not in given]
        unset = [(place, one) for place, one in zip(places, found, strict=True) if isinstance(one, UnsetError)]
        if len(unset) != len(others):
            self.problems += _unclear(unset, len(others))
            return tuple(self._seal(secret_name, one, stored) for one in given)
        self.kept |= {place: one.name for place, one in unset}
        rest = iter(others)
        return tuple(
            self._seal(secret_name, one, stored) if isinstance(one, SecretStr) else self._again(secret_name, next(rest))
            for one in found
            if one is not None
        )

    def _found(self, place: Place, written: str, kind: Kind, *, may_be_unset: bool) -> SecretStr | UnsetError | None:
        try:
            return find(written, kind, self.source)
        except UnsetError as error:
            if may_be_unset:
                return error
            self.problems.append(Problem(place=place, reason=str(error)))
        except SecretError as error:
            self.problems.append(Problem(place=place, reason=str(error)))
        return None

    def _require_mode(self, place: Place, name: str, mode: Mode) -> None:
        """A connection keeps its mode: what waits for it, or was tried with it, is of the other mode's objects."""
        before = self.stored.connections.get(name)
        if before is not None and before.mode != mode:
            reason = (
                f"this is a {mode} key, and connection {name!r} is stored in {before.mode} mode, which it keeps: what"
                f" waits for it, or was tried with it, is of {before.mode} mode. Give the {mode} key's connection a new"
                f" name, such as {name}-{mode}, and let triggers and workflows use that"
            )
            self.problems.append(Problem(place=place, reason=reason))

    def _seal(self, name: str, secret: SecretStr, stored: tuple[str, ...]) -> str:
        """The stored sealed text of the same secret, under the first master key, or a new one."""
        same = (text for text in stored if self._is_current(text) and self._opened(name, text) == secret)
        return next(same, None) or self.vault.seal(name, secret)

    def _again(self, name: str, sealed: str) -> str:
        """A stored secret under the first master key; as it is, where no key of the ring opens it."""
        secret = None if self._is_current(sealed) else self._opened(name, sealed)
        return sealed if secret is None else self.vault.seal(name, secret)

    def _is_current(self, sealed: str) -> bool:
        return key_id_of(sealed) == self.vault.key_ids[0]

    def _opened(self, name: str, sealed: str) -> SecretStr | None:
        try:
            return self.vault.open(name, sealed)
        except VaultError:
            return None


def _unclear(unset: Sequence[tuple[Place, UnsetError]], stored: int) -> Iterator[Problem]:
    for place, error in unset:
        end = (
            f"; {stored} stored ones are in none of the others, and nobody can say which of them it is"
            if stored
            else ""
        )
        yield Problem(place=place, reason=f"{error}{end}")
