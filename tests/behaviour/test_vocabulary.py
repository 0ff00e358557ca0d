"""Only `contracts/vocabulary.py` spells a verdict, a reason, a code or a log event, and the glossary has its words.

A rule takes a module's source and returns what breaks it; each has a bad example that it must refuse.
"""

import ast
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from stripeline.contracts import vocabulary
from stripeline.contracts.deliveries import delivery_vocabulary
from stripeline.contracts.operator import operator_vocabulary
from stripeline.contracts.vocabulary import Code
from tests.support.product_sources import nodes

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "ingest", "workers", "deploy")
NOT_OURS = ("deploy/sandbox/", "deploy/local/example_events.py", "contracts/families/", "workers/actions/")
"""They spell Stripe's words."""
SPELLS_THEM = (
    "contracts/vocabulary.py", "contracts/deliveries/delivery_vocabulary.py",
    "contracts/operator/operator_vocabulary.py",
)  # fmt: skip
EXAMPLES = ("deploy/contract/examples.py", "deploy/contract/examples_internal.py")
"""They show records as they are on the wire; `tests/contract` validates them."""
MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
OURS = {
    path: text
    for path, text in MODULES.items()
    if path not in SPELLS_THEM and not path.startswith((*NOT_OURS, *EXAMPLES))
}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
NAMED = {"reason", "dead_reason", "verdict", "code", "event"}
CALLS = {"Decision", "Ended", "Refusal", "NotTaken"}
ENUMS = [
    one
    for module in (vocabulary, delivery_vocabulary, operator_vocabulary)
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, StrEnum)
]
WORDS = {str(word.value) for enum in ENUMS if enum is not StrEnum for word in enum}
STANDARD_LOGGING = {
    "deploy/telemetry/logs.py",  # sets up the libraries' logging and ours
    "deploy/cli/__init__.py",  # keeps aiokafka's lines out of the output of a command
}


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def is_word(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in WORDS


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def log_events(source: str) -> Iterator[str]:
    """Log calls whose first argument is a text of their own, and loggers of the standard library."""
    for node in nodes(source):
        if isinstance(node, ast.Attribute) and node.attr == "getLogger":
            yield f"line {node.lineno}: use structlog"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in LEVELS:
            continue
        if "log" in name_of(node.func.value).lower() and (not node.args or is_text(node.args[0])):
            yield f"line {node.lineno}: a log event is a member of LogEvent or WorkerEvent"


def bare_words(source: str) -> Iterator[str]:
    """Verdicts, reasons and codes as bare texts where they are passed, compared or matched."""
    for node in nodes(source):
        match node:
            case ast.Call(func=func, args=[first, *_]) if name_of(func) in CALLS and is_text(first):
                yield f"line {node.lineno}: {name_of(func)}({ast.unparse(first)})"
            case ast.keyword(arg=str(name), value=value) if name in NAMED and is_word(value):
                yield f"line {value.lineno}: {name}={ast.unparse(value)}"
            case ast.Compare(left=left, comparators=[right]) if name_of(left) in NAMED and is_word(right):
                yield f"line {node.lineno}: {ast.unparse(node)}"
            case ast.Subscript(value=value, slice=key) if name_of(value) == "events" and is_word(key):
                yield f"line {node.lineno}: {ast.unparse(node)}"
            case ast.Match(subject=subject, cases=cases) if name_of(subject) in NAMED:
                for case in cases:
                    if isinstance(case.pattern, ast.MatchValue) and is_word(case.pattern.value):
                        yield f"line {case.pattern.lineno}: case {ast.unparse(case.pattern)}"
            case ast.Constant(value=str(text)) if text in set(Code):
                yield f"line {node.lineno}: the code {text}"


@pytest.mark.parametrize("path", OURS)
def test_words_come_from_the_vocabulary(path: str):
    assert list(bare_words(OURS[path])) == []


@pytest.mark.parametrize("path", [path for path in MODULES if path not in STANDARD_LOGGING])
def test_log_events_come_from_the_vocabulary(path: str):
    assert list(log_events(MODULES[path])) == []


@pytest.mark.parametrize(
    "bad",
    [
        'log.warning("clock_skew", skew_ms=3)',
        'self._log.error("the producer failed and is replaced")',
        'log.info(f"listens on {port}")',
        "log.exception()",
        "log = logging.getLogger(__name__)",
    ],
)
def test_a_bad_log_call_is_refused(bad: str):
    assert len(list(log_events(bad))) == 1


@pytest.mark.parametrize(
    "bad",
    [
        'Decision("held", ())',
        'Ended("unknown", code, 0)',
        'Refusal("not_http", 400)',
        'dead_headers(of, reason="internal_error")',
        'x = record.reason == "id_reused"',
        'counts.events["watchdog"] += 1',
        'match reason:\n    case "id_reused":\n        pass',
        'error = {"code": "AUTH_EXPIRED"}',
    ],
)
def test_a_bare_word_is_refused(bad: str):
    assert len(list(bare_words(bad))) == 1


def test_what_passes_members_is_not_refused():
    good = "Decision(Verdict.HELD, ())\nf(reason=DeadLetterReason.EXHAUSTED)\nlog.info(LogEvent.TASK_OPEN, topic='a')"
    assert [*bare_words(good), *log_events(good)] == []


def test_every_word_is_used():
    text = "\n".join(text for path, text in MODULES.items() if path not in SPELLS_THEM)
    # A worker's verdict on a command that ended is its status, by `Verdict(status)`.
    statuses = {"Verdict.SUCCEEDED", "Verdict.FAILED", "Verdict.INDETERMINATE", "Verdict.STOPPED"}
    words = {f"{enum.__name__}.{word.name}" for enum in ENUMS if enum is not StrEnum for word in enum}
    assert {word for word in words - statuses if word not in text} == set()


GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
TERM = re.compile(r"^- \*\*(?P<term>[^*]+)\*\*: (?P<meaning>\S.*)$")


def test_the_glossary_has_one_line_a_term_in_order():
    lines = GLOSSARY.split("\n\n", 2)[2].splitlines()
    terms = [found["term"] for line in lines if (found := TERM.match(line))]
    assert len(terms) == len(lines) == len(set(terms))
    assert terms == sorted(terms, key=str.lower)


def test_the_glossary_has_every_enum_and_folder():
    folders = {Path(path).parent for path in MODULES} - {Path(package) for package in PACKAGES}
    missing = [enum.__name__ for enum in ENUMS if enum is not StrEnum and f"`{enum.__name__}`" not in GLOSSARY]
    missing += [str(folder) for folder in folders if f"`{folder}`" not in GLOSSARY]
    missing += [package for package in ("ingest", "workers", "contracts") if f"`{package}`" not in GLOSSARY]
    assert missing == []


def test_the_glossary_has_the_words_of_the_design():
    words = (
        "event record trigger family connection account workflow run step action command result tier dead_letter"
        " key_lane task changelog checkpoint recovery sandbox installation"
    )
    terms = {found["term"] for line in GLOSSARY.splitlines() if (found := TERM.match(line))}
    assert {word.replace("_", " ") for word in words.split()} - terms == set()
