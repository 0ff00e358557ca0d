"""What a PromQL expression asks for, and what of it can't be answered: names, labels and label values.

Every word of an expression is taken for a metric's name unless it is a known function, keyword, label or variable: a
misspelled one is a mistake, and is never passed over.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import CODE_OK
from stripeline.deploy.telemetry.metrics.table import ROWS

BY_NAME: Final = {row.name: row for row in ROWS}
SERIES: Final = {
    name: row
    for row in ROWS
    for name in (
        [f"{row.name}_{part}" for part in ("bucket", "sum", "count")] if row.kind == "histogram" else [row.name]
    )
}
"""The names of the series: a histogram has none of its own name."""
LIBRARY: Final = frozenset({"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"})
SCRAPED: Final = frozenset({"namespace", "instance", "job", "process"})
"""Labels of the target, and of one of several ingest processes."""
_TOKEN: Final = re.compile(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|\$\{?[\w:]+\}?|[A-Za-z_:][\w:]*|\d[\w.]*|[=!]~|[=!<>]=|\S"
)
_WORD: Final = re.compile(r"[A-Za-z_:][\w:]*")
_FUNCTIONS: Final = frozenset({
    "abs", "absent", "clamp_max", "clamp_min", "count", "histogram_quantile", "increase", "label_replace", "max", "min",
    "rate", "sum", "time", "topk",
})  # fmt: skip
_KEYWORDS: Final = frozenset(["and", "bool", "or", "offset", "unless"])
_GROUPS: Final = frozenset(["by", "without", "on", "ignoring", "group_left", "group_right"])
_CHOICE: Final = {
    "role": {"router", "executor"},
    "status": {str(number) for number in range(100, 600)},
    "code": {CODE_OK},
}
"""The values of a label beside, or instead of, those of an enum."""


class Selector(NamedTuple):
    """A metric's name, and the label, operator and text of each matcher."""

    name: str
    matchers: Sequence[tuple[str, str, str]]


class Asked(NamedTuple):
    """The selectors of an expression, and the labels that it groups by."""

    selectors: Sequence[Selector]
    labels: Sequence[str]


def asked(expression: str) -> Asked:
    """Raises AssertionError for a selector without a name, which could stand for any metric."""
    selectors: list[Selector] = []
    labels: list[str] = []
    tokens = iter(_TOKEN.findall(expression))
    for token in tokens:
        if token in _GROUPS:
            labels += _until(tokens, ")")
        elif token == "{":
            assert selectors, f"a selector without a name: {expression}"
            selectors[-1] = Selector(selectors[-1].name, _matchers(_until(tokens, "}")))
        elif _WORD.fullmatch(token) and token not in _FUNCTIONS | _KEYWORDS:
            selectors.append(Selector(token, ()))
        elif token == "[":
            _until(tokens, "]")
    return Asked(selectors, labels)


def _until(tokens: Iterator[str], end: str) -> list[str]:
    found = []
    for token in tokens:
        if token == end:
            return [one for one in found if one not in {"(", ","}]
        found.append(token)
    raise AssertionError(f"no {end} in the expression")


def _matchers(tokens: Sequence[str]) -> list[tuple[str, str, str]]:
    assert len(tokens) % 3 == 0, tokens
    return [(label, how, text[1:-1]) for label, how, text in zip(tokens[::3], tokens[1::3], tokens[2::3], strict=True)]


def values_of(name: str, label: str) -> set[str] | None:
    """The values that a label of a series can have; None where the installation names them."""
    row = SERIES[name]
    if label == "topic":
        return set(Topics().events) | {topic.name for topic in Topics().all(1)}
    words: Sequence[type[StrEnum]] = row.words.get(label, ())
    found = {str(member.value) for word in words for member in word} | _CHOICE.get(label, set())
    return found or None


def mistakes(expression: str) -> list[str]:
    """Why an expression can't select what it asks for."""
    found = asked(expression)
    known = [one for one in found.selectors if one.name in SERIES]
    strange = [f"no series {one.name}" for one in found.selectors if one.name not in SERIES.keys() | LIBRARY]
    there = SCRAPED.union({"le"}, *(SERIES[one.name].labels for one in known))
    grouped = [f"no metric of it has the label {label}" for label in found.labels if label not in there]
    return [*strange, *grouped, *(problem for one in known for problem in _of(one))]


def _of(selector: Selector) -> Iterator[str]:
    for label, how, text in selector.matchers:
        if label not in SCRAPED.union(SERIES[selector.name].labels):
            yield f"{selector.name} has no label {label}"
            continue
        values = values_of(selector.name, label)
        if values is None or not text or text.startswith("$"):
            continue
        for choice in text.split("|") if how.endswith("~") else [re.escape(text)]:
            if not any(re.fullmatch(choice, value) for value in values):
                yield f"{label} of {selector.name} is never {text if not how.endswith('~') else choice}"
