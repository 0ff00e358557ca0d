"""Runs a command on a pseudo-terminal, types what a person would, and gives what the person sees.

The screen is drawn from the escape sequences that `rich` and Kafka's tools write: cursor moves, erased lines and a page
that scrolls. Colours are dropped.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS, LINES, WITHIN_S = 80, 24, 60.0
CTRL_C = "\x03"
STRIPELINE = (sys.executable, "-c", "from stripeline.deploy.cli import main; main()")
# The pseudo-terminal becomes the controlling one, so that CTRL_C is an interrupt, as it is for a person. A shell that
# runs the tests in the background has it ignored.
_CONTROLLED = (
    "import fcntl,os,signal,sys,termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
)
_SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<numbers>[0-9;?]*)(?P<what>[A-Za-z])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>()][0-9AB]?)"
)
_BEGUN = re.compile(r"\x1b(\[[0-9;?]*|\][^\x07\x1b]*\x1b?)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a command showed. text: all of it, line by line; screen: the lines that are on the screen at the end."""

    code: int
    text: str
    screen: str


@dataclass(slots=True)
class Page:
    """Everything that was drawn, from the first line; the screen is its end."""

    columns: int = COLUMNS
    height: int = LINES
    rows: list[list[str]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0

    def draw(self, text: str) -> None:
        at = 0
        for found in _SEQUENCE.finditer(text):
            self._write(text[at : found.start()])
            self._move(found["numbers"] or "", found["what"] or "")
            at = found.end()
        self._write(text[at:])

    def lines(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.rows]

    def _write(self, text: str) -> None:
        for sign in text:
            match sign:
                case "\n":
                    self._down(1)
                case "\r":
                    self.column = 0
                case "\b":
                    self.column = max(self.column - 1, 0)
                case _ if sign >= " ":
                    self._put(sign)
                case _:
                    pass

    def _put(self, sign: str) -> None:
        if self.column >= self.columns:
            self.column = 0
            self._down(1)
        row = self.rows[self.row]
        row.extend(" " * (self.column + 1 - len(row)))
        row[self.column] = sign
        self.column += 1

    def _down(self, count: int) -> None:
        self.row += count
        self.rows.extend([] for _ in range(self.row + 1 - len(self.rows)))

    def _move(self, numbers: str, what: str) -> None:
        given = [int(one) for one in re.findall(r"\d+", numbers)]
        count = given[0] if given else 0
        top = max(len(self.rows) - self.height, 0)
        match what:
            case "A":
                self.row = max(self.row - (count or 1), top)
            case "B":
                self._down(count or 1)
            case "C":
                self.column = min(self.column + (count or 1), self.columns - 1)
            case "D":
                self.column = max(self.column - (count or 1), 0)
            case "G":
                self.column = max(count - 1, 0)
            case "H":
                self.row, self.column = top, (given[1] - 1 if len(given) > 1 else 0)
                self._down(max(count - 1, 0))
            case "J":
                for row in self.rows[top if count else self.row :]:
                    row.clear()
            case "K":
                row = self.rows[self.row]
                del row[0 if count else self.column :]
            case _:
                pass


def on_terminal(
    arguments: Sequence[str], *, answers: Sequence[tuple[str, str]] = (), env: Mapping[str, str] | None = None,
    cwd: Path | None = None, columns: int = COLUMNS, lines: int = LINES, within_s: float = WITHIN_S,
    command: Sequence[str] = STRIPELINE,
) -> Shown:  # fmt: skip
    """Run `stripeline` with these arguments on a terminal of this size until it ends.

    answers: what to type, each as soon as its first text is on the page; a newline presses Enter.
    env: laid over this process's environment. Raises TimeoutError with the page.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    try:
        child = subprocess.Popen(
            (sys.executable, "-c", _CONTROLLED, *command, *arguments), stdin=theirs, stdout=theirs, stderr=theirs,
            cwd=cwd, env={**known, "TERM": "xterm-256color", **(env or {})}, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        page = Page(columns=columns, height=lines)
        try:
            _converse(ours, page, list(answers), within_s)
            code = child.wait(within_s)
        finally:
            child.kill()
            child.wait()
    finally:
        os.close(ours)
    drawn = page.lines()
    return Shown(code=code, text="\n".join(drawn), screen="\n".join(drawn[-lines:]))


def _converse(ours: int, page: Page, answers: list[tuple[str, str]], within_s: float) -> None:
    """Draw what comes, and type each answer once its text is there, behind what was there for the last one."""
    seen = 0
    for text in _read(ours, page, within_s):
        page.draw(text)
        while answers and (found := _unwrapped(page).find(answers[0][0], seen)) >= 0:
            seen = found + len(answers[0][0])
            os.write(ours, answers.pop(0)[1].encode())


def _unwrapped(page: Page) -> str:
    """A long question is wrapped at the screen's edge: it is found without regard to where."""
    return "".join("".join(row) if len(row) == page.columns else f"{''.join(row)}\n" for row in page.rows)


def _read(ours: int, page: Page, within_s: float) -> Iterator[str]:
    ends_s, decoder, kept = time.monotonic() + within_s, codecs.getincrementaldecoder("utf-8")("replace"), ""
    while True:
        if not select.select([ours], [], [], max(ends_s - time.monotonic(), 0))[0]:
            raise TimeoutError("the command did not end; the page:\n" + "\n".join(page.lines()))
        try:
            got = os.read(ours, 65_536)
        except OSError:  # Linux says it so when the last process at the other end has closed it
            return
        if not got:
            return
        text = kept + decoder.decode(got)
        cut = _BEGUN.search(text)
        kept = text[cut.start() :] if cut else ""
        yield text.removesuffix(kept)
