"""Which secrets a process can open: each is tried once, and again when it changes. Keeps no secret.

Every check of `/readyz` asks; to open the secrets of thirty thousand triggers takes a third of a second.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.runtime.derived.changed_names import changed_names
from stripeline.deploy.runtime.unopened_secrets import unopened
from stripeline.workers.secrets.vault import VaultError

Kinds = tuple[Mapping[str, object], ...]


class SealedSecrets(NamedTuple):
    """The sealed texts of one owner, and the name that they are bound to."""

    bound_to: str
    texts: Sequence[str]


class SecretChecks:
    """The checks of one kind of owner.

    what: of the secrets, as a plural. kinds: the definitions that have them. sealed: those of one name, None where it
    has none. why_closed: why a text can't be opened, None where it can.
    """

    def __init__(
        self, what: str, kinds: Callable[[Definitions], Kinds],
        sealed: Callable[[Definitions, str], SealedSecrets | None],
        why_closed: Callable[[str, str], VaultError | None],
    ) -> None:  # fmt: skip
        self._what, self._kinds, self._sealed, self._why_closed = what, kinds, sealed, why_closed
        self._seen: Kinds | None = None
        self._closed: dict[str, VaultError] = {}
        self._opening: set[str] = set()

    def missing(self, definitions: Definitions) -> str | None:
        """Why the work can't be done: none of the secrets can be opened."""
        self._look(definitions)
        return unopened(self._what, self._closed) if self._closed and not self._opening else None

    def warnings(self, definitions: Definitions) -> str | None:
        """Which of them can't be opened, while others can."""
        self._look(definitions)
        return unopened(self._what, self._closed) if self._closed and self._opening else None

    def _look(self, definitions: Definitions) -> None:
        kinds = self._kinds(definitions)
        for name in self._changed(kinds):
            self._closed.pop(name, None)
            self._opening.discard(name)
            found = self._sealed(definitions, name)
            for error in () if found is None else self._tried(found):
                if error is None:
                    self._opening.add(name)
                else:
                    self._closed.setdefault(name, error)
        self._seen = kinds

    def _changed(self, kinds: Kinds) -> set[str]:
        before = self._seen or tuple({} for _ in kinds)
        return {name for was, now in zip(before, kinds, strict=True) for name in changed_names(was, now)}

    def _tried(self, found: SealedSecrets) -> Iterator[VaultError | None]:
        return (self._why_closed(found.bound_to, text) for text in found.texts)
