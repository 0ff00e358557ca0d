"""Every `stripeline …` that the product or its documentation advises is one that the command takes.

What varies in a text stands for any value. The command itself parses the rest: a word or an option that does not exist
fails.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stripeline.deploy.cli.app import app_for
from stripeline.deploy.cli.terminal.options import OPTIONS, take_overrides
from tests.support.product_sources import SOURCES, nodes

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VARIES = "VARIES"
QUOTED = re.compile(r"`(?:\.venv/bin/)?stripeline (?P<rest>[^`]+)`")
LINE = re.compile(r"^\s*(?:\.venv/bin/)?stripeline (?P<rest>.+)$", re.MULTILINE)
PLACEHOLDERS = {VARIES, "…", "KEY", "KIND", "NAME", "TYPE", "ACTION", "TOPIC", "PARTITION", "OFFSET"}
COMMAND: Any = typer.main.get_command(app_for(()))


def texts(source: str) -> Iterator[str]:
    """The texts of a module: what varies in one is replaced."""
    inside = {id(part) for node in nodes(source) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes(source):
        match node:
            case ast.JoinedStr(values=parts):
                yield "".join(part.value if isinstance(part, ast.Constant) else VARIES for part in parts)
            case ast.Constant(value=str(text)) if id(node) not in inside:
                yield text
            case _:
                pass


def advised() -> Iterator[tuple[str, str]]:
    for path, source in SOURCES.items():
        for text in texts(source):
            yield from ((path, found["rest"]) for found in QUOTED.finditer(text))
            yield from (
                (path, found["rest"])
                for block in re.findall(r"```\n(.*?)```", text, re.DOTALL)
                for found in LINE.finditer(block)
            )
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield from ((page.name, found["rest"]) for found in LINE.finditer(block))
        yield from ((page.name, found["rest"]) for found in QUOTED.finditer(text))


ADVISED = sorted(set(advised()))


def problem(advice: str) -> str | None:
    """What is wrong with a command as it is written; None for one that the command takes."""
    words = re.split(r"[|;&>]", advice)[0] if "'" not in advice and '"' not in advice else advice
    try:
        rest, _ = take_overrides(shlex.split(re.sub(r"\s[|;>].*|\s#.*", "", words)))
    except (SystemExit, ValueError) as error:
        return f"is not a command line: {error}"
    command = COMMAND
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if VARIES in rest[0] or rest[0] in PLACEHOLDERS:
            return None
        if rest[0] not in command.commands:
            return f"there is no command {rest[0]!r}"
        command, rest = command.commands[rest[0]], rest[1:]
    if hasattr(command, "commands"):  # a group, as a noun; of its options only the names, since they act at once
        known = {"--help", *(name for parameter in command.params for name in parameter.opts)}
        return next((f"there is no option {word!r}" for word in rest if word not in known), None)
    return _misused(command, rest)


def _misused(command: Any, rest: list[str]) -> str | None:
    """Whether its parameters fit. Of a command that is only named nothing is missing."""
    unsure = any(part in word for word in rest for part in PLACEHOLDERS)
    try:
        command.make_context(command.name, list(rest))
    except typer.Exit:
        return None
    except Exception as error:  # noqa: BLE001  typer's own, which it does not export
        kind = type(error).__name__
        if kind == "MissingParameter" or (kind == "BadParameter" and unsure):
            return None
        return str(error)
    return None


@pytest.mark.parametrize(("place", "advice"), ADVISED, ids=lambda text: text[:60])
def test_advice_is_a_command_that_exists(place: str, advice: str) -> None:
    assert problem(advice) is None, f"{place}: `stripeline {advice}`"


def test_the_advice_is_found() -> None:
    found = {advice for _, advice in ADVISED}
    assert {"topics check", "runs list", f"resume connection {VARIES}"} <= found
    assert len(found) > 50


@pytest.mark.parametrize(
    ("advice", "wrong"),
    [
        ("runs lst", True),
        ("runs list --stat stopped", True),
        ("runs list --status sleeping", True),
        ("pause workflw x", True),
        ("get connections extra", True),
        ("runs show", False),
        (f"get {VARIES}s", False),
        (f"resume connection {VARIES} --why x", False),
        ("topics list --topic-prefix mine.", False),
        ("events list --type 'charge.*' | cat", False),
    ],
)
def test_advice_that_does_not_exist_is_refused(advice: str, wrong: bool) -> None:
    assert (problem(advice) is not None) is wrong
    assert "--topic-prefix" in OPTIONS
