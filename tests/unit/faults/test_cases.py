"""The table of fault cases names tests that exist: a test that is renamed or removed takes its row with it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| ([KS]?\d+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)
ROWS = {number: held for number, _, held in ROW.findall((ROOT / "docs/faults.md").read_text(encoding="utf-8"))}
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
REASON = "**No test of "


@cache
def functions_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.exists():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_all_cases_are_there():
    assert [number for number in ROWS if number.isdigit()] == [str(number) for number in range(1, 49)]


@pytest.mark.parametrize("number", ROWS)
def test_a_case_names_existing_tests_or_says_why_not(number: str):
    named = NAMED.findall(ROWS[number])
    assert [f"{path}::{name}" for path, name in named if name not in functions_of(path)] == []
    assert named or REASON in ROWS[number]
    assert ROWS[number].count("::") == len(named), "a test that is written otherwise is not looked for"
