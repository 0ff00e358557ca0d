"""What a kind of bulk act has to answer: which records it is about, what it would do to each, and the acts that do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from stripeline.deploy.console.bulk.frozen_list import FrozenItem
from stripeline.deploy.console.console_page import Question
from stripeline.deploy.operations.acts.audit import Act, Signed

AT_ONCE: Final = 100
"""Records that are fetched together, and in memory together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What an act is about, oldest first. cut: more match than one act may take."""

    ids: tuple[str, ...]
    cut: bool = False


class BulkKind(Protocol):
    """Made of the sources and a selection. Each function takes at most `AT_ONCE` records, but `choose`.

    Raises what is in `EXPECTED_OF_ACTS`.
    """

    async def choose(self, question: Question, /) -> Chosen:
        """question: with the selection's filters as its query. Raises SelectionError, BadFilterError."""
        ...

    async def prospects(self, ids: Sequence[str], signed: Signed, /) -> list[FrozenItem]:
        """What would become of each, in the order of the ids."""
        ...

    async def acts(self, items: Sequence[FrozenItem], signed: Signed, /) -> list[Act]:
        """The acts on those that are still as they were previewed, at most one for each."""
        ...
