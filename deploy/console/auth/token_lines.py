"""The lines of the tokens file: `name role hash`, one a token; `#` begins a comment. Pure.

Invariant: a line that can't be read, or whose name another line has too, grants nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.auth.sign_in_session import Holder
from stripeline.deploy.console.auth.token_hash import TokenHash, parse_token_hash

ROLES: Final[Mapping[str, ConsoleRole]] = {role.word: role for role in ConsoleRole}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_WORDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLine:
    """A person's token."""

    name: str
    role: ConsoleRole
    hash: TokenHash

    def __str__(self) -> str:
        return f"{self.name} {self.role.word} {self.hash}"

    @property
    def holder(self) -> Holder:
        return Holder(name=self.name, role=self.role, proof=str(self).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLines:
    """lines: by name. problems: of the others, each with the number of its line and what to do."""

    lines: Mapping[str, TokenLine]
    problems: Sequence[str] = ()


def name_problem(name: str) -> str | None:
    """What keeps a text from being a name of a token."""
    if _NAME.fullmatch(name):
        return None
    return "a name has letters, digits and . _ @ + - after its first character, and at most 100 of them"


def parse_token_lines(text: str) -> TokenLines:
    """What the file grants, and what is wrong with it."""
    found: dict[str, tuple[int, TokenLine]] = {}
    twice: set[str] = set()
    problems: list[str] = []
    for number, words in enumerate(map(str.strip, text.splitlines()), start=1):
        if not words or words.startswith("#"):
            continue
        try:
            line = _line(words)
        except ValueError as error:
            problems.append(f"line {number}: {error}. `stripeline console-token` writes such lines.")
            continue
        same = line.name.casefold()
        if same in found:
            twice.add(same)
            problems.append(f"line {number}: {line.name} has a token in line {found[same][0]} too. Keep one of them.")
        else:
            found[same] = (number, line)
    return TokenLines(
        lines={line.name: line for same, (_, line) in found.items() if same not in twice}, problems=problems
    )


def line_of(text: str, name: str) -> int | None:
    """The number of a name's line in the file, also of one that can't be read."""
    found = (number for number, line in enumerate(text.splitlines(), start=1) if _name_in(line) == name.casefold())
    return next(found, None)


def with_line(text: str, line: TokenLine) -> str:
    """The file with this line, at the end, and no other of its name."""
    rest = without_line(text, line.name)
    return f"{rest}{'' if not rest or rest.endswith(chr(10)) else chr(10)}{line}\n"


def without_line(text: str, name: str) -> str:
    """The file without the lines of a name; every other line stays as it is."""
    return "".join(line for line in text.splitlines(keepends=True) if _name_in(line) != name.casefold())


def _name_in(line: str) -> str | None:
    words = line.split()
    return words[0].casefold() if words and not words[0].startswith("#") else None


def _line(words: str) -> TokenLine:
    """Raises ValueError, with words that repeat nothing of the line: it may hold a token that was pasted by mistake."""
    parts = words.split()
    if len(parts) != _WORDS:
        raise ValueError("it must have three words: a name, a role and a hash")
    name, role, hashed = parts
    if (problem := name_problem(name)) is not None:
        raise ValueError(problem)
    if role not in ROLES:
        raise ValueError(f"its role must be {', '.join(ROLES)}")
    return TokenLine(name=name, role=ROLES[role], hash=parse_token_hash(hashed))
