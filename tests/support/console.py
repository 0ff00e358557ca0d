"""Runs a recorded session of a page: ```console blocks, whose lines `$ …` are commands and whose others are output.

Ids differ from run to run: an id of the page stands for the one that was seen in its place, in later commands too.
Times and numbers of seconds are compared by their form. A line `…` stands for any lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ID = re.compile(r"\b(?:evt|cus|pi|ch|req|key)_[0-9a-zA-Z]{8,}")
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z| UTC)"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\bby \w+"), "by PERSON"),
    (re.compile(r"\bin \d+ h\b"), "in N h"),
    (re.compile(r"\b\d+ (?:ms|s|min)\b"), "N s"),
    (re.compile(r" +"), " "),
)
ANY = "…"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a session, and what it showed."""

    command: str
    output: tuple[str, ...]


@dataclass(slots=True)
class Session:
    """The ids that were seen in the places of those on the page."""

    seen: dict[str, str] = field(default_factory=dict)

    def command(self, step: Step) -> str:
        return _ID.sub(lambda found: self.seen.get(found[0], found[0]), step.command)

    def missing(self, step: Step, shown: str) -> str | None:
        """The first line of the page that was not shown, in its order; None if all were."""
        lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
        anywhere = False
        for wanted in step.output:
            if wanted.strip() == ANY:
                anywhere = True
                continue
            place = next((at for at, line in enumerate(lines) if _alike(wanted, line)), None)
            if place is None or (place and not anywhere):
                return wanted
            self.seen.update(zip(_ID.findall(wanted), _ID.findall(lines[place]), strict=False))
            lines, anywhere = lines[place + 1 :], False
        return None if anywhere or not lines else f"nothing more, but there was {lines[0]!r}"


def steps(page: str) -> Iterator[Step]:
    for block in _BLOCK.findall(page):
        command, output = "", list[str]()
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield Step(command, tuple(output))
                command, output = line.removeprefix("$ "), []
            elif line.strip():
                output.append(line)
        yield Step(command, tuple(output))


def _alike(wanted: str, line: str) -> bool:
    return _form(wanted) == _form(line)


def _form(text: str) -> str:
    text = _ID.sub("ID", text.strip())
    for pattern, form in _VARIES:
        text = pattern.sub(form, text)
    return text
