"""How many live streams may be open, and what is counted of them. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

MOST_STREAMS: Final = 200
MOST_OF_USER: Final = 10


@dataclass(slots=True)
class LivePlaces:
    """The open streams of each user. messages, refused: since the process began."""

    messages: int = 0
    refused: int = 0
    _of: Counter[str] = field(default_factory=Counter)

    @property
    def open(self) -> int:
        return self._of.total()

    def take(self, user: str) -> bool:
        """Whether this user may have one more; it is taken then. Give it back."""
        if self.open >= MOST_STREAMS or self._of[user] >= MOST_OF_USER:
            self.refused += 1
            return False
        self._of[user] += 1
        return True

    def give_back(self, user: str) -> None:
        self._of[user] -= 1
        if self._of[user] <= 0:
            del self._of[user]
