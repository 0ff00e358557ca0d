import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripeline.contracts.action import Request
from stripeline.contracts.errors import CARD
from stripeline.workers.task.decision import Decision, StateChange

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Request(method="GET", path="/v1/charges/ch_1", params={}), "path"),
        (Decision("done"), "verdict"),
        (StateChange("queue/a", None), "key"),
        (CARD[429], "retryable"),
    ],
)
def test_a_value_refuses_assignment(value: object, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, name, "another")


def structs() -> Iterator[tuple[str, ast.ClassDef]]:
    """Every class that derives from `Struct`, by file and name."""
    for package in ("contracts", "ingest", "workers", "deploy"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Struct") for base in node.bases):
                    yield f"{path.relative_to(ROOT)}:{node.name}", node


def test_every_struct_is_frozen() -> None:
    found = dict(structs())
    assert len(found) > 30
    assert [name for name, node in found.items() if "frozen=True" not in map(ast.unparse, node.keywords)] == []
